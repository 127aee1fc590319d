package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/audit"
	"golang.org/x/mod/sumdb/tlog"
)

// batch is one transaction of the writer and what it is about to append. The
// log's head is locked from begin to commit.
type batch struct {
	db      *DB
	ctx     context.Context
	cancel  context.CancelFunc
	link    link
	head    audit.Head // locked, before the batch
	tree    audit.Frontier
	seqs    map[brevet.CustomerID]int64
	blinds  map[brevet.CustomerID][]byte // of customers that are new
	places  map[placeKey]place
	entries []pending
	last    time.Time // of the newest entry
	execs   int       // statements that changed rows
	wrote   bool      // something beside entries
	dead    error     // the database failed: the whole batch is lost
}

// pending is an entry whose row is written at the end of its batch.
type pending struct {
	index    int64
	leaf     audit.Leaf
	customer brevet.CustomerID
	salt     [audit.SaltSize]byte
	details  []byte
	hashes   []tlog.Hash
	marks    []mark
	newBlind bool
}

// begin opens a transaction, locks the head and takes over what other
// processes appended. On SQLite, which has no others, the transaction is the
// lock, and the head is looked at when it is replaced.
func (db *DB) begin() (*batch, error) {
	if err := db.trusted(); err != nil {
		return nil, err
	}
	b := &batch{db: db, ctx: context.Background(), cancel: func() {}}
	if db.dialect == onPostgres {
		b.ctx, b.cancel = context.WithTimeout(b.ctx, batchTimeout)
	}
	var err error
	if b.link, err = db.beginWrite(b.ctx); err != nil {
		b.cancel()
		return nil, db.dialect.fault(err)
	}
	if db.dialect == onPostgres || db.recheck {
		if err := b.lockHead(); err != nil {
			b.rollback()
			return nil, err
		}
		db.recheck = false
	}
	l := db.memory
	if l.tree.Size() != l.head.Size { // rows were taken over whose head was never reached
		b.rollback()
		return nil, db.distrust(brevet.Errorf(brevet.Internal, "the log's head went back; nothing is issued"))
	}
	b.begun()
	return b, nil
}

func (db *DB) beginWrite(ctx context.Context) (link, error) {
	if db.dialect == onSQLite {
		return beginLite(ctx, db.writes, `BEGIN IMMEDIATE`)
	}
	// What others committed is seen once the head is locked.
	tx, err := db.writes.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	return sqlLink{tx}, err
}

// begun takes up where the log stands.
func (b *batch) begun() {
	l := b.db.memory
	b.head, b.tree, b.last = l.head, l.tree.Clone(), l.last
	b.seqs = make(map[brevet.CustomerID]int64, 1)
}

const (
	lockSQLite   = `SELECT epoch, size, note, 0 FROM head WHERE id = 1`
	lockPostgres = `SELECT epoch, size, note, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint FROM head WHERE id = 1 FOR UPDATE`
)

// lockHead locks the head and compares it with the one that is known.
func (b *batch) lockHead() error {
	db, tx := b.db, &Tx{db: b.db, ctx: b.ctx, link: b.link, batch: b}
	query := lockSQLite
	if db.dialect == onPostgres {
		query = lockPostgres
	}
	var epoch, size, clock int64
	var n []byte
	before := db.cfg.Now()
	err := tx.row(query).Scan(&epoch, &size, &n, &clock)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return db.distrust(brevet.Errorf(brevet.Internal, "the log's signed head is gone; nothing is issued"))
	case err != nil:
		return db.dialect.fault(err)
	}
	if db.dialect == onPostgres {
		if err := compareClocks(time.UnixMicro(clock), before, db.cfg.Now()); err != nil {
			return err
		}
	}
	known := db.memory.head
	if size == known.Size && epoch == known.Epoch && bytes.Equal(n, known.Note) {
		return nil
	}
	return b.catchUp(tx, known, epoch, size, n)
}

// catchUp verifies what was appended since this process looked last, by
// others or by a commit of its own whose answer was lost.
func (b *batch) catchUp(tx *Tx, known audit.Head, epoch, size int64, n []byte) error {
	db := b.db
	head, err := db.openHead(epoch, size, n)
	if err == nil && (head.Epoch != known.Epoch || head.Size < known.Size || head.Size == known.Size && head.Root != known.Root) {
		err = brevet.Errorf(brevet.Internal, "the log's head is smaller or another than the one seen before; nothing is issued")
	}
	if err == nil {
		err = db.takeRows(tx, head)
	}
	if e := brevet.AsError(err); err != nil && e.Kind == brevet.Internal {
		return db.distrust(e)
	}
	return err
}

// compareClocks fails when the database's clock is more than 30 s off ours,
// which was read before and after.
func compareClocks(theirs, before, after time.Time) error {
	if theirs.Before(before.Add(-maxSkew)) || theirs.After(after.Add(maxSkew)) {
		return brevet.Errorf(brevet.Clock, "the clocks of the server and of its database are %s apart", theirs.Sub(after).Abs().Round(time.Second)).
			WithHint("set both right")
	}
	return nil
}

// truncate takes back what a failed closure recorded.
func (b *batch) truncate(tx *Tx) {
	if len(b.entries) == tx.mark {
		return
	}
	for _, e := range b.entries[tx.mark:] {
		b.seqs[e.customer]--
		if e.newBlind {
			delete(b.blinds, e.customer)
		}
	}
	clear(b.entries[tx.mark:])
	b.entries = b.entries[:tx.mark]
	b.last = b.db.memory.last
	if tx.mark > 0 {
		b.last = b.entries[tx.mark-1].leaf.Time
	}
	b.tree = b.db.memory.tree.Clone()
	clear(b.places)
	for _, e := range b.entries {
		b.tree.Append(e.hashes[0])
		b.note(e)
	}
}

// Record appends ev to the log and returns its index. The entry becomes
// durable with the transaction, or neither does. Its time in the log is
// [Tx.Now]; so is ev.Time, if it is zero. Whoever is to be told of it (see
// [DB.Tell]) will be, if and only if it becomes durable.
func (tx *Tx) Record(ev brevet.Event) (index int64, err error) {
	if err := tx.usable(); err != nil {
		return 0, err
	}
	if ev.Time.IsZero() {
		ev.Time = tx.now
	}
	ev.Time = brevet.Instant(ev.Time)
	details, err := encode(&ev)
	if err != nil || !audit.ValidKind(ev.Kind) || len(details) > audit.MaxDetails {
		return 0, brevet.Errorf(brevet.Internal, "an event cannot be recorded: its kind, size or times are wrong").WithCause(err)
	}
	b := tx.batch
	e := pending{index: b.tree.Size(), customer: ev.Customer, details: details}
	e.marks = marks(ev)
	rand.Read(e.salt[:])
	if e.leaf, e.newBlind, err = tx.leaf(ev); err != nil {
		return 0, err
	}
	e.leaf.Details = audit.HashDetails(e.salt[:], details)
	e.hashes = b.tree.Append(audit.LeafHash(e.leaf.Marshal()))
	b.entries, b.last, b.seqs[e.customer] = append(b.entries, e), tx.now, e.leaf.Seq
	b.note(e)
	return e.index, tx.tell(ev, e.index)
}

// note takes down what an entry of the batch says about places.
func (b *batch) note(e pending) {
	for _, m := range e.marks {
		if b.places == nil {
			b.places = map[placeKey]place{}
		}
		put(b.places, b.places[m.key], e.index, m)
	}
}

// leaf begins the leaf for ev: its customer's blinded name and next number.
func (tx *Tx) leaf(ev brevet.Event) (leaf audit.Leaf, newBlind bool, err error) {
	b := tx.batch
	seq, ok := b.seqs[ev.Customer]
	if !ok {
		seq = tx.db.memory.seqs[ev.Customer]
	}
	blind, err := tx.blind(ev.Customer)
	if err != nil {
		return leaf, false, err
	}
	if ev.Customer != "" && blind == nil {
		if seq > 0 {
			return leaf, false, brevet.Errorf(brevet.Internal, "the salt of customer %s is gone", ev.Customer)
		}
		blind, newBlind = make([]byte, audit.SaltSize), true
		rand.Read(blind)
		if b.blinds == nil {
			b.blinds = map[brevet.CustomerID][]byte{}
		}
		b.blinds[ev.Customer] = blind
	}
	return audit.Leaf{Time: tx.now, Kind: ev.Kind, Customer: audit.Blind(blind, ev.Customer), Seq: seq + 1}, newBlind, nil
}

// commit writes the entries and the new head and commits. On SQLite the
// callers still wait for the disk.
func (b *batch) commit() error {
	if len(b.entries) == 0 && !b.wrote {
		return nil
	}
	head, err := b.append()
	if err != nil {
		b.db.recheck = true
		return err
	}
	if b.db.disk != nil {
		b.db.disk.landed.Add(1)
	}
	if err := b.link.commit(); err != nil {
		b.db.recheck = true
		fault := brevet.AsError(b.db.dialect.fault(err))
		return brevet.Errorf(brevet.Unavailable, "it is not known whether the change was kept: %s", fault).WithCause(err)
	}
	b.cancel()
	if b.db.dialect == onSQLite {
		b.db.fold.wrote(b)
	}
	if len(b.entries) > 0 {
		b.db.memory.commit(b, head)
	}
	return nil
}

// rollback ends the transaction; after a commit it does nothing.
func (b *batch) rollback() {
	b.link.rollback()
	b.cancel()
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/audit"
	"golang.org/x/mod/sumdb/tlog"
)

// Row is one entry of the log with what its columns say.
type Row struct {
	audit.Entry
	Customer brevet.CustomerID // "" for the installation
	Time     time.Time         // when it was recorded
	Kind     brevet.EventKind

	seq    int64
	digest [32]byte // as the leaf has it
}

// page is how many rows of the log are read at once.
const page = 1000

// found writes the head of an empty log into an empty database.
func (db *DB) found(ctx context.Context) error {
	var heads, events int64
	err := db.writes.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM head), (SELECT count(*) FROM (SELECT 1 FROM events LIMIT 1) AS e)`).Scan(&heads, &events)
	switch {
	case err != nil:
		return db.dialect.fault(err)
	case heads == 0 && events > 0:
		return brevet.Errorf(brevet.Internal, "the log has entries but no signed head")
	case heads > 0:
		return nil
	}
	head := db.seal.Head(1, 0, new(audit.Frontier).Root())
	_, err = db.writes.ExecContext(ctx, `INSERT INTO head (id, epoch, size, note) VALUES (1, $1, 0, $2) ON CONFLICT DO NOTHING`, head.Epoch, head.Note)
	return db.dialect.fault(err)
}

// verify reads the whole log into the ledger, in one snapshot.
func (db *DB) verify(ctx context.Context) error {
	return db.View(ctx, func(tx *Tx) error {
		head, err := tx.Head()
		if err != nil {
			return err
		}
		if err := db.takeRows(tx, head); err != nil {
			return err
		}
		var beyond int64
		if err := tx.row(`SELECT count(*) FROM events WHERE pos >= $1`, position(head.Epoch, head.Size)).Scan(&beyond); err != nil {
			return tx.failed(err)
		}
		if beyond > 0 {
			return brevet.Errorf(brevet.Internal, "the log has %d entries beyond its signed head", beyond)
		}
		return nil
	})
}

// takeRows takes over the rows from the ledger's size up to head.
func (db *DB) takeRows(tx *Tx, head audit.Head) error {
	l, now := db.memory, db.cfg.Now()
	for l.tree.Size() < head.Size {
		rows, err := tx.entriesOf(head.Epoch, l.tree.Size(), int(min(page, head.Size-l.tree.Size())))
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return brevet.Errorf(brevet.Internal, "entry %d of the log: removed", l.tree.Size())
		}
		for _, r := range rows {
			if err := l.take(r, now); err != nil {
				return err
			}
		}
	}
	return l.settle(head)
}

// openLog records the first entry of a fresh log.
func (db *DB) openLog(ctx context.Context) error {
	if db.Head().Size > 0 {
		return nil
	}
	return db.Update(ctx, func(tx *Tx) error {
		if tx.batch.tree.Size() > 0 {
			return nil // another process was faster
		}
		_, err := tx.Record(brevet.Event{Kind: brevet.LogOpened, Actor: brevet.Actor{System: "boot"}, Data: map[string]string{"before": "nothing"}})
		return err
	})
}

// Head returns the head that this transaction sees, its seal checked. It
// means nothing to others: [DB.Checkpoint] signs it.
func (tx *Tx) Head() (audit.Head, error) {
	var epoch, size int64
	var n []byte
	if err := tx.row(`SELECT epoch, size, note FROM head WHERE id = 1`).Scan(&epoch, &size, &n); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			return audit.Head{}, brevet.Errorf(brevet.Internal, "the log has no signed head")
		}
		return audit.Head{}, tx.failed(err)
	}
	return tx.db.openHead(epoch, size, n)
}

func (db *DB) openHead(epoch, size int64, n []byte) (audit.Head, error) {
	head, err := audit.OpenHead(n, db.seal)
	if err != nil { // written before heads were sealed
		head, err = audit.OpenHead(n, db.cfg.Verifier)
	}
	if err != nil {
		return head, brevet.Errorf(brevet.Internal, "the log's head is not signed by its key").WithCause(err)
	}
	if head.Epoch != epoch || head.Size != size {
		return head, brevet.Errorf(brevet.Internal, "the log's head is not the one that was signed")
	}
	return head, nil
}

// Checkpoint returns a head, as [DB.Head] or [Tx.Head] gave it, signed by the
// log's key for whoever checks the log, once it is durable. The error is of kind
// [brevet.Internal], also for a head that is none of this log.
func (db *DB) Checkpoint(h audit.Head) (audit.Head, error) {
	if _, err := db.openHead(h.Epoch, h.Size, h.Note); err != nil {
		return audit.Head{}, err
	}
	if err := db.disk.await(); err != nil {
		return audit.Head{}, err
	}
	return audit.Sign(db.cfg.Signer, db.cfg.Host, h.Epoch, h.Size, h.Root)
}

// Entries returns up to limit rows of the log from index from on, as the
// database holds them now; rows recorded in this transaction are not among
// them.
func (tx *Tx) Entries(from int64, limit int) ([]Row, error) {
	return tx.entriesOf(tx.db.Head().Epoch, from, limit)
}

const rowColumns = `pos, time, kind, customer_id, customer_seq, salt, details, digest, hashes`

// indexBits are the bits of a position that hold the index: 10^12 entries in
// an epoch.
const indexBits = 40

// position is the key of an entry in the table events, which holds the
// entries of every epoch in order: epoch << 40 | index. One integer, since
// both databases then add an entry at the end of the table without touching
// the others. An index beyond an epoch's entries gives the position at its
// start or its end.
func position(epoch, index int64) int64 {
	return epoch<<indexBits + min(max(index, 0), 1<<indexBits)
}

// indexAt is the index of the entry at a position.
func indexAt(pos int64) int64 { return pos & (1<<indexBits - 1) }

func (tx *Tx) entriesOf(epoch, from int64, limit int) ([]Row, error) {
	found, err := tx.rows(`SELECT `+rowColumns+` FROM events WHERE pos >= $1 AND pos < $2 ORDER BY pos LIMIT `+strconv.Itoa(roundUp(limit)),
		position(epoch, from), position(epoch+1, 0))
	if err != nil {
		return nil, err
	}
	defer found.Close()
	var rows []scanned
	for len(rows) < limit && found.Next() {
		var r scanned
		if err := r.scan(found); err != nil {
			return nil, tx.failed(err)
		}
		rows = append(rows, r)
	}
	if err := errors.Join(found.Err(), found.Close()); err != nil { // closed before the next query
		return nil, tx.failed(err)
	}
	out := make([]Row, len(rows))
	for i := range rows {
		if out[i], err = tx.assemble(&rows[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// scanned is a row of the table events.
type scanned struct {
	pos, micros, seq int64
	kind, customer   string
	salt, details    []byte
	digest, hashes   []byte
}

func (r *scanned) scan(s scanner) error {
	return s.Scan(&r.pos, &r.micros, &r.kind, &r.customer, &r.seq, &r.salt, &r.details, &r.digest, &r.hashes)
}

// assemble builds the leaf that the columns stand for. What no leaf can say
// gives an unreadable one, which Entry.Check refuses.
func (tx *Tx) assemble(r *scanned) (Row, error) {
	blind, err := tx.blind(brevet.CustomerID(r.customer))
	if err != nil {
		return Row{}, err
	}
	leaf := audit.Leaf{Time: time.UnixMicro(r.micros).UTC(), Kind: brevet.EventKind(r.kind), Seq: r.seq,
		Customer: audit.Blind(blind, brevet.CustomerID(r.customer))}
	row := Row{seq: r.seq, Customer: brevet.CustomerID(r.customer), Time: leaf.Time, Kind: leaf.Kind,
		Entry: audit.Entry{Index: indexAt(r.pos), Salt: r.salt, Details: r.details, Erased: r.salt == nil && r.details == nil}}
	row.Leaf = []byte("the digest has a wrong length")
	if len(r.digest) == len(leaf.Details) {
		leaf.Details = [32]byte(r.digest)
		row.Leaf, row.digest = leaf.Marshal(), leaf.Details
	}
	for h := r.hashes; len(h) >= tlog.HashSize; h = h[tlog.HashSize:] {
		row.Nodes = append(row.Nodes, tlog.Hash(h[:tlog.HashSize]))
	}
	if len(row.Nodes) > 0 {
		row.Hash, row.Nodes = row.Nodes[0], row.Nodes[1:]
	}
	return row, nil
}

// blind returns the salt with which a customer is blinded, nil if there is
// none yet. A wrong one shows, since no leaf fits then.
func (tx *Tx) blind(c brevet.CustomerID) ([]byte, error) {
	if c == "" {
		return nil, nil
	}
	if tx.batch != nil {
		if salt, ok := tx.batch.blinds[c]; ok {
			return salt, nil
		}
	}
	l := tx.db.memory
	l.mu.RLock()
	salt, ok := l.blinds[c]
	l.mu.RUnlock()
	if ok {
		return salt, nil
	}
	err := tx.row(`SELECT salt FROM blinds WHERE customer_id = $1`, string(c)).Scan(&salt)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, tx.failed(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.blinds[c] = salt
	return salt, nil
}

package store

import (
	"database/sql"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/audit"
	"golang.org/x/mod/sumdb/tlog"
)

// disagree is what is said when a row is not what the log says it was.
func disagree(index int64, cause error) *brevet.Error {
	return brevet.Errorf(brevet.Internal, "the log and its rows disagree").
		WithHint("entry %d was changed; check the log with brevet audit verify", index).WithCause(cause)
}

// Proven reads an event back from its row, and proves that the log holds
// exactly this (law 11): the details must hash to the leaf, and the leaf must
// be in the tree whose head was verified. The error is of kind
// [brevet.NotFound] for an index that the log does not have, else
// [brevet.Internal] when row and log disagree, also when the details were
// erased.
func (tx *Tx) Proven(index int64) (brevet.Event, error) {
	if b := tx.batch; b != nil && index >= b.head.Size {
		return b.recorded(index)
	}
	head := tx.known
	if tx.batch != nil {
		head = tx.batch.head
	}
	if index >= head.Size && tx.batch == nil { // written since, or by another process
		var err error
		if head, err = tx.Head(); err != nil {
			return brevet.Event{}, err
		}
	}
	if index >= head.Size && index < tx.db.Head().Size {
		return brevet.Event{}, brevet.Errorf(brevet.Internal, "entry %d of the log was recorded after this was read", index)
	}
	if index < 0 || index >= head.Size {
		return brevet.Event{}, brevet.Errorf(brevet.NotFound, "the log has no entry %d", index)
	}
	row, err := tx.entry(head.Epoch, index)
	if err != nil {
		return brevet.Event{}, err
	}
	known, ok := tx.db.memory.provenAt(index)
	if ok && (known.hash != row.Hash || known.hash != audit.LeafHash(row.Leaf)) {
		return brevet.Event{}, disagree(index, errors.New("another leaf was proven there"))
	}
	if known.event != nil && row.intact() {
		return cloneEvent(known.event), nil
	}
	_, event, err := row.Check()
	if err == nil && (row.Erased || event.Customer != row.Customer) {
		err = errors.New("the event is another's or erased")
	}
	if err != nil {
		return brevet.Event{}, disagree(index, err)
	}
	if !ok {
		if err := tx.prove(head, index, row.Hash); err != nil {
			return brevet.Event{}, err
		}
	}
	tx.db.memory.remember(index, row.Hash, &event)
	return cloneEvent(&event), nil
}

// intact reports whether salt and details are those of the row's digest,
// which its leaf holds.
func (r *Row) intact() bool {
	return len(r.Salt) == audit.SaltSize && audit.HashDetails(r.Salt, r.Details) == r.digest
}

func cloneEvent(ev *brevet.Event) brevet.Event {
	c := *ev
	c.Data = maps.Clone(ev.Data)
	if ev.Start != nil {
		start := *ev.Start
		c.Start = &start
	}
	if ev.End != nil {
		end := *ev.End
		c.End = &end
	}
	return c
}

func (l *ledger) provenAt(index int64) (provenLeaf, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.proven.get(index)
}

func (l *ledger) remember(index int64, h tlog.Hash, ev *brevet.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.proven.add(index, provenLeaf{h, ev})
}

// recorded returns an event of the batch in hand, which needs no proof.
func (b *batch) recorded(index int64) (brevet.Event, error) {
	i := index - b.head.Size
	if i >= int64(len(b.entries)) {
		return brevet.Event{}, brevet.Errorf(brevet.NotFound, "the log has no entry %d", index)
	}
	e := &b.entries[i]
	_, event, err := audit.Entry{Leaf: e.leaf.Marshal(), Hash: e.hashes[0], Salt: e.salt[:], Details: e.details}.Check()
	return event, err
}

func (tx *Tx) entry(epoch, index int64) (Row, error) {
	var r scanned
	err := r.scan(tx.row(`SELECT `+rowColumns+` FROM events WHERE pos = $1`, position(epoch, index)))
	if errors.Is(err, sql.ErrNoRows) {
		return Row{}, disagree(index, err)
	}
	if err != nil {
		return Row{}, tx.failed(err)
	}
	return tx.assemble(&r)
}

// prove checks that the tree under head has the leaf hash h at index.
func (tx *Tx) prove(head audit.Head, index int64, h tlog.Hash) error {
	proof, err := tlog.ProveRecord(head.Size, index, tx.Hashes())
	if err != nil {
		return err
	}
	if err := tlog.CheckRecord(proof, head.Size, head.Root, index, h); err != nil {
		return disagree(index, err)
	}
	return nil
}

// Hashes reads the tree's stored hashes, for proofs by package tlog. They are
// as the database holds them: check every proof against a head.
func (tx *Tx) Hashes() tlog.HashReader { return tlog.HashReaderFunc(tx.readHashes) }

// readHashes finds hash (level, n) in the row of the entry that completed it.
func (tx *Tx) readHashes(indexes []int64) ([]tlog.Hash, error) {
	if len(indexes) == 0 {
		return nil, nil
	}
	owner := func(index int64) (row int64, level int) {
		level, n := tlog.SplitStoredHashIndex(index)
		return (n+1)<<level - 1, level
	}
	var rows []int64
	for _, i := range indexes {
		row, _ := owner(i)
		rows = append(rows, row)
	}
	slices.Sort(rows)
	stored, err := tx.storedHashes(slices.Compact(rows))
	if err != nil {
		return nil, err
	}
	out := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		row, level := owner(index)
		if len(stored[row]) < (level+1)*tlog.HashSize {
			return nil, disagree(row, errors.New("a stored hash is missing"))
		}
		out[i] = tlog.Hash(stored[row][level*tlog.HashSize:][:tlog.HashSize])
	}
	return out, nil
}

func (tx *Tx) storedHashes(rows []int64) (map[int64][]byte, error) {
	epoch := tx.db.Head().Epoch
	marks, places := make([]string, len(rows)), make([]any, len(rows))
	for i, r := range rows {
		marks[i], places[i] = "$"+strconv.Itoa(i+1), position(epoch, r)
	}
	found, err := tx.rows(`SELECT pos, hashes FROM events WHERE pos IN (`+strings.Join(marks, ",")+`)`, places...)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	stored := make(map[int64][]byte, len(rows))
	for found.Next() {
		var pos int64
		var hashes []byte
		if err := found.Scan(&pos, &hashes); err != nil {
			return nil, tx.failed(err)
		}
		stored[indexAt(pos)] = hashes
	}
	if err := found.Err(); err != nil {
		return nil, tx.failed(err)
	}
	return stored, nil
}

// GrantOver reports whether the log says that the grant has ended or was
// revoked. It asks the log, never the rows.
func (tx *Tx) GrantOver(id brevet.GrantID) bool { return tx.isOver(keyOf(id)) }

// PersonOver reports whether the log says that the person was offboarded.
func (tx *Tx) PersonOver(id brevet.PersonID) bool { return tx.isOver(keyOf(id)) }

// SignInOver reports whether the log says that the sign-in has ended.
func (tx *Tx) SignInOver(id brevet.SignInID) bool { return tx.isOver(keyOf(id)) }

// CustomerOver reports whether the log says that the customer was offboarded.
// It asks the log, never the rows or the catalog.
func (tx *Tx) CustomerOver(id brevet.CustomerID) bool { return tx.isOver(keyOf(id)) }

// Latest returns the index of the newest entry about a thing, and whether
// there is one: a request, grant, person or sign-in by its id, a principal by
// [PrincipalKey], the catalog in force by [CatalogKey], the end of a customer
// by the customer's id. A row that was made
// from an older entry is out of date, or was set back.
func (tx *Tx) Latest(id string) (index int64, ok bool) {
	if tx.batch != nil {
		if p, ok := tx.batch.places[keyOf(id)]; ok {
			return p.index, true
		}
	}
	p, ok := tx.db.memory.placeOf(keyOf(id))
	return p.index, ok
}

func (tx *Tx) isOver(k placeKey) bool {
	if tx.batch != nil {
		if p, ok := tx.batch.places[k]; ok && p.over {
			return true
		}
	}
	return tx.db.over(k)
}

func (db *DB) over(k placeKey) bool {
	p, _ := db.memory.placeOf(k)
	return p.over
}

// Erase removes salt and details of an entry for good; leaf and hashes stay.
// The same closure must have recorded a [brevet.DetailsErased] event of the
// entry's customer before, with the entry's index and kind in Data (see
// [audit.ErasedIndex]) and, if the entry was an ending, the same grant, person
// or sign-in: otherwise the log would not be whole. The error is of kind
// [brevet.Conflict] if it has not, [brevet.NotFound] without such an entry.
func (tx *Tx) Erase(index int64) error {
	if err := tx.usable(); err != nil {
		return err
	}
	if index < 0 || index >= tx.batch.head.Size {
		return brevet.Errorf(brevet.NotFound, "the log has no entry %d", index)
	}
	row, err := tx.entry(tx.batch.head.Epoch, index)
	if err != nil || row.Erased {
		return err
	}
	_, event, err := row.Check()
	if err != nil {
		return disagree(index, err)
	}
	if event.Kind == brevet.CodesUsed { // forgotten, the code would be good again
		return brevet.Errorf(brevet.Conflict, "entry %d says that a sealed code was used, and is not erased", index)
	}
	if !tx.erasureRecorded(index, event) {
		return brevet.Errorf(brevet.Conflict, "the erasure of entry %d is not recorded", index)
	}
	_, err = tx.exec(`UPDATE events SET salt = NULL, details = NULL WHERE pos = $1`, position(tx.batch.head.Epoch, index))
	return err
}

func (tx *Tx) erasureRecorded(index int64, erased brevet.Event) bool {
	var want []mark
	if ending(erased.Kind) {
		want = marks(erased)
	}
	for i := range tx.batch.entries[tx.mark:] {
		e := &tx.batch.entries[tx.mark+i]
		if e.leaf.Kind != brevet.DetailsErased || e.customer != erased.Customer {
			continue
		}
		event, err := tx.batch.recorded(e.index)
		if err == nil && event.Data[audit.ErasedIndex] == strconv.FormatInt(index, 10) &&
			event.Data[audit.ErasedKind] == string(erased.Kind) && slices.Equal(e.marks, want) {
			return true
		}
	}
	return false
}

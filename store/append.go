package store

import (
	"strings"

	"github.com/brevet-access/brevet/audit"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	insertBlind = `INSERT INTO blinds (customer_id, salt) VALUES ($1, $2)`
	replaceHead = `UPDATE head SET size = ?, note = ? WHERE id = 1 AND epoch = ? AND size = ? AND note = ?`

	eventColumns = `pos, time, kind, customer_id, customer_seq, salt, details, digest, hashes`

	// One statement for any number of entries: on PostgreSQL the round trips count.
	appendPostgres = `WITH appended AS (
	INSERT INTO events (` + eventColumns + `)
	SELECT * FROM unnest($4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::bigint[], $9::bytea[], $10::bytea[], $11::bytea[], $12::bytea[]))
UPDATE head SET epoch = $1::bigint, size = $2::bigint, note = $3::bytea WHERE id = 1`
)

// chunks are how many entries one statement writes on SQLite: the more, the
// less each costs.
var chunks = [...]struct {
	rows  int
	query string
}{{32, insertEvents(32)}, {8, insertEvents(8)}, {1, insertEvents(1)}}

func insertEvents(rows int) string {
	one := "(" + strings.Repeat("?, ", 8) + "?)" // the driver looks the names of others up
	return "INSERT INTO events (" + eventColumns + ") VALUES " + one + strings.Repeat(", "+one, rows-1)
}

// append writes the batch's entries, if there are any, and its head.
func (b *batch) append() (head audit.Head, err error) {
	if len(b.entries) == 0 {
		return b.head, nil
	}
	tx := &Tx{db: b.db, ctx: b.ctx, link: b.link, batch: b, alone: true}
	for c, salt := range b.blinds {
		if _, err := tx.exec(insertBlind, string(c), salt); err != nil {
			return head, err
		}
	}
	if b.db.dialect == onPostgres {
		head = b.seal()
		return head, b.appendPostgres(tx, head)
	}
	if err := b.appendSQLite(tx); err != nil {
		return head, err
	}
	head = b.seal()
	n, err := tx.exec(replaceHead, head.Size, head.Note, b.head.Epoch, b.head.Size, b.head.Note)
	if err == nil && n == 0 { // it is not the one that is known: read it and run again
		err = errRerun
	}
	return head, err
}

func (b *batch) seal() audit.Head {
	return b.db.seal.Head(b.head.Epoch, b.tree.Size(), b.tree.Root())
}

func (b *batch) appendSQLite(tx *Tx) error {
	args := make([]any, 0, 9*min(len(b.entries), chunks[0].rows))
	for rest, c := b.entries, 0; len(rest) > 0; {
		if len(rest) < chunks[c].rows {
			c++
			continue
		}
		args = args[:0]
		for i := range rest[:chunks[c].rows] {
			e := &rest[i]
			args = append(args, position(b.head.Epoch, e.index), e.leaf.Time.UnixMicro(), string(e.leaf.Kind), string(e.customer),
				e.leaf.Seq, e.salt[:], e.details, e.leaf.Details[:], flatten(e.hashes))
		}
		if _, err := tx.exec(chunks[c].query, args...); err != nil {
			return err
		}
		rest = rest[chunks[c].rows:]
	}
	return nil
}

func (b *batch) appendPostgres(tx *Tx, head audit.Head) error {
	n := len(b.entries)
	places, micros, seq := make([]int64, n), make([]int64, n), make([]int64, n)
	kind, customer := make([]string, n), make([]string, n)
	salt, details, digest, hashes := make([][]byte, n), make([][]byte, n), make([][]byte, n), make([][]byte, n)
	for i := range b.entries {
		e := &b.entries[i]
		places[i], micros[i], seq[i] = position(b.head.Epoch, e.index), e.leaf.Time.UnixMicro(), e.leaf.Seq
		kind[i], customer[i] = string(e.leaf.Kind), string(e.customer)
		salt[i], details[i], digest[i], hashes[i] = e.salt[:], e.details, e.leaf.Details[:], flatten(e.hashes)
	}
	_, err := tx.exec(appendPostgres, head.Epoch, head.Size, head.Note,
		places, micros, kind, customer, seq, salt, details, digest, hashes)
	return err
}

func flatten(hashes []tlog.Hash) []byte {
	b := make([]byte, 0, len(hashes)*tlog.HashSize)
	for _, h := range hashes {
		b = append(b, h[:]...)
	}
	return b
}

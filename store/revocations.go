package store

import (
	"slices"
	"strconv"
	"strings"

	"github.com/brevet-access/brevet"
)

// What is still to be revoked is part of what a process knows of the log by
// heart, like what is over: no edit of a row makes a revocation forgotten.
// The table only finds those of an act or of a customer, for people to see.

// RevocationKey is what [Tx.Latest] knows the revocation of a grant by.
func RevocationKey(id brevet.GrantID) string { return "revocation\x00" + string(id) }

// revocationMark returns what an event says about a revocation.
func revocationMark(ev brevet.Event) []mark {
	if ev.Grant == "" {
		return nil
	}
	closed := ev.Kind == brevet.RevocationConfirmed || ev.Kind == brevet.RevocationOver
	return []mark{{key: keyOf(RevocationKey(ev.Grant)), revokes: ev.Grant, closed: closed}}
}

// putOpen takes down what a mark says about what is open.
func putOpen(open map[brevet.GrantID]int64, index int64, m mark) {
	switch {
	case m.revokes == "":
	case m.closed:
		delete(open, m.revokes)
	default:
		open[m.revokes] = index
	}
}

// OpenRevocations returns where the log speaks last of each revocation that
// is neither confirmed nor over, oldest first.
func (tx *Tx) OpenRevocations() []int64 {
	open := tx.db.openRevocations()
	if tx.batch != nil {
		for _, e := range tx.batch.entries {
			for _, m := range e.marks {
				putOpen(open, e.index, m)
			}
		}
	}
	return indexesOf(open)
}

// OpenRevocations is that of [Tx], as this process knows the log.
func (db *DB) OpenRevocations() []int64 { return indexesOf(db.openRevocations()) }

func (db *DB) openRevocations() map[brevet.GrantID]int64 {
	l := db.memory
	l.mu.RLock()
	defer l.mu.RUnlock()
	open := make(map[brevet.GrantID]int64, len(l.open))
	for id, index := range l.open {
		open[id] = index
	}
	return open
}

func indexesOf(open map[brevet.GrantID]int64) []int64 {
	out := make([]int64, 0, len(open))
	for _, index := range open {
		out = append(out, index)
	}
	slices.Sort(out)
	return out
}

// EndedPeople returns everybody of whom the log says that they were
// offboarded, as this process knows it.
func (db *DB) EndedPeople() []brevet.PersonID {
	l := db.memory
	l.mu.RLock()
	defer l.mu.RUnlock()
	return slices.Clone(l.ended)
}

// RevocationRow says where the log speaks of a revocation last.
type RevocationRow struct {
	Grant    brevet.GrantID
	Act      brevet.RevocationID
	Customer brevet.CustomerID
	Leaf     int64
}

// PutRevocation writes where the newest event about a revocation is.
func (tx *Tx) PutRevocation(r RevocationRow) error {
	_, err := tx.exec(`INSERT INTO revocations (grant_id, act, customer_id, leaf) VALUES ($1, $2, $3, $4)
ON CONFLICT (grant_id) DO UPDATE SET act = excluded.act, customer_id = excluded.customer_id, leaf = excluded.leaf`,
		string(r.Grant), string(r.Act), string(r.Customer), r.Leaf)
	return err
}

// RevocationFilter says which are wanted. Zero fields ask for nothing; an
// empty list that is not nil matches nothing.
type RevocationFilter struct {
	Act       brevet.RevocationID
	Grant     brevet.GrantID
	Customers []brevet.CustomerID
	Limit     int
}

// Revocations returns rows of revocations, those with the newest event first.
func (tx *Tx) Revocations(want RevocationFilter) ([]RevocationRow, error) {
	f := &filter{}
	is(f, "act", want.Act)
	is(f, "grant_id", want.Grant)
	among(f, "customer_id", want.Customers)
	query := `SELECT grant_id, act, customer_id, leaf FROM revocations`
	if len(f.where) > 0 {
		query += ` WHERE ` + strings.Join(f.where, " AND ")
	}
	query += ` ORDER BY leaf DESC`
	if want.Limit > 0 {
		query += ` LIMIT ` + strconv.Itoa(roundUp(want.Limit))
	}
	found, err := tx.rows(query, f.args...)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	var out []RevocationRow
	for found.Next() && (want.Limit == 0 || len(out) < want.Limit) {
		var r RevocationRow
		if err := found.Scan(&r.Grant, &r.Act, &r.Customer, &r.Leaf); err != nil {
			return nil, tx.failed(err)
		}
		out = append(out, r)
	}
	if err := found.Err(); err != nil {
		return nil, tx.failed(err)
	}
	return out, nil
}

package broker

import (
	"context"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/audit"
	"github.com/brevet-access/brevet/store"
)

// Checkpoint returns the log's signed head. Everybody who is signed in may
// see it: it says how long the log is and nothing about what is in it.
func (b *Broker) Checkpoint(context.Context, brevet.Caller) (audit.Head, error) {
	return b.DB.Checkpoint(b.DB.Head())
}

// Entries returns a page of the log and the log's size. Of customers for whom
// the caller does not hold the right to read the log, only the leaf hashes
// are returned, so that the caller can check the whole tree and learns nothing
// (law 13). Events of the installation are shown to whoever reads the log of
// every customer.
func (b *Broker) Entries(ctx context.Context, c brevet.Caller, from int64, limit int) (entries []audit.Entry, size int64, err error) {
	if from < 0 {
		return nil, 0, brevet.Errorf(brevet.Invalid, "from: must not be negative")
	}
	c = b.current(ctx, c, 15*time.Minute)
	readable := map[brevet.CustomerID]bool{}
	all := true
	for _, customer := range b.Catalog().Customers {
		readable[customer.ID] = b.holds(c, customer.ID, brevet.RightAudit)
		all = all && readable[customer.ID]
	}
	readable[""] = all && len(readable) > 0
	if !slices.ContainsFunc(b.Catalog().Customers, func(k brevet.Customer) bool { return readable[k.ID] }) {
		return nil, 0, b.refused(ctx, c, brevet.Account{}, "", "log", brevet.Errorf(brevet.Denied, "you may not read the log").
			WithUnmet(brevet.Unmet{Condition: "hold the right audit for a customer", Have: "you do not", Remedy: "ask whoever edits the catalog"}))
	}
	if limit <= 0 || limit > 1000 {
		limit = 1000
	}
	head := b.DB.Head()
	err = b.DB.View(ctx, func(tx *store.Tx) error {
		rows, err := tx.Entries(from, limit)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if r.Index >= head.Size { // written since
				break
			}
			if !readable[r.Customer] {
				r.Leaf, r.Salt, r.Details, r.Erased = nil, nil, nil, false
			}
			entries = append(entries, r.Entry)
		}
		return nil
	})
	return entries, head.Size, err
}

// Consistency proves that the log at size to extends the log at size from
// (RFC 6962 2.1.2).
func (b *Broker) Consistency(ctx context.Context, _ brevet.Caller, from, to int64) (proof []tlog.Hash, err error) {
	if head := b.DB.Head(); from < 1 || from > to || to > head.Size {
		return nil, brevet.Errorf(brevet.Invalid, "from and to: must be 1 <= from <= to <= %d", head.Size)
	}
	err = b.DB.View(ctx, func(tx *store.Tx) error {
		proof, err = tlog.ProveTree(to, from, tx.Hashes())
		return err
	})
	return proof, err
}

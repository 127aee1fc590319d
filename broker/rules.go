package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/catalog"
	"github.com/brevet-access/brevet/store"
)

// Applied says what became of a proposed version of the catalog.
type Applied struct {
	Version int64
	Changes []string // the diff, one line a change; empty if nothing changed
	Rules   bool     // it is in force
}

// Propose makes text the catalog in force and records its diff. Confirmation
// by a second person is off in this version: a proposal rules at once, which
// the event says and the server says at start.
func (b *Broker) Propose(ctx context.Context, by brevet.Actor, text []byte) (Applied, error) {
	next, err := catalog.Parse("catalog", text)
	if err != nil {
		return Applied{}, err
	}
	for _, c := range next.Customers { // its stack registers the issuer before the first token
		if b.Ensure == nil {
			break
		}
		if err := b.Ensure(c.ID); err != nil {
			return Applied{}, err
		}
	}
	var out Applied
	err = b.DB.Update(ctx, func(tx *store.Tx) error {
		out = Applied{Rules: true}
		before := &catalog.Catalog{}
		now, err := tx.CatalogRuling()
		switch {
		case errors.Is(err, brevet.NotFound):
		case err != nil:
			return err
		case now.Digest == next.Digest:
			out.Version = now.Version
			return nil
		default:
			// An older text may not parse under newer rules; then all of it counts as changed.
			if old, err := catalog.Parse("catalog", now.Text); err == nil {
				before = old
			}
		}
		out.Changes = catalog.Diff(before, next)
		cv, err := tx.AddCatalog(store.CatalogVersion{Digest: next.Digest, Text: text, By: by, Created: tx.Now(), Confirmed: tx.Now()})
		if err != nil {
			return err
		}
		out.Version = cv.Version
		_, err = record(tx, catalogEvents(by, tx.Now(), out, next.Digest))
		return err
	})
	if err != nil {
		return Applied{}, err
	}
	b.ruling.Store(&ruling{Catalog: next, version: out.Version})
	b.changes.notify()
	return out, nil
}

func catalogEvents(by brevet.Actor, now time.Time, a Applied, sum string) []brevet.Event {
	const most = 16 << 10 // an entry of the log is below 64 KiB
	diff := strings.Join(a.Changes, "\n")
	if len(diff) > most {
		diff = strings.ToValidUTF8(diff[:most], "") + "\n…"
	}
	data := map[string]string{"version": fmt.Sprint(a.Version), "changes": fmt.Sprint(len(a.Changes)), "diff": diff}
	proposed := brevet.Event{Kind: brevet.CatalogProposed, Time: now, Actor: by, Digest: sum, Data: data}
	confirmed := brevet.Event{Kind: brevet.CatalogConfirmed, Time: now, Actor: brevet.Actor{System: "confirmation is off"}, Digest: sum,
		Data: map[string]string{"version": data["version"]}}
	return []brevet.Event{proposed, confirmed}
}

// Apply is Propose for a caller, who holds the right to edit the catalog for
// every customer in it, before and after.
func (b *Broker) Apply(ctx context.Context, c brevet.Caller, text []byte) (Applied, error) {
	c = b.current(ctx, c, 15*time.Minute)
	next, err := catalog.Parse("catalog", text)
	if err != nil {
		return Applied{}, err
	}
	if err := b.mayEdit(c, append(b.Catalog().Customers[:len(b.Catalog().Customers):len(b.Catalog().Customers)], next.Customers...)); err != nil {
		return Applied{}, b.refused(ctx, c, brevet.Account{}, "", "catalog", err)
	}
	if err := stepUp(c, brevet.Rung1h, b.now(), "to change the catalog"); err != nil {
		return Applied{}, err
	}
	return b.Propose(ctx, actor(c), text)
}

// mayEdit counts a customer that the catalog in force does not know as
// editable by whoever edits all that it does know.
func (b *Broker) mayEdit(c brevet.Caller, customers []brevet.Customer) error {
	if len(b.Catalog().Customers) == 0 {
		return brevet.Errorf(brevet.Denied, "no catalog is in force yet; the server's operator starts with one")
	}
	for _, k := range customers {
		if _, known := b.Catalog().CustomerByID(k.ID); known && !b.holds(c, k.ID, brevet.RightCatalog) {
			return brevet.Errorf(brevet.Denied, "you may not edit the catalog of %s", k.Name).
				WithUnmet(brevet.Unmet{Condition: "hold the right catalog for " + k.Name, Have: "you do not", Remedy: "ask " + b.Catalog().Policy.Holders(k.ID, brevet.RightCatalog).String()})
		}
	}
	return nil
}

// CatalogText returns the version in force to whoever may edit some of it.
func (b *Broker) CatalogText(ctx context.Context, c brevet.Caller) (version int64, sum string, text []byte, err error) {
	c = b.current(ctx, c, 15*time.Minute)
	r := b.ruling.Load()
	if err := b.mayEdit(c, r.Customers); err != nil {
		return 0, "", nil, b.refused(ctx, c, brevet.Account{}, "", "catalog", err)
	}
	return r.version, r.Digest, r.Text, nil
}

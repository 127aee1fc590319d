package broker

import (
	"errors"
	"slices"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// What is to be ended is found by the log (law 11): a row that was edited or
// removed hides no grant, and makes it nobody else's. Rows are believed where
// the log has nothing to say, or what it says cannot be read.

// asLogged returns the grant that an event is about: whose it is and for what
// as the log says, the rest as its row does, if there is one.
func asLogged(tx *store.Tx, e brevet.Event) brevet.Grant {
	g, err := tx.Grant(e.Grant)
	if err != nil {
		g = brevet.Grant{Created: e.Time}
	}
	g.ID, g.Request, g.Person, g.Customer, g.Account, g.Role = e.Grant, e.Request, e.Person, e.Customer, e.Account, e.Role
	switch e.Kind {
	case brevet.GrantOpened, brevet.GrantActivated, brevet.GrantExtended:
		g.State, g.Closed = brevet.Active, time.Time{}
		if e.Kind == brevet.GrantOpened {
			g.State = brevet.Scheduled
		}
		if e.Start != nil {
			g.Start = *e.Start
		}
		if e.End != nil {
			g.End = *e.End
		}
	case brevet.GrantRevoked:
		g.State = brevet.Revoked
	case brevet.GrantEnded:
		g.State = brevet.Ended
	}
	return g
}

// grantByLog returns a grant as the log says that it is;
// [brevet.NotFound] if there is none.
func grantByLog(tx *store.Tx, id brevet.GrantID) (brevet.Grant, error) {
	row, err := tx.Grant(id)
	if err != nil && !errors.Is(err, brevet.NotFound) {
		return row, err
	}
	if i, ok := tx.Latest(string(id)); ok {
		if e, unread := tx.Proven(i); unread == nil && e.Grant == id {
			g := asLogged(tx, e)
			if tx.GrantOver(id) && g.State != brevet.Revoked {
				g.State = brevet.Ended
			}
			return g, nil
		}
	}
	return row, err
}

// standingAnywhere returns the grants under which something may be out, and
// the requests that are pending. The broker's own errands do not count.
func (b *Broker) standingAnywhere(tx *store.Tx, f store.GrantFilter, r store.RequestFilter) (grants []brevet.Grant, pending []brevet.Request, err error) {
	own, err := systemPeople(tx)
	if err != nil {
		return nil, nil, err
	}
	f.Alive = tx.Now()
	rows, err := tx.Grants(f)
	if err != nil {
		return nil, nil, err
	}
	over, err := b.overByLog(tx, f, rows)
	if err != nil {
		return nil, nil, err
	}
	grants = slices.DeleteFunc(append(b.heldByLog(tx, f, rows), over...), func(g brevet.Grant) bool { return own[g.Person] })
	pending, err = tx.Requests(r)
	return grants, pending, err
}

// provenAt reads the events at the places that the filter matches. Spoilt are
// those that cannot be read.
func (b *Broker) provenAt(tx *store.Tx, at []int64, f store.GrantFilter) (events []brevet.Event, spoilt map[int64]bool) {
	spoilt = map[int64]bool{}
	for _, i := range at {
		e, err := tx.Proven(i)
		if err != nil {
			b.Log.Error("a grant cannot be read in the log", "entry", i, "err", err)
			spoilt[i] = true
			continue
		}
		if (f.Account == "" || e.Account == f.Account) && (f.Customers == nil || slices.Contains(f.Customers, e.Customer)) {
			events = append(events, e)
		}
	}
	return events, spoilt
}

// heldByLog returns the grants that live by the log and match the filter.
func (b *Broker) heldByLog(tx *store.Tx, f store.GrantFilter, rows []brevet.Grant) (out []brevet.Grant) {
	events, spoilt := b.provenAt(tx, tx.HeldAt(f.Person), f)
	for _, e := range events {
		out = append(out, asLogged(tx, e))
	}
	for _, g := range rows {
		if i, ok := tx.Latest(string(g.ID)); ok && spoilt[i] {
			out = append(out, g)
		}
	}
	return out
}

// overByLog returns the grants that are over, match the filter, and under
// which something is out that nobody cuts off yet.
func (b *Broker) overByLog(tx *store.Tx, f store.GrantFilter, rows []brevet.Grant) (out []brevet.Grant, err error) {
	events, spoilt := b.provenAt(tx, tx.OutAt(f.Person), f)
	for _, e := range events {
		if tx.GrantOver(e.Grant) {
			g := asLogged(tx, e)
			g.State = brevet.Ended
			out = append(out, g)
		}
	}
	for _, g := range rows {
		if until, i := tx.OutUntil(g.ID); tx.GrantOver(g.ID) && (until.IsZero() || spoilt[i]) {
			out = append(out, g)
		}
	}
	return slices.DeleteFunc(out, func(g brevet.Grant) bool {
		until, failed := outstanding(tx, g, tx.Now())
		err = errors.Join(err, failed)
		now, unread := revocationNow(tx, g.ID)
		return until.IsZero() || unread == nil && !now.Shells // it is under way, or seen
	}), err
}

// putEnded writes the row of a grant that has ended by the log; the row may
// say so already, or be gone.
func putEnded(tx *store.Tx, g brevet.Grant) error {
	err := tx.PutGrant(g)
	if errors.Is(err, brevet.Conflict) || errors.Is(err, brevet.NotFound) {
		return nil
	}
	return err
}

package broker

import (
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// mayOpen reports why first use does not open a grant, or nil: policy must let
// it, and nobody must have revoked the last one within a day.
func (b *Broker) mayOpen(tx *store.Tx, o *order, now time.Time) error {
	if !b.opensOnUse(o) {
		return b.noGrant(tx, o, now)
	}
	last, err := lastOver(tx, o, now)
	if err != nil {
		return err
	}
	if last.State == brevet.Revoked {
		return b.noGrant(tx, o, now)
	}
	return nil
}

// lastOver returns the caller's grant for the target that was over last, if
// that was within a day.
func lastOver(tx *store.Tx, o *order, now time.Time) (last brevet.Grant, err error) {
	past, err := tx.Grants(store.GrantFilter{Person: o.caller.Person.ID, Account: o.account.ID, Role: o.role.Name, Limit: 50})
	for _, g := range past {
		if at := overAt(g); !at.IsZero() && !at.After(now) && now.Sub(at) < 24*time.Hour && at.After(overAt(last)) {
			last = g
		}
	}
	return last, err
}

// overAt returns when a grant ended; zero for one that never began.
func overAt(g brevet.Grant) time.Time {
	if !g.Closed.IsZero() && (g.End.IsZero() || g.Closed.Before(g.End)) {
		return g.Closed
	}
	return g.End
}

// noGrant says why there is none, and the next command.
func (b *Broker) noGrant(tx *store.Tx, o *order, now time.Time) error {
	pending, err := tx.Requests(store.RequestFilter{Person: o.caller.Person.ID, State: brevet.Pending, Limit: 100})
	if err != nil {
		return err
	}
	for _, r := range pending {
		if r.Account == o.account.ID && r.Role == o.role.Name && now.Before(r.Lapses) {
			return brevet.Errorf(brevet.NoGrant, "your request for %s still waits for %s", o.target, r.Rule).WithHint("brevet status shows it")
		}
	}
	last, err := lastOver(tx, o, now)
	if err != nil {
		return err
	}
	no := brevet.Errorf(brevet.NoGrant, "you have no grant for %s", o.target)
	if o.only != "" {
		return brevet.Errorf(brevet.NoGrant, "%s is no live grant of yours for %s", o.only, o.target).WithHint("brevet grants lists them")
	}
	switch ago := brevet.FormatDuration(now.Sub(overAt(last)).Truncate(time.Second)); {
	case last.State == brevet.Revoked:
		no = brevet.Errorf(brevet.NoGrant, "your grant for %s was revoked %s ago%s", o.target, ago, revokedBy(tx, last))
	case last.ID != "" && last.End.IsZero() && !last.Start.IsZero():
		no = brevet.Errorf(brevet.NoGrant, "your grant for %s never began%s", o.target, whyEnded(tx, last))
	case last.ID != "" && last.Closed.Before(last.End) && !last.Closed.IsZero():
		no = brevet.Errorf(brevet.Expired, "your grant for %s has ended: you handed it back %s ago", o.target, ago)
	case last.ID != "":
		no = brevet.Errorf(brevet.Expired, "your grant for %s has ended, %s ago", o.target, ago)
	}
	return no.WithUnmet(o.words...).WithHint("brevet request %s --for %s --reason \"…\"", o.target, brevet.FormatDuration(min(time.Hour, o.answer.Longest)))
}

// revokedBy tells the holder who ended their grant and why (law 10), as the
// log has it.
func revokedBy(tx *store.Tx, g brevet.Grant) string {
	i, ok := tx.Latest(string(g.ID))
	if !ok {
		return ""
	}
	e, err := tx.Proven(i)
	if err != nil || e.Kind != brevet.GrantRevoked {
		return ""
	}
	return " by " + e.Actor.String() + ": " + e.Reason
}

// whyEnded tells the holder why a grant that was to start did not, as the log
// has it.
func whyEnded(tx *store.Tx, g brevet.Grant) string {
	i, ok := tx.Latest(string(g.ID))
	if !ok {
		return ""
	}
	e, err := tx.Proven(i)
	if err != nil || e.Kind != brevet.GrantEnded {
		return ""
	}
	return ": " + e.Reason
}

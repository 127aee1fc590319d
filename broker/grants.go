package broker

import (
	"context"
	"slices"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/policy"
	"github.com/brevet-access/brevet/store"
)

// Revoked says how far ending a grant has come. Until is the latest moment at
// which an outstanding credential dies by itself; zero if none is out.
type Revoked struct {
	Grant GrantView
	State brevet.RevocationState
	Until time.Time
	Act   brevet.RevocationID // by which it can be followed; "" if there is nothing to follow
}

// Status is what concerns the caller now.
type Status struct {
	Now     time.Time
	Active  []GrantView
	Waiting []RequestView // asked by the caller
	Decide  []RequestView // waits for the caller's decision
	Review  []ReviewView  // emergencies that nobody has reviewed
}

// Grants lists grants, newest first: the caller's own, or with scope "all"
// those of every customer for whom the caller holds the right to view.
func (b *Broker) Grants(ctx context.Context, c brevet.Caller, l List) ([]GrantView, error) {
	f := store.GrantFilter{Limit: l.limit()}
	switch l.Scope {
	case "", "mine":
		f.Person = c.Person.ID
	case "all":
		c = b.current(ctx, c, 15*time.Minute)
		for _, customer := range b.Catalog().Customers {
			if b.holds(c, customer.ID, brevet.RightView) || b.holds(c, customer.ID, brevet.RightRevoke) {
				f.Customers = append(f.Customers, customer.ID)
			}
		}
		if f.Customers == nil {
			f.Person = c.Person.ID
		}
	default:
		return nil, brevet.Errorf(brevet.Invalid, "scope: %q is not one of mine, all", brevet.Printable(l.Scope))
	}
	if l.Live {
		f.States = []brevet.GrantState{brevet.Active}
	}
	var out []GrantView
	err := b.DB.View(ctx, func(tx *store.Tx) error {
		grants, err := tx.Grants(f)
		if err != nil {
			return err
		}
		for _, g := range grants {
			v, err := b.grantView(tx, g, b.now())
			if err != nil {
				return err
			}
			if !l.Live || v.Live {
				out = append(out, v)
			}
		}
		return nil
	})
	return out, err
}

// Status returns the caller's live grants, their pending requests, and what
// waits for their decision.
func (b *Broker) Status(ctx context.Context, c brevet.Caller) (Status, error) {
	s := Status{Now: b.now()}
	var err error
	if s.Active, err = b.Grants(ctx, c, List{Live: true, Limit: 1000}); err != nil {
		return s, err
	}
	if only := c.SignIn.Only; only != "" {
		s.Active = slices.DeleteFunc(s.Active, func(g GrantView) bool { return g.Request != only })
		return s, nil
	}
	mine, err := b.Requests(ctx, c, List{State: string(brevet.Pending), Limit: 1000})
	if err != nil {
		return s, err
	}
	for _, r := range mine {
		if s.Now.Before(r.Lapses) {
			s.Waiting = append(s.Waiting, r)
		}
	}
	if s.Decide, err = b.Requests(ctx, c, List{Scope: "decide"}); err != nil {
		return s, err
	}
	s.Review, err = b.Reviews(ctx, c, false)
	return s, err
}

// Drop hands a grant of the caller's own back. Shells that were opened under it
// are ended; credentials that already left die by themselves.
func (b *Broker) Drop(ctx context.Context, c brevet.Caller, id brevet.GrantID, key string) (Revoked, error) {
	return b.end(ctx, c, id, "drop", key, func(tx *store.Tx, g brevet.Grant) error {
		g, events, err := g.Drop(actor(c), tx.Now())
		if err != nil {
			return err
		}
		if _, err := record(tx, events); err != nil {
			return err
		}
		if err := putEnded(tx, g); err != nil {
			return err
		}
		return b.killShells(tx, g, actor(c))
	})
}

// Revoke ends somebody's grant: no credential leaves under it from now on, and
// the cloud cuts off what is out. The caller holds the right to revoke for the
// grant's customer, or the grant.
func (b *Broker) Revoke(ctx context.Context, c brevet.Caller, id brevet.GrantID, reason, key string) (Revoked, error) {
	reason, err := brevet.CleanText("reason", reason, brevet.MaxReason)
	if err != nil {
		return Revoked{}, err
	}
	c = b.current(ctx, c, policy.PrivilegedWithin)
	var act brevet.RevocationID
	out, err := b.end(ctx, c, id, "revoke", key, func(tx *store.Tx, g brevet.Grant) error {
		all := RevokedAll{ID: brevet.NewID[brevet.RevocationID](tx.Now())}
		act = all.ID
		if offline, err := openedOffline(tx, g.ID); err != nil {
			return err
		} else if !offline && (g.State == brevet.Ended || g.State == brevet.Revoked || tx.GrantOver(g.ID)) {
			return brevet.Errorf(brevet.Conflict, "grant %s is %s already", g.ID, g.State)
		}
		return b.revokeAllIn(tx, c, RevokeAll{Grant: id, Reason: reason}, nil, &all)
	})
	if err == nil && act != "" {
		b.carryOn(act)
	}
	return out, err
}

// end is what Drop and Revoke share.
func (b *Broker) end(ctx context.Context, c brevet.Caller, id brevet.GrantID, verb, key string, change func(*store.Tx, brevet.Grant) error) (out Revoked, err error) {
	err = b.DB.Update(ctx, func(tx *store.Tx) error {
		g, err := grantByLog(tx, id)
		if err != nil {
			return unseen(err, "grant", string(id))
		}
		if only := c.SignIn.Only; only != "" && g.Request != only {
			return unseen(brevet.NotFound, "grant", string(id))
		}
		if g.Person != c.Person.ID && !b.holds(c, g.Customer, brevet.RightView) && !b.holds(c, g.Customer, brevet.RightRevoke) {
			return unseen(brevet.NotFound, "grant", string(id))
		}
		fresh, err := claim(tx, c, key, verb, string(id))
		if err != nil {
			return err
		}
		if fresh {
			if err := change(tx, g); err != nil {
				return err
			}
			if g, err = grantByLog(tx, id); err != nil {
				return err
			}
		}
		out = Revoked{State: brevet.RevokeRequested}
		if out.Until, err = outstanding(tx, g, tx.Now()); err != nil {
			return err
		}
		out.Grant, err = b.grantView(tx, g, tx.Now())
		if err != nil {
			return err
		}
		if now, err := revocationNow(tx, g.ID); err == nil && !now.Shells {
			out.State, out.Act = now.State, now.ID
		}
		return nil
	})
	if err != nil {
		return Revoked{}, err
	}
	b.changes.notify()
	b.revoking.poke()
	if out.Until.IsZero() {
		out.State = brevet.RevokeConfirmed // nothing is out: there is nothing to wait for
	}
	return out, nil
}

// outstanding returns the latest moment at which a session of g dies by
// itself; zero if none is out. The log knows it to a few minutes; rows may say
// more, such as of what left before a restore, but never less.
func outstanding(tx *store.Tx, g brevet.Grant, now time.Time) (until time.Time, err error) {
	if until, _ = tx.OutUntil(g.ID); !until.After(now) {
		until = time.Time{}
	}
	sessions, err := tx.Sessions(store.SessionFilter{Grant: g.ID, LiveAt: now, Limit: 10000})
	for _, s := range sessions {
		if s.Until.After(until) {
			until = s.Until
		}
	}
	return until, err
}

package broker

import (
	"context"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// withHeld returns the caller with what they hold live now, by the log: a
// grant whose row is gone is held all the same. Where no rule asks for it, it
// is left unknown, which such a rule would refuse.
func (r *ruling) withHeld(tx *store.Tx, c brevet.Caller, now time.Time) (brevet.Caller, error) {
	if !r.Policy.LooksAtHeld() {
		return c, nil
	}
	events, err := tx.Holding(c.Person.ID)
	if err != nil {
		return c, err
	}
	c.Held = []brevet.Held{}
	for _, e := range events {
		if e.Start != nil && e.End != nil && !now.Before(*e.Start) && now.Before(*e.End) {
			c.Held = append(c.Held, brevet.Held{Account: e.Account, Role: e.Role})
		}
	}
	return c, nil
}

// holding is withHeld in a look of its own. What cannot be read is not known.
func (b *Broker) holding(ctx context.Context, r *ruling, c brevet.Caller) brevet.Caller {
	if !r.Policy.LooksAtHeld() { // the usual case, and every issue asks
		return c
	}
	out := c
	err := b.look(ctx, func(tx *store.Tx) (err error) {
		out, err = r.withHeld(tx, c, b.now())
		return err
	})
	if err != nil {
		b.Log.WarnContext(ctx, "what somebody holds is not known", "person", c.Person.ID, "err", err)
		c.Held = nil
		return c
	}
	return out
}

package broker

import (
	"context"
	"errors"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// sweepBatch bounds one transaction of a sweep.
const sweepBatch = 100

// Sweep compares what should be with what is: grants whose time is over are
// closed, those whose start has come begin, requests that nobody answered lapse
// and others are reminded of, sessions that were intended and never accounted
// for are in doubt, sessions that cannot be used any more end, what offboarded
// customers and people left is ended, and a catalog that another replica put in
// force is taken up. It acts on state, so a sweep that never ran
// loses nothing: whether a grant gives access follows from its time. What waits
// for IAM Identity Center is done beside it: [Broker.KeepDoors].
func (b *Broker) Sweep(ctx context.Context) error {
	var errs []error
	for _, sweep := range []func(context.Context) error{
		b.follow,
		b.sweepGrants,
		b.sweepHidden,
		b.sweepStarts,
		b.sweepRequests,
		b.sweepWaiting,
		b.sweepSessions,
		b.sweepOver,
		b.sweepLeft,
		b.sweepEnded,
		b.sweepOutbox,
		b.sweepBounds,
		b.sweepRevocations,
		b.sweepReviews,
	} {
		errs = append(errs, sweep(ctx))
	}
	return errors.Join(errs...)
}

func (b *Broker) sweepGrants(ctx context.Context) error {
	return b.DB.Update(ctx, func(tx *store.Tx) error {
		now := tx.Now()
		over, err := tx.Grants(store.GrantFilter{States: []brevet.GrantState{brevet.Active, brevet.Scheduled}, Over: &now, Limit: sweepBatch})
		if err != nil {
			return err
		}
		for _, g := range over {
			g, events, err := g.Expire(clock, now)
			if err != nil {
				continue // not over after all
			}
			if _, err := record(tx, events); err != nil {
				return err
			}
			if err := tx.PutGrant(g); err != nil {
				return err
			}
			if err := b.killShells(tx, g, clock); err != nil {
				return err
			}
		}
		return nil
	})
}

// sweepHidden ends, once a minute, the grants that are over by the log and were
// not found by their rows, which somebody may have edited: else their shells
// would live on.
func (b *Broker) sweepHidden(ctx context.Context) error {
	now := b.now()
	last := b.unfound.Load()
	if since := now.Unix() - last; since >= 0 && since < 60 || !b.unfound.CompareAndSwap(last, now.Unix()) {
		return nil
	}
	var over []brevet.GrantID
	err := b.DB.View(ctx, func(tx *store.Tx) error {
		over = nil
		for _, i := range tx.HeldAt("") {
			e, err := tx.Proven(i)
			if err == nil && e.Kind != brevet.GrantOpened && e.End != nil && !now.Before(*e.End) && len(over) < sweepBatch {
				over = append(over, e.Grant)
			}
		}
		return nil
	})
	if err != nil || over == nil {
		return err
	}
	return b.DB.Update(ctx, func(tx *store.Tx) error {
		for _, id := range over {
			g, err := grantByLog(tx, id)
			if err != nil || tx.GrantOver(id) {
				continue
			}
			g, events, err := g.Expire(clock, tx.Now())
			if err != nil {
				continue // it was extended meanwhile
			}
			if _, err := record(tx, events); err != nil {
				return err
			}
			if err := putEnded(tx, g); err != nil {
				return err
			}
			if err := b.killShells(tx, g, clock); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *Broker) sweepRequests(ctx context.Context) error {
	return b.DB.Update(ctx, func(tx *store.Tx) error {
		now := tx.Now()
		pending, err := tx.Requests(store.RequestFilter{State: brevet.Pending, LapsedAt: now, Limit: sweepBatch})
		if err != nil {
			return err
		}
		for _, r := range pending {
			if now.Before(r.Lapses) {
				continue
			}
			r, events, err := r.Lapse("nobody decided in time", clock, now)
			if err != nil {
				continue
			}
			if _, err := record(tx, events); err != nil {
				return err
			}
			if err := tx.PutRequest(r); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *Broker) sweepSessions(ctx context.Context) error {
	return b.DB.Update(ctx, func(tx *store.Tx) error {
		now := tx.Now()
		lost, err := tx.Sessions(store.SessionFilter{States: []brevet.SessionState{brevet.Intended}, Limit: sweepBatch})
		if err != nil {
			return err
		}
		for _, s := range lost {
			if now.Sub(s.Created) < 2*cloudPatience+10*time.Second { // still under way
				continue
			}
			g, err := tx.Grant(s.Grant)
			if errors.Is(err, brevet.NotFound) { // one bad row keeps no other from being swept
				g = brevet.Grant{ID: s.Grant}
			} else if err != nil {
				return err
			}
			s, events := s.Doubt(g, clock, "the server stopped before the outcome was recorded", now)
			if _, err := record(tx, events); err != nil {
				return err
			}
			if err := tx.PutSession(s); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *Broker) sweepOver(ctx context.Context) error {
	return b.DB.Update(ctx, func(tx *store.Tx) error {
		now := tx.Now()
		over, err := tx.Sessions(store.SessionFilter{States: []brevet.SessionState{brevet.Issued, brevet.InDoubt}, OverAt: now, Limit: 10 * sweepBatch})
		if err != nil {
			return err
		}
		for _, s := range over {
			g, err := tx.Grant(s.Grant)
			if errors.Is(err, brevet.NotFound) { // one bad row keeps no other from being swept
				g = brevet.Grant{ID: s.Grant}
			} else if err != nil {
				return err
			}
			s, events := s.Expire(g, clock, now)
			if _, err := record(tx, events); err != nil {
				return err
			}
			if err := tx.PutSession(s); err != nil {
				return err
			}
		}
		return nil
	})
}

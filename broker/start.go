package broker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// errBegin says that the grant that was chosen waits for a start that has
// come: it is judged anew before it begins.
var errBegin = brevet.Errorf(brevet.Conflict, "the grant's start has come, and it has not begun yet").WithHint("try again in a moment")

// startAgain is how long a sweep leaves a start alone that could not be judged.
const startAgain = time.Minute

// starts remembers when sweeps last tried starts that could not be judged.
type starts struct {
	mu   sync.Mutex
	last map[brevet.GrantID]time.Time
}

// may reports whether it is time to try the grant's start, and notes it.
func (s *starts) may(id brevet.GrantID, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.last[id]) < startAgain {
		return false
	}
	if s.last == nil || len(s.last) > 10_000 {
		s.last = map[brevet.GrantID]time.Time{}
	}
	s.last[id] = now
	return true
}

// sweepStarts begins the grants whose start has come, or ends those that must
// not begin.
func (b *Broker) sweepStarts(ctx context.Context) error {
	var due []brevet.Grant
	now := b.now()
	err := b.DB.View(ctx, func(tx *store.Tx) (err error) {
		due, err = tx.Grants(store.GrantFilter{StartsAt: now, Limit: sweepBatch})
		return err
	})
	if err != nil {
		return err
	}
	var wait sync.WaitGroup
	gate := make(chan struct{}, 8)
	for _, g := range due {
		if !b.starts.may(g.ID, now) {
			continue
		}
		wait.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			if err := b.beginGrant(ctx, g.ID); err != nil {
				b.Log.WarnContext(ctx, "a grant did not begin at its start", "grant", g.ID, "err", err)
			}
		})
	}
	wait.Wait()
	return ctx.Err()
}

// beginGrant starts the clock of a grant whose start was asked for and has come.
// Everything is judged again: the requester and their groups, the role, the
// catalog, and what a check says of the ticket. What says no ends the grant,
// and the error says what it was; what cannot be judged leaves it waiting.
func (b *Broker) beginGrant(ctx context.Context, id brevet.GrantID) error {
	rules := b.ruling.Load()
	var r brevet.Request
	err := b.look(ctx, func(tx *store.Tx) error {
		g, err := tx.Grant(id)
		if err != nil {
			return err
		}
		if r, err = tx.Request(g.Request); err != nil {
			return err
		}
		return proveScheduled(tx, g, r)
	})
	if err != nil {
		return err
	}
	requester, why, err := b.mayBegin(ctx, rules, r)
	if err != nil {
		return err
	}
	err = b.DB.Update(ctx, func(tx *store.Tx) error {
		if err := rules.rules(tx); err != nil {
			return err
		}
		g, err := tx.Grant(id)
		if err != nil || g.State != brevet.Scheduled || tx.GrantOver(id) {
			return err // somebody else was faster
		}
		if err := proveScheduled(tx, g, r); err != nil {
			return err
		}
		if why == "" && (tx.PersonOver(g.Person) || requester.SignIn.ID != "" && tx.SignInOver(requester.SignIn.ID)) {
			return brevet.Errorf(brevet.Conflict, "the requester's access changed meanwhile").WithHint("try again in a moment")
		}
		return b.beginIn(tx, g, r, why)
	})
	if err != nil {
		return err
	}
	b.changes.notify()
	if why != "" {
		return brevet.Errorf(brevet.Denied, "your grant for %s ended at its start: %s", b.targetName(r.Account, r.Role), why).
			WithUnmet(brevet.Unmet{Condition: "a grant that could be given at its start, too", Have: why, Remedy: "brevet request asks for it as it is now"})
	}
	return nil
}

// beginIn writes that the grant began or, with a why, that it did not.
func (b *Broker) beginIn(tx *store.Tx, g brevet.Grant, r brevet.Request, why string) (err error) {
	now := tx.Now()
	var events []brevet.Event
	if why != "" {
		g, events, err = g.Miss(why, clock, now)
	} else {
		g.Until = r.Bound.Until
		g, events, err = g.Activate(clock, now)
	}
	if err != nil {
		return err
	}
	leaf, err := record(tx, events)
	if err != nil {
		return err
	}
	if why == "" {
		g.Leaf = leaf
	}
	return tx.PutGrant(g)
}

// mayBegin judges anew what was approved for later. why says what stands in
// the way; the error, that it cannot be told.
func (b *Broker) mayBegin(ctx context.Context, rules *ruling, r brevet.Request) (requester brevet.Caller, why string, err error) {
	requester, err = b.requester(ctx, r)
	if errors.Is(err, brevet.Unauthenticated) {
		return requester, brevet.AsError(err).Message, nil
	}
	if err != nil {
		return requester, "", err
	}
	if requester.SignIn.ID != "" { // what was known when it was approved is old by now
		requester = b.current(ctx, requester, time.Minute)
	}
	a, why, err := rules.stands(r, requester, b.now())
	if why != "" || err != nil {
		return requester, why, err
	}
	err = b.checkText(ctx, a.Entitlement, b.targetName(r.Account, r.Role), requester.Person.Handle, r.Ask)
	if errors.Is(err, brevet.Denied) {
		return requester, brevet.AsError(err).Message, nil
	}
	return requester, "", err
}

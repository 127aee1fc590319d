package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// Revocations are carried out by whoever looks first: the process in which
// the act was done, the job that was enqueued with it, or a sweep. Each acts on
// what the log says is open, so that one that never ran loses nothing and one
// that ran twice does no harm: the cloud holds an id once.

// Bounds on carrying out.
const (
	tellAtOnce    = 64               // accounts that are told at a time
	tryAtOnce     = 64               // sessions that are tried at a time
	tellGrants    = 100              // grants in one call of a revoker
	tellPatience  = 40 * time.Second // for one account to be told
	quickTries    = 3                // failures that are kept quiet
	othersTell    = 15 * time.Second // a revocation this young is being told where it was asked for
	othersConfirm = 30 * time.Second // one that was told this lately is being confirmed by whoever told it
	confirmWithin = 10 * time.Minute // how long the cloud's refusal is waited for, once told
	longestRest   = 5 * time.Minute  // between two attempts in an account
	aliveUnknown  = 20 * time.Minute // how long one is kept open of which nothing is known to be out
)

// revoking is what this process knows about carrying out.
type revoking struct {
	mu     sync.Mutex
	busy   map[brevet.AccountID]bool
	rests  map[brevet.AccountID]rest
	mine   map[brevet.GrantID]bool        // asked for here, or by a job that is run here
	none   map[brevet.AccountID]time.Time // accounts without a revoker, and when that was seen
	clean  map[string]bool                // people and customers that have ended and of whom nothing is left, by id
	poked  chan struct{}
	tells  chan struct{}
	tries  chan struct{}
	active sync.WaitGroup
}

// rest is how long an account is left alone after failures.
type rest struct {
	failures int
	until    time.Time
}

func newRevoking() *revoking {
	return &revoking{busy: map[brevet.AccountID]bool{}, rests: map[brevet.AccountID]rest{}, mine: map[brevet.GrantID]bool{}, none: map[brevet.AccountID]time.Time{},
		clean: map[string]bool{}, poked: make(chan struct{}, 1), tells: make(chan struct{}, tellAtOnce), tries: make(chan struct{}, tryAtOnce)}
}

// cleared reports whether nothing is left of a person or customer that has
// ended.
func (r *revoking) cleared(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.clean[id]
}

func (r *revoking) clear(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clean[id] = true
}

// poke has the loop look.
func (r *revoking) poke() { poke(r.poked) }

// poke wakes whoever waits on c, which has room for one.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// adopt makes revocations this process's own.
func (r *revoking) adopt(ids ...brevet.GrantID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		r.mine[id] = true
	}
}

// take takes an account, unless it is taken or rests.
func (r *revoking) take(id brevet.AccountID, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy[id] || now.Before(r.rests[id].until) {
		return false
	}
	r.busy[id] = true
	return true
}

// free gives an account back; after a failure it rests.
func (r *revoking) free(id brevet.AccountID, failed bool, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.busy, id)
	if !failed {
		delete(r.rests, id)
		return
	}
	n := r.rests[id].failures + 1
	r.rests[id] = rest{n, now.Add(min(time.Second<<min(n-1, 20), longestRest))}
}

func (r *revoking) failures(id brevet.AccountID) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rests[id].failures
}

// withoutRevoker reports whether the account was seen to have no revoker
// within a day. Only what is not urgent asks.
func (r *revoking) withoutRevoker(id brevet.AccountID, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, seen := r.none[id]
	return seen && now.Sub(at) < 24*time.Hour
}

func (r *revoking) noteRevoker(id brevet.AccountID, there bool, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if delete(r.none, id); !there {
		r.none[id] = now
	}
}

// Revoking carries revocations out until ctx is over: whenever something is
// asked for, and every few seconds what is due again.
func (b *Broker) Revoking(ctx context.Context) {
	defer b.revoking.active.Wait()
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		b.carry(ctx)
		select {
		case <-ctx.Done():
			return
		case <-b.revoking.poked:
		case <-t.C:
		}
	}
}

// CarryOut carries out what is due now and returns when that is done, as far
// as it can be.
func (b *Broker) CarryOut(ctx context.Context) {
	b.carry(ctx)
	b.revoking.active.Wait()
}

// carry begins to carry out what is due, account by account.
func (b *Broker) carry(ctx context.Context) {
	now := b.now()
	due := map[brevet.AccountID][]brevet.Revocation{}
	for _, r := range b.openRevocations(ctx) {
		if b.isDue(r, now) {
			due[r.Account] = append(due[r.Account], r)
		}
	}
	for id, list := range due {
		if !b.revoking.take(id, now) {
			continue
		}
		b.revoking.active.Go(func() {
			err := b.carryIn(ctx, id, list)
			if err != nil && ctx.Err() == nil {
				b.Log.WarnContext(ctx, "a revocation is not carried out yet", "account", id, "grants", len(list), "err", err)
			}
			b.revoking.free(id, err != nil, b.now())
			b.changes.notify()
		})
	}
}

// openRevocations reads what the log says is open. One that cannot be read
// keeps no other from being carried out.
func (b *Broker) openRevocations(ctx context.Context) []brevet.Revocation {
	if len(b.DB.OpenRevocations()) == 0 {
		return nil
	}
	var out []brevet.Revocation
	var unread error
	read := func(tx *store.Tx) error {
		out, unread = nil, nil
		for _, index := range tx.OpenRevocations() {
			e, err := tx.Proven(index)
			r, whole := brevet.RevocationOf(e)
			if err == nil && !whole {
				err = disagree("revocation of grant", string(e.Grant))
			}
			if err != nil {
				unread = errors.Join(unread, fmt.Errorf("entry %d: %w", index, err))
				continue
			}
			out = append(out, r)
		}
		return nil
	}
	err := b.DB.View(ctx, read)
	if err == nil && unread != nil { // of one that changes meanwhile, a snapshot may lack the newest entry
		err = b.DB.Update(ctx, read)
	}
	if unread != nil {
		b.Log.ErrorContext(ctx, "a revocation cannot be read", "err", unread)
	}
	if err != nil {
		b.Log.WarnContext(ctx, "revocations cannot be read", "err", err)
	}
	return out
}

// isDue reports whether this process should do something about r now. Where
// several share a database, the one that asked goes first.
func (b *Broker) isDue(r brevet.Revocation, now time.Time) bool {
	b.revoking.mu.Lock()
	mine := b.revoking.mine[r.Grant]
	b.revoking.mu.Unlock()
	switch {
	case mine || !b.DB.ReadsAside(): // a SQLite database has one process
		return true
	case r.Told.IsZero():
		return now.Sub(r.Requested) >= othersTell
	}
	return now.Sub(r.Told) >= othersConfirm
}

// carryIn carries out what is open in one account: the kills first, then the
// shells of grants that are over, then what was told before and is still to be
// confirmed.
func (b *Broker) carryIn(ctx context.Context, id brevet.AccountID, list []brevet.Revocation) error {
	rules := b.ruling.Load()
	a, ok := rules.AccountByID(id)
	var why error
	switch {
	case !ok:
		why = brevet.Errorf(brevet.CloudRefused, "account %s has left the catalog, so brevet has no way in", id)
	case b.DB.CustomerOver(a.Customer):
		why = b.left(a.Customer)
	case a.Center != nil:
		why = brevet.Errorf(brevet.CloudRefused, "account %s is entered through IAM Identity Center: nobody is let in any more, and no revoker reaches sessions that are out", a.Name)
		if err := b.closeDoors(ctx, a.ID); err != nil {
			why = brevet.Errorf(brevet.Unavailable, "IAM Identity Center could not be told").WithCause(err)
		}
	}
	if why != nil {
		return b.trouble(ctx, list, why)
	}
	var kills, shells, told []brevet.Revocation
	for _, r := range list {
		switch {
		case !r.Told.IsZero() && r.Cut == nil && !r.Everybody: // what was cut wide is told again, for a session that was begun before
			told = append(told, r)
		case r.Shells:
			shells = append(shells, r)
		default:
			kills = append(kills, r)
		}
	}
	c := &carrying{b: b, rules: rules, account: a, keys: map[brevet.GrantID]probing{}}
	var errs []error
	for _, some := range []struct {
		list   []brevet.Revocation
		shells bool
	}{{kills, false}, {shells, true}} {
		for batch := range slices.Chunk(some.list, tellGrants) {
			held, err := c.tell(ctx, batch, some.shells)
			told = append(told, held...)
			if err != nil {
				errs = append(errs, b.trouble(ctx, missing(batch, held), err))
			}
		}
	}
	return errors.Join(append(errs, c.confirm(ctx, told))...)
}

// missing returns those of all that are not among some.
func missing(all, some []brevet.Revocation) []brevet.Revocation {
	return slices.DeleteFunc(slices.Clone(all), func(r brevet.Revocation) bool {
		return slices.ContainsFunc(some, func(o brevet.Revocation) bool { return o.Grant == r.Grant })
	})
}

// trouble records that an attempt came to nothing, and returns why: once,
// unless the reason is another. A cloud that gave no clear answer is asked a
// few times before.
func (b *Broker) trouble(ctx context.Context, list []brevet.Revocation, why error) error {
	if ctx.Err() != nil || len(list) == 0 {
		return why
	}
	text := brevet.AsError(why).Message
	if hint := brevet.AsError(why).Hint; hint != "" {
		text += " (" + hint + ")"
	}
	if k := brevet.KindOf(why); k == brevet.Internal || k == brevet.Conflict {
		text = "something went wrong on the server"
	}
	clear := brevet.KindOf(why) == brevet.CloudRefused || brevet.KindOf(why) == brevet.Denied || brevet.KindOf(why) == brevet.NoGrant
	if !clear && b.revoking.failures(list[0].Account) < quickTries {
		return why
	}
	err := b.change(ctx, list, func(r brevet.Revocation, now time.Time) (brevet.Revocation, []brevet.Event, error) {
		switch {
		case r.Until.IsZero() && clear: // nothing is known to be out
			return r.Lapse(clock, now)
		case r.Shells: // it dies within the hour, and nobody need know
			return r, nil, nil
		}
		next, events, err := r.Fail(text, clock, now)
		if r.State == next.State && r.Trouble == next.Trouble {
			return r, nil, nil
		}
		return next, events, err
	})
	return errors.Join(why, err)
}

// change makes the same change to each of the revocations, as they are by
// then, and records it. What is closed meanwhile stays as it is.
func (b *Broker) change(ctx context.Context, list []brevet.Revocation, do func(brevet.Revocation, time.Time) (brevet.Revocation, []brevet.Event, error)) error {
	if len(list) == 0 {
		return nil
	}
	defer b.changes.notify()
	return b.DB.Update(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		for _, r := range list {
			now, err := revocationNow(tx, r.Grant)
			if err != nil {
				return err
			}
			next, events, err := do(now, tx.Now())
			if errors.Is(err, brevet.Conflict) || err == nil && len(events) == 0 {
				continue
			}
			if err != nil {
				return err
			}
			if err := putRevocation(tx, next, events); err != nil {
				return err
			}
		}
		return nil
	})
}

// revocationNow reads a revocation from the log.
func revocationNow(tx *store.Tx, id brevet.GrantID) (brevet.Revocation, error) {
	i, ok := tx.Latest(store.RevocationKey(id))
	if !ok {
		return brevet.Revocation{}, brevet.Errorf(brevet.NotFound, "grant %s was not revoked", id)
	}
	e, err := tx.Proven(i)
	if err != nil {
		return brevet.Revocation{}, err
	}
	r, whole := brevet.RevocationOf(e)
	if !whole {
		return r, disagree("revocation of grant", string(id))
	}
	return r, nil
}

// putRevocation records events about r.
func putRevocation(tx *store.Tx, r brevet.Revocation, events []brevet.Event) error {
	leaf, err := record(tx, events)
	if err != nil {
		return err
	}
	return tx.PutRevocation(store.RevocationRow{Grant: r.Grant, Act: r.ID, Customer: r.Customer, Leaf: leaf})
}

// sweepRevocations closes what has died by itself, and has the loop look at
// the rest.
func (b *Broker) sweepRevocations(ctx context.Context) error {
	now := b.now()
	var dead []brevet.Revocation
	for _, r := range b.openRevocations(ctx) {
		if !r.Until.IsZero() && !now.Before(r.Until) || r.Until.IsZero() && now.Sub(r.Requested) >= aliveUnknown {
			dead = append(dead, r)
		}
	}
	err := b.change(ctx, dead, func(r brevet.Revocation, now time.Time) (brevet.Revocation, []brevet.Event, error) {
		return r.Lapse(clock, now)
	})
	b.revoking.poke()
	return err
}

package broker

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// warnBefore is how long before a grant's end whoever wants to know is told.
const warnBefore = 10 * time.Minute

// warned remembers of which grants this process has judged whether to warn,
// and when it last looked for letters that nobody will send. What was told is
// known from the outbox; this only spares asking it again.
type warned struct {
	mu     sync.Mutex
	ends   map[brevet.GrantID]time.Time
	looked time.Time
}

// hourly reports whether an hour has passed since it last did.
func (w *warned) hourly(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Sub(w.looked).Abs() < time.Hour {
		return false
	}
	w.looked = now
	return true
}

// first reports whether the grant was not judged yet, and forgets those that
// are over.
func (w *warned) first(g brevet.Grant, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, end := range w.ends {
		if end.Before(now) {
			delete(w.ends, id)
		}
	}
	_, seen := w.ends[g.ID]
	return !seen
}

func (w *warned) judged(g brevet.Grant) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ends == nil {
		w.ends = map[brevet.GrantID]time.Time{}
	}
	w.ends[g.ID] = g.End
}

// sweepOutbox warns of grants that end soon, gives up letters of channels that
// are not there any more, and forgets what was settled long ago.
func (b *Broker) sweepOutbox(ctx context.Context) error {
	return errors.Join(b.WarnEnding(ctx), b.sweepLetters(ctx))
}

// WarnEnding tells channels that want to know of grants that are in use and
// end within ten minutes; of each once.
func (b *Broker) WarnEnding(ctx context.Context) error {
	if !slices.ContainsFunc(b.Channels, func(ch Channel) bool { return slices.Contains(ch.Topics, TopicEnding) }) {
		return nil
	}
	var soon []brevet.Grant
	err := b.DB.View(ctx, func(tx *store.Tx) error {
		before := tx.Now().Add(warnBefore)
		grants, err := tx.Grants(store.GrantFilter{States: []brevet.GrantState{brevet.Active}, Over: &before, Limit: 10 * sweepBatch})
		for _, g := range grants {
			if g.Live(tx.Now()) && b.warned.first(g, tx.Now()) {
				soon = append(soon, g)
			}
		}
		return err
	})
	for _, g := range soon {
		used := false
		warnErr := b.DB.Update(ctx, func(tx *store.Tx) error {
			used, err = b.warn(tx, g.ID)
			return err
		})
		if warnErr == nil && used { // else it may come into use yet
			b.warned.judged(g)
		}
		err = errors.Join(err, warnErr)
	}
	return err
}

// warn records that a grant ends soon, if it is in use and some channel is to
// be told; it reports whether it is in use. A row that the log does not bear
// out warns nobody.
func (b *Broker) warn(tx *store.Tx, id brevet.GrantID) (used bool, err error) {
	g, err := tx.Grant(id)
	if err != nil || !g.Live(tx.Now()) || tx.GrantOver(id) {
		return false, err
	}
	live, err := tx.Sessions(store.SessionFilter{Grant: id, LiveAt: tx.Now(), Limit: 1})
	if err != nil || len(live) == 0 {
		return false, err
	}
	r, err := tx.Request(g.Request)
	if err != nil {
		return false, err
	}
	if _, err := proveGrant(tx, g, r); err != nil {
		return false, err
	}
	e := brevet.Event{Kind: brevet.GrantEnding, Customer: g.Customer, Actor: clock, Person: g.Person, Request: g.Request, Grant: g.ID, Account: g.Account, Role: g.Role, End: &g.End}
	if len(b.route(tx, e)) == 0 {
		return true, nil // nobody wants to know, or was told
	}
	return true, post(tx, e)
}

// sweepLetters gives up what waits for a channel that the configuration does
// not have any more, a day later: another replica may have it still.
func (b *Broker) sweepLetters(ctx context.Context) error {
	if !b.warned.hourly(b.now()) {
		return nil
	}
	var lost []store.Letter
	old := false
	err := b.DB.View(ctx, func(tx *store.Tx) error {
		waiting, err := tx.Orphans(b.channelNames(), tx.Now().Add(-24*time.Hour), sweepBatch)
		lost = waiting
		if err != nil {
			return err
		}
		old, err = tx.LettersBefore(tx.Now().Add(-keepLetters))
		return err
	})
	if err != nil || len(lost) == 0 && !old {
		return err
	}
	return b.DB.Update(ctx, func(tx *store.Tx) error {
		for _, l := range lost {
			l.State, l.Done, l.Problem = store.LetterFailed, tx.Now(), "there is no such channel any more"
			if err := tx.PutLetter(l); err != nil && !errors.Is(err, brevet.Conflict) {
				return err
			}
		}
		return tx.DropLetters(tx.Now().Add(-keepLetters))
	})
}

func (b *Broker) channelNames() []string {
	names := []string{}
	for _, ch := range b.Channels {
		names = append(names, ch.Name)
	}
	return names
}

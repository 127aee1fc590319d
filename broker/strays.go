package broker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// straysEvery is how often who is let in is compared with who was granted it:
// AWS answers 20 such questions a second, and there may be hundreds of
// accounts.
const straysEvery = time.Hour

// The plans for a stray, under "plan" in the event that reports it.
const (
	strayReported = "reported"
	strayRemoved  = "removed"
)

// strayAgain is how long after a look that failed the next one is; then twice
// as long, and so on to straysEvery.
const strayAgain = time.Minute

// strays says when each account is looked at next. Those of one customer are
// looked at one after the other.
type strays struct {
	mu   sync.Mutex
	next map[brevet.AccountID]rest
	at   besides[brevet.CustomerID]
}

// due reports whether an account is to be looked at.
func (s *strays) due(id brevet.AccountID, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !now.Before(s.next[id].until)
}

// looked notes a look that began at now; one that failed is made again soon.
func (s *strays) looked(id brevet.AccountID, failed bool, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		s.next = map[brevet.AccountID]rest{}
	}
	if !failed {
		s.next[id] = rest{until: now.Add(straysEvery)}
		return
	}
	n := s.next[id].failures
	s.next[id] = rest{n + 1, now.Add(min(strayAgain<<min(n, 10), straysEvery))}
}

// Unseen returns how many accounts there are of which it is not known who is
// let in through IAM Identity Center, as the last look failed.
func (b *Broker) Unseen() (n int) {
	b.strays.mu.Lock()
	defer b.strays.mu.Unlock()
	for _, account := range b.Catalog().Accounts {
		if account.Center != nil && b.strays.next[account.ID].failures > 0 {
			n++
		}
	}
	return n
}

// FindStrays compares, once an hour, who is let in with who was granted it.
// Whom nobody granted that is on record, and dismissed where the catalog says
// so. One that is on record and still there is not reported again, whichever
// replica did. It may take minutes, so it runs beside [Broker.Sweep].
func (b *Broker) FindStrays(ctx context.Context) error { return finish(b.beginStrays(ctx)) }

// beginStrays begins to look where it is due, customer by customer.
func (b *Broker) beginStrays(ctx context.Context) (begun []<-chan error) {
	if b.Center.Present == nil {
		return nil
	}
	due := map[brevet.CustomerID][]brevet.Account{}
	for _, account := range b.Catalog().Accounts {
		if account.Center != nil && !b.DB.CustomerOver(account.Customer) && b.strays.due(account.ID, b.now()) {
			due[account.Customer] = append(due[account.Customer], account)
		}
	}
	for customer, accounts := range due {
		if b.strays.at.under(customer) > 0 {
			continue
		}
		begun = append(begun, b.strays.at.begin(customer, func() error {
			var errs []error
			for _, account := range accounts {
				if ctx.Err() != nil {
					break
				}
				now := b.now()
				err := b.compare(ctx, account)
				b.strays.looked(account.ID, err != nil, now)
				errs = append(errs, err)
			}
			return errors.Join(errs...)
		}))
	}
	return begun
}

// strayLook is what one look at an account's assignments goes by.
type strayLook struct {
	account brevet.Account
	size    int64                       // of the log before it
	ours    map[string]bool             // what grants let in, by assignmentID
	known   map[brevet.Assignment]int64 // strays that are on record, and where
}

// compare is FindStrays for one account.
func (b *Broker) compare(ctx context.Context, account brevet.Account) error {
	ctx, cancel := context.WithTimeout(ctx, centerPatience)
	defer cancel()
	l := &strayLook{account: account}
	err := b.DB.View(ctx, func(tx *store.Tx) error {
		head, err := tx.Head()
		l.size = head.Size
		return err
	})
	if err != nil {
		return err
	}
	there, err := b.Center.Present(ctx, account)
	if err != nil {
		return err
	}
	if err := b.DB.View(ctx, func(tx *store.Tx) error { return b.readStrays(tx, l) }); err != nil {
		return err
	}
	var errs []error
	for _, a := range there {
		if a.Group || !l.ours[assignmentID(a.Account, a.Role, a.Principal)] {
			errs = append(errs, b.stray(ctx, l, a))
		}
		delete(l.known, a)
	}
	for a, at := range l.known {
		errs = append(errs, b.strayGone(ctx, l, a, at))
	}
	return errors.Join(errs...)
}

// readStrays reads, after what is there, what should be: what was let in
// meanwhile is among it. A record that cannot be read does not count as one.
func (b *Broker) readStrays(tx *store.Tx, l *strayLook) error {
	l.ours, l.known = map[string]bool{}, map[brevet.Assignment]int64{}
	open, unread, err := openDoors(tx)
	if unread != nil {
		b.Log.Warn("whom grants let in cannot be read in the log", "account", l.account.ID, "err", unread)
	}
	for _, a := range open {
		if a.Account == l.account.ID {
			l.ours[a.ID] = true
		}
	}
	for _, i := range b.DB.StraysAt(l.account.ID) {
		e, err := tx.Proven(i)
		if a, ok := store.StrayOf(e); ok && err == nil && e.Kind == brevet.AssignmentFound {
			l.known[a] = i
		}
	}
	return err
}

// plan says what becomes of a stray of the account.
func (l *strayLook) plan() string {
	if l.account.Center.Remove {
		return strayRemoved
	}
	return strayReported
}

// event is one about a stray.
func (l *strayLook) event(kind brevet.EventKind, a brevet.Assignment) brevet.Event {
	as := store.StrayUser
	if a.Group {
		as = store.StrayGroup
	}
	return brevet.Event{Kind: kind, Customer: l.account.Customer, Actor: clock, Account: a.Account, Role: a.Role, Data: map[string]string{as: a.Principal}}
}

// stray puts what nobody was granted on record, before it is taken away. One
// of which something was said since it was seen is left to the next look.
func (b *Broker) stray(ctx context.Context, l *strayLook, a brevet.Assignment) error {
	if _, known := l.known[a]; known && !l.account.Center.Remove {
		return nil
	}
	old := false
	err := b.DB.Update(ctx, func(tx *store.Tx) error {
		var reported bool
		var err error
		if reported, old, err = l.onRecord(tx, a); reported || old || err != nil {
			return err
		}
		e := l.event(brevet.AssignmentFound, a)
		e.Reason, e.Data["plan"] = "nobody was granted this", l.plan()
		_, err = tx.Record(e)
		return err
	})
	if err != nil || old || !l.account.Center.Remove {
		return err
	}
	defer b.doors.lock(assignmentID(a.Account, a.Role, a.Principal))()
	if err := b.Center.Dismiss(ctx, l.account, a.Role, a); err != nil {
		return err
	}
	return b.DB.Update(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		e := l.event(brevet.AssignmentRemoved, a)
		letsInAgain(tx, a, &e)
		_, err := tx.Record(e)
		return err
	})
}

// onRecord reports whether a stray was reported, with the plan that the
// catalog has for it now, and whether what was seen of it is old: another
// replica, or the end of a grant, has dealt with it since, or a grant lets in
// by now.
func (l *strayLook) onRecord(tx *store.Tx, a brevet.Assignment) (reported, old bool, err error) {
	ours, err := tx.Assignment(assignmentID(a.Account, a.Role, a.Principal))
	if err != nil && !errors.Is(err, brevet.NotFound) {
		return false, false, err
	}
	if err == nil && !a.Group && ours.State == store.AssignmentOpen {
		return false, true, nil
	}
	i, ok := tx.Latest(store.StrayKey(a))
	if !ok || i >= l.size {
		return false, ok, nil
	}
	e, err := tx.Proven(i)
	if brevet.KindOf(err) == brevet.Internal { // it cannot be read, so it is made anew
		return false, false, nil
	}
	if err != nil || e.Kind != brevet.AssignmentFound {
		return false, false, err
	}
	return e.Data["plan"] == l.plan() || l.plan() == strayReported, false, nil
}

// strayGone records that a stray is not there any more, so that it is reported
// if it comes back.
func (b *Broker) strayGone(ctx context.Context, l *strayLook, a brevet.Assignment, at int64) error {
	return b.DB.Update(ctx, func(tx *store.Tx) error {
		if i, ok := tx.Latest(store.StrayKey(a)); !ok || i != at {
			return nil // another replica has seen it, too
		}
		e := l.event(brevet.AssignmentRemoved, a)
		e.Reason = "it was taken away by others"
		letsInAgain(tx, a, &e)
		_, err := tx.Record(e)
		return err
	})
}

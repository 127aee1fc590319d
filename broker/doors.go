package broker

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// doorsEvery is how often it is looked for doors to close and for strays that
// are due.
const doorsEvery = 5 * time.Second

// letsIn reports whether a live grant lets the assignment's person in. Both
// whose it is and what they hold is as the log says (law 11). In a View it may
// say no of what has changed just now.
func letsIn(tx *store.Tx, a brevet.Assignment, now time.Time) bool {
	i, ok := tx.Latest(store.DoorKey(a))
	if !ok {
		return false
	}
	who, err := tx.Proven(i)
	if err != nil || tx.PersonOver(who.Person) {
		return false
	}
	return slices.ContainsFunc(tx.HeldAt(who.Person), func(i int64) bool {
		e, err := tx.Proven(i)
		return err == nil && e.Account == a.Account && e.Role == a.Role && !tx.CustomerOver(e.Customer) &&
			e.Start != nil && e.End != nil && !now.Before(*e.Start) && now.Before(*e.End)
	})
}

// openDoors returns the assignments that were not seen to let in no more: by
// the log, with what their rows say about the attempts to take them away; and
// those of which rows alone tell, such as of before a restore. Unread is what
// the log could not be read of, in a View also because it is too new.
func openDoors(tx *store.Tx) (open []store.Assignment, unread, err error) {
	rows, err := tx.OpenAssignments(store.AssignmentFilter{})
	if err != nil {
		return nil, nil, err
	}
	byID := map[string]store.Assignment{}
	for _, a := range rows {
		if a.ID == assignmentID(a.Account, a.Role, a.Principal) {
			byID[a.ID] = a
		}
	}
	for _, i := range tx.DoorsAt() {
		e, err := tx.Proven(i)
		if err != nil {
			unread = errors.Join(unread, err)
			continue
		}
		who, _ := store.StrayOf(e)
		id := assignmentID(who.Account, who.Role, who.Principal)
		a := byID[id]
		a.ID, a.Assignment, a.Customer, a.Person = id, who, e.Customer, e.Person
		a.State = store.AssignmentOpen
		byID[id] = a
	}
	return slices.Collect(maps.Values(byID)), unread, nil
}

// KeepDoors closes doors and looks for strays until ctx is over, each customer
// and account apart: an Identity Center that does not answer keeps no other's
// doors open.
func (b *Broker) KeepDoors(ctx context.Context) {
	defer b.doors.at.active.Wait()
	defer b.strays.at.active.Wait()
	t := time.NewTicker(doorsEvery)
	defer t.Stop()
	room := make(chan struct{}, 1)
	for {
		begun, err := b.beginClosing(ctx, "")
		if err != nil && ctx.Err() == nil {
			b.Log.ErrorContext(ctx, "it is not known whom to let in no more; it is tried again", "err", err)
		}
		b.tell(ctx, "somebody is not dismissed yet", begun, func() { poke(room) })
		b.tell(ctx, "it is not known who is let in", b.beginStrays(ctx), func() {})
		select {
		case <-ctx.Done():
			return
		case <-room:
		case <-t.C:
		}
	}
}

// CloseDoors takes away what no live grant lets in any more, and returns when
// that is done, as far as it can be. What fails is tried again.
func (b *Broker) CloseDoors(ctx context.Context) error { return b.closeDoors(ctx, "") }

// closeDoors is CloseDoors for one account, or for all if it is "".
func (b *Broker) closeDoors(ctx context.Context, only brevet.AccountID) error {
	var errs []error
	for {
		begun, err := b.beginClosing(ctx, only)
		if errs = append(errs, err, finish(begun)); len(begun) == 0 {
			return errors.Join(errs...)
		}
	}
}

// beginClosing begins to take away what is due, in each account as many as
// there is room for.
func (b *Broker) beginClosing(ctx context.Context, only brevet.AccountID) (begun []<-chan error, err error) {
	if b.Center.Dismiss == nil {
		return nil, nil
	}
	due, err := b.closing(ctx, only)
	for _, a := range due {
		begun = append(begun, b.doors.at.begin(a.Account, func() error { return b.dismiss(ctx, a) }))
	}
	return begun, err
}

// closing claims the assignments that have to be taken away now, so that no
// other replica works on them in the meantime.
func (b *Broker) closing(ctx context.Context, only brevet.AccountID) (due []store.Assignment, err error) {
	find := func(tx *store.Tx) error {
		due = nil
		now, began := b.now(), map[brevet.AccountID]int{}
		open, _, err := openDoors(tx)
		for _, a := range open {
			waits := a.Due.After(now) && !a.Due.After(now.Add(2*centerRarely)) // nobody here puts it off for longer
			if waits || only != "" && a.Account != only || began[a.Account]+b.doors.at.under(a.Account) >= atDoor || letsIn(tx, a.Assignment, now) {
				continue
			}
			began[a.Account]++
			due = append(due, a)
		}
		return err
	}
	if err := b.DB.View(ctx, find); err != nil || len(due) == 0 {
		return nil, err
	}
	err = b.DB.Update(ctx, func(tx *store.Tx) error {
		if err := find(tx); err != nil {
			return err
		}
		for _, a := range due {
			a.Due = tx.Now().Add(2 * centerPatience)
			if err := putAssignment(tx, a); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return due, nil
}

// putAssignment writes the row of an assignment, which may be gone.
func putAssignment(tx *store.Tx, a store.Assignment) error {
	_, err := tx.Assignment(a.ID)
	if errors.Is(err, brevet.NotFound) {
		return tx.AddAssignment(a)
	}
	if err != nil {
		return err
	}
	return tx.PutAssignment(a)
}

// dismiss takes one assignment away and records what came of it.
func (b *Broker) dismiss(ctx context.Context, a store.Assignment) error {
	defer b.doors.lock(a.ID)()
	if b.stillLetIn(ctx, a) {
		return nil // asked for anew while this one waited
	}
	failed := b.takeAway(ctx, a)
	return b.DB.Update(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		now := tx.Now()
		e := brevet.Event{Kind: brevet.AssignmentRemoved, Time: now, Customer: a.Customer, Actor: clock, Person: a.Person, Account: a.Account, Role: a.Role,
			Data: map[string]string{store.StrayUser: a.Principal}}
		is := a
		if failed != nil {
			is.Tries, is.Problem, is.Due = a.Tries+1, problemOf(failed), now.Add(min(centerAgain<<min(a.Tries, 10), centerRarely))
			if a.Tries > 0 { // it is on record that it fails
				return putAssignment(tx, is)
			}
			e.Kind, e.Reason = brevet.AssignmentFailed, is.Problem
		} else {
			is.Tries, is.Problem, is.Due = 0, "", now
			if !letsInAgain(tx, a.Assignment, &e) { // else whoever lets them in now waits for us
				is.State = store.AssignmentClosed
			}
		}
		if _, err := tx.Record(e); err != nil {
			return err
		}
		return putAssignment(tx, is)
	})
}

// letsInAgain reports whether a live grant lets the assignment's person in by
// now, and has e, which takes it away, say so.
func letsInAgain(tx *store.Tx, a brevet.Assignment, e *brevet.Event) bool {
	in := !a.Group && letsIn(tx, a, tx.Now())
	if in {
		e.Data[store.DoorAgain] = "yes"
	}
	return in
}

// takeAway asks Identity Center to let an assignment's user in no more.
func (b *Broker) takeAway(ctx context.Context, a store.Assignment) error {
	account, ok := b.Catalog().AccountByID(a.Account)
	if !ok || account.Center == nil {
		return brevet.Errorf(brevet.Invalid, "account %s has left the catalog, or is not entered through IAM Identity Center any more", a.Account)
	}
	ctx, cancel := context.WithTimeout(ctx, centerPatience)
	defer cancel()
	return b.Center.Dismiss(ctx, account, a.Role, a.Assignment)
}

// stillLetIn asks the log as it is now, not as a snapshot has it.
func (b *Broker) stillLetIn(ctx context.Context, a store.Assignment) (in bool) {
	err := b.DB.Update(ctx, func(tx *store.Tx) error {
		in = letsIn(tx, a.Assignment, tx.Now())
		return nil
	})
	return in && err == nil
}

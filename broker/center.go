package broker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// Center lets people into accounts that are entered through IAM Identity
// Center. The errors are those of a [brevet.Cloud].
type Center struct {
	// Find returns Identity Center's id of a person.
	Find func(ctx context.Context, a brevet.Account, who brevet.Principal, h brevet.Handle) (string, error)
	// Admit lets a user in; that they are in already is no error.
	Admit func(ctx context.Context, a brevet.Account, role brevet.RoleName, user string) error
	// Dismiss takes away what lets a user or group in; that nothing does is no error.
	Dismiss func(ctx context.Context, a brevet.Account, role brevet.RoleName, who brevet.Assignment) error
	// Present lists whom something lets in.
	Present func(ctx context.Context, a brevet.Account) ([]brevet.Assignment, error)
}

const (
	centerPatience = time.Minute // for what nobody waits for
	centerAgain    = 10 * time.Second
	centerRarely   = 10 * time.Minute
	atDoor         = 8 // assignments that are taken away at a time
)

// doors holds what works on one assignment apart: nobody is let in and
// dismissed at the same time by this process.
type doors struct {
	mu   sync.Mutex
	busy map[string]*sync.Mutex
}

func (d *doors) lock(id string) (unlock func()) {
	d.mu.Lock()
	if d.busy == nil {
		d.busy = map[string]*sync.Mutex{}
	}
	m := d.busy[id]
	if m == nil {
		m = &sync.Mutex{}
		d.busy[id] = m
	}
	d.mu.Unlock()
	m.Lock()
	return m.Unlock
}

// assignmentID names the way of one principal into one role.
func assignmentID(account brevet.AccountID, role brevet.RoleName, principal string) string {
	sum := sha256.Sum256([]byte(string(account) + "\x00" + string(role) + "\x00" + principal))
	return "as_" + hex.EncodeToString(sum[:10])
}

// byPortal refuses to hand out credentials of an account whose portal makes
// them.
func byPortal(o *order) error {
	return brevet.Errorf(brevet.Invalid, "%s is entered through IAM Identity Center, whose access portal makes the credentials", o.target).
		WithHint("brevet console %s lets you in; then the portal, or aws sso login, does the rest", o.target)
}

// admit lets the order's person in: the effect between intent and outcome.
func (b *Broker) admit(ctx context.Context, o *order) (brevet.Credential, error) {
	if err := b.MayMint(o.account.Customer); err != nil {
		return brevet.Credential{}, err
	}
	defer b.doors.lock(assignmentID(o.account.ID, o.role.Name, o.user))()
	err := b.Center.Admit(ctx, o.account, o.role.Name, o.user)
	return brevet.Credential{AccessKeyID: o.user, Expires: o.window().End}, err
}

// findUser asks Identity Center who the order's person is there.
func (b *Broker) findUser(ctx context.Context, o *order) (err error) {
	if b.Center.Find == nil {
		return brevet.Errorf(brevet.Unavailable, "this server does not work with IAM Identity Center")
	}
	ctx, cancel := context.WithTimeout(ctx, cloudPatience)
	defer cancel()
	o.user, err = b.Center.Find(ctx, o.account, o.caller.SignIn.Principal, o.caller.Person.Handle)
	return err
}

// noteAssignment writes, beside the intent, what must be taken away again.
func noteAssignment(tx *store.Tx, o *order) error {
	if o.request.SessionPolicy != "" {
		return brevet.Errorf(brevet.Invalid, "IAM Identity Center cannot narrow a session").WithHint("ask for the whole role, or for a smaller one")
	}
	a := store.Assignment{ID: assignmentID(o.account.ID, o.role.Name, o.user), Customer: o.account.Customer, Person: o.caller.Person.ID,
		Assignment: brevet.Assignment{Account: o.account.ID, Role: o.role.Name, Principal: o.user},
		State:      store.AssignmentOpen, Since: tx.Now(), Due: tx.Now()}
	_, err := tx.Assignment(a.ID)
	if errors.Is(err, brevet.NotFound) {
		return tx.AddAssignment(a)
	}
	if err != nil {
		return err
	}
	return tx.PutAssignment(a)
}

// portal returns where the portal opens a role of an account
// (https://docs.aws.amazon.com/singlesignon/latest/userguide/createshortcutlink.html).
func portal(a brevet.Account, role brevet.RoleName, destination string) string {
	q := url.Values{"account_id": {string(a.ID)}, "role_name": {string(role)}}
	if destination != "" {
		q.Set("destination", destination)
	}
	return strings.TrimSuffix(a.Center.Start, "/start") + "/start/#/console?" + q.Encode()
}

// letsIn reports whether a live grant lets the person of an assignment in.
func (b *Broker) letsIn(tx *store.Tx, a store.Assignment, now time.Time) (bool, error) {
	if tx.PersonOver(a.Person) || tx.CustomerOver(a.Customer) {
		return false, nil
	}
	grants, err := tx.Grants(store.GrantFilter{Person: a.Person, Account: a.Account, Role: a.Role, States: []brevet.GrantState{brevet.Active}})
	for _, g := range grants {
		if g.Live(now) && !tx.GrantOver(g.ID) {
			return true, nil
		}
	}
	return false, err
}

// CloseDoors takes away what no live grant lets in any more. What fails is
// tried again. It waits for Identity Center, so it runs beside [Broker.Sweep].
func (b *Broker) CloseDoors(ctx context.Context) error {
	if b.Center.Dismiss == nil {
		return nil
	}
	return b.closeDoors(ctx)
}

// closeDoors is CloseDoors where there is an Identity Center.
func (b *Broker) closeDoors(ctx context.Context) error {
	due, err := b.closing(ctx)
	if err != nil {
		return err
	}
	errs := make([]error, len(due))
	slots := make(chan struct{}, atDoor)
	var all sync.WaitGroup
	for i, a := range due {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			errs[i] = b.dismiss(ctx, a)
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// closing claims the assignments that have to be taken away now, so that no
// other replica works on them in the meantime.
func (b *Broker) closing(ctx context.Context) (due []store.Assignment, err error) {
	find := func(tx *store.Tx) error {
		due = nil
		now := b.now()
		open, err := tx.OpenAssignments(store.AssignmentFilter{Due: now})
		for _, a := range open {
			in, err := b.letsIn(tx, a, now)
			if err != nil {
				return err
			}
			if !in {
				due = append(due, a)
			}
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
			if err := tx.PutAssignment(a); err != nil {
				return err
			}
		}
		return nil
	})
	return due, err
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
			Data: map[string]string{"user": a.Principal}}
		is := a
		if failed != nil {
			is.Tries, is.Problem, is.Due = a.Tries+1, problemOf(failed), now.Add(min(centerAgain<<min(a.Tries, 10), centerRarely))
			if a.Tries > 0 { // it is on record that it fails
				return tx.PutAssignment(is)
			}
			e.Kind, e.Reason = brevet.AssignmentFailed, is.Problem
		} else {
			in, err := b.letsIn(tx, a, now)
			if err != nil {
				return err
			}
			is.Tries, is.Problem, is.Due = 0, "", now
			if !in { // else whoever lets them in now waits for us
				is.State = store.AssignmentClosed
			}
		}
		if _, err := tx.Record(e); err != nil {
			return err
		}
		return tx.PutAssignment(is)
	})
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

func (b *Broker) stillLetIn(ctx context.Context, a store.Assignment) (in bool) {
	err := b.DB.View(ctx, func(tx *store.Tx) (err error) {
		in, err = b.letsIn(tx, a, b.now())
		return err
	})
	return in && err == nil
}

package broker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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
	atDoor         = 8 // assignments that are taken away at a time, in one account
)

// doors holds what works on one assignment apart: nobody is let in and
// dismissed at the same time by this process. And it knows in which accounts
// some are being taken away.
type doors struct {
	mu   sync.Mutex
	busy map[string]*sync.Mutex
	at   besides[brevet.AccountID]
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
	return putAssignment(tx, a)
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

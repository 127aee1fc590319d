package broker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
)

const sreSet = "arn:aws:sso:::permissionSet/ssoins-7223aaaabbbbcccc/ps-1111222233334444"

// door is an IAM Identity Center of which a test says how it fails.
type door struct {
	mu     sync.Mutex
	in     map[brevet.Assignment]bool
	fail   error // of the next calls
	calls  []string
	before func(verb string)
	listed func(context.Context) error // when somebody was told who is in strayUser's account
}

func (d *door) call(verb string, a brevet.Account, role brevet.RoleName, who brevet.Assignment) error {
	if d.before != nil {
		d.before(verb)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls = append(d.calls, verb+" "+string(role)+" "+who.Principal)
	if d.fail != nil {
		return d.fail
	}
	who.Account, who.Role = a.ID, role
	if verb == "admit" {
		d.in[who] = true
	} else {
		delete(d.in, who)
	}
	return nil
}

func (d *door) center() broker.Center {
	return broker.Center{
		Find: func(_ context.Context, _ brevet.Account, who brevet.Principal, h brevet.Handle) (string, error) {
			if who.Subject != "sub-"+string(h) {
				return "", errors.New("another person")
			}
			return "user-" + string(h), nil
		},
		Admit: func(_ context.Context, a brevet.Account, role brevet.RoleName, user string) error {
			return d.call("admit", a, role, brevet.Assignment{Principal: user})
		},
		Dismiss: func(_ context.Context, a brevet.Account, role brevet.RoleName, who brevet.Assignment) error {
			return d.call("dismiss", a, role, who)
		},
		Present: d.present,
	}
}

func (d *door) present(ctx context.Context, a brevet.Account) (out []brevet.Assignment, err error) {
	d.mu.Lock()
	for who := range d.in {
		if who.Account == a.ID {
			out = append(out, who)
		}
	}
	err = d.fail
	d.mu.Unlock()
	if d.listed != nil && a.ID == strayUser.Account {
		err = errors.Join(err, d.listed(ctx))
	}
	return out, err
}

// set lets somebody in, or does so no more, without brevet.
func (d *door) set(who brevet.Assignment, in bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if delete(d.in, who); in {
		d.in[who] = true
	}
}

func (d *door) said() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer func() { d.calls = nil }()
	return strings.Join(d.calls, ", ")
}

// newDoor returns a house whose customer is entered through a door.
func newDoor(t *testing.T, strays string) (*house, *door) { return newDoorOn(newHouse(t), strays) }

func newDoorOn(h *house, strays string) (*house, *door) {
	d := &door{in: map[brevet.Assignment]bool{}}
	h.Broker.Center = d.center()
	h.apply(doorCatalog(strays))
	return h, d
}

// doorCatalog is the sandbox's catalog, of a customer that is entered through
// IAM Identity Center.
func doorCatalog(strays string) []byte {
	var sets strings.Builder
	for i, role := range []string{"ReadOnly", "Security", "SRE", "DevOps", "Data", "Admin"} {
		fmt.Fprintf(&sets, "        %s: %s%d\n", role, sreSet[:len(sreSet)-1], i)
	}
	return []byte(strings.Replace(string(sandboxCatalog()), "    accounts:\n", `    entry: identity-center
    identity_center:
      region: eu-west-1
      instance: arn:aws:sso:::instance/ssoins-7223aaaabbbbcccc
      store: d-1234567890
      start: https://d-1234567890.awsapps.com/start
      strays: `+strays+"\n      roles:\n"+sets.String()+"    accounts:\n", 1))
}

// TestCenter: whoever enters gets an assignment, keeps it while any grant of
// theirs lives, and loses it then.
func TestCenter(t *testing.T) {
	h, d := newDoor(t, "report")
	engineer, lead := h.login("engineer"), h.login("lead")
	long := h.ask(engineer, "acme-prod/SRE", 2*time.Hour)
	h.approve(lead, long.ID)
	h.approve(lead, h.ask(engineer, "acme-prod/SRE", time.Hour).ID)
	if got := d.said(); got != "" {
		t.Errorf("before anybody enters: %s", got)
	}
	if _, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/SRE"}); !errors.Is(err, brevet.Invalid) || !strings.Contains(err.Error(), "access portal") {
		t.Errorf("a credential: %v", err)
	}
	for range 2 {
		c, err := h.Console(t.Context(), engineer, "acme-prod/SRE", "")
		if want := "https://d-1234567890.awsapps.com/start/#/console?account_id=444455556666&role_name=SRE"; err != nil || c.URL != want {
			t.Fatalf("%+v, %v", c, err)
		}
	}
	if got := d.said(); got != "admit SRE user-engineer, admit SRE user-engineer" {
		t.Error(got)
	}
	h.sweep()
	h.advance(90 * time.Minute) // the shorter grant is over
	h.sweep()
	if got := d.said(); got != "" {
		t.Errorf("while a grant lives: %s", got)
	}
	d.fail = brevet.Errorf(brevet.Unavailable, "not today")
	h.advance(31 * time.Minute)
	for range 3 {
		h.CloseDoors(t.Context())
		h.advance(2 * time.Second)
	}
	if got := d.said(); got != "dismiss SRE user-engineer" {
		t.Errorf("it is tried again too soon: %s", got)
	}
	h.advance(time.Minute)
	d.fail = nil
	h.sweep()
	h.advance(time.Hour)
	h.sweep()
	if got := d.said(); got != "dismiss SRE user-engineer" || len(d.in) != 0 {
		t.Errorf("%s; in: %v", got, d.in)
	}
	var kinds []brevet.EventKind
	for _, k := range h.events() {
		if strings.HasPrefix(string(k), "assignment.") {
			kinds = append(kinds, k)
		}
	}
	if diff := cmp.Diff([]brevet.EventKind{brevet.AssignmentFailed, brevet.AssignmentRemoved}, kinds); diff != "" {
		t.Error(diff)
	}
}

// TestCenterRevoked: a revocation closes the door at once, and again for
// whoever enters anew.
func TestCenterRevoked(t *testing.T) {
	h, d := newDoor(t, "report")
	engineer, lead := h.login("engineer"), h.login("lead")
	for range 2 {
		h.approve(lead, h.ask(engineer, "acme-prod/SRE", time.Hour).ID)
		c, err := h.Console(t.Context(), engineer, "acme-prod/SRE", "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Revoke(t.Context(), h.login("security"), c.Grant, "laptop stolen", ""); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Console(t.Context(), engineer, "acme-prod/SRE", ""); err == nil {
			t.Error("let in after the revocation")
		}
		h.sweep()
		if got := d.said(); got != "admit SRE user-engineer, dismiss SRE user-engineer" || len(d.in) != 0 {
			t.Errorf("%s; in: %v", got, d.in)
		}
	}
}

// TestCenterOffboarded: whoever is offboarded loses what let them in, and the
// act says that what they began there lives on.
func TestCenterOffboarded(t *testing.T) {
	h, d := newDoor(t, "report")
	engineer, lead := h.login("engineer"), h.login("lead")
	h.approve(lead, h.ask(engineer, "acme-prod/SRE", time.Hour).ID)
	if _, err := h.Console(t.Context(), engineer, "acme-prod/SRE", ""); err != nil {
		t.Fatal(err)
	}
	security := h.login("security")
	out, err := h.OffboardPerson(t.Context(), security, broker.OffboardPerson{Person: "engineer", Reason: "left"})
	if err != nil || out.Grants != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	h.CarryOut(t.Context())
	h.sweep()
	if got := d.said(); got != "admit SRE user-engineer, dismiss SRE user-engineer" || len(d.in) != 0 {
		t.Errorf("%s; in: %v", got, d.in)
	}
	v := h.one(security, out.Act.ID)
	if v.State != brevet.RevokeUnconfirmed || !strings.Contains(v.Trouble, "nobody is let in any more") || v.Until.IsZero() {
		t.Errorf("%+v", v)
	}
}

// TestCenterCrossing: somebody who enters while they are being dismissed is in
// afterwards.
func TestCenterCrossing(t *testing.T) {
	h, d := newDoor(t, "report")
	engineer, lead := h.login("engineer"), h.login("lead")
	h.approve(lead, h.ask(engineer, "acme-prod/SRE", time.Hour).ID)
	if _, err := h.Console(t.Context(), engineer, "acme-prod/SRE", ""); err != nil {
		t.Fatal(err)
	}
	h.advance(61 * time.Minute)
	entered := make(chan error, 1)
	var once sync.Once
	d.before = func(verb string) {
		if verb != "dismiss" {
			return
		}
		once.Do(func() {
			h.approve(lead, h.ask(engineer, "acme-prod/SRE", time.Hour).ID)
			go func() {
				_, err := h.Console(context.Background(), engineer, "acme-prod/SRE", "")
				entered <- err
			}()
		})
	}
	h.sweep()
	if err := <-entered; err != nil {
		t.Fatal(err)
	}
	h.sweep()
	if len(d.in) != 1 {
		t.Errorf("in: %v after %s", d.in, d.said())
	}
	h.advance(61 * time.Minute)
	h.sweep()
	if len(d.in) != 0 {
		t.Errorf("in: %v after %s", d.in, d.said())
	}
}

// TestCenterRows: a row of an assignment lets nobody in, and one that was
// deleted or closed by hand is found as a stray.
func TestCenterRows(t *testing.T) {
	h, d := newDoor(t, "remove")
	engineer := h.login("engineer")
	h.approve(h.login("lead"), h.ask(engineer, "acme-prod/SRE", time.Hour).ID)
	if _, err := h.Console(t.Context(), engineer, "acme-prod/SRE", ""); err != nil {
		t.Fatal(err)
	}
	h.edit(`UPDATE assignments SET state = 'closed'`)
	h.edit(`INSERT INTO assignments SELECT 'as_x', customer_id, account, 'Admin', person, 'user-contractor', 'open', created_at, 0, 0, '' FROM assignments`)
	h.advance(2 * time.Hour)
	h.sweep()
	if len(d.in) != 0 || strings.Contains(d.said(), "admit Admin") {
		t.Errorf("in: %v", d.in)
	}
}

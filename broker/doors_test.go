package broker_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/store"
)

// TestAttackDoorKept edits rows so that a grant seems to live on, or nobody
// seems to be let in: the door is closed when the grant ends all the same, and
// the neighbour's stays open.
func TestAttackDoorKept(t *testing.T) {
	for _, edit := range []string{
		`SELECT 1`,
		`UPDATE grants SET end_at = 9000000000000000 WHERE id = ?1`,
		`UPDATE grants SET person_id = (SELECT person_id FROM grants WHERE id = ?2) WHERE id = ?1`,
		`UPDATE assignments SET person = (SELECT person_id FROM grants WHERE id = ?2)`,
		`UPDATE assignments SET state = 'closed'`,
		`UPDATE assignments SET due_at = 9000000000000000`,
		`UPDATE assignments SET principal = 'user-nobody'`,
		`UPDATE assignments SET customer_id = 'cu_x', account = '999999999999'`,
		`DELETE FROM assignments`,
	} {
		h, d := newDoor(t, "report")
		lead := h.login("lead")
		h.groups["second"] = []string{"engineers"}
		var grants []any
		for i, who := range []string{"engineer", "second"} {
			c := h.login(who)
			h.approve(lead, h.ask(c, "acme-prod/SRE", time.Duration(i+1)*time.Hour).ID)
			got, err := h.Console(t.Context(), c, "acme-prod/SRE", "")
			if err != nil {
				t.Fatal(err)
			}
			grants = append(grants, got.Grant)
		}
		h.unbound(edit, grants...)
		h.advance(61 * time.Minute)
		_ = h.CloseDoors(t.Context()) // a row of another account cannot be closed
		second := brevet.Assignment{Account: "444455556666", Role: "SRE", Principal: "user-second"}
		if len(d.in) != 1 || !d.in[second] {
			t.Errorf("%s: in: %v", edit, d.in)
		}
		_ = h.FindStrays(t.Context())
		if n := h.found(); n != 0 {
			t.Errorf("%s: %d are taken for strays", edit, n)
		}
	}
}

// TestDoorStaysByAnotherGrant: who was let in by one grant stays in by another
// of the same role under which they did not enter.
func TestDoorStaysByAnotherGrant(t *testing.T) {
	h, d := newDoor(t, "report")
	engineer, lead := h.login("engineer"), h.login("lead")
	h.approve(lead, h.ask(engineer, "acme-prod/SRE", time.Hour).ID)
	if _, err := h.Console(t.Context(), engineer, "acme-prod/SRE", ""); err != nil {
		t.Fatal(err)
	}
	h.approve(lead, h.ask(engineer, "acme-prod/SRE", 2*time.Hour).ID)
	for _, want := range []int{1, 0} {
		h.advance(61 * time.Minute)
		h.sweep()
		if len(d.in) != want {
			t.Errorf("in: %v, want %d", d.in, want)
		}
	}
}

// twoDoors is a wall of two customers that are entered through an IAM Identity
// Center each.
func twoDoors(t *testing.T) (*house, *door) {
	h, d := wall(t), &door{in: map[brevet.Assignment]bool{}}
	h.Broker.Center = d.center()
	text := strings.ReplaceAll(string(twoCustomers("globex", "globex-sec")), "    prefix: brevet-\n", `    prefix: brevet-
    entry: identity-center
    identity_center: {region: eu-west-1, instance: "arn:aws:sso:::instance/ssoins-7223aaaabbbbcccc", store: d-1234567890, start: "https://d-1234567890.awsapps.com/start", roles: {SRE: "`+sreSet+`"}}
`)
	h.rules([]byte(text))
	return h, d
}

const acmeProd, globexProd = brevet.AccountID("111122223333"), brevet.AccountID("444455556666")

// leftOpen notes n doors in acme's account that have to be closed.
func (h *house) leftOpen(n int) {
	h.t.Helper()
	err := h.db.Update(h.t.Context(), func(tx *store.Tx) error {
		for i := range n {
			who := brevet.Assignment{Account: acmeProd, Role: "SRE", Principal: fmt.Sprintf("user-%d", i)}
			sum := sha256.Sum256([]byte(string(who.Account) + "\x00" + string(who.Role) + "\x00" + who.Principal))
			a := store.Assignment{Assignment: who, ID: "as_" + hex.EncodeToString(sum[:10]), Customer: "cu_01000000000000000000000000", State: store.AssignmentOpen, Since: tx.Now(), Due: tx.Now()}
			if err := tx.AddAssignment(a); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// TestDoorsHang: an Identity Center that does not answer is asked by few at a
// time, and keeps neither another customer's doors open nor what is revoked
// there, nor strays from being found.
func TestDoorsHang(t *testing.T) {
	h, d := twoDoors(t)
	eng, sec := h.login("globex-eng"), h.login("globex-sec")
	h.approve(h.login("globex-leads"), h.ask(eng, "globex-prod/SRE", time.Hour).ID)
	if _, err := h.Console(t.Context(), eng, "globex-prod/SRE", ""); err != nil {
		t.Fatal(err)
	}
	h.leftOpen(50)
	var mu sync.Mutex
	hanging, most := 0, 0
	asked := make(chan struct{}, 100)
	hang := func(ctx context.Context, by int) error {
		mu.Lock()
		hanging += by
		most = max(most, hanging)
		mu.Unlock()
		asked <- struct{}{}
		<-ctx.Done()
		mu.Lock()
		defer mu.Unlock()
		hanging -= by
		return ctx.Err()
	}
	ordinary := d.center()
	h.Broker.Center.Dismiss = func(ctx context.Context, a brevet.Account, role brevet.RoleName, who brevet.Assignment) error {
		if a.ID == acmeProd {
			return hang(ctx, 1)
		}
		return ordinary.Dismiss(ctx, a, role, who)
	}
	looked := make(chan struct{}, 100)
	h.Broker.Center.Present = func(ctx context.Context, a brevet.Account) ([]brevet.Assignment, error) {
		if a.ID == acmeProd {
			return nil, hang(ctx, 0)
		}
		looked <- struct{}{}
		return ordinary.Present(ctx, a)
	}
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { h.KeepDoors(ctx) })
	<-looked
	for range 8 + 1 {
		<-asked
	}
	h.revokeAll(sec, broker.RevokeAll{Account: "globex-prod"})
	h.CarryOut(t.Context())
	if d.mu.Lock(); len(d.in) != 0 {
		t.Errorf("while another's does not answer: in: %v", d.in)
	}
	d.mu.Unlock()
	stop()
	all.Wait()
	if most != 8 {
		t.Errorf("%d at a time wait for what does not answer", most)
	}
}

// TestStraysAreLookedForAgain: a look that failed is made again after a minute,
// two, four and so on, at most an hour; and it is known meanwhile.
func TestStraysAreLookedForAgain(t *testing.T) {
	h, d := twoDoors(t)
	looks, began := []int{}, h.now()
	ordinary := d.center()
	h.Broker.Center.Present = func(ctx context.Context, a brevet.Account) ([]brevet.Assignment, error) {
		if a.ID == globexProd {
			return ordinary.Present(ctx, a)
		}
		looks = append(looks, int(h.now().Sub(began).Minutes()))
		if len(looks) < 9 {
			return nil, brevet.Errorf(brevet.Unavailable, "not today")
		}
		return nil, nil
	}
	for range 6 * 60 {
		err := h.FindStrays(t.Context())
		if n := h.Unseen(); (n == 1) != (len(looks) < 9) || n == 0 && err != nil {
			t.Fatalf("after %d looks: %d unseen, %v", len(looks), n, err)
		}
		h.advance(time.Minute)
	}
	if got, want := fmt.Sprint(looks), "[0 1 3 7 15 31 63 123 183 243 303]"; got != want {
		t.Errorf("looked after %s minutes, want %s", got, want)
	}
}

package broker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
)

func TestMainJob(t *testing.T) {
	h := newHouse(t)
	engineer, lead := h.login("engineer"), h.login("lead")

	first := h.want(engineer, "acme-staging/ReadOnly", "")
	if n := len(h.issues); n != 1 {
		t.Fatalf("the cloud was asked %d times", n)
	}
	if i := h.issues[0]; i.Person != engineer.Person.ID || i.Handle != "engineer" || i.MFA != brevet.Rung5m || i.Role != "ReadOnly" || !i.End.Equal(first.Grant.End) {
		t.Errorf("issue = %+v", i)
	}
	h.want(engineer, "acme-prod/Admin", brevet.NoGrant)
	r := h.ask(engineer, "acme-prod/Admin", time.Hour)
	if r.State != brevet.Pending || r.WaitsFor != "lead" {
		t.Fatalf("request = %s, waits for %q", r.State, r.WaitsFor)
	}
	h.want(engineer, "acme-prod/Admin", brevet.NoGrant)
	h.approve(lead, r.ID)
	got := h.want(engineer, "acme-prod/Admin", "")
	if got.Expires.After(got.Grant.End) {
		t.Errorf("expires %s after the grant's end %s", got.Expires, got.Grant.End)
	}
	h.advance(time.Hour)
	h.want(engineer, "acme-prod/Admin", brevet.Expired)

	tail := []brevet.EventKind{brevet.RequestCreated, brevet.RequestApproved, brevet.GrantOpened, brevet.GrantActivated, brevet.SessionIntended, brevet.SessionIssued}
	if got := h.events(); !contains(got, tail[:1]) || !contains(got, tail[1:]) {
		t.Errorf("events = %v\nlack the run %v", got, tail)
	}
}

func contains(all, run []brevet.EventKind) bool {
	for i := range all {
		if len(all)-i >= len(run) && slices.Equal(all[i:i+len(run)], run) {
			return true
		}
	}
	return false
}

func TestExpiryIsNotStepUp(t *testing.T) {
	h := newHouse(t)
	engineer, lead := h.login("engineer"), h.login("lead")
	h.approve(lead, h.ask(engineer, "acme-prod/SRE", time.Hour).ID)
	h.want(engineer, "acme-prod/SRE", "")
	h.advance(time.Hour)
	h.want(engineer, "acme-prod/SRE", brevet.Expired)
	if err := h.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.want(engineer, "acme-prod/SRE", brevet.Expired)
	if got := h.events(); !contains(got, []brevet.EventKind{brevet.GrantEnded, brevet.SessionEnded}) {
		t.Errorf("after a sweep the log ends in %v", got[len(got)-3:])
	}
}

func TestMFAIsJudgedAtEveryIssue(t *testing.T) {
	h := newHouse(t)
	engineer, lead := h.login("engineer"), h.login("lead")
	h.approve(lead, h.ask(engineer, "acme-prod/Admin", 2*time.Hour).ID)
	h.want(engineer, "acme-prod/Admin", "")
	h.advance(time.Hour + time.Second)
	h.want(engineer, "acme-prod/Admin", brevet.StepUp)
	h.want(h.login("engineer"), "acme-prod/Admin", "")
	h.mfa = false
	h.want(h.login("engineer"), "acme-prod/Admin", brevet.StepUp)
}

func TestNobodyApprovesTheirOwn(t *testing.T) {
	h := newHouse(t)
	h.groups["engineer"] = []string{"engineers", "leads"}
	engineer := h.login("engineer")
	r := h.ask(engineer, "acme-prod/SRE", time.Hour)
	if r.CanDecide {
		t.Error("the requester is shown as able to decide")
	}
	_, err := h.Decide(t.Context(), engineer, broker.Decide{ID: r.ID, Approve: true})
	if !errors.Is(err, brevet.Denied) {
		t.Fatalf("own approval: %v", err)
	}
	if got := h.events(); got[len(got)-1] != brevet.AccessRefused {
		t.Errorf("the refusal is not on record: last event is %s", got[len(got)-1])
	}
	h.want(engineer, "acme-prod/SRE", brevet.NoGrant)
}

func TestApproverNeedsFreshMFA(t *testing.T) {
	h := newHouse(t)
	lead := h.login("lead")
	h.advance(2 * time.Hour)
	engineer := h.login("engineer")
	r := h.ask(engineer, "acme-prod/Admin", time.Hour)
	if _, err := h.Decide(t.Context(), lead, broker.Decide{ID: r.ID, Approve: true}); !errors.Is(err, brevet.StepUp) {
		t.Fatalf("approval on old MFA: %v", err)
	}
	if _, err := h.Decide(t.Context(), lead, broker.Decide{ID: r.ID, Comment: "not now"}); err != nil {
		t.Fatalf("a no needs no fresh MFA: %v", err)
	}
	h.want(engineer, "acme-prod/Admin", brevet.NoGrant)
}

func TestConcurrentDecisionsMakeOne(t *testing.T) {
	h := newHouse(t)
	engineer, a, b := h.login("engineer"), h.login("lead"), h.login("lead")
	r := h.ask(engineer, "acme-prod/SRE", time.Hour)
	var wg sync.WaitGroup
	var mu sync.Mutex
	kinds := map[brevet.Kind]int{}
	for i := range 20 {
		who := []brevet.Caller{a, b}[i%2]
		wg.Go(func() {
			_, err := h.Decide(context.Background(), who, broker.Decide{ID: r.ID, Approve: i%4 < 2})
			mu.Lock()
			kinds[brevet.KindOf(err)]++
			mu.Unlock()
		})
	}
	wg.Wait()
	if kinds[""] != 1 || kinds[brevet.Conflict] != 19 {
		t.Errorf("outcomes = %v", kinds)
	}
	n := 0
	for _, k := range h.events() {
		if k == brevet.RequestApproved || k == brevet.RequestDenied {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d decisions on record", n)
	}
}

func TestGroupsGoStale(t *testing.T) {
	h := newHouse(t)
	h.apply(withoutRota(sandboxCatalog())) // else engineer has something to do with the customer by it
	engineer, lead := h.login("engineer"), h.login("lead")
	h.approve(lead, h.ask(engineer, "acme-prod/Admin", 2*time.Hour).ID)
	h.want(engineer, "acme-prod/Admin", "")
	h.advance(20 * time.Minute)
	h.want(engineer, "acme-prod/Admin", "") // refreshed by the broker itself
	h.advance(20 * time.Minute)
	h.down = true
	h.want(engineer, "acme-prod/Admin", brevet.Denied) // cannot be refreshed: not a member
	h.down = false
	h.groups["engineer"] = nil
	h.want(engineer, "acme-prod/Admin", brevet.Denied)
	engineer = h.login("engineer")
	h.want(engineer, "acme-prod/Admin", brevet.NotFound) // has nothing to do with the customer any more
}

func TestRevokeAndDrop(t *testing.T) {
	h := newHouse(t)
	engineer, lead, security := h.login("engineer"), h.login("lead"), h.login("security")
	for _, end := range []func(brevet.GrantID) (broker.Revoked, error){
		func(id brevet.GrantID) (broker.Revoked, error) {
			return h.Revoke(t.Context(), security, id, "incident 7", "")
		},
		func(id brevet.GrantID) (broker.Revoked, error) { return h.Drop(t.Context(), engineer, id, "") },
	} {
		h.approve(lead, h.ask(engineer, "acme-prod/SRE", time.Hour).ID)
		got := h.want(engineer, "acme-prod/SRE", "")
		if _, err := h.Revoke(t.Context(), lead, got.Grant.ID, "because", ""); !errors.Is(err, brevet.Denied) {
			t.Fatalf("lead may not revoke: %v", err)
		}
		if _, err := h.Drop(t.Context(), security, got.Grant.ID, ""); !errors.Is(err, brevet.Denied) {
			t.Fatalf("security may not hand back: %v", err)
		}
		r, err := end(got.Grant.ID)
		if err != nil {
			t.Fatal(err)
		}
		if !r.Until.Equal(got.Expires) || r.State != brevet.RevokeRequested {
			t.Errorf("until %s, want %s; state %s", r.Until, got.Expires, r.State)
		}
		if _, err := end(got.Grant.ID); !errors.Is(err, brevet.Conflict) {
			t.Errorf("ending it twice: %v", err)
		}
		if _, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/SRE", Have: got.Session.ID}); err == nil {
			t.Error("a credential of an ended grant was kept or replaced")
		}
	}
}

func TestKeep(t *testing.T) {
	h := newHouse(t)
	engineer := h.login("engineer")
	got := h.want(engineer, "acme-staging/ReadOnly", "")
	keep := func(want bool) {
		t.Helper()
		i, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-staging/ReadOnly", Have: got.Session.ID})
		if err != nil || i.Keep != want {
			t.Fatalf("keep = %v (%v), want %v", i.Keep, err, want)
		}
	}
	keep(true)
	h.advance(54 * time.Minute)
	keep(true)
	h.advance(2 * time.Minute)
	keep(false) // 4 min left and the grant lasts: a new one
}

// TestKeepJudgesMFA: the word that a credential in hand still stands is given
// like an issue (law 6).
func TestKeepJudgesMFA(t *testing.T) {
	h := newHouse(t)
	engineer := h.login("engineer")
	h.approve(h.login("lead"), h.ask(engineer, "acme-prod/Admin", 2*time.Hour).ID)
	h.advance(30 * time.Minute)
	got := h.want(engineer, "acme-prod/Admin", "")
	again := func(c brevet.Caller) (broker.Issued, error) {
		return h.Credential(t.Context(), c, broker.Want{Target: "acme-prod/Admin", Have: got.Session.ID})
	}
	if i, err := again(engineer); err != nil || !i.Keep {
		t.Fatalf("keep = %v (%v)", i.Keep, err)
	}
	h.advance(31 * time.Minute)
	if i, err := again(engineer); !errors.Is(err, brevet.StepUp) {
		t.Errorf("MFA of an hour ago: keep = %v (%v)", i.Keep, err)
	}
	if i, err := again(h.login("engineer")); err != nil || !i.Keep {
		t.Errorf("after stepping up: keep = %v (%v)", i.Keep, err)
	}
}

func TestGrantEndsWhileTheCloudIsAsked(t *testing.T) {
	h := newHouse(t)
	engineer, lead, security := h.login("engineer"), h.login("lead"), h.login("security")
	v := h.approve(lead, h.ask(engineer, "acme-prod/SRE", time.Hour).ID)
	h.cloud = func(i brevet.Issue) (brevet.Credential, error) {
		if _, err := h.Revoke(context.Background(), security, v.Grant.ID, "stop", ""); err != nil {
			t.Error(err)
		}
		return brevet.Credential{AccessKeyID: "ASIA0000000000000001", Expires: h.now().Add(time.Hour)}, nil
	}
	h.want(engineer, "acme-prod/SRE", brevet.NoGrant)
	if got := h.events(); got[len(got)-1] != brevet.SessionInDoubt {
		t.Errorf("last event = %s, want %s", got[len(got)-1], brevet.SessionInDoubt)
	}
}

func TestCloudSaysNo(t *testing.T) {
	h := newHouse(t)
	engineer := h.login("engineer")
	for _, c := range []struct {
		no   brevet.Kind
		last brevet.EventKind
	}{{brevet.CloudRefused, brevet.SessionEnded}, {brevet.Unavailable, brevet.SessionInDoubt}} {
		h.cloud = func(brevet.Issue) (brevet.Credential, error) {
			return brevet.Credential{}, brevet.Errorf(c.no, "AWS said AccessDenied: not today")
		}
		h.want(engineer, "acme-staging/ReadOnly", c.no)
		if got := h.events(); got[len(got)-1] != c.last {
			t.Errorf("after %s the last event is %s, want %s", c.no, got[len(got)-1], c.last)
		}
	}
}

func TestAskTwiceWithOneKey(t *testing.T) {
	h := newHouse(t)
	engineer := h.login("engineer")
	in := broker.Ask{Target: "acme-prod/SRE", Duration: time.Hour, Reason: "restore", Key: "k1"}
	a, err := h.Ask(t.Context(), engineer, in)
	if err != nil {
		t.Fatal(err)
	}
	b, err := h.Ask(t.Context(), engineer, in)
	if err != nil || b.ID != a.ID {
		t.Errorf("second = %s (%v), want %s", b.ID, err, a.ID)
	}
	in.Reason = "something else"
	if _, err := h.Ask(t.Context(), engineer, in); !errors.Is(err, brevet.Conflict) {
		t.Errorf("another body under the same key: %v", err)
	}
}

func TestRoleRedefinedWhilePending(t *testing.T) {
	h := newHouse(t)
	engineer, lead := h.login("engineer"), h.login("lead")
	pending := h.ask(engineer, "acme-prod/SRE", time.Hour)
	h.approve(lead, h.ask(engineer, "acme-prod/Data", time.Hour).ID)
	h.want(engineer, "acme-prod/Data", "")
	text := strings.NewReplacer("AmazonEC2FullAccess", "AmazonRDSFullAccess", "AmazonS3FullAccess", "AmazonRDSFullAccess").Replace(string(sandboxCatalog()))
	if _, err := h.Propose(t.Context(), brevet.Actor{System: "test"}, []byte(text)); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Decide(t.Context(), lead, broker.Decide{ID: pending.ID, Approve: true}); !errors.Is(err, brevet.Conflict) {
		t.Errorf("approving a role that was redefined: %v", err)
	}
	if v, _ := h.Request(t.Context(), engineer, pending.ID, 0); v.State != brevet.Lapsed {
		t.Errorf("the request is %s, want lapsed", v.State)
	}
	h.want(engineer, "acme-prod/Data", brevet.Denied)
}

func TestFirstUseOpensOnce(t *testing.T) {
	h := newHouse(t)
	engineer := h.login("engineer")
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if _, err := h.Credential(context.Background(), engineer, broker.Want{Target: "acme-staging/ReadOnly"}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	grants, err := h.Grants(t.Context(), engineer, broker.List{})
	if err != nil || len(grants) != 1 {
		t.Fatalf("%d grants (%v), want one", len(grants), err)
	}
	if g := grants[0]; g.Sessions != 16 || g.Approved != "policy staging-look" || g.Reason != "opened at first use" {
		t.Errorf("grant = %+v", g)
	}
}

func TestWaitIsWokenByTheDecision(t *testing.T) {
	h := newHouse(t)
	engineer, lead := h.login("engineer"), h.login("lead")
	r := h.ask(engineer, "acme-prod/SRE", time.Hour)
	got := make(chan broker.RequestView)
	go func() {
		v, err := h.Request(context.Background(), engineer, r.ID, time.Minute)
		if err != nil {
			t.Error(err)
		}
		got <- v
	}()
	h.approve(lead, r.ID)
	if v := <-got; v.State != brevet.Approved || v.Grant == nil || !v.Grant.Live {
		t.Errorf("woken with %s, grant %v", v.State, v.Grant)
	}
}

func TestWhyExplains(t *testing.T) {
	h := newHouse(t)
	engineer, contractor := h.login("engineer"), h.login("contractor")
	for _, c := range []struct {
		who     brevet.Caller
		target  string
		allowed bool
		next    string
	}{
		{engineer, "acme-staging/ReadOnly", true, "brevet exec acme-staging/ReadOnly"},
		{engineer, "acme-prod/Admin", false, "brevet request acme-prod/Admin"},
		{contractor, "acme-prod/Admin", false, ""},
	} {
		w, err := h.Why(t.Context(), c.who, c.target)
		if err != nil {
			t.Fatal(err)
		}
		if w.Allowed != c.allowed || !strings.HasPrefix(w.Next, c.next) || w.Summary == "" || (!w.Allowed && len(w.Unmet) == 0) {
			t.Errorf("why %s for %s = %+v", c.target, c.who.Person.Handle, w)
		}
	}
}

func TestSignInLimits(t *testing.T) {
	h := newHouse(t)
	token, _ := h.token("engineer")
	h.advance(8*time.Hour - time.Second)
	if _, err := h.WhoIs(t.Context(), token, ""); err != nil {
		t.Errorf("just before the limit: %v", err)
	}
	h.advance(time.Second)
	if _, err := h.WhoIs(t.Context(), token, ""); !errors.Is(err, brevet.Unauthenticated) {
		t.Errorf("at the limit: %v", err)
	}
	token, c := h.token("engineer")
	if err := h.Logout(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if _, err := h.WhoIs(t.Context(), token, ""); !errors.Is(err, brevet.Unauthenticated) {
		t.Errorf("after logout: %v", err)
	}
	for _, bad := range []string{"", "brv_", "brv_" + strings.Repeat("x", 1000), fmt.Sprint(c.SignIn.ID)} {
		if _, err := h.WhoIs(t.Context(), bad, ""); !errors.Is(err, brevet.Unauthenticated) {
			t.Errorf("token %.10q: %v", bad, err)
		}
	}
}

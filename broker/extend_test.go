package broker_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/store"
)

// extend asks for more time and fails the test if that is refused.
func (h *house) extend(c brevet.Caller, id brevet.GrantID, d time.Duration) broker.RequestView {
	h.t.Helper()
	v, err := h.Extend(context.Background(), c, broker.Extend{Grant: id, Duration: d, Reason: "it takes longer"})
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}

// noExtend checks that asking for more time is refused.
func (h *house) noExtend(c brevet.Caller, id brevet.GrantID, d time.Duration, kind brevet.Kind) {
	h.t.Helper()
	_, err := h.Extend(context.Background(), c, broker.Extend{Grant: id, Duration: d, Reason: "it takes longer"})
	if brevet.KindOf(err) != kind {
		h.t.Errorf("extending by %s: got %q (%v), want %q", d, brevet.KindOf(err), err, kind)
	}
}

// rule puts another catalog in force, made from the sandbox's.
func (h *house) rule(replace ...string) {
	h.t.Helper()
	text := strings.NewReplacer(replace...).Replace(string(sandboxCatalog()))
	if _, err := h.Propose(context.Background(), brevet.Actor{System: "test"}, []byte(text)); err != nil {
		h.t.Fatal(err)
	}
}

// TestExtendWithoutAGap: the grant stays the same one, the credential in hand
// keeps its end, and the next question brings one that lasts longer.
func TestExtendWithoutAGap(t *testing.T) {
	h := newHouse(t)
	engineer := h.login("engineer")
	g := h.ask(engineer, "acme-staging/SRE", 30*time.Minute).Grant
	first := h.want(engineer, "acme-staging/SRE", "")
	if !first.Expires.Equal(g.End) {
		t.Fatalf("the first credential ends at %s, the grant at %s", first.Expires, g.End)
	}
	h.advance(20 * time.Minute)
	v := h.extend(engineer, g.ID, time.Hour)
	if v.State != brevet.Approved || v.Grant == nil || v.Grant.ID != g.ID || !v.Grant.End.Equal(g.End.Add(time.Hour)) || v.Grant.Approved != "policy staging-sre" {
		t.Fatalf("extended to %+v, state %s", v.Grant, v.State)
	}
	second, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-staging/SRE", Have: first.Session.ID})
	if err != nil || second.Keep || second.Grant.ID != g.ID || !second.Expires.After(first.Expires) {
		t.Errorf("after the extension: keep %t until %s (%v)", second.Keep, second.Expires, err)
	}
	third, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-staging/SRE", Have: second.Session.ID})
	if err != nil || !third.Keep {
		t.Errorf("a credential of the extended grant is replaced: %v", err)
	}
	h.advance(30 * time.Minute) // beyond the first end
	h.want(engineer, "acme-staging/SRE", "")
	h.advance(40 * time.Minute)
	h.want(engineer, "acme-staging/SRE", brevet.Expired)
	h.noExtend(engineer, g.ID, time.Hour, brevet.Expired)
}

// TestExtendIsDecidedLikeARequest: by the step's people, never by the holder,
// while the grant lives, for as much as is allowed in all.
func TestExtendIsDecidedLikeARequest(t *testing.T) {
	h := newHouse(t)
	engineer, lead, contractor := h.login("engineer"), h.login("lead"), h.login("contractor")
	g := h.approve(lead, h.ask(engineer, "acme-prod/SRE", 2*time.Hour).ID).Grant
	h.noExtend(engineer, g.ID, 2*time.Hour+time.Minute, brevet.Denied) // 4 h in all
	h.noExtend(lead, g.ID, time.Hour, brevet.NotFound)
	h.noExtend(contractor, g.ID, time.Hour, brevet.NotFound)
	h.noExtend(engineer, g.ID, time.Second, brevet.Invalid)
	v := h.extend(engineer, g.ID, 2*time.Hour)
	if v.State != brevet.Pending || v.WaitsFor != "lead" || !v.Lapses.Equal(g.End) {
		t.Fatalf("it is %s, waits for %q until %s", v.State, v.WaitsFor, v.Lapses)
	}
	h.noExtend(engineer, g.ID, time.Minute, brevet.Conflict) // one at a time
	if got := h.want(engineer, "acme-prod/SRE", ""); !got.Grant.End.Equal(g.End) {
		t.Errorf("the end moved before anybody approved: %s", got.Grant.End)
	}
	if _, err := h.Decide(t.Context(), engineer, broker.Decide{ID: v.ID, Approve: true}); !errors.Is(err, brevet.Denied) {
		t.Errorf("own approval: %v", err)
	}
	h.advance(time.Hour)
	if v = h.approve(lead, v.ID); !v.Grant.End.Equal(g.End.Add(2 * time.Hour)) {
		t.Errorf("approved, and ends at %s", v.Grant.End)
	}
	h.noExtend(engineer, g.ID, time.Minute, brevet.Denied)
}

// TestExtensionLapses: what ended is not brought back to life.
func TestExtensionLapses(t *testing.T) {
	for _, end := range []string{"revoked", "handed back", "time", "redefined", "shorter"} {
		h := newHouse(t)
		engineer, lead, security := h.login("engineer"), h.login("lead"), h.login("security")
		g := h.approve(lead, h.ask(engineer, "acme-prod/SRE", time.Hour).ID).Grant
		v := h.extend(engineer, g.ID, time.Hour)
		switch end {
		case "revoked":
			if _, err := h.Revoke(t.Context(), security, g.ID, "incident", ""); err != nil {
				t.Fatal(err)
			}
		case "handed back":
			if _, err := h.Drop(t.Context(), engineer, g.ID, ""); err != nil {
				t.Fatal(err)
			}
		case "time":
			h.advance(time.Hour)
		case "redefined":
			h.rule("AmazonEC2FullAccess", "AmazonRDSFullAccess")
		case "shorter":
			h.rule("longest: 4h\n    approval: {by: [lead]}\n  - name: prod-admin", "longest: 90m\n    approval: {by: [lead]}\n  - name: prod-admin")
		}
		if _, err := h.Decide(t.Context(), lead, broker.Decide{ID: v.ID, Approve: true}); err == nil {
			t.Errorf("%s: the extension was approved all the same", end)
		}
		got, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/SRE"})
		if err == nil && (end != "shorter" || got.Expires.After(g.End)) {
			t.Errorf("%s: a credential until %s", end, got.Expires)
		}
	}
}

// TestExtensionsOwnRule: who decides on more time need not be who decided on
// the grant, and the rule may be tightened afterwards.
func TestExtensionsOwnRule(t *testing.T) {
	h := newHouse(t)
	const was = "approval: {by: [lead]}\n  - name: prod-admin"
	h.rule(was, "approval: {by: [lead]}\n    extend: {by: [\"group:security\"]}\n    extend_longest: 12h\n  - name: prod-admin")
	engineer, lead, security := h.login("engineer"), h.login("lead"), h.login("security")
	g := h.approve(lead, h.ask(engineer, "acme-prod/SRE", 4*time.Hour).ID).Grant
	v := h.extend(engineer, g.ID, 8*time.Hour)
	if _, err := h.Decide(t.Context(), lead, broker.Decide{ID: v.ID, Approve: true}); err == nil {
		t.Error("the lead decided on an extension")
	}
	h.approve(security, v.ID)
	if got := h.want(engineer, "acme-prod/SRE", ""); got.Grant.End.Sub(got.Grant.Start) != 12*time.Hour {
		t.Errorf("it lasts %s", got.Grant.End.Sub(got.Grant.Start))
	}
	h.noExtend(engineer, g.ID, time.Minute, brevet.Denied)
	h.rule() // extensions are for the lead again, and to 4 h in all
	h.want(engineer, "acme-prod/SRE", brevet.Denied)
}

// TestExtendTwiceWithOneKey: an answer that got lost moves the end once.
func TestExtendTwiceWithOneKey(t *testing.T) {
	h := newHouse(t)
	engineer := h.login("engineer")
	g := h.ask(engineer, "acme-staging/SRE", 4*time.Hour).Grant
	in := broker.Extend{Grant: g.ID, Duration: 4 * time.Hour, Reason: "more", Key: "k"}
	for range 3 {
		v, err := h.Extend(t.Context(), engineer, in)
		if err != nil || !v.Grant.End.Equal(g.End.Add(4*time.Hour)) {
			t.Fatalf("extended to %+v: %v", v.Grant, err)
		}
	}
	in.Duration = time.Hour
	if _, err := h.Extend(t.Context(), engineer, in); !errors.Is(err, brevet.Conflict) {
		t.Errorf("another body under the same key: %v", err)
	}
}

// TestExtendAtOnce: however many ask at the same time, the grant becomes no
// longer than is allowed.
func TestExtendAtOnce(t *testing.T) {
	h := newHouse(t)
	engineer := h.login("engineer")
	g := h.ask(engineer, "acme-staging/SRE", 4*time.Hour).Grant
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			_, _ = h.Extend(context.Background(), engineer, broker.Extend{Grant: g.ID, Duration: time.Hour, Reason: "more"})
		})
	}
	wg.Wait()
	if got := h.want(engineer, "acme-staging/SRE", ""); !got.Grant.End.Equal(g.Start.Add(8 * time.Hour)) {
		t.Errorf("12 times an hour make it %s", got.Grant.End.Sub(g.Start))
	}
}

// TestAttackExtension edits rows so that a grant would seem longer: nothing
// is issued beyond what the log says.
func TestAttackExtension(t *testing.T) {
	for _, edit := range []string{
		`UPDATE grants SET end_at = end_at + 3600000000`,
		`UPDATE grants SET start_at = start_at + 3600000000, end_at = end_at + 3600000000`,
		`UPDATE grants SET leaf = (SELECT leaf FROM requests WHERE extends <> '')`,
		`UPDATE grants SET leaf = leaf - 2, end_at = end_at - 1200000000`,
		`UPDATE requests SET duration = duration * 2 WHERE extends <> ''`,
		`UPDATE requests SET extends = '' WHERE extends <> ''`,
		`UPDATE requests SET rule = '{"automatic":true}', reason = 'x' WHERE extends <> ''`,
		`DELETE FROM requests WHERE extends <> ''`,
		`UPDATE grants SET request_id = (SELECT id FROM requests WHERE extends <> '')`,
	} {
		h := newHouse(t)
		engineer := h.login("engineer")
		g := h.ask(engineer, "acme-staging/SRE", 30*time.Minute).Grant
		h.extend(engineer, g.ID, 20*time.Minute)
		h.want(engineer, "acme-staging/SRE", "")
		h.edit(edit)
		if got, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-staging/SRE"}); err == nil {
			t.Errorf("after %s: a credential until %s", edit, got.Expires)
		}
		if v, err := h.Extend(t.Context(), engineer, broker.Extend{Grant: g.ID, Duration: time.Minute, Reason: "more"}); err == nil {
			t.Errorf("after %s: extended until %s", edit, v.Grant.End)
		}
	}
}

// TestExtendHistories: over random histories of extending, revoking, handing
// back and waiting nothing is issued outside a window that an account of its
// own adds up.
func TestExtendHistories(t *testing.T) {
	n := uint64(2)
	if os.Getenv("BREVET_SOAK") != "" {
		n = 200
	}
	for seed := range n {
		h := newHouse(t)
		rng := rand.New(rand.NewPCG(7, seed))
		engineer, lead, security := h.login("engineer"), h.login("lead"), h.login("security")
		ends := map[brevet.GrantID]time.Time{} // of those that nobody ended
		var waiting []broker.RequestView
		trail := []string{}
		for range 60 {
			var id brevet.GrantID
			for g := range ends {
				id = g
			}
			target := []string{"acme-staging/SRE", "acme-prod/SRE"}[rng.IntN(2)]
			d := time.Duration(1+rng.IntN(150)) * time.Minute
			switch n := rng.IntN(12); {
			case n < 2:
				v := h.ask(engineer, target, d)
				if v.State == brevet.Pending {
					v = h.approve(lead, v.ID)
				}
				ends[v.Grant.ID] = h.now().Add(d)
			case n < 6 && id != "":
				v, err := h.Extend(t.Context(), engineer, broker.Extend{Grant: id, Duration: d, Reason: "more"})
				trail = append(trail, fmt.Sprint("extend ", id, " by ", d, ": ", err))
				switch {
				case err != nil:
				case v.State == brevet.Approved:
					ends[id] = ends[id].Add(d)
				default:
					waiting = append(waiting, v)
				}
			case n < 8 && len(waiting) > 0:
				v := waiting[len(waiting)-1]
				waiting = waiting[:len(waiting)-1]
				if _, err := h.Decide(t.Context(), lead, broker.Decide{ID: v.ID, Approve: rng.IntN(4) > 0}); err == nil {
					if got, _ := h.Request(t.Context(), engineer, v.ID, 0); got.State == brevet.Approved {
						ends[v.Extends] = ends[v.Extends].Add(v.Duration)
					}
				}
			case n == 8 && id != "":
				if _, err := h.Revoke(t.Context(), security, id, "incident", ""); err == nil {
					delete(ends, id)
				}
			case n == 9 && id != "":
				if _, err := h.Drop(t.Context(), engineer, id, ""); err == nil {
					delete(ends, id)
				}
			default:
				h.advance(d / 2)
				engineer, lead, security = h.login("engineer"), h.login("lead"), h.login("security")
			}
			for _, target := range []string{"acme-staging/SRE", "acme-prod/SRE"} {
				got, err := h.Credential(t.Context(), engineer, broker.Want{Target: target})
				if err != nil {
					continue
				}
				end, ok := ends[got.Grant.ID]
				if !ok || got.Expires.After(end) || !got.Grant.End.Equal(end) || got.Grant.End.Sub(got.Grant.Start) > 8*time.Hour {
					t.Fatalf("history %d: %s issued until %s under %+v, which ends at %s\n%s", seed, target, got.Expires, got.Grant, end, strings.Join(trail, "\n"))
				}
			}
		}
	}
}

// TestExtendAsksTheCheck: what an entitlement wants checked is checked of an
// extension, too, outside any transaction and before anything is on record;
// no answer is no yes.
func TestExtendAsksTheCheck(t *testing.T) {
	h := newHouse(t)
	says, down, asked := "OPS-7", false, []broker.Question{}
	h.Check = func(ctx context.Context, _ string, q broker.Question) (bool, string, error) {
		if h.db.Update(ctx, func(*store.Tx) error { return nil }) != nil {
			t.Error("not outside a transaction")
		}
		if asked = append(asked, q); down {
			return false, "", brevet.Errorf(brevet.Unavailable, "it took longer than 3s")
		}
		return q.Ticket == says, "it is closed", nil
	}
	h.propose("    approval: {by: [lead]}\n  - name: prod-admin\n", withTicket)
	engineer, lead := h.login("engineer"), h.login("lead")
	v, err := h.Ask(t.Context(), engineer, broker.Ask{Target: "acme-prod/SRE", Duration: time.Hour, Reason: "the move", Ticket: "OPS-7"})
	if err != nil {
		t.Fatal(err)
	}
	g := h.approve(lead, v.ID).Grant
	extend := func(ticket, key string) (broker.RequestView, error) {
		return h.Extend(t.Context(), engineer, broker.Extend{Grant: g.ID, Duration: 30 * time.Minute, Reason: "it takes longer", Ticket: ticket, Key: key})
	}
	no := func(ticket string, kind brevet.Kind, why string) {
		t.Helper()
		_, err := extend(ticket, "")
		wantNo(t, err, kind, why)
		if n := h.requests(); n != 1 {
			t.Errorf("%d requests are there", n)
		}
	}
	asked = nil
	no("", brevet.Invalid, "needs a ticket")
	no("ops", brevet.Invalid, "of the form")
	if len(asked) > 0 {
		t.Errorf("asked about what is refused anyway: %+v", asked)
	}
	no("OPS-8", brevet.Denied, "it is closed")
	if e := h.lastEvent(); e.Kind != brevet.AccessRefused {
		t.Errorf("on record: %s", e.Kind)
	}
	down = true
	no("OPS-7", brevet.Unavailable, "longer than 3s")
	down, h.Check = false, nil
	_, err = extend("OPS-7", "")
	wantNo(t, err, brevet.Unavailable, "no check jira")
	asked = nil
	h.Check = func(_ context.Context, _ string, q broker.Question) (bool, string, error) {
		asked = append(asked, q)
		return q.Ticket == says, "", nil
	}
	first, err := extend("OPS-7", "one")
	if err != nil {
		t.Fatal(err)
	}
	want := broker.Question{Ticket: "OPS-7", Person: "engineer", Target: "acme-prod/SRE", Reason: "it takes longer", Duration: 30 * time.Minute, Extends: g.ID}
	if len(asked) != 1 || asked[0] != want {
		t.Errorf("asked %+v, want %+v", asked, want)
	}
	says = "nothing any more"
	if again, err := extend("OPS-7", "one"); err != nil || again.ID != first.ID {
		t.Errorf("asked twice: %+v, %v", again, err)
	}
}

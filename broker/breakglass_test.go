package broker_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/store"
)

// smash breaks the glass for Admin in production and checks the kind of the
// answer.
func (h *house) smash(c brevet.Caller, kind brevet.Kind) broker.Glass {
	h.t.Helper()
	v, err := h.BreakGlass(context.Background(), c, broker.BreakGlass{Target: "acme-prod/Admin", Reason: "db-7 is down"})
	if brevet.KindOf(err) != kind {
		h.t.Fatalf("breaking the glass: got %q (%v), want %q", brevet.KindOf(err), err, kind)
	}
	return v
}

// TestBreakGlass: nobody approves, it is over within the hour, everybody is
// told, and it takes no ordinary way.
func TestBreakGlass(t *testing.T) {
	onBoth(t, func(t *testing.T, newHouse func(testing.TB) *house) {
		h, p := newHouse(t), &pigeon{}
		quiet := everything("quiet", p)
		quiet.Topics = nil // what a channel wants does not count
		h.withChannels(quiet)
		engineer, lead, contractor := h.login("engineer"), h.login("lead"), h.login("contractor")
		h.want(engineer, "acme-prod/Admin", brevet.NoGrant)
		h.smash(contractor, brevet.Denied)
		h.smash(lead, brevet.Denied)
		v := h.smash(engineer, "")
		if v.Grant == nil || !v.Grant.Live || v.Grant.End.Sub(v.Grant.Start) != time.Hour || v.Channels != 1 || v.Arrived != 1 {
			t.Fatalf("glass = %+v, grant %+v", v, v.Grant)
		}
		if m := p.last(t); m.Kind != brevet.BreakGlassOpened || !m.Urgent {
			t.Errorf("told %+v", m)
		}
		got := h.want(engineer, "acme-prod/Admin", "")
		if got.Grant.ID != v.Grant.ID || got.Expires.After(v.Grant.End) {
			t.Errorf("issued %+v", got.Grant)
		}
		if _, err := h.Extend(t.Context(), engineer, broker.Extend{Grant: v.Grant.ID, Duration: time.Minute, Reason: "more"}); !errors.Is(err, brevet.Denied) {
			t.Errorf("an emergency was extended: %v", err)
		}
		if _, err := h.BreakGlass(t.Context(), engineer, broker.BreakGlass{Target: "acme-prod/Admin", Reason: "x", Duration: 61 * time.Minute}); !errors.Is(err, brevet.Denied) {
			t.Errorf("61 minutes: %v", err)
		}
		if _, err := h.Drop(t.Context(), engineer, v.Grant.ID, ""); err != nil {
			t.Fatal(err)
		}
		h.want(engineer, "acme-prod/Admin", brevet.Expired)
	})
}

// TestBreakGlassBeside: with the provider down, whoever breaks the glass beside
// an ordinary grant that cannot be confirmed any more gets in.
func TestBreakGlassBeside(t *testing.T) {
	h := newHouse(t)
	engineer := h.login("engineer")
	h.approve(h.login("lead"), h.ask(engineer, "acme-prod/Admin", 2*time.Hour).ID)
	h.want(engineer, "acme-prod/Admin", "")
	h.advance(20 * time.Minute)
	h.down = true
	h.want(engineer, "acme-prod/Admin", brevet.Denied)
	v := h.smash(engineer, "")
	if got := h.want(engineer, "acme-prod/Admin", ""); got.Grant.ID != v.Grant.ID {
		t.Errorf("issued under %s, not the emergency %s", got.Grant.ID, v.Grant.ID)
	}
}

// TestBreakGlassOnly: an entitlement for emergencies alone lets nobody ask,
// and opens nothing by first use.
func TestBreakGlassOnly(t *testing.T) {
	h := newHouse(t)
	h.rule("  - name: prod-emergency", "  - name: other-emergency", "  - name: prod-admin\n    who: [group:engineers]", "  - name: prod-admin\n    who: [group:leads]",
		"    approval: {by: [lead]}\n    mfa: 1h", "    approval: {by: [security]}\n    mfa: 1h")
	engineer := h.login("engineer")
	h.want(engineer, "acme-prod/Admin", brevet.Denied)
	if _, err := h.Ask(t.Context(), engineer, broker.Ask{Target: "acme-prod/Admin", Reason: "x", Duration: time.Hour}); !errors.Is(err, brevet.Denied) {
		t.Errorf("asked in the ordinary way: %v", err)
	}
	v := h.smash(engineer, "")
	h.want(engineer, "acme-prod/Admin", "")
	h.advance(time.Hour)
	h.want(engineer, "acme-prod/Admin", brevet.Denied)
	if v.Grant.Approved != "policy other-emergency" {
		t.Errorf("approved by %q", v.Grant.Approved)
	}
}

// TestBreakGlassNeedsProof: an old proof is not enough, and stale groups of a
// provider that is down do count.
func TestBreakGlassNeedsProof(t *testing.T) {
	h := newHouse(t)
	engineer := h.login("engineer")
	h.advance(50 * time.Minute)
	h.down = true
	h.smash(engineer, "")
	h.want(engineer, "acme-prod/Admin", "")
	h.advance(20 * time.Minute)
	h.smash(engineer, brevet.StepUp)
}

// TestReview: somebody else looks at it, once, and until then the next ones
// are counted.
func TestReview(t *testing.T) {
	h := newHouse(t)
	h.groups["engineer"] = []string{"engineers", "security"} // a reviewer, but not of their own
	engineer := h.login("engineer")
	first := h.smash(engineer, "")
	h.smash(engineer, "")
	h.smash(engineer, "")
	h.smash(engineer, brevet.Denied) // three a day
	h.advance(25 * time.Hour)
	engineer, lead, contractor := h.login("engineer"), h.login("lead"), h.login("contractor")
	h.smash(engineer, brevet.Denied) // and none of them was reviewed
	if err := h.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := h.events(); !contains(got, []brevet.EventKind{brevet.BreakGlassReminded}) {
		t.Error("nobody was reminded")
	}
	review := func(c brevet.Caller, kind brevet.Kind) {
		t.Helper()
		if _, err := h.Review(t.Context(), c, first.Grant.ID, true, "seen", ""); brevet.KindOf(err) != kind {
			t.Errorf("review: got %q (%v), want %q", brevet.KindOf(err), err, kind)
		}
	}
	review(engineer, brevet.Denied)
	review(contractor, brevet.NotFound)
	if list, err := h.Reviews(t.Context(), lead, false); err != nil || len(list) != 3 || !list[0].CanReview || list[2].Grant != first.Grant.ID {
		t.Errorf("reviews = %+v (%v)", list, err)
	}
	if s, err := h.Status(t.Context(), lead); err != nil || len(s.Review) != 3 {
		t.Errorf("a reviewer's status = %+v (%v)", s.Review, err)
	}
	review(lead, "")
	review(lead, brevet.Conflict)
	if list, _ := h.Reviews(t.Context(), lead, true); len(list) != 3 || list[2].Verdict != brevet.ReviewOK || list[2].By != "lead" {
		t.Errorf("after the review: %+v", list)
	}
	h.smash(engineer, "")
	h.smash(engineer, brevet.Denied)
}

// TestNoAlarmNoGrant breaks the outbox: what cannot be told to everybody does
// not happen, and rows that look like an emergency issue nothing.
func TestNoAlarmNoGrant(t *testing.T) {
	h, p := newHouse(t), &pigeon{}
	h.withChannels(everything("all", p))
	engineer := h.login("engineer")
	h.edit(`CREATE TRIGGER full BEFORE INSERT ON outbox BEGIN SELECT RAISE(ABORT, 'disk full'); END`)
	if _, err := h.BreakGlass(t.Context(), engineer, broker.BreakGlass{Target: "acme-prod/Admin", Reason: "db-7 is down"}); err == nil {
		t.Error("the glass broke without a sound")
	}
	h.want(engineer, "acme-prod/Admin", brevet.NoGrant)
	if grants, _ := h.Grants(t.Context(), engineer, broker.List{}); len(grants) != 0 {
		t.Errorf("grants = %+v", grants)
	}
}

// TestAttackGlass edits rows of an emergency: nothing is issued for longer or
// to others, and no count is forgotten.
func TestAttackGlass(t *testing.T) {
	h := newHouse(t)
	engineer := h.login("engineer")
	h.smash(engineer, "")
	h.edit(`UPDATE grants SET end_at = end_at + 3600000000`)
	h.want(engineer, "acme-prod/Admin", brevet.Internal)
	h.edit(`UPDATE grants SET end_at = end_at - 3600000000`)
	h.edit(`UPDATE requests SET break_glass = 0`)
	h.want(engineer, "acme-prod/Admin", brevet.Internal)
	h.smash(engineer, "")
	h.smash(engineer, "")
	h.edit(`DELETE FROM requests`)
	h.edit(`DELETE FROM grants`)
	h.smash(engineer, brevet.Denied)
}

// TestBreakGlassAtOnce: however many try at the same time, the day's count
// holds.
func TestBreakGlassAtOnce(t *testing.T) {
	h := newHouse(t)
	engineer := h.login("engineer")
	var wg sync.WaitGroup
	var mu sync.Mutex
	n := 0
	for range 12 {
		wg.Go(func() {
			if _, err := h.BreakGlass(context.Background(), engineer, broker.BreakGlass{Target: "acme-prod/Admin", Reason: "fire"}); err == nil {
				mu.Lock()
				n++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if n != 3 {
		t.Errorf("the glass broke %d times at once, want 3", n)
	}
}

// TestDeadChannels breaks the glass past channels that fail: each has its
// letter and was tried, and the one that works has told.
func TestDeadChannels(t *testing.T) {
	runs := 5
	if os.Getenv("BREVET_SOAK") != "" {
		runs = 100
	}
	for range runs {
		h, good := newHouse(t), &pigeon{}
		channels := []broker.Channel{everything("good", good)}
		for _, name := range []string{"dead", "deader"} {
			p := &pigeon{}
			p.answer = func(int, brevet.Message) (string, error) { return "", errors.New("no route to host") }
			channels = append(channels, everything(name, p))
		}
		h.withChannels(channels...)
		engineer := h.login("engineer")
		v := h.smash(engineer, "")
		if v.Channels != 3 || v.Tried != 3 || v.Arrived != 1 {
			t.Errorf("told %d, tried %d of %d", v.Arrived, v.Tried, v.Channels)
		}
		if n := len(h.letters(store.LetterFilter{About: string(v.ID), Kind: brevet.BreakGlassOpened})); n != 3 {
			t.Errorf("%d letters for three channels", n)
		}
		h.want(engineer, "acme-prod/Admin", "")
	}
}

// TestHangingChannel breaks the glass past a channel that never answers: the
// credential can be had while everybody is still being told, and the answer
// is there after 30 s, of simulated time, and not before.
func TestHangingChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, good, hangs := newHouse(t), &pigeon{}, &pigeon{}
		over := make(chan struct{})
		defer close(over)
		hangs.answer = func(int, brevet.Message) (string, error) { <-over; return "", errors.New("too late") }
		h.withChannels(everything("good", good), everything("hangs", hangs))
		engineer := h.login("engineer")
		answer := make(chan broker.Glass, 1)
		began := time.Now()
		go func() {
			v, err := h.BreakGlass(context.Background(), engineer, broker.BreakGlass{Target: "acme-prod/Admin", Reason: "db-7 is down"})
			if err != nil {
				t.Error(err)
			}
			answer <- v
		}()
		synctest.Wait() // everybody is being told, and one does not answer
		h.want(engineer, "acme-prod/Admin", "")
		if time.Since(began) > time.Second || len(answer) > 0 {
			t.Errorf("the credential took %s; answers: %d", time.Since(began), len(answer))
		}
		v := <-answer
		if took := time.Since(began); v.Arrived != 1 || v.Channels != 2 || took != glassLimit {
			t.Errorf("told %d of %d after %s", v.Arrived, v.Channels, took)
		}
	})
}

const glassLimit = 30 * time.Second

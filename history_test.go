package brevet_test

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
)

var seed = flag.Uint64("seed", 1, "seed of the random histories")

// TestHistories runs random histories of requests, grants and sessions, with
// a clock that jumps and people who do what they must not. After every step
// it compares what the package did with two accounts that know nothing of it:
// a model written from the laws, and the state that the events alone tell of.
// A failure names its history; it is run again with every step printed.
func TestHistories(t *testing.T) {
	shards, each := 4, uint64(25_000)
	if os.Getenv("BREVET_SOAK") != "" {
		each *= 10
	}
	for shard := range uint64(shards) {
		t.Run(fmt.Sprint(shard), func(t *testing.T) {
			t.Parallel()
			seen := map[string]int{}
			for i := range each {
				n := shard*each + i
				if err := newHistory(n, seen).run(); err != nil {
					again := newHistory(n, map[string]int{})
					again.trail = t.Logf
					_ = again.run()
					t.Fatalf("history %d of -seed=%d: %v", n, *seed, err)
				}
			}
			for _, what := range reached {
				if seen[what] < int(each/1000) {
					t.Errorf("%q came about %d times in %d histories: they are too tame", what, seen[what], each)
				}
			}
			if testing.Verbose() {
				for _, what := range slices.Sorted(maps.Keys(seen)) {
					t.Logf("%7d %s", seen[what], what)
				}
			}
		})
	}
}

// reached lists what every run must have seen often: each event of the life
// cycles, and a refusal of each verb.
var reached = []string{
	"request.created", "request.decided", "request.approved", "request.denied", "request.withdrawn", "request.lapsed",
	"grant.opened", "grant.activated", "grant.extended", "grant.ended", "grant.revoked",
	"session.intended", "session.issued", "session.in_doubt", "session.ended",
	"decide: denied", "decide: conflict", "decide: expired", "withdraw: denied", "withdraw: conflict", "lapse: conflict",
	"open: conflict", "extend: conflict", "extend: expired", "activate: conflict", "activate: expired", "activate: no_grant", "drop: denied", "drop: conflict",
	"revoke: conflict", "expire: conflict", "intend: no_grant", "issue: conflict", "issue: no_grant", "issue: clock",
}

// history is one world: a few people, what they asked for, and what became
// of it. The three slices hold what a store would.
type history struct {
	*rand.Rand
	now      time.Time
	groups   [len(people)][]string // who belongs where today
	requests []brevet.Request
	grants   []brevet.Grant
	sessions []brevet.Session
	model    *model
	replay   *replay
	seen     map[string]int
	trail    func(format string, args ...any)
}

func newHistory(n uint64, seen map[string]int) *history {
	h := &history{Rand: rand.New(rand.NewPCG(*seed, n)), now: dawn, model: newModel(), replay: newReplay(), seen: seen}
	for i := range h.groups {
		h.groups[i] = allGroups[i%len(allGroups):][:1]
	}
	return h
}

var (
	dawn      = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	people    = [...]brevet.PersonID{"pr_0", "pr_1", "pr_2", "pr_3", "pr_4"}
	handles   = [...]brevet.Handle{"engineer", "lead", "security", "contractor", "second-lead"}
	allGroups = []string{"leads", "security", "engineers"}
)

// run takes steps until the history is long enough, then lets a long time
// pass and looks at everything once more.
func (h *history) run() error {
	if err := h.ask(); err != nil {
		return err
	}
	for range 8 + h.IntN(14) {
		if err := h.step()(); err != nil {
			return err
		}
	}
	for _, r := range h.requests {
		if m := h.model.requests[r.ID]; r.Ask.Digest() != m.digest || r.DecisionsDigest() != h.replay.decided[r.ID] {
			return fmt.Errorf("what was asked, or who decided, is not what the events bind: %+v", r)
		}
	}
	return h.check()
}

// step draws a verb, mostly one of the youngest life cycle that has begun.
func (h *history) step() func() error {
	switch n := h.IntN(16); {
	case n < 2:
		return pick(h.Rand, h.tick, h.tick, h.tick, h.move)
	case n < 7 && len(h.sessions) > 0:
		return pick(h.Rand, h.issue, h.issue, h.issue, h.doubt, h.refuse)
	case n < 13 && len(h.grants) > 0:
		return pick(h.Rand, h.intend, h.intend, h.intend, h.intend, h.activate, h.activate, h.extend, h.extend, h.drop, h.revoke, h.expire, h.expire)
	}
	return pick(h.Rand, h.decide, h.decide, h.decide, h.decide, h.decide, h.ask, h.lapse, h.withdraw)
}

// took judges one step: what the laws allow happens, what they forbid is an
// error that says why and changes nothing, and the events tell of it.
func (h *history) took(verb string, allowed bool, events []brevet.Event, want int, err error) error {
	if h.trail != nil {
		h.trail("%s %s: %d events, %v", h.now.Format("01-02T15:04:05.000000"), verb, len(events), err)
	}
	if allowed != (err == nil) {
		return fmt.Errorf("%s: the laws allow it: %t, but the error is %v", verb, allowed, err)
	}
	if err != nil {
		h.seen[verb+": "+string(brevet.KindOf(err))]++
		var e *brevet.Error
		if !errors.As(err, &e) || e.Message == "" || strings.HasSuffix(e.Message, ".") {
			return fmt.Errorf("%s: not an error to show: %#v", verb, err)
		}
	}
	if len(events) != want {
		return fmt.Errorf("%s: %d events, want %d", verb, len(events), want)
	}
	for _, e := range events {
		h.seen[string(e.Kind)]++
		if !e.Time.Equal(h.now) || e.Customer == "" || e.Actor == (brevet.Actor{}) {
			return fmt.Errorf("%s: event %s lacks time, customer or actor", verb, e.Kind)
		}
		if err := h.replay.fold(e); err != nil {
			return err
		}
	}
	return nil
}

// one is 1 if yes: most verbs write one event when they are allowed.
func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// check compares everything with both accounts, now and at the moments when
// something ends.
func (h *history) check() error {
	for _, r := range h.requests {
		if err := h.checkRequest(r); err != nil {
			return err
		}
	}
	for _, g := range h.grants {
		if err := h.checkGrant(g); err != nil {
			return err
		}
	}
	for _, s := range h.sessions {
		if err := h.checkSession(s); err != nil {
			return err
		}
	}
	return nil
}

func (h *history) checkRequest(r brevet.Request) error {
	m := h.model.requests[r.ID]
	if told := h.replay.requests[r.ID]; told != tellRequest(r, m.digest) {
		return fmt.Errorf("the events tell %+v, the request is %+v", told, r)
	}
	if m.approved != (r.State == brevet.Approved) || m.final != (r.State != brevet.Pending) || m.final == r.Decided.IsZero() {
		return fmt.Errorf("the laws say final %t, approved %t; request %s is %s", m.final, m.approved, r.ID, r.State)
	}
	return nil
}

func (h *history) checkGrant(g brevet.Grant) error {
	w := h.model.grants[g.ID]
	if told := h.replay.grants[g.ID]; told != tellGrant(g) {
		return fmt.Errorf("the events tell %+v, the grant is %+v", told, g)
	}
	if !g.Start.Equal(cmpTime(w.running, w.start, w.gate)) || !g.End.Equal(w.end) {
		return fmt.Errorf("the laws say from %s to %s; grant %+v", w.start, w.end, g)
	}
	for _, at := range []time.Time{h.now, w.start.Add(-tick), w.start, w.end.Add(-tick), w.end} {
		if g.Live(at) != w.live(at) || (g.Left(at) > 0) != w.live(at) || at.Add(g.Left(at)).After(w.end) && w.live(at) {
			return fmt.Errorf("the laws say live %t at %s; grant %+v", w.live(at), at, g)
		}
	}
	return nil
}

func cmpTime(first bool, a, b time.Time) time.Time {
	if first {
		return a
	}
	return b
}

func (h *history) checkSession(s brevet.Session) error {
	l := h.model.sessions[s.ID]
	if told := h.replay.sessions[s.ID]; told != tellSession(s) {
		return fmt.Errorf("the events tell %+v, the session is %+v", told, s)
	}
	if !s.Until.Equal(l.dies) || !s.Expires.Equal(l.told) || (s.State == brevet.SessionOver) != l.over {
		return fmt.Errorf("the laws say it dies at %s, the client knows %s; session %+v", l.dies, l.told, s)
	}
	if s.Until.After(l.grant.end) || s.Expires.After(l.grant.end) || s.Expires.After(s.Until) {
		return fmt.Errorf("session %+v outlives its grant, which ends at %s", s, l.grant.end)
	}
	for _, at := range []time.Time{h.now, l.dies.Add(-tick), l.dies} {
		if want := !l.over && at.Before(l.dies); s.Live(at) != want {
			return fmt.Errorf("the laws say live %t at %s; session %+v", want, at, s)
		}
	}
	return nil
}

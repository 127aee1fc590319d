package broker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/store"
)

// TestBoundHistories runs random histories of shifts, overrides, engagements,
// sources that fail and a clock that jumps, and holds what the broker issues
// against a model that knows three things: what the source said last, which
// engagements the catalog has, and what time it is. Nobody gets in by a rota
// that does not have them on duty, nobody outside an engagement that binds
// them, and nothing outlives either. With BREVET_SOAK=1 there are more.
func TestBoundHistories(t *testing.T) {
	histories, steps := uint64(2), 500
	if os.Getenv("BREVET_SOAK") != "" {
		histories, steps = 40, 1000
	}
	seen := map[string]int{}
	for seed := range histories {
		runBounds(t, seed, steps, seen)
	}
	t.Log(seen)
	for _, what := range []string{"let in by rota", "cut by shift", "refused off duty", "source down", "revoked by rota",
		"let in while engaged", "cut by engagement", "refused unengaged", "revoked by engagement", "decided on duty", "not decided off duty"} {
		if seen[what] < int(histories) {
			t.Errorf("%q came about %d times: the histories are too tame", what, seen[what])
		}
	}
}

// The targets: the first is for whoever is on duty, the second is everybody's,
// the third the contractor's, if the second on call says yes.
const (
	byDuty   = "acme-prod/SRE"
	byGroup  = "acme-staging/ReadOnly"
	byAsking = "acme-prod/Data"
)

var boundPeople = []string{"engineer", "contractor", "lead"}

// bounds is one history.
type bounds struct {
	*house
	*rand.Rand
	seen   map[string]int
	trail  []string
	tokens map[string]string
	signed time.Time // when they signed in last

	shifts  []brevet.Shift // what the source would say
	down    bool
	moved   time.Time      // when either changed last
	said    []brevet.Shift // what it said when it was asked last, and when that was
	saidAt  time.Time
	engaged []brevet.Engagement
	known   map[brevet.GrantID]time.Time // the end that each grant had when it was seen first
}

func runBounds(t *testing.T, seed uint64, steps int, seen map[string]int) {
	h := &bounds{house: newHouse(t), Rand: rand.New(rand.NewPCG(11, seed)), seen: seen, tokens: map[string]string{}, known: map[brevet.GrantID]time.Time{}}
	h.Shifts = func(_ context.Context, _ brevet.Rota, at time.Time) ([]brevet.Shift, error) {
		if h.down {
			return nil, brevet.Errorf(brevet.Unavailable, "it answered 500")
		}
		h.said, h.saidAt = h.shifts, at
		return h.shifts, nil
	}
	h.catalog()
	h.signIn()
	for i := range steps {
		h.step()
		if t.Failed() {
			t.Fatalf("history %d, step %d at %s; engagements %+v; the source said at %s %+v\n%s", seed, i, h.now(), h.engaged, h.saidAt, h.said, strings.Join(h.trail[max(0, len(h.trail)-30):], "\n"))
		}
	}
	h.count()
}

func (h *bounds) note(format string, args ...any) {
	h.trail = append(h.trail, h.now().Format("15:04:05 ")+fmt.Sprintf(format, args...))
}

func (h *bounds) signIn() {
	for _, who := range boundPeople {
		h.tokens[who], _ = h.token(who)
	}
	h.signed = h.now()
}

// caller is the person as a request of theirs finds them.
func (h *bounds) caller(who string) brevet.Caller {
	c, err := h.WhoIs(context.Background(), h.tokens[who], "192.0.2.1")
	if err != nil {
		h.t.Errorf("who is %s: %v", who, err)
	}
	return c
}

func (h *bounds) minutes(least, most int) time.Duration {
	return time.Duration(least+h.IntN(most-least)) * time.Minute
}

func (h *bounds) step() {
	who := boundPeople[h.IntN(len(boundPeople))]
	switch n := h.IntN(40); {
	case n < 8:
		if len(h.shifts) > 0 && h.shifts[0].Name != "stranger" && h.IntN(2) > 0 {
			who = h.shifts[0].Name
		}
		h.credential(who, byDuty)
	case n < 14:
		h.credential(who, byGroup)
	case n < 17:
		h.askFor(who, byDuty)
	case n < 19:
		h.askFor(who, byGroup)
	case n < 22:
		h.second()
	case n < 25:
		h.override()
	case n < 26:
		h.down, h.moved = !h.down && h.IntN(2) > 0, h.now()
		h.note("the source is down: %v", h.down)
	case n < 28:
		h.catalog()
	case n < 34:
		h.advance(time.Duration(1+h.IntN(40)) * time.Second)
	case n < 36:
		h.advance(h.minutes(1, 50))
	default:
		h.swept()
	}
	if h.now().Sub(h.signed) > time.Hour {
		h.signIn()
	}
}

// override gives the rota other shifts, some of them of people it may not put
// on duty.
func (h *bounds) override() {
	h.shifts, h.moved = nil, h.now()
	for i := range h.IntN(5) {
		who := append([]string{"stranger"}, boundPeople...)[h.IntN(4)]
		start := h.now().Add(h.minutes(-90, 10))
		layer := []brevet.Layer{brevet.Primary, brevet.Secondary}[i%2]
		h.shifts = append(h.shifts, brevet.Shift{Layer: layer, Name: who, Start: start, End: start.Add(h.minutes(20, 300))})
	}
	h.note("the rota has %+v", h.shifts)
}

// catalog puts one in force that has other engagements.
func (h *bounds) catalog() {
	h.engaged = nil
	text := ""
	for i := range h.IntN(3) {
		start := brevet.Instant(h.now().Add(h.minutes(-120, 20)).Truncate(time.Second))
		e := brevet.Engagement{Name: fmt.Sprint("e", i), Start: start, End: start.Add(h.minutes(30, 400))}
		people := `"group:contractors"`
		if h.IntN(4) == 0 {
			people, e.People.People = "engineer", []brevet.Handle{"engineer"}
		} else {
			e.People.Groups = []string{"contractors"}
		}
		accounts := []string{"acme-staging", "acme-prod", `"*"`}[h.IntN(3)]
		e.Accounts = map[string][]brevet.AccountID{"acme-staging": {"111122223333"}, "acme-prod": {"444455556666"}, `"*"`: {"111122223333", "444455556666"}}[accounts]
		h.engaged = append(h.engaged, e)
		text += fmt.Sprintf("      - {name: %s, people: [%s], accounts: [%s], start: %s, end: %s}\n", e.Name, people, accounts, e.Start.Format(time.RFC3339), e.End.Format(time.RFC3339))
	}
	if text != "" {
		text = "    engagements:\n" + text
	}
	rota := strings.Replace(sreRota, "[engineer, lead]", "[engineer, lead, contractor]", 1)
	all := string(dutyCatalog(h.t, rota+text, sreOnDuty))
	h.apply([]byte(strings.Replace(all, "[ReadOnly, Security, SRE, DevOps, Data]", "[ReadOnly, Security, DevOps]", 1))) // nobody asks for prod/SRE but by the rota
	h.note("engagements: %s", text)
}

// onDuty is the model of a rota: whom the last answer has on duty, while it is
// at most a minute old, and until when.
func (h *bounds) onDuty(who string, layer brevet.Layer) (end time.Time, ok bool) {
	now := h.now()
	if h.saidAt.IsZero() || now.Sub(h.saidAt) > time.Minute {
		return end, false
	}
	for _, s := range h.said {
		if s.Layer == layer && s.Name == who && !now.Before(s.Start) && now.Before(s.End) && s.End.After(end) {
			end, ok = s.End, true
		}
	}
	return end, ok
}

// engagement is the model of engagements: whether any binds the person, and
// until when one lets them into the account.
func (h *bounds) engagement(who string, account brevet.AccountID) (end time.Time, bound bool) {
	now := h.now()
	for _, e := range h.engaged {
		if !slices.Contains(e.People.People, brevet.Handle(who)) && !slices.ContainsFunc(h.groups[who], func(g string) bool { return slices.Contains(e.People.Groups, g) }) {
			continue
		}
		bound = true
		if slices.Contains(e.Accounts, account) && !now.Before(e.Start) && now.Before(e.End) && e.End.After(end) {
			end = e.End
		}
	}
	return end, bound
}

// limit is when access must be over at the latest, by all that the model
// knows; the zero time where nobody may have it.
func (h *bounds) limit(who, target string) (end time.Time, why string) {
	end = h.now().Add(24 * time.Hour)
	if target == byDuty {
		shift, ok := h.onDuty(who, brevet.Primary)
		if !ok {
			return time.Time{}, "off duty"
		}
		end, why = shift, "shift"
	}
	account := brevet.AccountID("444455556666")
	if target == byGroup {
		account = "111122223333"
	}
	until, bound := h.engagement(who, account)
	switch {
	case bound && until.IsZero():
		return time.Time{}, "unengaged"
	case bound && until.Before(end):
		end, why = until, "engagement"
	}
	return end, why
}

func (h *bounds) credential(who, target string) {
	got, err := h.Credential(context.Background(), h.caller(who), broker.Want{Target: target})
	h.note("credential of %s for %s: %v", who, target, err)
	end, why := h.limit(who, target)
	if err != nil {
		h.refusedWell(err, end, why)
		return
	}
	if end.IsZero() {
		h.t.Errorf("%s got into %s while %s", who, target, why)
	}
	if i := h.issues[len(h.issues)-1]; got.Expires.After(end) || i.End.After(end) || i.End.IsZero() {
		h.t.Errorf("%s: the credential of %s lasts until %s, the cloud was told %s; %s ends %s", target, who, got.Expires, i.End, why, end)
	}
	h.opened(got.Grant, end, why)
	h.tally(who, target)
}

// refusedWell checks that a refusal for want of a shift or an engagement is
// one that the model knows, and counts it.
func (h *bounds) refusedWell(err error, end time.Time, why string) {
	if end.IsZero() {
		h.seen["refused "+why]++
	}
	for _, u := range brevet.AsError(err).Unmet {
		if strings.Contains(u.Have, "could not be asked (it answered 500)") {
			h.seen["source down"]++
		}
		if !end.IsZero() && (strings.HasPrefix(u.Condition, "be on duty") || strings.HasPrefix(u.Condition, "a live engagement")) {
			h.t.Errorf("refused although nothing ends before %s: %v: %s", end, err, u.Have)
		}
	}
}

func (h *bounds) tally(who, target string) {
	if target == byDuty {
		h.seen["let in by rota"]++
	}
	if _, bound := h.engagement(who, "444455556666"); bound {
		h.seen["let in while engaged"]++
	}
}

// opened checks a grant when it is seen first.
func (h *bounds) opened(g brevet.Grant, end time.Time, why string) {
	if was, ok := h.known[g.ID]; ok {
		if g.End.After(was) {
			h.t.Errorf("grant %s ends %s; it was to end %s", g.ID, g.End, was)
		}
		return
	}
	h.known[g.ID] = g.End
	if g.End.After(end) {
		h.t.Errorf("grant %s ends %s; %s ends %s", g.ID, g.End, why, end)
	}
	if g.End.Equal(end) {
		h.seen["cut by "+why]++
	}
}

// askFor asks by hand. It is denied exactly where the model says so.
func (h *bounds) askFor(who, target string) {
	v, err := h.Ask(context.Background(), h.caller(who), broker.Ask{Target: target, Duration: h.minutes(5, 240), Reason: "work"})
	h.note("%s asks for %s: %v", who, target, err)
	end, why := h.limit(who, target)
	switch {
	case err != nil:
		h.refusedWell(err, end, why)
	case end.IsZero():
		h.t.Errorf("%s may ask for %s while %s", who, target, why)
	case v.Grant != nil:
		h.opened(v.Grant.Grant, end, why)
	}
}

// second has the contractor ask for what the second on call decides.
func (h *bounds) second() {
	end, _ := h.limit("contractor", byAsking)
	v, err := h.Ask(context.Background(), h.caller("contractor"), broker.Ask{Target: byAsking, Duration: h.minutes(5, 240), Reason: "work"})
	if err == nil != !end.IsZero() && brevet.KindOf(err) != brevet.Conflict {
		h.t.Errorf("the contractor asks for %s: %v; the engagement ends %s", byAsking, err, end)
	}
	if err != nil || v.State != brevet.Pending {
		return
	}
	if v.Lapses.After(end) {
		h.t.Errorf("the request lapses %s, after the engagement, which ends %s", v.Lapses, end)
	}
	who := []string{"lead", "engineer"}[h.IntN(2)]
	_, err = h.Decide(context.Background(), h.caller(who), broker.Decide{ID: v.ID, Approve: true})
	h.note("%s decides: %v", who, err)
	_, on := h.onDuty(who, brevet.Secondary)
	live, bound := h.engagement(who, "444455556666")
	switch may := on && (!bound || !live.IsZero()); {
	case err == nil && !may:
		h.t.Errorf("%s decided off duty, or unengaged", who)
	case err == nil:
		h.seen["decided on duty"]++
	case may:
		h.t.Errorf("%s is on duty and may not decide: %v", who, err)
	default:
		h.seen["not decided off duty"]++
	}
	if _, err := h.Withdraw(context.Background(), h.caller("contractor"), v.ID, ""); err != nil && brevet.KindOf(err) != brevet.Conflict {
		h.t.Errorf("withdraw: %v", err)
	}
}

// swept sweeps, and holds every grant that is live then against the model.
func (h *bounds) swept() {
	h.sweep()
	h.note("sweep")
	now := h.now()
	current := !h.down && now.Sub(h.moved) > 30*time.Second // the source has been asked since
	for _, who := range boundPeople {
		grants, err := h.Grants(context.Background(), h.caller(who), broker.List{Live: true})
		if err != nil {
			h.t.Error(err)
		}
		for _, g := range grants {
			if !g.Live {
				continue
			}
			if was, ok := h.known[g.ID]; ok && g.End.After(was) {
				h.t.Errorf("grant %s ends %s; it was to end %s", g.ID, g.End, was)
			}
			until, bound := h.engagement(who, g.Account)
			if bound && g.End.After(until) {
				h.t.Errorf("after a sweep %s holds %s until %s; the engagement ends %s", who, g.Target, g.End, until)
			}
			if _, on := h.onDuty(who, brevet.Primary); g.Target == byDuty && current && !on {
				h.t.Errorf("after a sweep %s holds %s off duty", who, g.Target)
			}
		}
	}
}

// count reads from the log who ended grants.
func (h *bounds) count() {
	err := h.db.View(context.Background(), func(tx *store.Tx) error {
		rows, err := tx.Entries(0, 100000)
		for _, r := range rows {
			var e brevet.Event
			if err := json.Unmarshal(r.Details, &e); err != nil {
				return err
			}
			if e.Kind == brevet.GrantRevoked && e.Actor.System != "" {
				h.seen["revoked by "+e.Actor.System]++
			}
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

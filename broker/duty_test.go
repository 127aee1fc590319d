package broker_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/catalog"
)

// dutyCatalog is the sandbox's with what text adds: customer keys go before
// its rights, the rest at the end.
func dutyCatalog(t testing.TB, customer, entitlements string) []byte {
	t.Helper()
	text := bytes.Replace(withoutRota(sandboxCatalog()), []byte("    rights:"), []byte(customer+"    rights:"), 1)
	return complete(t, append(text, entitlements...))
}

// withoutRota takes the sandbox's own rota out of its catalog.
func withoutRota(text []byte) []byte {
	out := regexp.MustCompile(`(?m)^rotas:.*\n( .*\n)+`).ReplaceAll(text, nil)
	out = regexp.MustCompile(`(?m)^  - name: staging-on-call.*\n(    .*\n)+`).ReplaceAll(out, nil)
	if bytes.Contains(out, []byte("rota:")) || bytes.Contains(out, []byte("rotas:")) {
		panic("the sandbox has another rota")
	}
	return out
}

const sreRota = `    rotas:
      sre: {yaml: rotas/sre.yaml, people: [engineer, lead]}
`

const sreOnDuty = `
  - name: prod-on-call
    who: [rota:sre]
    customer: acme
    accounts: [env:prod]
    roles: [SRE]
    longest: 4h
    approval: automatic
    activate: on-use
  - name: prod-secondary
    who: [group:contractors]
    customer: acme
    accounts: [env:prod]
    roles: [Data]
    longest: 4h
    approval: {by: ["rota:sre/secondary"]}
`

// rota is a source of shifts that does what the test says.
type rota struct {
	mu     sync.Mutex
	shifts []brevet.Shift
	down   string
	asked  int
}

func (r *rota) ask(context.Context, brevet.Rota, time.Time) ([]brevet.Shift, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	if r.down != "" {
		return nil, brevet.Errorf(brevet.Unavailable, "%s", r.down)
	}
	return r.shifts, nil
}

func (r *rota) set(down string, shifts ...brevet.Shift) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down, r.shifts = down, shifts
}

// dutyHouse is a house in which the rota sre lets whoever is on duty into
// acme-prod/SRE.
func dutyHouse(t *testing.T) (*house, *rota) {
	h, r := newHouse(t), &rota{}
	h.Shifts = r.ask
	h.apply(dutyCatalog(t, sreRota, sreOnDuty))
	return h, r
}

func (h *house) apply(text []byte) {
	h.t.Helper()
	if _, err := h.Propose(context.Background(), brevet.Actor{System: "test"}, text); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) shift(who string, layer brevet.Layer, from, to time.Duration) brevet.Shift {
	return brevet.Shift{Layer: layer, Name: who, Start: h.now().Add(from), End: h.now().Add(to)}
}

func (h *house) sweep() {
	h.t.Helper()
	h.FollowDuty(context.Background())
	for _, sweep := range []func(context.Context) error{h.Sweep, h.CloseDoors, h.FindStrays} {
		if err := sweep(context.Background()); err != nil {
			h.t.Fatal(err)
		}
	}
}

func TestOnDutyIsAutomatic(t *testing.T) {
	h, r := dutyHouse(t)
	engineer := h.login("engineer")
	h.want(engineer, "acme-prod/SRE", brevet.NoGrant)
	h.advance(2 * time.Minute)
	r.set("", h.shift("engineer", brevet.Primary, -time.Hour, 90*time.Minute))
	end := h.now().Add(90 * time.Minute)
	got := h.want(engineer, "acme-prod/SRE", "")
	if !got.Grant.End.Equal(end) || got.Expires.After(end) {
		t.Errorf("the grant ends %s, its credential %s; the shift ends %s", got.Grant.End, got.Expires, end)
	}
	if i := h.issues[len(h.issues)-1]; !i.End.Equal(end) {
		t.Errorf("the cloud was told %s", i.End)
	}
	h.advance(90 * time.Minute)
	h.want(engineer, "acme-prod/SRE", brevet.Expired)

	// the next shift is the same person's: it is opened anew, to the end of that
	r.set("", h.shift("engineer", brevet.Primary, 0, 30*time.Minute))
	h.advance(2 * time.Minute)
	again := h.want(h.login("engineer"), "acme-prod/SRE", "")
	if again.Grant.ID == got.Grant.ID || again.Grant.End.Sub(h.now()) != 28*time.Minute {
		t.Errorf("grant %s ends in %s", again.Grant.ID, again.Grant.End.Sub(h.now()))
	}
}

func TestOffDutyByOverride(t *testing.T) {
	h, r := dutyHouse(t)
	engineer := h.login("engineer")
	r.set("", h.shift("engineer", brevet.Primary, -time.Hour, 4*time.Hour))
	got := h.want(engineer, "acme-prod/SRE", "")
	h.sweep()
	h.want(engineer, "acme-prod/SRE", "")

	r.set("PagerDuty: it answered 500")
	h.advance(2 * time.Minute)
	h.sweep()
	_, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/SRE"})
	if !errors.Is(err, brevet.Unavailable) || !strings.Contains(err.Error(), "PagerDuty: it answered 500") {
		t.Errorf("with the source down: %v", err)
	}
	v, err := h.Grants(t.Context(), engineer, broker.List{Live: true})
	if err != nil || len(v) != 1 {
		t.Fatalf("a source that is down ended the grant: %v %v", v, err)
	}
	w, err := h.Why(t.Context(), engineer, "acme-prod/SRE")
	if err != nil || !strings.Contains(w.Summary, "PagerDuty: it answered 500") {
		t.Errorf("why says %+v (%v)", w, err)
	}

	r.set("", h.shift("lead", brevet.Primary, -time.Hour, 4*time.Hour))
	h.advance(20 * time.Second)
	h.sweep()
	_, err = h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/SRE"})
	if !errors.Is(err, brevet.NoGrant) || !strings.Contains(err.Error(), "by rota: off duty: rota sre has lead on duty") {
		t.Errorf("after an override: %v", err)
	}
	kinds := h.events()
	if !contains(kinds, []brevet.EventKind{brevet.GrantRevoked}) {
		t.Errorf("grant %s was not revoked: %v", got.Grant.ID, kinds)
	}
}

func TestOnDutyApproves(t *testing.T) {
	h, r := dutyHouse(t)
	contractor, lead := h.login("contractor"), h.login("lead")
	q := h.ask(contractor, "acme-prod/Data", time.Hour)
	if q.WaitsFor != "rota sre/secondary" {
		t.Errorf("waits for %q", q.WaitsFor)
	}
	decide := func(who brevet.Caller) error {
		_, err := h.Decide(t.Context(), who, broker.Decide{ID: q.ID, Approve: true})
		return err
	}
	if err := decide(lead); brevet.KindOf(err) != brevet.NotFound && brevet.KindOf(err) != brevet.Denied {
		t.Fatalf("nobody is on duty: %v", err)
	}
	h.advance(2 * time.Minute)
	r.set("", h.shift("lead", brevet.Primary, -time.Hour, time.Hour), h.shift("contractor", brevet.Secondary, -time.Hour, time.Hour))
	if err := decide(lead); err == nil {
		t.Fatal("the primary decided for the secondary")
	}
	h.advance(2 * time.Minute)
	r.set("", h.shift("lead", brevet.Secondary, -time.Hour, time.Hour))
	if err := decide(lead); err != nil {
		t.Fatal(err)
	}
	h.want(contractor, "acme-prod/Data", "")
	r.set("") // that the approver has gone home ends nothing
	h.advance(2 * time.Minute)
	h.sweep()
	h.want(contractor, "acme-prod/Data", "")
}

// TestGroupIsNoRota: a provider that states a group called like a rota puts
// nobody on duty, and the catalog's people alone are ever on duty.
func TestGroupIsNoRota(t *testing.T) {
	h, r := dutyHouse(t)
	h.groups["contractor"] = []string{"contractors", "rota:sre", "sre", "rota sre"}
	r.set("", h.shift("contractor", brevet.Primary, -time.Hour, time.Hour), h.shift("Engineer", brevet.Primary, -time.Hour, time.Hour))
	for _, who := range []string{"contractor", "engineer"} {
		if got, err := h.Credential(t.Context(), h.login(who), broker.Want{Target: "acme-prod/SRE"}); err == nil {
			t.Errorf("%s got in: %+v", who, got.Grant)
		}
	}
}

// complete fills in what people do not think up.
func complete(t testing.TB, text []byte) []byte {
	t.Helper()
	text, _, err := catalog.Complete(text, rand.Reader, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

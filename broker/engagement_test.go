package broker_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
)

// engagement binds the contractors to acme-staging from start to end.
func engagement(start, end time.Time) string {
	return fmt.Sprintf("    engagements:\n      - {name: migration, people: [\"group:contractors\"], accounts: [acme-staging], start: %s, end: %s}\n", start.Format(time.RFC3339), end.Format(time.RFC3339))
}

const contractorProd = `
  - name: prod-contractor
    who: [group:contractors]
    customer: acme
    accounts: ["*"]
    roles: [ReadOnly]
    longest: 8h
    approval: automatic
  - name: staging-contractor
    who: [group:contractors]
    customer: acme
    accounts: [acme-staging]
    roles: [Data]
    longest: 8h
    approval: {by: [lead]}
`

func TestEngagement(t *testing.T) {
	h := newHouse(t)
	start, end := h.now().Add(time.Hour), h.now().Add(5*time.Hour)
	h.apply(dutyCatalog(t, engagement(start, end), contractorProd))
	contractor, lead := h.login("contractor"), h.login("lead")
	refused := func(target, why string) {
		t.Helper()
		_, err := h.Ask(t.Context(), contractor, broker.Ask{Target: target, Duration: time.Hour, Reason: "work"})
		if e := brevet.AsError(err); !errors.Is(err, brevet.Denied) || len(e.Unmet) != 1 || !strings.Contains(e.Unmet[0].Have, why) {
			t.Errorf("%s: %v %+v", target, err, e)
		}
		w, err := h.Why(t.Context(), contractor, target)
		if err != nil || len(w.Unmet) == 0 || !strings.Contains(w.Unmet[0].Have, why) {
			t.Errorf("why %s: %+v (%v)", target, w, err)
		}
	}
	refused("acme-staging/ReadOnly", "your engagement migration starts on "+start.Format(time.RFC3339))
	h.advance(time.Hour)
	contractor = h.login("contractor")
	refused("acme-prod/ReadOnly", "your engagement migration is not for acme-prod")
	got := h.want(contractor, "acme-staging/ReadOnly", "")
	if !got.Grant.End.Equal(end) {
		t.Errorf("the grant ends %s, the engagement %s", got.Grant.End, end)
	}
	pending := h.ask(contractor, "acme-staging/Data", time.Hour)
	if !pending.Lapses.Equal(end) {
		t.Errorf("the request lapses %s, the engagement ends %s", pending.Lapses, end)
	}

	// a catalog that shortens it revokes what would outlive it
	h.apply(dutyCatalog(t, engagement(start, end.Add(-2*time.Hour)), contractorProd))
	h.sweep()
	_, err := h.Credential(t.Context(), contractor, broker.Want{Target: "acme-staging/ReadOnly"})
	if err == nil || !strings.Contains(err.Error(), "by engagement: it would outlive the engagement") {
		t.Errorf("after the engagement was shortened: %v", err)
	}
	h.advance(2 * time.Hour)
	contractor = h.login("contractor")
	refused("acme-staging/ReadOnly", "your engagement migration ended on "+end.Add(-2*time.Hour).Format(time.RFC3339))
	h.sweep()
	if _, err := h.Decide(t.Context(), lead, broker.Decide{ID: pending.ID, Approve: true}); err == nil {
		t.Error("a request was approved after the engagement")
	}
	if v, err := h.Request(t.Context(), contractor, pending.ID, 0); err != nil || v.State != brevet.Lapsed {
		t.Errorf("the request is %s (%v)", v.State, err)
	}
}

// TestEngagedDecides: whom an engagement names decides nothing outside it
// either, whatever right they hold.
func TestEngagedDecides(t *testing.T) {
	h := newHouse(t)
	start := h.now().Add(time.Hour)
	text := strings.Replace(engagement(start, start.Add(4*time.Hour)), `"group:contractors"`, "lead", 1)
	h.apply(dutyCatalog(t, text, contractorProd))
	staging, prod := h.ask(h.login("contractor"), "acme-staging/Data", time.Hour), h.ask(h.login("engineer"), "acme-prod/SRE", time.Hour)
	decide := func(id brevet.RequestID, why string) {
		t.Helper()
		_, err := h.Decide(t.Context(), h.login("lead"), broker.Decide{ID: id, Approve: true})
		if why == "" {
			if err != nil {
				t.Error(err)
			}
			return
		}
		if e := brevet.AsError(err); !errors.Is(err, brevet.Denied) || len(e.Unmet) != 1 || !strings.Contains(e.Unmet[0].Have, why) {
			t.Errorf("decided: %v %+v, want %q", err, e, why)
		}
	}
	decide(staging.ID, "your engagement migration starts on")
	decide(prod.ID, "your engagement migration is not for acme-prod")
	h.advance(time.Hour)
	decide(prod.ID, "your engagement migration is not for acme-prod")
	decide(staging.ID, "")
}

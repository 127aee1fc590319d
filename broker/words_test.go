package broker_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
)

const ticketed = `
guardrails: |
  @id("incident")
  @reason("production is touched for incidents only")
  @remedy("write the INC- number into --reason")
  forbid (principal, action, resource in Account::"acme-prod") unless { context.reason like "*INC-*" };

  @id("not-for-long")
  forbid (principal, action, resource == Role::"acme-prod/SRE") when { context.duration > 3600 };

  @id("say-why")
  forbid (principal, action, resource == Role::"acme-staging/ReadOnly") unless { context.reason like "*look*" };
`

// TestWords: guardrails that look at the reason or the duration judge a request
// by its own, when it is asked and at every issue, and never an issue by having
// none.
func TestWords(t *testing.T) {
	h := newHouse(t)
	h.rules(append(bytes.Clone(sandboxCatalog()), ticketed...))
	engineer, lead := h.login("engineer"), h.login("lead")

	_, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/SRE"})
	if e := brevet.AsError(err); e.Kind != brevet.NoGrant || len(e.Unmet) == 0 || e.Unmet[0].Remedy != "write the INC- number into --reason" {
		t.Fatalf("without a grant: %v %+v", err, e.Unmet)
	}
	h.want(engineer, "acme-staging/ReadOnly", brevet.NoGrant) // what opens by itself says nothing
	for _, in := range []broker.Ask{
		{Target: "acme-prod/SRE", Duration: time.Hour, Reason: "just because"},
		{Target: "acme-prod/SRE", Duration: 2 * time.Hour, Reason: "INC-7"},
	} {
		if _, err := h.Ask(t.Context(), engineer, in); !errors.Is(err, brevet.Denied) {
			t.Errorf("%+v: %v", in, err)
		}
	}
	v, err := h.Ask(t.Context(), engineer, broker.Ask{Target: "acme-prod/SRE", Duration: time.Hour, Reason: "INC-7"})
	if err != nil {
		t.Fatal(err)
	}
	if w, err := h.Why(t.Context(), engineer, "acme-prod/SRE"); err != nil || w.Allowed || len(w.Unmet) == 0 {
		t.Errorf("why before the approval: %+v (%v)", w, err)
	}
	h.approve(lead, v.ID)
	got := h.want(engineer, "acme-prod/SRE", "")
	if kept, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/SRE", Have: got.Session.ID}); err != nil || !kept.Keep {
		t.Errorf("the one in hand: %v (%v)", kept.Keep, err)
	}
	if _, err := h.Console(t.Context(), engineer, "acme-prod/SRE", ""); err != nil {
		t.Errorf("console: %v", err)
	}
	if w, err := h.Why(t.Context(), engineer, "acme-prod/SRE"); err != nil || !w.Allowed || len(w.Unmet) != 0 {
		t.Errorf("why with a grant: %+v (%v)", w, err)
	}
	h.want(h.login("contractor"), "acme-prod/SRE", brevet.Denied) // words do not help who is not entitled
}

// TestWordsOfYesterday: a guardrail that comes later ends the use of what does
// not say what it wants, and nothing else.
func TestWordsOfYesterday(t *testing.T) {
	h := newHouse(t)
	engineer, lead := h.login("engineer"), h.login("lead")
	h.approve(lead, h.ask(engineer, "acme-prod/SRE", time.Hour).ID) // restore db-7
	h.want(engineer, "acme-prod/SRE", "")
	h.rules(append(bytes.Clone(sandboxCatalog()), ticketed...))
	h.want(engineer, "acme-prod/SRE", brevet.Denied)
	v, err := h.Ask(t.Context(), engineer, broker.Ask{Target: "acme-prod/SRE", Duration: 30 * time.Minute, Reason: "INC-8"})
	if err != nil {
		t.Fatal(err)
	}
	with := h.approve(lead, v.ID)
	if got := h.want(engineer, "acme-prod/SRE", ""); got.Grant.ID != with.Grant.ID {
		t.Errorf("issued under %s, want %s, though the other ends later", got.Grant.ID, with.Grant.ID)
	}
	glass, err := h.BreakGlass(t.Context(), engineer, broker.BreakGlass{Target: "acme-prod/Admin", Reason: "INC-9: db-7 is down"})
	if err != nil {
		t.Fatal(err)
	}
	if got := h.want(engineer, "acme-prod/Admin", ""); got.Grant.ID != glass.Grant.ID {
		t.Errorf("the emergency: %s, want %s", got.Grant.ID, glass.Grant.ID)
	}
}

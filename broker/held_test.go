package broker_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
)

const onePath = `
guardrails: |
  @id("one-path")
  @reason("who changes staging does not stand in production")
  @remedy("brevet drop what you hold there")
  forbid (principal, action, resource in Account::"acme-prod") when { context.held.contains("acme-staging/SRE") };

  forbid (principal, action, resource == Role::"acme-staging/SRE") when { context.held_envs.contains("prod") };
`

// TestHeld has what somebody holds keep them from something else: when they
// ask, when it is decided, and at every issue; also where the row is gone.
func TestHeld(t *testing.T) {
	h := newHouse(t)
	h.rules(append(bytes.Clone(sandboxCatalog()), onePath...))
	engineer, lead := h.login("engineer"), h.login("lead")
	waits := h.ask(engineer, "acme-prod/SRE", time.Hour)
	h.want(engineer, "acme-staging/ReadOnly", "") // neither minds
	h.ask(engineer, "acme-staging/SRE", time.Hour)
	h.want(engineer, "acme-staging/SRE", "")
	_, err := h.Ask(t.Context(), engineer, broker.Ask{Target: "acme-prod/DevOps", Duration: time.Hour, Reason: "x"})
	if e := brevet.AsError(err); !errors.Is(err, brevet.Denied) || len(e.Unmet) != 1 || e.Unmet[0].Condition != "guardrail one-path" {
		t.Fatalf("asked for production from staging: %v", err)
	}
	if _, err := h.Decide(t.Context(), lead, broker.Decide{ID: waits.ID, Approve: true}); !errors.Is(err, brevet.Conflict) {
		t.Errorf("approved what must not be held beside another: %v", err)
	}
	h.advance(time.Hour) // staging is over
	engineer, lead = h.login("engineer"), h.login("lead")
	r := h.ask(engineer, "acme-prod/SRE", time.Hour)
	given := h.approve(lead, r.ID)
	h.want(engineer, "acme-prod/SRE", "")
	h.want(engineer, "acme-prod/SRE", "") // what one asks for is not beside itself
	if _, err := h.Ask(t.Context(), engineer, broker.Ask{Target: "acme-staging/SRE", Duration: time.Hour, Reason: "x"}); !errors.Is(err, brevet.Denied) {
		t.Errorf("and back: %v", err)
	}
	if _, err := h.Drop(t.Context(), engineer, given.Grant.ID, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Ask(t.Context(), engineer, broker.Ask{Target: "acme-staging/SRE", Duration: time.Hour, Reason: "restore db-7"}); err != nil {
		t.Fatal(err, brevet.AsError(err).Cause)
	}
	h.want(engineer, "acme-staging/SRE", "")
	h.edit(`DELETE FROM sessions`)
	h.edit(`DELETE FROM grants WHERE role = 'SRE'`)
	if _, err := h.Ask(t.Context(), engineer, broker.Ask{Target: "acme-prod/DevOps", Duration: time.Hour, Reason: "x"}); !errors.Is(err, brevet.Denied) {
		t.Errorf("once the row of what is held is gone: %v", err)
	}
}

package broker_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
)

// gone offboards and fails the test if that is refused.
func (h *house) gone(c brevet.Caller, who string) broker.PersonOffboarded {
	h.t.Helper()
	v, err := h.OffboardPerson(h.t.Context(), c, broker.OffboardPerson{Person: who, Reason: "left the company"})
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}

// TestOffboardPerson tells the whole story of one act (law 8).
func TestOffboardPerson(t *testing.T) {
	h := newHouse(t)
	h.groups["second"] = []string{"leads"}
	token, engineer := h.token("engineer")
	lead, security := h.login("lead"), h.login("security")
	got := h.granted(engineer, lead, "acme-prod/SRE")
	pending := h.ask(engineer, "acme-prod/DevOps", time.Hour)
	waiting := h.ask(engineer, "acme-prod/Data", time.Hour)
	h.approve(lead, waiting.ID)
	v := h.gone(security, "engineer")
	if v.Handle != "engineer" || v.SignIns != 1 || v.Grants != 2 || v.Requests != 1 || v.By != "security" || len(v.Act.Grants) != 2 {
		t.Errorf("%+v", v)
	}
	if _, err := h.WhoIs(t.Context(), token, ""); !errors.Is(err, brevet.Unauthenticated) {
		t.Errorf("their session at the broker: %v", err)
	}
	if _, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/SRE"}); err == nil {
		t.Error("a credential was issued")
	}
	if _, err := h.Decide(t.Context(), lead, broker.Decide{ID: pending.ID, Approve: true}); err == nil {
		t.Error("their request was approved")
	}
	h.CarryOut(t.Context())
	if !h.killed[got.Grant.ID] {
		t.Error("what was out is not cut off")
	}
	act, err := h.Revocation(t.Context(), security, v.Act.ID, 0)
	if err != nil || !act.Settled() {
		t.Errorf("%+v, %v", act, err)
	}
	if _, err := h.OffboardPerson(t.Context(), security, broker.OffboardPerson{Person: "engineer", Reason: "again"}); !errors.Is(err, brevet.Conflict) || !strings.Contains(err.Error(), "by security: left the company") {
		t.Errorf("a second time: %v", err)
	}
	// coming back resurrects nothing
	h.edit(`UPDATE persons SET ended_at = 0`)
	h.edit(`UPDATE signins SET ended_at = 0`)
	if _, err := h.WhoIs(t.Context(), token, ""); !errors.Is(err, brevet.Unauthenticated) {
		t.Errorf("after rows were set back: %v", err)
	}
}

// The decisions of who has gone count no more, where they still would.
func TestOffboardedApprover(t *testing.T) {
	h := newHouse(t)
	engineer, lead, security := h.login("engineer"), h.login("lead"), h.login("security")
	r := h.ask(engineer, "acme-prod/Admin", time.Hour)
	h.gone(security, "lead")
	if _, err := h.Decide(t.Context(), lead, broker.Decide{ID: r.ID, Approve: true}); err == nil {
		t.Error("who has gone decides")
	}
	h.want(engineer, "acme-prod/Admin", brevet.NoGrant)
}

func TestOffboardPersonRights(t *testing.T) {
	h := newHouse(t)
	engineer, lead, security := h.login("engineer"), h.login("lead"), h.login("security")
	h.granted(engineer, lead, "acme-prod/SRE")
	if _, err := h.OffboardPerson(t.Context(), lead, broker.OffboardPerson{Person: "engineer", Reason: "because"}); !errors.Is(err, brevet.Denied) {
		t.Errorf("without the right: %v", err)
	}
	if got := h.events(); got[len(got)-1] != brevet.AccessRefused {
		t.Errorf("the refusal is not on record: %s", got[len(got)-1])
	}
	if _, err := h.OffboardPerson(t.Context(), security, broker.OffboardPerson{Person: "nobody", Reason: "because"}); !errors.Is(err, brevet.NotFound) {
		t.Errorf("nobody: %v", err)
	}
	h.revokeAll(security, broker.RevokeAll{Person: "engineer"})
	h.CarryOut(t.Context())
	for _, own := range []string{"brevet-probe", "brevet-revoke"} {
		if _, err := h.OffboardPerson(t.Context(), security, broker.OffboardPerson{Person: own, Reason: "because"}); !errors.Is(err, brevet.Invalid) {
			t.Errorf("%s: %v", own, err)
		}
	}
	h.advance(2 * time.Hour)
	if _, err := h.OffboardPerson(t.Context(), security, broker.OffboardPerson{Person: "engineer", Reason: "because"}); !errors.Is(err, brevet.StepUp) {
		t.Errorf("on an old proof: %v", err)
	}
}

// Nobody stays by spoiling a row of theirs.
func TestNobodyHidesFromOffboarding(t *testing.T) {
	for _, edit := range []string{
		`UPDATE persons SET handle = 'x' || handle WHERE handle = 'engineer'`,
		`UPDATE grants SET state = 'ended'`, `UPDATE signins SET methods = 'x'`, `DELETE FROM requests`, `UPDATE grants SET person_id = 'x'`, `UPDATE requests SET rule = 'x'`,
	} {
		h := newHouse(t)
		token, engineer := h.token("engineer")
		lead, security := h.login("lead"), h.login("security")
		h.granted(engineer, lead, "acme-prod/SRE")
		h.edit(edit)
		h.gone(security, "engineer")
		if _, err := h.WhoIs(t.Context(), token, ""); err == nil {
			t.Errorf("%s: they are still signed in", edit)
		}
		if _, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/SRE"}); err == nil {
			t.Errorf("%s: a credential was issued", edit)
		}
	}
}

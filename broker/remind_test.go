package broker_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/store"
)

// byGroup makes the group leads decide where the sandbox names lead, with the
// rest of the step as more says.
func (h *house) byGroup(more string) {
	h.t.Helper()
	h.rules(bytes.ReplaceAll(sandboxCatalog(), []byte("approval: {by: [lead]}"), []byte("approval: {by: [group:leads]"+more)))
}

// TestNewMembersDoNotDecide has people join the approvers' group before and
// after a request was made.
func TestNewMembersDoNotDecide(t *testing.T) {
	h := newHouse(t)
	h.byGroup("}")
	engineer := h.login("engineer")
	h.login("contractor") // known, and no lead
	h.groups["contractor"] = []string{"contractors", "leads"}
	h.advance(time.Minute)
	r := h.ask(engineer, "acme-prod/SRE", time.Hour)
	h.advance(time.Minute)
	contractor := h.login("contractor")
	v, err := h.Request(t.Context(), contractor, r.ID, 0)
	if err != nil || v.CanDecide {
		t.Fatalf("a member since a moment ago is shown as able to decide (%v)", err)
	}
	_, err = h.Decide(t.Context(), contractor, broker.Decide{ID: r.ID, Approve: true})
	if e := brevet.AsError(err); !errors.Is(err, brevet.Denied) || len(e.Unmet) != 1 {
		t.Fatalf("a member since a moment ago: %v", err)
	}
	if err := h.restart(); err != nil { // the log remembers, not the process
		t.Fatal(err)
	}
	h.byGroup("}")
	h.advance(20 * time.Minute)
	contractor = h.login("contractor")
	if _, err := h.Decide(t.Context(), contractor, broker.Decide{ID: r.ID, Approve: true}); !errors.Is(err, brevet.Denied) {
		t.Fatalf("the same after a restart and a sign-in: %v", err)
	}
	r2 := h.ask(h.login("engineer"), "acme-prod/SRE", time.Hour)
	h.approve(contractor, r2.ID) // of what was asked since they are a member
	h.approve(h.login("lead"), r.ID)
}

// TestKnownApprovers asks for approvers who were known before.
func TestKnownApprovers(t *testing.T) {
	h := newHouse(t)
	h.byGroup("}\n    approvers: known")
	engineer := h.login("engineer")
	r := h.ask(engineer, "acme-prod/SRE", time.Hour)
	h.advance(time.Second)
	lead := h.login("lead")
	if _, err := h.Decide(t.Context(), lead, broker.Decide{ID: r.ID, Approve: true}); !errors.Is(err, brevet.Denied) {
		t.Fatalf("somebody who was never heard of: %v", err)
	}
	h.approve(lead, h.ask(engineer, "acme-prod/SRE", time.Hour).ID)
}

// TestFallbackDecides waits until a fallback may decide, and is told so once.
func TestFallbackDecides(t *testing.T) {
	h := newHouse(t)
	h.byGroup(", or: [{by: [security], after: 30m}]}\n    unanswered: 5h")
	security := h.login("security")
	r := h.ask(h.login("engineer"), "acme-prod/SRE", time.Hour)
	h.advance(10 * time.Minute)
	if _, err := h.Decide(t.Context(), security, broker.Decide{ID: r.ID, Approve: true}); !errors.Is(err, brevet.Denied) {
		t.Fatalf("before its time: %v", err)
	}
	var said []string
	for range 31 { // five hours
		if err := h.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.advance(10 * time.Minute)
		if len(said) == 3 {
			if err := h.restart(); err != nil {
				t.Fatal(err)
			}
		}
		said = h.said(r.ID)
	}
	want := []string{"request.reminded 1 0", "request.escalated 1 1", "request.reminded 2 1", "request.reminded 3 1"}
	if !slices.Equal(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
	if v, err := h.Request(t.Context(), security, r.ID, 0); err != nil || v.State != brevet.Lapsed {
		t.Errorf("after five hours: %s, %v", v.State, err)
	}
	h.byGroup(", or: [{by: [security], after: 30m}]}\n    unanswered: 5h")
	r = h.ask(h.login("engineer"), "acme-prod/SRE", time.Hour)
	h.advance(31 * time.Minute)
	h.approve(h.login("security"), r.ID)
	h.want(h.login("engineer"), "acme-prod/SRE", "")
}

// said returns what was said about a request while it waited.
func (h *house) said(id brevet.RequestID) (out []string) {
	h.t.Helper()
	err := h.db.View(h.t.Context(), func(tx *store.Tx) error {
		rows, err := tx.Entries(0, 100000)
		for _, row := range rows {
			if row.Kind == brevet.RequestReminded || row.Kind == brevet.RequestEscalated {
				e, err := tx.Proven(row.Index)
				if err != nil {
					return err
				}
				if e.Request == id {
					out = append(out, string(e.Kind)+" "+e.Data["reminders"]+" "+e.Data["fallbacks"])
				}
			}
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

// TestCreatedIsProven moves the time at which a request was made back in its
// row: a fallback must not decide by that.
func TestCreatedIsProven(t *testing.T) {
	h := newHouse(t)
	h.byGroup(", or: [{by: [security], after: 30m}]}")
	r := h.ask(h.login("engineer"), "acme-prod/SRE", time.Hour)
	h.edit(`UPDATE requests SET created_at = created_at - 3600000000`)
	if _, err := h.Decide(t.Context(), h.login("security"), broker.Decide{ID: r.ID, Approve: true}); !errors.Is(err, brevet.Internal) {
		t.Errorf("decided by an edited row: %v", err)
	}
}

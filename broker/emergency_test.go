package broker_test

import (
	"testing"
	"time"

	"github.com/brevet-access/brevet"
)

// TestEmergency: who reviews is told what the log tells, and nothing instead
// where entries are gone or were changed.
func TestEmergency(t *testing.T) {
	h := newHouse(t)
	engineer, lead, contractor := h.login("engineer"), h.login("lead"), h.login("contractor")
	one, two := h.smash(engineer, "").Grant.ID, h.smash(engineer, "").Grant.ID
	issued := h.want(engineer, "acme-prod/Admin", "")
	if issued.Grant.ID == two {
		one, two = two, one
	}
	h.advance(10 * time.Minute)
	if _, err := h.Drop(t.Context(), engineer, one, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Emergency(t.Context(), contractor, one); brevet.KindOf(err) != brevet.NotFound {
		t.Errorf("somebody of another customer: %v", err)
	}
	e, err := h.Emergency(t.Context(), lead, one)
	if err != nil {
		t.Fatal(err)
	}
	if !e.CanReview || e.Told.Who != "engineer" || e.Told.Reason != "db-7 is down" || !e.Told.BreakGlass || e.Cutoff || e.Told.End.Sub(e.Opened) != 10*time.Minute {
		t.Errorf("told %+v", e)
	}
	if s := e.Told.Sessions; len(s) != 1 || s[0].AccessKey != issued.Session.AccessKey {
		t.Errorf("sessions %+v, want one of %s", s, issued.Session.AccessKey)
	}
	if e, err := h.Emergency(t.Context(), lead, two); err != nil || e.Told.Grant != string(two) || len(e.Told.Sessions) != 0 || e.Told.Ended != "" {
		t.Errorf("the other one: %+v, %v", e.Told, err)
	}
	h.edit(`CREATE TABLE kept AS SELECT * FROM events WHERE kind = 'session.issued'`)
	for _, edit := range []string{`UPDATE events SET kind = 'log.opened' WHERE kind = 'session.issued'`,
		`UPDATE events SET customer_id = 'cu_00000000000000000000000000' WHERE kind = 'session.issued'`,
		`DELETE FROM events WHERE kind = 'session.issued'`} {
		if h.edit(edit) == 0 {
			t.Fatal("nothing was edited: " + edit)
		}
		if e, err := h.Emergency(t.Context(), lead, one); brevet.KindOf(err) != brevet.Internal {
			t.Errorf("%s: told %+v, %v", edit, e.Told, err)
		}
		h.edit(`INSERT OR REPLACE INTO events SELECT * FROM kept`)
		if _, err := h.Emergency(t.Context(), lead, one); err != nil {
			t.Fatalf("set right: %v", err)
		}
	}
}

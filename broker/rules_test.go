package broker_test

import (
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/store"
)

// longest returns the sandbox's catalog with another longest grant for
// staging/SRE.
func longest(d string) []byte {
	return []byte(strings.Replace(string(sandboxCatalog()), "longest: 4h", "longest: "+d, 1))
}

var atStart = brevet.Actor{System: "start"}

func TestRestartKeepsWhatWasApplied(t *testing.T) {
	h := newHouse(t)
	file := sandboxCatalog() // what newHouse proposed
	if a, err := h.Propose(t.Context(), atStart, file); err != nil || len(a.Changes) != 0 {
		t.Fatalf("the same file again: %+v, %v", a, err)
	}
	security := h.login("security")
	applied, err := h.Apply(t.Context(), security, longest("3h"), 0)
	if err != nil || len(applied.Changes) == 0 || !applied.Rules {
		t.Fatalf("apply: %+v, %v", applied, err)
	}
	if a, err := h.Propose(t.Context(), atStart, file); err != nil || a.Version != applied.Version || len(a.Changes) != 0 {
		t.Errorf("a restart with the old file: %+v, %v", a, err)
	}
	if h.Catalog().Digest != digestOf(t, h, applied.Version) {
		t.Error("what was applied does not rule after a restart")
	}
	if a, err := h.Propose(t.Context(), atStart, longest("2h")); err != nil || a.Version == applied.Version {
		t.Errorf("a file that changed: %+v, %v", a, err)
	}
}

func digestOf(t *testing.T, h *house, version int64) (sum string) {
	t.Helper()
	err := h.db.View(t.Context(), func(tx *store.Tx) error {
		cv, err := tx.Catalog(version)
		sum = cv.Digest
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func TestApplyNeedsTheRight(t *testing.T) {
	h := newHouse(t)
	for _, who := range []string{"engineer", "lead", "contractor"} {
		if _, err := h.Apply(t.Context(), h.login(who), longest("3h"), 0); !errors.Is(err, brevet.Denied) {
			t.Errorf("%s: %v", who, err)
		}
	}
	security := h.login("security")
	h.advance(2 * time.Hour)
	if _, err := h.Apply(t.Context(), security, longest("3h"), 0); !errors.Is(err, brevet.StepUp) {
		t.Errorf("on old MFA: %v", err)
	}
}

// TestForgedCatalogRow: a version that somebody wrote into the table does not
// rule, neither at a sweep nor at a start.
func TestForgedCatalogRow(t *testing.T) {
	h := newHouse(t)
	before := h.Catalog()
	db, err := sql.Open("sqlite", "file:"+h.path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_, err = db.Exec(`INSERT INTO catalogs SELECT version + 1, digest, CAST(replace(CAST(source AS TEXT), 'group:engineers', 'group:contractors') AS BLOB), proposed_by, created_at, confirmed_at, leaf FROM catalogs`)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Sweep(t.Context()); err == nil || h.Catalog() != before {
		t.Errorf("a sweep took a forged catalog: %v", err)
	}
	if _, err := h.Propose(t.Context(), atStart, longest("3h")); !errors.Is(err, brevet.Internal) {
		t.Errorf("a start beside a forged catalog: %v", err)
	}
}

// TestReplicaFollows: another broker on the same database takes a change up
// at its next sweep.
func TestReplicaFollows(t *testing.T) {
	h := newHouse(t)
	other := broker.New(h.Config)
	if _, err := other.Propose(t.Context(), atStart, sandboxCatalog()); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Apply(t.Context(), h.login("security"), longest("3h"), 0); err != nil {
		t.Fatal(err)
	}
	if err := other.Sweep(t.Context()); err != nil || other.Catalog().Digest != h.Catalog().Digest {
		t.Errorf("the other replica did not follow: %v", err)
	}
}

// TestSweepFindsLostSessions: what was intended when a server died is in
// doubt, and counts as live until it cannot be.
func TestSweepFindsLostSessions(t *testing.T) {
	h := newHouse(t)
	got := h.want(h.login("engineer"), "acme-staging/ReadOnly", "")
	var lost brevet.Session
	err := h.db.Update(t.Context(), func(tx *store.Tx) error {
		s, events, err := got.Grant.Intend(brevet.NewID[brevet.SessionID](tx.Now()), brevet.Actor{System: "test"}, brevet.Rung5m, time.Hour, tx.Now())
		if err != nil {
			return err
		}
		for _, e := range events {
			if _, err := tx.Record(e); err != nil {
				return err
			}
		}
		lost = s
		return tx.AddSession(s)
	})
	if err != nil {
		t.Fatal(err)
	}
	state := func() (s brevet.Session) {
		t.Helper()
		if err := h.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		err := h.db.View(t.Context(), func(tx *store.Tx) (err error) {
			s, err = tx.Session(lost.ID)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if s := state(); s.State != brevet.Intended {
		t.Errorf("at once: %s", s.State)
	}
	h.advance(2 * time.Minute)
	if s := state(); s.State != brevet.InDoubt || !s.Live(h.now()) {
		t.Errorf("after two minutes: %s", s.State)
	}
	h.advance(2 * time.Hour)
	if s := state(); s.State != brevet.SessionOver {
		t.Errorf("after its time: %s", s.State)
	}
}

// TestChangesNameCedar: what was applied says what became of the Cedar texts.
func TestChangesNameCedar(t *testing.T) {
	h := newHouse(t)
	text := string(sandboxCatalog()) + "guardrails: |\n  @id(\"all\") forbid (principal, action, resource);\n"
	a, err := h.Apply(t.Context(), h.login("security"), []byte(text), 0)
	if want := `- guardrails all: new: @id("all") forbid ( principal, action, resource );`; err != nil || len(a.Changes) != 1 || a.Changes[0] != want {
		t.Errorf("%q, %v", a.Changes, err)
	}
	if _, err := h.Ask(t.Context(), h.login("engineer"), broker.Ask{Target: "acme-staging/SRE", Reason: "look"}); !errors.Is(err, brevet.Denied) {
		t.Errorf("the guardrail does not hold: %v", err)
	}
}

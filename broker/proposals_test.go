package broker_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
)

// guarded is a house in which two people change the catalog: security and the
// lead may.
func guarded(t testing.TB, newHouse func(testing.TB) *house) (h *house, text string) {
	h = newHouse(t)
	text = strings.Replace(string(sandboxCatalog()), "catalog: [group:security]", "catalog: [group:security, group:leads]", 1)
	h.rules([]byte(text))
	h.OnePerson = false
	return h, text
}

const (
	sre    = "    roles: [SRE]\n    longest: 4h\n    approval: automatic\n"
	widerT = "    roles: [SRE, DevOps]\n    longest: 4h\n    approval: automatic\n"
)

// TestTwoPeople walks a change from one person to another.
func TestTwoPeople(t *testing.T) {
	onBoth(t, func(t *testing.T, newHouse func(testing.TB) *house) {
		h, text := guarded(t, newHouse)
		security, lead, engineer := h.login("security"), h.login("lead"), h.login("engineer")
		wider := []byte(strings.Replace(text, sre, widerT, 1))
		before := h.Catalog().Digest
		plan, err := h.Plan(t.Context(), security, wider)
		if err != nil || !plan.Widens || plan.Rules || len(plan.Changes) == 0 {
			t.Fatalf("plan: %+v, %v", plan, err)
		}
		a, err := h.Apply(t.Context(), security, wider, 0)
		if err != nil || a.Rules || !a.Widens || h.Catalog().Digest != before {
			t.Fatalf("apply: %+v, %v", a, err)
		}
		if again, err := h.Apply(t.Context(), security, wider, 0); err != nil || again.Version != a.Version {
			t.Errorf("the same once more: %+v, %v", again, err)
		}
		for name, try := range map[string]struct {
			who     brevet.Caller
			version int64
			digest  string
			kind    brevet.Kind
		}{
			"the author":           {security, a.Version, a.Digest, brevet.Denied},
			"nobody of the kind":   {engineer, a.Version, a.Digest, brevet.Denied},
			"something else":       {lead, a.Version, strings.Repeat("0", 64), brevet.Conflict},
			"nothing that's known": {lead, a.Version + 1, a.Digest, brevet.NotFound},
			"what rules":           {lead, a.Version - 1, before, brevet.Conflict},
		} {
			if _, err := h.Confirm(t.Context(), try.who, try.version, try.digest); brevet.KindOf(err) != try.kind {
				t.Errorf("%s: %v, want %s", name, err, try.kind)
			}
		}
		if err := h.Sweep(t.Context()); err != nil || h.Catalog().Digest != before {
			t.Fatalf("a sweep put it in force (%v)", err)
		}
		if _, err := h.Ask(t.Context(), engineer, broker.Ask{Target: "acme-staging/DevOps", Reason: "x"}); err != nil {
			t.Fatal(err)
		}
		got, err := h.Confirm(t.Context(), lead, a.Version, a.Digest)
		if err != nil || !got.Rules || h.Catalog().Digest != a.Digest {
			t.Fatalf("confirm: %+v, %v", got, err)
		}
		if r := h.ask(engineer, "acme-staging/DevOps", time.Hour); r.State != brevet.Approved {
			t.Errorf("under what was confirmed: %s", r.State)
		}
		if _, err := h.Confirm(t.Context(), lead, a.Version, a.Digest); !errors.Is(err, brevet.Conflict) {
			t.Errorf("twice: %v", err)
		}
	})
}

// TestNarrowerRulesAtOnce: and so does what changes no access, while a
// proposal from before is stale.
func TestNarrowerRulesAtOnce(t *testing.T) {
	h, text := guarded(t, newHouse)
	security, lead := h.login("security"), h.login("lead")
	waits, err := h.Apply(t.Context(), security, []byte(strings.Replace(text, sre, widerT, 1)), 0)
	if err != nil {
		t.Fatal(err)
	}
	narrow, err := h.Apply(t.Context(), security, []byte(strings.Replace(text, "longest: 4h", "longest: 3h", 1)), 0)
	if err != nil || !narrow.Rules || narrow.Widens || narrow.Version <= waits.Version {
		t.Fatalf("narrower: %+v, %v", narrow, err)
	}
	if _, err := h.Confirm(t.Context(), lead, waits.Version, waits.Digest); !errors.Is(err, brevet.Conflict) {
		t.Errorf("a proposal that would undo what came since: %v", err)
	}
	all, _, err := h.Versions(t.Context(), lead)
	if err != nil || all[0].State != "rules" || all[1].State != "stale" {
		t.Errorf("versions: %+v, %v", all, err)
	}
	if err := h.Retract(t.Context(), security, waits.Version); err != nil {
		t.Fatal(err)
	}
	if err := h.Retract(t.Context(), security, waits.Version); !errors.Is(err, brevet.Conflict) {
		t.Errorf("withdrawn twice: %v", err)
	}
	watchers := strings.Replace(strings.Replace(text, "longest: 4h", "longest: 3h", 1), "revoke: [group:security]", "revoke: [lead]", 1)
	if a, err := h.Apply(t.Context(), security, []byte(watchers), 0); err != nil || a.Rules {
		t.Errorf("who may revoke changed: %+v, %v", a, err)
	}
}

// TestFileWaits: the server's own file widens nothing by itself, either, and a
// restart does not propose it again.
func TestFileWaits(t *testing.T) {
	h, text := guarded(t, newHouse)
	wider := []byte(strings.Replace(text, sre, widerT, 1))
	a, err := h.Propose(t.Context(), atStart, wider)
	if err != nil || a.Rules {
		t.Fatalf("the file: %+v, %v", a, err)
	}
	if _, err := h.Propose(t.Context(), atStart, wider); err != nil {
		t.Fatal(err)
	}
	security := h.login("security")
	all, _, err := h.Versions(t.Context(), security)
	if err != nil || len(all) != 3 || all[0].State != "waits" {
		t.Fatalf("versions: %+v, %v", all, err)
	}
	if _, err := h.Confirm(t.Context(), security, a.Version, a.Digest); err != nil || h.Catalog().Digest != a.Digest {
		t.Errorf("confirming the file: %v", err)
	}
}

// TestAttackForgedProposal writes another text into the row of a proposal, and
// calls a row that waits confirmed.
func TestAttackForgedProposal(t *testing.T) {
	h, text := guarded(t, newHouse)
	security, lead := h.login("security"), h.login("lead")
	a, err := h.Apply(t.Context(), security, []byte(strings.Replace(text, sre, widerT, 1)), 0)
	if err != nil {
		t.Fatal(err)
	}
	h.edit(`UPDATE catalogs SET source = CAST(replace(CAST(source AS TEXT), 'group:engineers', 'group:contractors') AS BLOB) WHERE confirmed_at = 0`)
	if _, err := h.Confirm(t.Context(), lead, a.Version, a.Digest); !errors.Is(err, brevet.Internal) {
		t.Errorf("another text: %v", err)
	}
	h.edit(`UPDATE catalogs SET confirmed_at = 1 WHERE confirmed_at = 0`)
	if err := h.Sweep(t.Context()); err == nil || h.Catalog().Digest == a.Digest {
		t.Errorf("a row that calls itself confirmed rules (%v)", err)
	}
	h2, text := guarded(t, newHouse)
	security = h2.login("security")
	if a, err = h2.Apply(t.Context(), security, []byte(strings.Replace(text, sre, widerT, 1)), 0); err != nil {
		t.Fatal(err)
	}
	h2.edit(`UPDATE catalogs SET proposed_by = '{"system":"start"}' WHERE confirmed_at = 0`)
	if _, err := h2.Confirm(t.Context(), security, a.Version, a.Digest); !errors.Is(err, brevet.Denied) {
		t.Errorf("the author, after the row forgot them: %v", err)
	}
}

// TestNothingByItselfForAuthors: for a day what a change brought in approves
// nothing by itself for who wrote and who confirmed it, also after a restart.
func TestNothingByItselfForAuthors(t *testing.T) {
	h, text := guarded(t, newHouse)
	security, lead := h.login("security"), h.login("lead")
	wider := strings.Replace(text, "  - name: staging-sre", `  - name: everybody
    who: [group:engineers, group:leads, group:security, group:contractors]
    customer: acme
    accounts: [env:staging]
    roles: [Data]
    longest: 2h
    approval: automatic
    activate: on-use
  - name: staging-sre`, 1)
	a, err := h.Apply(t.Context(), security, []byte(wider), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Confirm(t.Context(), lead, a.Version, a.Digest); err != nil {
		t.Fatal(err)
	}
	check := func(when string, kind brevet.Kind) {
		t.Helper()
		for _, name := range []string{"security", "lead"} {
			who := h.login(name)
			h.want(who, "acme-staging/ReadOnly", "") // as before
			h.want(who, "acme-staging/Data", kind)
			if _, err := h.Ask(t.Context(), who, broker.Ask{Target: "acme-staging/Data", Duration: time.Hour, Reason: "x"}); brevet.KindOf(err) != kind {
				t.Errorf("%s, %s asks: %v", when, name, err)
			}
			why, err := h.Why(t.Context(), who, "acme-staging/Data")
			if err != nil || (kind != "") != (len(why.Unmet) > 0) || kind != "" && !strings.Contains(why.Unmet[0].Condition, "version") {
				t.Errorf("%s, %s: why %+v, %v", when, name, why, err)
			}
		}
		h.want(h.login("contractor"), "acme-staging/Data", "")
	}
	check("at once", brevet.Denied)
	narrow := strings.Replace(wider, "longest: 4h", "longest: 3h", 1)
	if a, err := h.Apply(t.Context(), h.login("security"), []byte(narrow), 0); err != nil || !a.Rules {
		t.Fatal(a, err)
	}
	check("after a narrower version", brevet.Denied)
	h.onePersonRestart(t, narrow)
	check("after a restart", brevet.Denied)
	h.advance(24*time.Hour - time.Second)
	check("a second before the day is over", brevet.Denied)
	h.advance(time.Second)
	check("after a day", "")
}

// onePersonRestart restarts the house with the catalog that rules.
func (h *house) onePersonRestart(t *testing.T, text string) {
	t.Helper()
	err := h.restart()
	if err != nil {
		t.Fatal(err)
	}
	if h.Catalog().Digest == "" {
		t.Fatal("nothing rules after a restart")
	}
}

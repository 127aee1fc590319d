package broker_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/store"
)

// offboard ends acme and fails the test if that is refused.
func (h *house) offboard(c brevet.Caller, customer string) broker.Offboarded {
	h.t.Helper()
	v, err := h.Offboard(h.t.Context(), c, broker.Offboard{Customer: customer, Reason: "the contract has ended"})
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}

// TestOffboard tells the whole story of one act.
func TestOffboard(t *testing.T) { onBoth(t, offboardOn) }

func offboardOn(t *testing.T, newHouse func(testing.TB) *house) {
	h := newHouse(t)
	engineer, lead, security := h.login("engineer"), h.login("lead"), h.login("security")
	h.approve(lead, h.ask(engineer, "acme-prod/SRE", 2*time.Hour).ID)
	used := h.want(engineer, "acme-prod/SRE", "")
	h.approve(lead, h.ask(engineer, "acme-prod/Data", time.Hour).ID)
	pending := h.ask(engineer, "acme-prod/DevOps", time.Hour)
	h.advance(time.Second)

	v := h.offboard(security, "acme")
	if v.Customer.Name != "acme" || v.Grants != 2 || v.Requests != 1 || v.Sessions != 1 || v.Until.Before(used.Expires) || v.Until.After(used.Expires.Add(brevet.TokenLife+brevet.TokenLeeway)) || v.By != "security" {
		t.Errorf("%+v, want until %s", v.Offboarding, used.Expires)
	}
	if v.Proof.Refused != 12 || v.Proof.Admitted != nil {
		t.Errorf("proof: %+v", v.Proof)
	}
	if r, err := h.Request(t.Context(), engineer, pending.ID, 0); err != nil || r.State != brevet.Lapsed {
		t.Errorf("the pending request is %s: %v", r.State, err)
	}
	grants, err := h.Grants(t.Context(), security, broker.List{Scope: "all"})
	if err != nil || len(grants) != 2 {
		t.Fatalf("the history of who left: %d grants, %v", len(grants), err)
	}
	for _, g := range grants {
		if g.State != brevet.Revoked || g.Live {
			t.Errorf("grant %s is %s", g.Target, g.State)
		}
	}
	list, err := h.Customers(t.Context(), security)
	if err != nil || len(list) != 1 || list[0].Offboarded == nil || *list[0].Offboarded != v.Offboarding || len(list[0].Accounts) != 2 {
		t.Errorf("%+v, %v", list, err)
	}
	_, err = h.Offboard(t.Context(), security, broker.Offboard{Customer: "acme", Reason: "again"})
	if !errors.Is(err, brevet.Conflict) || !strings.Contains(err.Error(), "by security: the contract has ended") {
		t.Errorf("a second time: %v", err)
	}
}

// TestOffboardOnce: what is sent again under its key is answered with what
// became of it.
func TestOffboardOnce(t *testing.T) {
	h := newHouse(t)
	security := h.login("security")
	h.want(h.login("contractor"), "acme-staging/ReadOnly", "")
	act := broker.Offboard{Customer: "acme", Reason: "over", Key: "once"}
	first, err := h.Offboard(t.Context(), security, act)
	if err != nil {
		t.Fatal(err)
	}
	h.advance(time.Minute)
	again, err := h.Offboard(t.Context(), security, act)
	if err != nil || again.Offboarding != first.Offboarding || again.Grants != 1 {
		t.Errorf("%+v, then %+v, %v", first, again, err)
	}
	n := 0
	for _, k := range h.events() {
		if k == brevet.CustomerOffboarded {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d events", n)
	}
	act.Reason = "other"
	if _, err := h.Offboard(t.Context(), security, act); !errors.Is(err, brevet.Conflict) {
		t.Errorf("the key for something else: %v", err)
	}
}

func TestOffboardNeedsTheRight(t *testing.T) {
	h := newHouse(t)
	for who, want := range map[string]brevet.Kind{"engineer": brevet.Denied, "lead": brevet.Denied, "stranger": brevet.NotFound} {
		_, err := h.Offboard(t.Context(), h.login(who), broker.Offboard{Customer: "acme", Reason: "x"})
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", who, err)
		}
	}
	security := h.login("security")
	for name, reason := range map[string]string{"acme": " ", "nobody": "x"} {
		if _, err := h.Offboard(t.Context(), security, broker.Offboard{Customer: name, Reason: reason}); err == nil {
			t.Errorf("%s for %q", name, reason)
		}
	}
	h.advance(time.Hour + time.Minute)
	if _, err := h.Offboard(t.Context(), security, broker.Offboard{Customer: "acme", Reason: "x"}); !errors.Is(err, brevet.StepUp) {
		t.Errorf("with an old proof: %v", err)
	}
	h.groups["security"] = nil
	if _, err := h.Offboard(t.Context(), security, broker.Offboard{Customer: "acme", Reason: "x"}); !errors.Is(err, brevet.NotFound) && !errors.Is(err, brevet.Denied) {
		t.Errorf("after leaving the group: %v", err)
	}
	for _, k := range h.events() {
		if k == brevet.CustomerOffboarded {
			t.Error("somebody did it")
		}
	}
}

// TestAttackOffboardWall: who may end one customer cannot end another, nor
// learn of it; what is left of the other goes on.
func TestAttackOffboardWall(t *testing.T) {
	h := wall(t)
	acme, globex := h.login("acme-sec"), h.login("globex-eng")
	h.approve(h.login("globex-leads"), h.ask(globex, "globex-prod/SRE", time.Hour).ID)
	for _, name := range []string{"globex", "cu_02000000000000000000000000"} {
		_, err := h.Offboard(t.Context(), acme, broker.Offboard{Customer: name, Reason: "x"})
		if said := fmt.Sprint(err, brevet.AsError(err).Unmet, brevet.AsError(err).Hint); !errors.Is(err, brevet.NotFound) || strings.Contains(strings.Replace(said, name, "", 1), "globex") {
			t.Errorf("%s: %s", name, said)
		}
	}
	if list, err := h.Customers(t.Context(), acme); err != nil || len(list) != 1 || list[0].Name != "acme" {
		t.Errorf("acme sees %+v, %v", list, err)
	}
	h.offboard(acme, "acme")
	h.want(globex, "globex-prod/SRE", "")
	if _, err := h.Ask(t.Context(), h.login("acme-eng"), broker.Ask{Target: "acme-prod/SRE", Reason: "x"}); !errors.Is(err, brevet.Denied) {
		t.Errorf("acme: %v", err)
	}
}

// leftBehind makes everything that could give access to acme, and ends acme.
func leftBehind(t *testing.T, h *house) map[string]brevet.Caller {
	t.Helper()
	who := map[string]brevet.Caller{}
	for _, name := range []string{"engineer", "lead", "security", "contractor"} {
		who[name] = h.login(name)
	}
	h.approve(who["lead"], h.ask(who["engineer"], "acme-prod/SRE", 4*time.Hour).ID)
	h.want(who["engineer"], "acme-prod/SRE", "")
	h.approve(who["lead"], h.ask(who["engineer"], "acme-prod/Data", 4*time.Hour).ID)
	h.want(who["contractor"], "acme-staging/ReadOnly", "")
	h.ask(who["engineer"], "acme-prod/DevOps", time.Hour)
	h.offboard(who["security"], "acme")
	return who
}

// assertShut tries every way into acme.
func assertShut(t *testing.T, h *house, who map[string]brevet.Caller, when string) {
	t.Helper()
	issued := len(h.issues)
	ctx := t.Context()
	for _, target := range []string{"acme-prod/SRE", "acme-prod/Data", "acme-prod/DevOps", "acme-staging/ReadOnly", "444455556666/SRE"} {
		for name, c := range who {
			for what, err := range map[string]error{
				"credential": second(h.Credential(ctx, c, broker.Want{Target: target})),
				"console":    second(h.Console(ctx, c, target, "")),
				"request":    second(h.Ask(ctx, c, broker.Ask{Target: target, Duration: time.Hour, Reason: "x"})),
			} {
				if err == nil {
					t.Errorf("%s: %s: %s for %s", when, name, what, target)
				}
			}
		}
		if w, err := h.Why(ctx, who["engineer"], target); err == nil && (w.Allowed || !strings.Contains(fmt.Sprint(w.Unmet), "offboarded")) {
			t.Errorf("%s: why %s: %s", when, target, w.Summary)
		}
	}
	for name, c := range who {
		if list, err := h.Targets(ctx, c); err != nil || len(list) > 0 {
			t.Errorf("%s: %s is offered %d targets, %v", when, name, len(list), err)
		}
	}
	waiting, err := h.Requests(ctx, who["engineer"], broker.List{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range waiting {
		if _, err := h.Broker.Decide(ctx, who["lead"], broker.Decide{ID: r.ID, Approve: true}); err == nil {
			t.Errorf("%s: %s is approved", when, r.Target)
		}
	}
	if len(h.issues) != issued {
		t.Errorf("%s: the cloud was asked", when)
	}
}

// TestAttackOffboarded: an old grant, a request that waits, an entitlement that
// opens on use, none of them leads into the accounts of who left.
func TestAttackOffboarded(t *testing.T) { onBoth(t, attackOffboardedOn) }

func attackOffboardedOn(t *testing.T, newHouse func(testing.TB) *house) {
	h := newHouse(t)
	assertShut(t, h, leftBehind(t, h), "at once")
}

// TestAttackOffboardedRows edits the rows back to what they were before.
func TestAttackOffboardedRows(t *testing.T) { onBoth(t, attackOffboardedRowsOn) }

func attackOffboardedRowsOn(t *testing.T, newHouse func(testing.TB) *house) {
	h := newHouse(t)
	who := leftBehind(t, h)
	h.edit(`UPDATE grants SET state = 'active', closed_at = 0`)
	h.edit(`UPDATE requests SET state = 'pending', lapses_at = created_at + 86400000000 WHERE state = 'lapsed'`)
	assertShut(t, h, who, "rows set back")
	h.edit(`UPDATE grants SET customer_id = 'cu_00000000000000000000000000'`)
	assertShut(t, h, who, "grants given to another")
	h.edit(`DELETE FROM events WHERE kind = 'customer.offboarded'`)
	assertShut(t, h, who, "the event's row is gone")
	if _, err := h.Customers(t.Context(), who["security"]); !errors.Is(err, brevet.Internal) {
		t.Errorf("the loss of the event is not noticed: %v", err)
	}
}

// TestAttackOffboardedRestart: the log says it again to the next process, and
// a log that does not is not believed.
func TestAttackOffboardedRestart(t *testing.T) { onBoth(t, attackOffboardedRestartOn) }

func attackOffboardedRestartOn(t *testing.T, newHouse func(testing.TB) *house) {
	h := newHouse(t)
	who := leftBehind(t, h)
	h.edit(`UPDATE grants SET state = 'active', closed_at = 0`)
	if err := h.restart(); err != nil {
		t.Fatal(err)
	}
	assertShut(t, h, who, "after a restart")
	for _, edit := range []string{
		`UPDATE events SET kind = 'access.refused' WHERE kind = 'customer.offboarded'`,
		`UPDATE events SET customer_id = 'cu_00000000000000000000000000' WHERE kind = 'customer.offboarded'`,
		`UPDATE events SET salt = NULL, details = NULL WHERE kind = 'customer.offboarded'`,
		`DELETE FROM events WHERE kind = 'customer.offboarded'`,
	} {
		h := newHouse(t)
		leftBehind(t, h)
		h.edit(edit)
		if err := h.restart(); !errors.Is(err, brevet.Internal) {
			t.Errorf("it starts after %s: %v", edit, err)
		}
	}
}

// TestAttackOffboardedCatalog: whatever is applied, the customer stays out, and
// does not come back under its id once it has left the file.
func TestAttackOffboardedCatalog(t *testing.T) { onBoth(t, attackOffboardedCatalogOn) }

func attackOffboardedCatalogOn(t *testing.T, newHouse func(testing.TB) *house) {
	h := newHouse(t)
	who := leftBehind(t, h)
	if _, err := h.Apply(t.Context(), who["security"], longest("3h"), 0); err != nil {
		t.Fatalf("the rest of the catalog cannot be edited any more: %v", err)
	}
	assertShut(t, h, who, "another version of the file")
	h.rules(sandboxCatalog())
	assertShut(t, h, who, "the operator's own file")
	h.rules(twoCustomers("", ""))
	h.groups["acme-sec"] = []string{"acme-sec"}
	back := append(twoCustomers("", ""), []byte{}...)
	id := string(h.customer(t, sandboxCatalog()))
	_, err := h.Apply(t.Context(), h.login("acme-sec"), []byte(strings.Replace(string(back), "entitlements:",
		"  - {name: again, id: "+id+", accounts: [{name: a, number: \"777788889999\", region: eu-west-1, audience: \"brevet:777788889999:abcdefghijklmnopqrstuvwxyz\"}]}\nentitlements:", 1)), 0)
	if !errors.Is(err, brevet.Denied) || !strings.Contains(err.Error(), "was offboarded") || !strings.Contains(brevet.AsError(err).Hint, "new customer") {
		t.Errorf("%v (%s)", err, brevet.AsError(err).Hint)
	}
}

// TestAttackOffboardedMeanwhile: a customer that leaves while the cloud is
// asked gets no credential out, and one that leaves between judging and
// recording no grant.
func TestAttackOffboardedMeanwhile(t *testing.T) { onBoth(t, attackOffboardedMeanwhileOn) }

func attackOffboardedMeanwhileOn(t *testing.T, newHouse func(testing.TB) *house) {
	h := newHouse(t)
	engineer, lead, security := h.login("engineer"), h.login("lead"), h.login("security")
	h.approve(lead, h.ask(engineer, "acme-prod/SRE", time.Hour).ID)
	h.cloud = func(i brevet.Issue) (brevet.Credential, error) {
		h.offboard(security, "acme")
		return brevet.Credential{AccessKeyID: "ASIA0000000000000000", SecretAccessKey: "s", SessionToken: "t", Expires: h.now().Add(time.Hour)}, nil
	}
	got, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/SRE"})
	if err == nil || got.Credential.AccessKeyID != "" {
		t.Errorf("a credential left: %+v, %v", got, err)
	}
	list, err := h.Customers(t.Context(), security)
	if err != nil || list[0].Offboarded.Sessions != 1 || list[0].Offboarded.Until.IsZero() {
		t.Errorf("the session in the making is not counted: %+v, %v", list, err)
	}
}

// TestAttackOffboardSpoiltRow: a row that cannot be read does not keep the
// customer.
func TestAttackOffboardSpoiltRow(t *testing.T) { onBoth(t, attackOffboardSpoiltRowOn) }

func attackOffboardSpoiltRowOn(t *testing.T, newHouse func(testing.TB) *house) {
	h := newHouse(t)
	who := map[string]brevet.Caller{"engineer": h.login("engineer"), "lead": h.login("lead"), "security": h.login("security")}
	h.ask(who["engineer"], "acme-prod/DevOps", time.Hour)
	h.approve(who["lead"], h.ask(who["engineer"], "acme-prod/SRE", time.Hour).ID)
	h.edit(`UPDATE requests SET rule = '{' || rule WHERE state = 'pending'`)
	v := h.offboard(who["security"], "acme")
	if v.Proof.Refused != 12 || v.Requests != 0 {
		t.Errorf("%+v", v)
	}
	for what, err := range map[string]error{
		"ask": second(h.Ask(t.Context(), who["engineer"], broker.Ask{Target: "acme-prod/SRE", Reason: "x"})),
		"use": second(h.Credential(t.Context(), who["engineer"], broker.Want{Target: "acme-prod/SRE"})),
	} {
		if !errors.Is(err, brevet.Denied) {
			t.Errorf("%s: %v", what, err)
		}
	}
	h.edit(`UPDATE requests SET rule = substr(rule, 2) WHERE state = 'pending'`)
	if err := h.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	grants, err := h.Grants(t.Context(), who["security"], broker.List{Scope: "all"})
	if err != nil || len(grants) != 1 || grants[0].State != brevet.Revoked {
		t.Errorf("once the row is mended: %+v, %v", grants, err)
	}
	requests, err := h.Requests(t.Context(), who["engineer"], broker.List{State: string(brevet.Pending)})
	if err != nil || len(requests) > 0 {
		t.Errorf("%d requests wait, %v", len(requests), err)
	}
}

// TestExternalIDIsNotTaken: the external id of a customer that left is not
// another's, since the stack that it left behind may trust it.
func TestExternalIDIsNotTaken(t *testing.T) {
	h := newHouse(t)
	byRole := func(name, id, number, external string) []byte {
		return []byte(fmt.Sprintf(`issuer: https://issuer.brevet.invalid
broker: arn:aws:iam::999999999999:role/brevet-broker
roles:
  SRE: {about: "run", max: 8h, mfa: 8h, policies: [job-function/ViewOnlyAccess]}
customers:
  - {name: %s, id: %s, entry: assume-role, external_id: %s, accounts: [{name: a, number: "%s", region: eu-west-1, audience: "brevet:%[4]s:abcdefghijklmnopqrstuvwxyz"}]}
entitlements: []
`, name, id, external, number))
	}
	const old, fresh = "abcdefghijklmnopqrstuvwxyz", "bbcdefghijklmnopqrstuvwxyz"
	by := brevet.Actor{System: "reload"}
	for i, step := range []struct {
		text []byte
		ok   bool
	}{
		{byRole("acme", "cu_01000000000000000000000000", "111122223333", old), true},
		{byRole("acme", "cu_01000000000000000000000000", "111122223333", fresh), true},
		{byRole("acme", "cu_01000000000000000000000000", "111122223333", old), true}, // its own of before
		{byRole("globex", "cu_02000000000000000000000000", "111122223333", old), false},
		{byRole("globex", "cu_02000000000000000000000000", "444455556666", fresh), false},
		{byRole("globex", "cu_02000000000000000000000000", "444455556666", "cbcdefghijklmnopqrstuvwxyz"), true},
	} {
		if _, err := h.Propose(t.Context(), by, step.text); (err == nil) != step.ok || err != nil && !errors.Is(err, brevet.Invalid) {
			t.Errorf("step %d: %v", i, err)
		}
	}
}

// restart closes the house's database and opens it anew, as another process
// would.
func (h *house) restart() error {
	h.t.Helper()
	if err := h.db.Close(); err != nil {
		h.t.Fatal(err)
	}
	cfg := h.store
	db, err := store.Open(h.t.Context(), cfg)
	if err != nil {
		return err
	}
	h.t.Cleanup(func() { db.Close() })
	h.db = db
	c := h.Broker.Config
	c.DB = db
	c.Prove = nil
	h.Broker = broker.New(c)
	_, err = h.Propose(h.t.Context(), atStart, sandboxCatalog())
	return err
}

// customer returns the id of acme in a catalog.
func (h *house) customer(t *testing.T, text []byte) brevet.CustomerID {
	t.Helper()
	c, _, err := broker.ReadCatalog("c", text)
	if err != nil {
		t.Fatal(err)
	}
	return c.Customers[0].ID
}

// TestAttackOffboardedBetween: what was judged before the customer left is
// judged again where it is recorded.
func TestAttackOffboardedBetween(t *testing.T) {
	for name, try := range map[string]func(h *house, c brevet.Caller) error{
		"request": func(h *house, c brevet.Caller) error {
			return second(h.Ask(t.Context(), c, broker.Ask{Target: "acme-prod/Admin", Duration: time.Hour, Reason: "x"}))
		},
		"automatic": func(h *house, c brevet.Caller) error {
			return second(h.Ask(t.Context(), c, broker.Ask{Target: "acme-staging/SRE", Duration: time.Hour, Reason: "x"}))
		},
		"first use": func(h *house, c brevet.Caller) error {
			return second(h.Credential(t.Context(), c, broker.Want{Target: "acme-staging/ReadOnly"}))
		},
		"console": func(h *house, c brevet.Caller) error {
			return second(h.Console(t.Context(), c, "acme-staging/ReadOnly", ""))
		},
	} {
		h := newHouse(t)
		engineer := h.login("engineer")
		h.advance(brevet.Rung8h.Age() - time.Minute)
		engineer.SignIn.Groups.At = h.now().Add(-24 * time.Hour)
		security := h.login("security")
		left := false
		h.asked = func() { h.asked = nil; h.offboard(security, "acme"); left = true }
		if err := try(h, engineer); !errors.Is(err, brevet.Denied) {
			t.Errorf("%s: %v", name, err)
		}
		if !left || len(h.issues) > 0 {
			t.Errorf("%s: left %t, the cloud was asked %d times", name, left, len(h.issues))
		}
	}
}

// onlyTheLog makes the log say that acme left, and nothing else.
func (h *house) onlyTheLog() {
	h.t.Helper()
	err := h.db.Update(h.t.Context(), func(tx *store.Tx) error {
		_, err := tx.Record(brevet.Event{Kind: brevet.CustomerOffboarded, Customer: h.Catalog().Customers[0].ID})
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// TestAttackOffboardedByTheLogAlone: no row has to be changed for anything to
// be shut: grants that live on in theirs, and requests that wait.
func TestAttackOffboardedByTheLogAlone(t *testing.T) {
	h := newHouse(t)
	engineer, lead := h.login("engineer"), h.login("lead")
	h.approve(lead, h.ask(engineer, "acme-prod/SRE", time.Hour).ID)
	used := h.want(engineer, "acme-prod/SRE", "")
	pending := h.ask(engineer, "acme-prod/DevOps", time.Hour)
	h.onlyTheLog()
	for what, err := range map[string]error{
		"keep":    second(h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/SRE", Have: used.Session.ID})),
		"renew":   second(h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/SRE"})),
		"console": second(h.Console(t.Context(), engineer, "acme-prod/SRE", "")),
		"approve": second(h.Broker.Decide(t.Context(), lead, broker.Decide{ID: pending.ID, Approve: true})),
		"deny":    second(h.Broker.Decide(t.Context(), lead, broker.Decide{ID: pending.ID})),
		"cloud":   second(h.Clouds["aws"].Issue(t.Context(), brevet.Issue{Account: h.Catalog().Accounts[0]})),
	} {
		if !errors.Is(err, brevet.Denied) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if len(h.issues) != 1 {
		t.Errorf("the cloud was asked %d times", len(h.issues))
	}
}

// TestAttackOffboardedWhileAsked: the grant's row lives on, and the customer
// leaves between judging and recording, or while the cloud is asked.
func TestAttackOffboardedWhileAsked(t *testing.T) {
	for _, when := range []string{"judged", "asked"} {
		h := newHouse(t)
		engineer := h.login("engineer")
		h.approve(h.login("lead"), h.ask(engineer, "acme-prod/SRE", time.Hour).ID)
		if when == "judged" {
			engineer.SignIn.Groups.At = h.now().Add(-24 * time.Hour) // so that the provider is asked for them
			h.asked = h.onlyTheLog
		} else {
			h.cloud = func(brevet.Issue) (brevet.Credential, error) {
				h.onlyTheLog()
				return brevet.Credential{AccessKeyID: "ASIA0000000000000000", SecretAccessKey: "s", SessionToken: "t", Expires: h.now().Add(time.Hour)}, nil
			}
		}
		got, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/SRE"})
		if err == nil || got.Credential.AccessKeyID != "" {
			t.Errorf("%s: a credential left: %v", when, err)
		}
		if when == "judged" && (len(h.issues) > 0 || !errors.Is(err, brevet.Denied)) {
			t.Errorf("%s: the cloud was asked %d times: %v", when, len(h.issues), err)
		}
	}
}

package broker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
)

func swap(text []byte, old, new string) []byte {
	if !strings.Contains(string(text), old) {
		panic("the catalog does not hold " + old)
	}
	return []byte(strings.Replace(string(text), old, new, 1))
}

// rules puts a catalog in force.
func (h *house) rules(text []byte) {
	h.t.Helper()
	if _, err := h.Propose(context.Background(), brevet.Actor{System: "test"}, text); err != nil {
		h.t.Fatal(err)
	}
}

const prodRule = "    longest: 4h\n    approval: {by: [lead]}\n  - name: prod-admin"

// TestAttackRuleTightenedWhilePending: a decision satisfies the rule that is
// in force too, not only the one under which it was asked.
func TestAttackRuleTightenedWhilePending(t *testing.T) {
	h := newHouse(t)
	engineer, lead := h.login("engineer"), h.login("lead")
	r := h.ask(engineer, "acme-prod/SRE", time.Hour)
	h.rules(swap(sandboxCatalog(), prodRule, "    longest: 4h\n    approval: {by: [\"group:security\"]}\n  - name: prod-admin"))
	if _, err := h.Decide(t.Context(), lead, broker.Decide{ID: r.ID, Approve: true}); err == nil {
		_, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/SRE"})
		t.Errorf("lead approved what security must approve now; credential: %v", err)
	}
}

// TestAttackRuleTightenedAfter: nor does a grant go on that the rule in force
// would not give.
func TestAttackRuleTightenedAfter(t *testing.T) {
	for name, text := range map[string][]byte{
		"longest":   longest("30m"),
		"approval":  swap(sandboxCatalog(), "    longest: 4h\n    approval: automatic\n", "    longest: 4h\n    approval: {by: [lead]}\n"),
		"elsewhere": swap(swap(sandboxCatalog(), "    roles: [SRE]\n", "    roles: [DevOps]\n"), "roles: [Security, DevOps, Data, Admin]", "roles: [Security, SRE, Data, Admin]"),
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			engineer := h.login("engineer")
			h.ask(engineer, "acme-staging/SRE", 4*time.Hour)
			h.want(engineer, "acme-staging/SRE", "")
			h.rules(text)
			if got, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-staging/SRE"}); err == nil {
				t.Errorf("issued until %s under a grant that the catalog in force would not give", got.Expires)
			}
		})
	}
}

// TestAttackMFALoosened: the freshness of MFA that an approval was given for
// holds for its grant, even if the entitlement goes or is loosened.
func TestAttackMFALoosened(t *testing.T) {
	h := newHouse(t)
	strict := swap(sandboxCatalog(), prodRule, "    longest: 4h\n    approval: {by: [lead]}\n    mfa: 5m\n  - name: prod-admin")
	h.rules(strict)
	engineer, lead := h.login("engineer"), h.login("lead")
	h.approve(lead, h.ask(engineer, "acme-prod/SRE", time.Hour).ID)
	h.advance(20 * time.Minute)
	h.want(engineer, "acme-prod/SRE", brevet.StepUp)
	h.rules(sandboxCatalog())
	if _, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/SRE"}); err == nil {
		t.Error("approved for MFA within 5m, issued on MFA of 20m")
	}
}

// TestAttackMFAFirstUse: the first use of a grant demands what its own
// entitlement demands, though another, looser one covers the target too.
func TestAttackMFAFirstUse(t *testing.T) {
	h := newHouse(t)
	h.rules(append(swap(sandboxCatalog(), prodRule, "    longest: 4h\n    approval: {by: [lead]}\n    mfa: 5m\n    activate: on-use\n  - name: prod-admin"),
		"  - {name: a-short, who: [\"group:engineers\"], customer: acme, accounts: [\"env:prod\"], roles: [SRE], longest: 1h, approval: automatic}\n"...))
	engineer, lead := h.login("engineer"), h.login("lead")
	r := h.ask(engineer, "acme-prod/SRE", 4*time.Hour)
	if r.Entitlement != "prod" {
		t.Fatal(r.Entitlement)
	}
	h.approve(lead, r.ID)
	h.advance(20 * time.Minute)
	if got, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/SRE"}); err == nil {
		t.Errorf("first use of a grant that demands MFA within 5m, on MFA of 20m: rung %s", got.Session.MFA)
	}
}

// TestAttackAccountMoves: a grant of one customer opens no account of another
// (laws 4 and 13), though its number stays the same.
func TestAttackAccountMoves(t *testing.T) {
	h := newHouse(t)
	engineer, lead := h.login("engineer"), h.login("lead")
	h.approve(lead, h.ask(engineer, "acme-prod/SRE", 4*time.Hour).ID)
	h.want(engineer, "acme-prod/SRE", "")
	old := h.Catalog().Customers[0].ID
	text := string(sandboxCatalog())
	text = strings.Replace(text, string(old), "cu_01000000000000000000000000", 1)
	h.rules([]byte(text))
	got, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/SRE"})
	if err == nil {
		t.Errorf("grant of %s issued for customer %s", got.Grant.Customer, got.Account.Customer)
	}
}

// TestAttackCatalogWhileAsking: a catalog that takes effect between judging
// and recording counts (law 4): an answer of the old version is not bound to
// the new one, and the transaction of the intent judges again.
func TestAttackCatalogWhileAsking(t *testing.T) {
	h := newHouse(t)
	engineer := h.login("engineer")
	strict := swap(sandboxCatalog(), "    longest: 4h\n    approval: automatic\n", "    longest: 4h\n    approval: {by: [lead]}\n")
	changed := func() { h.rules(strict) }
	for _, nth := range [][]func(){{changed}, {nil, changed}} { // while the target is looked up, and while it is judged
		h.rules(sandboxCatalog())
		h.onNow = nth
		v, err := h.Ask(t.Context(), engineer, broker.Ask{Target: "acme-staging/SRE", Duration: time.Hour, Reason: "x"})
		if err == nil && v.State == brevet.Approved {
			t.Errorf("another version was in force when a request was approved by the first, and bound to version %d", v.CatalogVersion)
		}
		if len(h.onNow) > 0 {
			t.Error("the catalog did not change meanwhile")
		}
	}
}

// TestAttackRefusedKey: a decision that was refused has not used its
// idempotency key up.
func TestAttackRefusedKey(t *testing.T) {
	h := newHouse(t)
	engineer, lead := h.login("engineer"), h.login("lead")
	r := h.ask(engineer, "acme-prod/Admin", time.Hour)
	h.advance(2 * time.Hour)
	d := broker.Decide{ID: r.ID, Approve: true, Key: "k1"}
	h.login("engineer")
	if _, err := h.Decide(t.Context(), lead, d); !errors.Is(err, brevet.StepUp) {
		t.Fatal(err)
	}
	lead = h.login("lead")
	if v, err := h.Decide(t.Context(), lead, d); err == nil && v.State != brevet.Approved {
		t.Errorf("after the step-up the same decision is answered with success, and the request is %s", v.State)
	}
}

// TestAttackCatalogNames: who has nothing to do with a customer learns neither
// its name nor its people (law 13).
func TestAttackCatalogNames(t *testing.T) {
	h := newHouse(t)
	h.groups["stranger"] = []string{"elsewhere"}
	stranger := h.login("stranger")
	for what, err := range map[string]error{
		"text": func() error { _, _, _, err := h.CatalogText(t.Context(), stranger); return err }(),
		"apply": func() error {
			_, err := h.Apply(t.Context(), stranger, sandboxCatalog(), 0)
			return err
		}(),
	} {
		if said := fmt.Sprintf("%v %+v", err, brevet.AsError(err).Unmet); strings.Contains(said, "acme") || strings.Contains(said, "security") {
			t.Errorf("%s tells a stranger: %s", what, said)
		}
	}
}

// TestAttackFlood: one person does not hide the requests of others from who
// decides.
func TestAttackFlood(t *testing.T) {
	h := newHouse(t)
	engineer, lead := h.login("engineer"), h.login("lead")
	h.groups["second"] = []string{"engineers"}
	urgent := h.ask(h.login("second"), "acme-prod/SRE", time.Hour)
	h.advance(time.Second)
	asked := 0
	for ; asked < 1001; asked++ {
		_, err := h.Ask(t.Context(), engineer, broker.Ask{Target: "acme-prod/SRE", Duration: time.Hour, Reason: "again"})
		if errors.Is(err, brevet.Conflict) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if asked > 100 {
		t.Errorf("one person has %d requests waiting", asked)
	}
	list, err := h.Requests(t.Context(), lead, broker.List{Scope: "decide"})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		if r.ID == urgent.ID {
			return
		}
	}
	t.Errorf("%d requests of one person hide another's from the approver", asked)
}

// TestAttackCaseTwin: somebody whose login differs from another's in case
// alone can sign in.
func TestAttackCaseTwin(t *testing.T) {
	h := newHouse(t)
	h.login("lead")
	if code, _ := h.halfwayOrNot("Lead"); code == "" {
		t.Error("Lead cannot sign in, because lead has")
	}
}

// TestAttackProviderDown: a provider that does not answer makes a decision
// wait; it does not end the request.
func TestAttackProviderDown(t *testing.T) {
	h := newHouse(t)
	engineer := h.login("engineer")
	r := h.ask(engineer, "acme-prod/Admin", time.Hour)
	h.advance(20 * time.Minute)
	lead := h.login("lead")
	h.down = true
	_, err := h.Decide(t.Context(), lead, broker.Decide{ID: r.ID, Approve: true})
	if err == nil {
		t.Fatal("approved on stale groups")
	}
	h.down = false
	v, err := h.Request(t.Context(), engineer, r.ID, 0)
	if err != nil || v.State != brevet.Pending {
		t.Errorf("a minute without the provider and the request is %s: %v", v.State, err)
	}
}

// TestAttackDropOne: handing one of two grants back leaves the other (law 7),
// and a credential in hand of the dropped one is not kept.
func TestAttackDropOne(t *testing.T) {
	h := newHouse(t)
	engineer, lead := h.login("engineer"), h.login("lead")
	h.approve(lead, h.ask(engineer, "acme-prod/SRE", time.Hour).ID)
	short := h.want(engineer, "acme-prod/SRE", "")
	h.approve(lead, h.ask(engineer, "acme-prod/SRE", 4*time.Hour).ID)
	long := h.want(engineer, "acme-prod/SRE", "")
	if long.Grant.ID == short.Grant.ID {
		t.Fatal("use took the one that ends first")
	}
	got, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/SRE", Have: short.Session.ID})
	if err != nil || got.Keep {
		t.Errorf("a session of the earlier grant is kept: %v %v", got.Keep, err)
	}
	if _, err := h.Drop(t.Context(), engineer, long.Grant.ID, ""); err != nil {
		t.Fatal(err)
	}
	got, err = h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/SRE", Have: long.Session.ID})
	if err != nil || got.Keep || got.Grant.ID != short.Grant.ID || got.Expires.After(short.Grant.End) {
		t.Errorf("after the drop: %+v %v", got, err)
	}
}

// TestAttackEndsWhileAsked: a grant that ends during the call of the cloud
// lets no credential leave.
func TestAttackEndsWhileAsked(t *testing.T) {
	for name, end := range map[string]func(h *house, engineer brevet.Caller, i brevet.Issue){
		"time": func(h *house, _ brevet.Caller, _ brevet.Issue) { h.advance(time.Hour + time.Second) },
		"drop": func(h *house, c brevet.Caller, i brevet.Issue) {
			if _, err := h.Drop(context.Background(), c, i.Grant, ""); err != nil {
				h.t.Error(err)
			}
		},
		"row back": func(h *house, c brevet.Caller, i brevet.Issue) {
			if _, err := h.Drop(context.Background(), c, i.Grant, ""); err != nil {
				h.t.Error(err)
			}
			h.edit(`UPDATE grants SET state = 'active', closed_at = 0`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			engineer, lead := h.login("engineer"), h.login("lead")
			h.approve(lead, h.ask(engineer, "acme-prod/SRE", time.Hour).ID)
			h.cloud = func(i brevet.Issue) (brevet.Credential, error) {
				end(h, engineer, i)
				return brevet.Credential{AccessKeyID: "ASIA0000000000000000", SecretAccessKey: "s", SessionToken: "t", Expires: h.now().Add(time.Hour)}, nil
			}
			if got, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/SRE"}); err == nil {
				t.Errorf("%s left", got.Credential)
			}
		})
	}
}

// TestAttackGrantEndEdited: a row that is edited while the cloud is asked does
// not move the end that the client is told.
func TestAttackGrantEndEdited(t *testing.T) {
	h := newHouse(t)
	engineer, lead := h.login("engineer"), h.login("lead")
	h.approve(lead, h.ask(engineer, "acme-prod/SRE", 10*time.Minute).ID)
	end := h.now().Add(10 * time.Minute)
	h.cloud = func(i brevet.Issue) (brevet.Credential, error) {
		h.edit(`UPDATE grants SET end_at = end_at + 3600 * 1000000`)
		return brevet.Credential{AccessKeyID: "ASIA0000000000000000", SecretAccessKey: "s", SessionToken: "t", Expires: h.now().Add(time.Hour)}, nil
	}
	if got, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/SRE"}); err == nil && got.Expires.After(end) {
		t.Errorf("told %s, the grant ends %s", got.Expires, end)
	}
}

// TestAttackLeases: whatever is wished, nothing outlives the grant or the
// role's maximum, and the cloud is told the grant's end.
func TestAttackLeases(t *testing.T) {
	h := newHouse(t)
	engineer, lead := h.login("engineer"), h.login("lead")
	h.approve(lead, h.ask(engineer, "acme-prod/Admin", 2*time.Hour).ID)
	start := h.now()
	for _, least := range []time.Duration{-time.Hour, 0, time.Minute, 90 * time.Minute, 119 * time.Minute, 2 * time.Hour, 3 * time.Hour, 1 << 62} {
		for range 2 {
			got, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/Admin", MinRemaining: least})
			if err != nil {
				continue
			}
			i := h.issues[len(h.issues)-1]
			if got.Expires.After(start.Add(2*time.Hour)) || !i.End.Equal(start.Add(2*time.Hour)) || i.TTL > 2*time.Hour || got.Expires.Sub(h.now()) < least {
				t.Errorf("min %s: told %s, asked for %s until %s", least, got.Expires, i.TTL, i.End)
			}
		}
		h.advance(4 * time.Minute)
	}
}

// TestAttackFutureMFA: a proof from the future counts for nothing, at issuing
// and at approving (law 6).
func TestAttackFutureMFA(t *testing.T) {
	h := newHouse(t)
	h.advance(time.Hour)
	engineer, lead := h.login("engineer"), h.login("lead")
	r := h.ask(engineer, "acme-prod/SRE", time.Hour)
	lead.SignIn.Proof.MFA = h.now().Add(time.Minute)
	if _, err := h.Decide(t.Context(), lead, broker.Decide{ID: r.ID, Approve: true}); err == nil {
		t.Error("approved on MFA of the future")
	}
	h.mfa = false
	if _, err := h.Decide(t.Context(), h.login("lead"), broker.Decide{ID: r.ID, Approve: true}); !errors.Is(err, brevet.StepUp) {
		t.Errorf("approved without MFA: %v", err)
	}
	h.mfa = true
	h.approve(h.login("lead"), r.ID)
	h.mfa = false
	h.want(h.login("engineer"), "acme-prod/SRE", brevet.StepUp)
}

// TestAttackClockBack: a clock that was set back issues nothing.
func TestAttackClockBack(t *testing.T) {
	h := newHouse(t)
	engineer, lead := h.login("engineer"), h.login("lead")
	h.approve(lead, h.ask(engineer, "acme-prod/SRE", time.Hour).ID)
	h.advance(-time.Hour)
	if _, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/SRE"}); err == nil {
		t.Error("issued an hour before the approval")
	}
}

// TestAttackKeysAcrossPeople: an idempotency key is its owner's alone.
func TestAttackKeysAcrossPeople(t *testing.T) {
	h := newHouse(t)
	h.groups["second"] = []string{"engineers"}
	in := broker.Ask{Target: "acme-prod/SRE", Duration: time.Hour, Reason: "same", Key: "k"}
	a, err := h.Ask(t.Context(), h.login("engineer"), in)
	if err != nil {
		t.Fatal(err)
	}
	b, err := h.Ask(t.Context(), h.login("second"), in)
	if err != nil || a.ID == b.ID || !b.Mine {
		t.Errorf("one key, two people: %s %s %v", a.ID, b.ID, err)
	}
}

// TestAttackCancelled: a client that hangs up at any moment leaves a recorded
// outcome and no session that nobody knows of (law 2).
func TestAttackCancelled(t *testing.T) {
	h := newHouse(t)
	engineer, lead := h.login("engineer"), h.login("lead")
	h.approve(lead, h.ask(engineer, "acme-prod/SRE", time.Hour).ID)
	ctx, cancel := context.WithCancel(t.Context())
	h.cloud = func(brevet.Issue) (brevet.Credential, error) {
		cancel()
		return brevet.Credential{AccessKeyID: "ASIA0000000000000000", SecretAccessKey: "s", SessionToken: "t", Expires: h.now().Add(time.Hour)}, nil
	}
	h.Credential(ctx, engineer, broker.Want{Target: "acme-prod/SRE"})
	kinds := h.events()
	if last := kinds[len(kinds)-1]; last != brevet.SessionIssued {
		t.Errorf("the last event is %s", last)
	}
	if _, err := h.Credential(ctx, engineer, broker.Want{Target: "acme-prod/SRE"}); err == nil {
		t.Error("a dead context issues")
	}
}

// TestAttackRevokedOnUse: a grant that was revoked is not opened again by the
// next use, a minute later and without a word.
func TestAttackRevokedOnUse(t *testing.T) {
	h := newHouse(t)
	contractor := h.login("contractor")
	got := h.want(contractor, "acme-staging/ReadOnly", "")
	if _, err := h.Revoke(t.Context(), h.login("security"), got.Grant.ID, "laptop stolen", ""); err != nil {
		t.Fatal(err)
	}
	if got, err := h.Credential(t.Context(), contractor, broker.Want{Target: "acme-staging/ReadOnly", Have: got.Session.ID}); err == nil {
		t.Errorf("revoked, and issued again at once under %s", got.Grant.ID)
	}
}

// TestAttackApplyRace: who applies a catalog does not undo what another put in
// force since they read it.
func TestAttackApplyRace(t *testing.T) {
	h := newHouse(t)
	h.groups["second"] = []string{"security"}
	mine := longest("2h") // made from version 1
	theirs := swap(sandboxCatalog(), "revoke: [group:security]", "revoke: [group:security, group:leads]")
	if _, err := h.Apply(t.Context(), h.login("second"), theirs, 0); err != nil {
		t.Fatal(err)
	}
	if a, err := h.Apply(t.Context(), h.login("security"), mine, 1); !errors.Is(err, brevet.Conflict) {
		t.Errorf("version %d undid another's change: %q, %v", a.Version, a.Changes, err)
	}
}

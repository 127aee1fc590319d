package broker_test

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/catalog"
)

const twoWaysIn = `
issuer: https://issuer.brevet.invalid
broker: arn:aws:iam::999999999999:role/brevet-broker
roles:
  ReadOnly: {about: "look", max: 8h, mfa: 8h, policies: [ReadOnlyAccess]}
customers:
  - {name: acme, accounts: [{name: acme-staging, number: "111122223333", region: eu-west-1, contract: 1}]}
  - {name: zenith, entry: assume-role, accounts: [{name: zenith-live, number: "777788889999", region: eu-west-1, contract: 1}]}
entitlements:
  - {name: acme-look, who: [group:engineers], customer: acme, accounts: ["*"], roles: [ReadOnly], longest: 4h, approval: automatic, activate: on-use}
  - {name: zenith-look, who: [group:engineers], customer: zenith, accounts: ["*"], roles: [ReadOnly], longest: 4h, approval: automatic, activate: on-use}
`

// Where a role is assumed by the broker's role, no session is promised that
// lasts longer than an hour; the grant lasts on, and the next session is
// issued without a question.
func TestLeaseOfAChainedSession(t *testing.T) {
	h := newHouse(t)
	text, _, err := catalog.Complete([]byte(twoWaysIn), rand.Reader, h.now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Propose(t.Context(), brevet.Actor{System: "test"}, text); err != nil {
		t.Fatal(err)
	}
	c := h.login("engineer")
	for target, lasts := range map[string]time.Duration{"acme-staging/ReadOnly": 4 * time.Hour, "zenith-live/ReadOnly": time.Hour} {
		got, err := h.Console(t.Context(), c, target, "")
		if err != nil || got.Expires.Sub(h.now()) != lasts {
			t.Errorf("console of %s: until %s, %v; want %s", target, got.Expires.Sub(h.now()), err, lasts)
		}
		_, err = h.Credential(t.Context(), c, broker.Want{Target: target, MinRemaining: 90 * time.Minute})
		if refused := errors.Is(err, brevet.Invalid) && strings.Contains(err.Error(), "live at most 1h"); refused != (lasts == time.Hour) {
			t.Errorf("a credential of %s for 90 minutes: %v", target, err)
		}
	}
	first, err := h.Credential(t.Context(), c, broker.Want{Target: "zenith-live/ReadOnly"})
	if err != nil || first.Expires.Sub(h.now()) != time.Hour || first.Grant.End.Sub(h.now()) != 4*time.Hour {
		t.Fatalf("%+v, %v", first, err)
	}
	h.clock = h.clock.Add(58 * time.Minute)
	next, err := h.Credential(t.Context(), c, broker.Want{Target: "zenith-live/ReadOnly", Have: first.Session.ID})
	if err != nil || next.Keep || next.Grant.ID != first.Grant.ID || next.Expires.Sub(h.now()) != time.Hour {
		t.Errorf("near the hour's end: %+v, %v", next, err)
	}
}

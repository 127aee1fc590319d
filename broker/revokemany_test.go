package broker_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
)

// TestDenyInManyAccounts: with a cloud that takes 200 ms a call, as AWS does,
// a Deny is asked for in a thousand accounts within a minute; accounts that
// fail hold no other up. A hundred stand for them where time is short.
func TestDenyInManyAccounts(t *testing.T) {
	accounts, within := 100, 20*time.Second
	if os.Getenv("BREVET_SOAK") != "" {
		accounts, within = 1000, time.Minute
	}
	h := newHouse(t)
	var more strings.Builder
	for n := range accounts {
		fmt.Fprintf(&more, "      - {name: many-%d, number: \"9%011d\", audience: \"brevet:9%011d:aaaaaaaaaaaaaaaaaaaaaaaaaa\", env: staging, region: eu-west-1, contract: 1}\n", n, n, n)
	}
	text := strings.Replace(string(sandboxCatalog()), "    rights:", more.String()+"    rights:", 1)
	if _, err := h.Propose(t.Context(), brevet.Actor{System: "test"}, []byte(text)); err != nil {
		t.Fatal(err)
	}
	engineer, security := h.login("engineer"), h.login("security")
	for n := range accounts {
		h.want(engineer, fmt.Sprintf("many-%d/ReadOnly", n), "")
	}
	var mu sync.Mutex
	var last time.Time
	told := map[brevet.AccountID]bool{}
	slow := func() { time.Sleep(200 * time.Millisecond) }
	h.cloud = func(i brevet.Issue) (brevet.Credential, error) {
		if i.Errand == brevet.ErrandRevoke {
			slow()
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		for n, known := range h.issues {
			if known.Session == i.Session {
				return brevet.Credential{AccessKeyID: fmt.Sprintf("ASIA%016d", n+1), Expires: h.clock.Add(15 * time.Minute)}, nil
			}
		}
		return brevet.Credential{}, brevet.Errorf(brevet.Unavailable, "unknown")
	}
	h.kill = func(a brevet.Account, k brevet.Kill) (brevet.Killed, error) {
		slow()
		mu.Lock()
		defer mu.Unlock()
		if strings.HasSuffix(a.Name, "7") && !told[a.ID] && len(told) < accounts/2 { // some fail at first
			return brevet.Killed{}, brevet.Errorf(brevet.Unavailable, "no answer")
		}
		told[a.ID], last = true, time.Now()
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, g := range k.Grants {
			h.killed[g] = true
		}
		return brevet.Killed{Held: k.Grants}, nil
	}
	began := time.Now()
	act := h.revokeAll(security, broker.RevokeAll{Person: "engineer"})
	asked := time.Since(began)
	for range 20 {
		h.CarryOut(t.Context())
		mu.Lock()
		all := len(told) == accounts
		mu.Unlock()
		if all {
			break
		}
		h.advance(2 * time.Second)
	}
	took := last.Sub(began)
	t.Logf("%d accounts: no new credential after %s, a Deny asked for in all after %s", accounts, asked.Round(time.Millisecond), took.Round(time.Millisecond))
	if len(told) != accounts || took > within {
		t.Errorf("%d of %d accounts were told, in %s", len(told), accounts, took)
	}
	v, err := h.Revocation(t.Context(), security, act.ID, 0)
	if err != nil || len(v.Grants) != accounts {
		t.Fatalf("%d grants, %v", len(v.Grants), err)
	}
	for _, r := range v.Grants {
		if r.State != brevet.RevokeConfirmed {
			t.Errorf("%s is %s: %s", r.Target, r.State, r.Trouble)
		}
	}
}

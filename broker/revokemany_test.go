package broker_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
)

// callTakes is what a call of the slow cloud takes, as one of AWS does.
const callTakes = 200 * time.Millisecond

// manyAccounts is a house with further accounts, into each of which engineer
// has a session, and a cloud that takes its time. Some accounts fail until
// half of them were told.
type manyAccounts struct {
	*house
	accounts int

	mu      sync.Mutex
	told    map[brevet.AccountID]time.Time
	failed  map[brevet.AccountID]bool
	calls   int // to revokers, under way
	atOnce  int // the most of them
	refused int
}

func newManyAccounts(t testing.TB, accounts int) *manyAccounts {
	m := &manyAccounts{house: newHouse(t), accounts: accounts, told: map[brevet.AccountID]time.Time{}, failed: map[brevet.AccountID]bool{}}
	m.since = time.Now()
	c := m.Broker.Config
	c.Pause = nil
	m.Broker = broker.New(c)
	var more strings.Builder
	for n := range accounts {
		fmt.Fprintf(&more, "      - {name: many-%d, number: \"9%011d\", audience: \"brevet:9%011d:aaaaaaaaaaaaaaaaaaaaaaaaaa\", env: staging, region: eu-west-1, contract: 1}\n", n, n, n)
	}
	m.apply([]byte(strings.Replace(string(sandboxCatalog()), "    rights:", more.String()+"    rights:", 1)))
	engineer := m.login("engineer")
	for n := range accounts {
		m.want(engineer, fmt.Sprintf("many-%d/ReadOnly", n), "")
	}
	known := map[brevet.SessionID]int{}
	m.cloud = func(i brevet.Issue) (brevet.Credential, error) {
		if i.Errand == brevet.ErrandRevoke {
			time.Sleep(callTakes)
		}
		m.house.mu.Lock()
		defer m.house.mu.Unlock()
		for n := len(known); n < len(m.issues); n++ {
			known[m.issues[n].Session] = n + 1
		}
		return brevet.Credential{AccessKeyID: fmt.Sprintf("ASIA%016d", known[i.Session]), Expires: m.clock.Add(time.Since(m.since) + 15*time.Minute)}, nil
	}
	m.kill = m.revoker
	return m
}

// revoker is every account's.
func (m *manyAccounts) revoker(a brevet.Account, k brevet.Kill) (brevet.Killed, error) {
	m.mu.Lock()
	m.calls++
	m.atOnce = max(m.atOnce, m.calls)
	m.mu.Unlock()
	time.Sleep(callTakes)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls--
	if strings.HasSuffix(a.Name, "7") && len(m.told) < m.accounts/2 {
		m.failed[a.ID] = true
		m.refused++
		return brevet.Killed{}, brevet.Errorf(brevet.Unavailable, "no answer")
	}
	m.told[a.ID] = time.Now()
	m.house.mu.Lock()
	defer m.house.mu.Unlock()
	for _, g := range k.Grants {
		m.killed[g] = true
	}
	return brevet.Killed{Held: k.Grants}, nil
}

// revoke ends all that engineer has and carries that out until every account
// was told and seen to refuse, at most two minutes. It returns how long it
// took until no credential left any more, until all were told that answered at
// once, and until all were told.
func (m *manyAccounts) revoke() (asked, answering, all time.Duration) {
	m.t.Helper()
	security := m.login("security")
	ctx, stop := context.WithCancel(context.Background())
	var work sync.WaitGroup
	defer work.Wait()
	defer stop()
	began := time.Now()
	act := m.revokeAll(security, broker.RevokeAll{Person: "engineer"})
	asked = time.Since(began)
	work.Go(func() { m.Revoking(ctx) })
	v := act
	for time.Since(began) < 2*time.Minute {
		time.Sleep(time.Second)
		var err error
		if v, err = m.Revocation(ctx, security, act.ID, 0); err != nil {
			m.t.Fatal(err)
		}
		if v.Settled() && len(m.db.OpenRevocations()) == 0 {
			break
		}
	}
	for _, r := range v.Grants {
		if r.State != brevet.RevokeConfirmed {
			m.t.Errorf("%s is %s: %s", r.Target, r.State, r.Trouble)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(v.Grants) != m.accounts || len(m.told) != m.accounts || m.refused == 0 {
		m.t.Errorf("%d of %d accounts were told, of %d grants; %d calls failed", len(m.told), m.accounts, len(v.Grants), m.refused)
	}
	for id, at := range m.told {
		all = max(all, at.Sub(began))
		if !m.failed[id] {
			answering = max(answering, at.Sub(began))
		}
	}
	return asked, answering, all
}

// TestDenyInManyAccounts: with a cloud that takes 200 ms a call, as AWS does,
// a Deny is asked for in a thousand accounts within a minute; accounts that
// fail hold no other up. Time is simulated, and counts what is waited for, not
// what the machine computes. A hundred stand for the thousand where time is
// short, within a tenth of the minute.
func TestDenyInManyAccounts(t *testing.T) {
	accounts := 100
	if os.Getenv("BREVET_SOAK") != "" {
		accounts = 1000
	}
	within := time.Minute * time.Duration(accounts) / 1000
	synctest.Test(t, func(t *testing.T) {
		m := newManyAccounts(t, accounts)
		_, answering, all := m.revoke()
		t.Logf("%d accounts: a Deny asked for in those that answer after %s, in all after %s, in %d at a time", accounts, answering, all, m.atOnce)
		if answering > within || all > within {
			t.Errorf("a Deny was asked for after %s and %s, want %s", answering, all, within)
		}
	})
}

// BenchmarkRevokeMany measures what TestDenyInManyAccounts asserts: the time
// on this machine until no credential leaves any more, and until a Deny was
// asked for in a thousand accounts.
func BenchmarkRevokeMany(b *testing.B) {
	for range b.N {
		b.StopTimer()
		m := newManyAccounts(b, 1000)
		b.StartTimer()
		asked, answering, all := m.revoke()
		b.ReportMetric(asked.Seconds(), "s-to-no-credential")
		b.ReportMetric(answering.Seconds(), "s-to-deny-answering")
		b.ReportMetric(all.Seconds(), "s-to-deny-all")
	}
}

package policy_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/policy"
)

func TestHolders(t *testing.T) {
	s := compile(t, rules())
	want := brevet.Subjects{Groups: []string{"security"}, People: []brevet.Handle{"lead"}}
	if d := cmp.Diff(want, s.Holders(acme, brevet.RightAudit)); d != "" {
		t.Error(d)
	}
	if who := s.Holders("cu_01jd0000000000000000000009", brevet.RightAudit); !who.Empty() {
		t.Errorf("%s hold a right at a customer that there is not", who)
	}
}

func TestHolds(t *testing.T) {
	s := compile(t, rules())
	for _, tt := range []struct {
		name   string
		handle brevet.Handle
		group  string
		age    time.Duration
		right  brevet.Right
		want   bool
	}{
		{"by group", "security", "security", 15 * time.Minute, brevet.RightAudit, true},
		{"by stale group", "security", "security", 15*time.Minute + 1, brevet.RightAudit, false},
		{"by name, with a stale group", "lead", "leads", 9 * time.Hour, brevet.RightAudit, true},
		{"other right", "security", "security", 0, brevet.RightDecide, false},
		{"nobody's right", "security", "security", 0, brevet.RightOperate, false},
		{"nobody", "", "", 0, brevet.RightAudit, false},
	} {
		q := policy.Query{Handle: tt.handle, Groups: brevet.Groups{Names: []string{tt.group}, At: now.Add(-tt.age)}, Now: now}
		if got := s.Holds(q, acme, tt.right); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
		if s.Holds(q, "cu_01jd0000000000000000000009", tt.right) {
			t.Errorf("%s: holds at another customer", tt.name)
		}
	}
}

func TestConcerns(t *testing.T) {
	const globex brevet.CustomerID = "cu_01jd0000000000000000000009"
	r := rules()
	r.Accounts = append(r.Accounts, brevet.Account{ID: "777788889999", Name: "globex", Customer: globex})
	r.Roles["777788889999"] = r.Roles[staging]
	e := entitlement("globex", groups("globex-engineers"), "777788889999", "ReadOnly", time.Hour, by(people("boss")))
	e.Customer = globex
	r.Entitlements = append(r.Entitlements, e)
	s := compile(t, r)
	for _, tt := range []struct {
		handle brevet.Handle
		group  string
		at     brevet.CustomerID
		want   bool
	}{
		{"engineer", "engineers", acme, true}, {"engineer", "engineers", globex, false},
		{"x", "globex-engineers", globex, true}, {"x", "globex-engineers", acme, false},
		{"boss", "", globex, true}, {"boss", "", acme, false},
		{"", "", acme, false},
	} {
		q := policy.Query{Handle: tt.handle, Groups: brevet.Groups{Names: []string{tt.group}}, Now: now}
		if got := s.Concerns(q, tt.at); got != tt.want {
			t.Errorf("%s in %s at %s: %t", tt.handle, tt.group, tt.at, got)
		}
	}
}

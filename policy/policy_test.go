package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/policy"
)

const (
	acme    brevet.CustomerID = "cu_01jd0000000000000000000000"
	staging brevet.AccountID  = "111122223333"
	prod    brevet.AccountID  = "444455556666"
)

var now = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC) // a Friday

// rules is the world of most tests: two accounts with the roles ReadOnly and
// Admin, and prod with Audit too, which no entitlement names.
func rules(more ...brevet.Entitlement) policy.Rules {
	roles := []brevet.Role{{Name: "ReadOnly", Max: 12 * time.Hour, MFA: brevet.Rung8h}, {Name: "Admin", Max: 2 * time.Hour, MFA: brevet.Rung1h}}
	return policy.Rules{
		Customers: []brevet.Customer{{ID: acme, Name: "acme"}},
		Accounts: []brevet.Account{
			{ID: staging, Name: "acme-staging", Customer: acme, Env: "staging", Region: "eu-west-1"},
			{ID: prod, Name: "acme-prod", Customer: acme, Env: "prod", Region: "eu-west-1"},
		},
		Roles: map[brevet.AccountID][]brevet.Role{staging: roles, prod: append(slices.Clip(roles), brevet.Role{Name: "Audit", Max: time.Hour, MFA: brevet.Rung8h})},
		Holdings: []brevet.Holding{
			{Customer: acme, Right: brevet.RightDecide, Who: groups("leads")},
			{Customer: acme, Right: brevet.RightAudit, Who: groups("security")},
			{Customer: acme, Right: brevet.RightAudit, Who: people("lead")},
		},
		Entitlements: append([]brevet.Entitlement{
			entitlement("staging-look", groups("engineers", "contractors"), staging, "ReadOnly", 4*time.Hour, brevet.Approval{Automatic: true}),
			entitlement("prod-admin", groups("engineers"), prod, "Admin", 4*time.Hour, brevet.Approval{}),
		}, more...),
	}
}

func groups(names ...string) brevet.Subjects          { return brevet.Subjects{Groups: names} }
func people(handles ...brevet.Handle) brevet.Subjects { return brevet.Subjects{People: handles} }

func by(s ...brevet.Subjects) brevet.Approval {
	var a brevet.Approval
	for _, who := range s {
		a.Steps = append(a.Steps, brevet.Step{By: who, Quorum: 1})
	}
	return a
}

func entitlement(name string, who brevet.Subjects, account brevet.AccountID, role brevet.RoleName, longest time.Duration, a brevet.Approval) brevet.Entitlement {
	return brevet.Entitlement{Name: name, Customer: acme, Who: who, Accounts: []brevet.AccountID{account}, Roles: []brevet.RoleName{role},
		Longest: longest, Approval: a, Activate: brevet.OnApproval}
}

func compile(t testing.TB, r policy.Rules) *policy.Set {
	t.Helper()
	s, err := policy.Compile(r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// query is what the engineer asks, in the group engineers as stated a minute
// ago, with MFA ten minutes old.
func query(account brevet.AccountID, role brevet.RoleName) policy.Query {
	return policy.Query{Person: "pr_01jd0000000000000000000001", Handle: "engineer",
		Groups:  brevet.Groups{Names: []string{"engineers"}, At: now.Add(-time.Minute)},
		Account: brevet.Account{ID: account, Customer: acme}, Role: role, Reason: "look", MFA: now.Add(-10 * time.Minute), Addr: "192.0.2.7", Now: now}
}

func TestDecide(t *testing.T) {
	s := compile(t, rules())
	a := s.Decide(query(prod, "Admin"))
	if !a.Allowed || len(a.Unmet) > 0 || a.Policy != "" || a.Entitlement.Name != "prod-admin" {
		t.Fatalf("%+v", a)
	}
	if a.Longest != 2*time.Hour || a.MFA != brevet.Rung1h || a.Entitlement.GroupsWithin != policy.PrivilegedWithin {
		t.Errorf("longest %s, MFA %s, groups within %s; want the role's 2h and 1h, and 15m", a.Longest, a.MFA, a.Entitlement.GroupsWithin)
	}
	if d := cmp.Diff(by(groups("leads")), a.Approval); d != "" {
		t.Errorf("approval is not the holders of decide: %s", d)
	}
	a = s.Decide(query(staging, "ReadOnly"))
	if !a.Approval.Automatic || a.Policy != "staging-look" || a.Entitlement.GroupsWithin != policy.GroupsWithin {
		t.Errorf("staging: %+v", a)
	}
}

// TestRefusals checks that every no names its condition, what there is, and
// how to meet it (law 10).
func TestRefusals(t *testing.T) {
	s := compile(t, rules(
		entitlement("prod-read", people("lead", "security"), prod, "ReadOnly", 4*time.Hour, brevet.Approval{Automatic: true})))
	for _, tt := range []struct {
		name    string
		account brevet.AccountID
		role    brevet.RoleName
		change  func(*policy.Query)
		want    brevet.Unmet
	}{
		{"not a member", prod, "Admin", func(q *policy.Query) { q.Handle, q.Groups.Names = "contractor", []string{"contractors"} },
			brevet.Unmet{Condition: "be one of group engineers (entitlement prod-admin)", Have: "you are contractor, in group contractors", Remedy: "ask whoever keeps these groups, then brevet login"}},
		{"no group at all", prod, "Admin", func(q *policy.Query) { q.Groups = brevet.Groups{} },
			brevet.Unmet{Condition: "be one of group engineers (entitlement prod-admin)", Have: "you are engineer, in no group", Remedy: "ask whoever keeps these groups, then brevet login"}},
		{"named people only", prod, "ReadOnly", func(*policy.Query) {},
			brevet.Unmet{Condition: "be one of lead, security (entitlement prod-read)", Have: "you are engineer, in group engineers", Remedy: "ask whoever keeps the catalog to add you"}},
		{"stale groups", prod, "Admin", func(q *policy.Query) { q.Groups.At = now.Add(-15*time.Minute - time.Second) },
			brevet.Unmet{Condition: "groups stated at most 15m ago (entitlement prod-admin)", Have: "yours were stated 15m1s ago", Remedy: "brevet login"}},
		{"groups never stated", prod, "Admin", func(q *policy.Query) { q.Groups.At = time.Time{} },
			brevet.Unmet{Condition: "groups stated at most 15m ago (entitlement prod-admin)", Have: "yours were never stated", Remedy: "brevet login"}},
		{"too long", prod, "Admin", func(q *policy.Query) { q.Duration = 2*time.Hour + time.Second },
			brevet.Unmet{Condition: "at most 2h (entitlement prod-admin)", Have: "you ask for 2h1s", Remedy: "--for 2h"}},
		{"negative", prod, "Admin", func(q *policy.Query) { q.Duration = -time.Second },
			brevet.Unmet{Condition: "a positive duration", Have: "-1s", Remedy: "--for 2h"}},
		{"no such role", staging, "Audit", func(*policy.Query) {},
			brevet.Unmet{Condition: "a role of acme-staging", Have: "acme-staging has no role Audit", Remedy: "brevet ls"}},
		{"no entitlement", prod, "Audit", func(*policy.Query) {},
			brevet.Unmet{Condition: "an entitlement for acme-prod/Audit", Have: "none names it", Remedy: "ask whoever keeps the catalog to add one"}},
		{"no such account", "999999999999", "Admin", func(*policy.Query) {},
			brevet.Unmet{Condition: "an account of the catalog", Have: "it holds no such account of this customer", Remedy: "brevet ls"}},
		{"other customer", prod, "Admin", func(q *policy.Query) { q.Account.Customer = "cu_01jd0000000000000000000009" },
			brevet.Unmet{Condition: "an account of the catalog", Have: "it holds no such account of this customer", Remedy: "brevet ls"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := query(tt.account, tt.role)
			tt.change(&q)
			a := s.Decide(q)
			if a.Allowed || a.Entitlement.Name != "" || a.Approval.Automatic {
				t.Fatalf("not refused: %+v", a)
			}
			if d := cmp.Diff([]brevet.Unmet{tt.want}, a.Unmet); d != "" {
				t.Error(d)
			}
			if len(a.Facts) == 0 {
				t.Error("no facts")
			}
		})
	}
}

func TestEveryMissIsNamed(t *testing.T) {
	s := compile(t, rules(
		entitlement("prod-lead", groups("leads"), prod, "Admin", time.Hour, brevet.Approval{Automatic: true}),
		entitlement("prod-security", people("security"), prod, "Admin", time.Hour, brevet.Approval{})))
	q := query(prod, "Admin")
	q.Handle, q.Groups.Names = "contractor", []string{"contractors"}
	if got := s.Decide(q).Unmet; len(got) != 3 {
		t.Errorf("three entitlements were missed, these are explained: %v", got)
	}
}

func TestPreference(t *testing.T) {
	use := func(e brevet.Entitlement) brevet.Entitlement { e.Activate = brevet.OnUse; return e }
	auto := brevet.Approval{Automatic: true}
	engineers := groups("engineers")
	all := []brevet.Entitlement{ // best first, but for the duration
		use(entitlement("m-auto-use", engineers, staging, "Admin", time.Hour, auto)),
		entitlement("a-auto", engineers, staging, "Admin", time.Hour, auto),
		use(entitlement("z-use", engineers, staging, "Admin", time.Hour, by(groups("leads")))),
		entitlement("b-one", engineers, staging, "Admin", 2*time.Hour, by(groups("leads"))),
		entitlement("c-one", engineers, staging, "Admin", 2*time.Hour, by(groups("leads"))),
		entitlement("a-two", engineers, staging, "Admin", 2*time.Hour, by(groups("leads"), groups("security"))),
	}
	for i, want := range all {
		left := slices.Clone(all[i:])
		slices.Reverse(left)
		if got := compile(t, rules(left...)).Decide(query(staging, "Admin")).Entitlement.Name; got != want.Name {
			t.Errorf("of %d the best is %s, want %s", len(left), got, want.Name)
		}
	}
	q := query(staging, "Admin")
	q.Duration = 90 * time.Minute
	if got := compile(t, rules(all...)).Decide(q).Entitlement.Name; got != "b-one" {
		t.Errorf("for 90m: %s, want b-one, the best that permits it", got)
	}
}

// TestMFAIsAFact: asking needs no MFA; the facts
// say what using will need.
func TestMFAIsAFact(t *testing.T) {
	s := compile(t, rules())
	for _, tt := range []struct {
		mfa  time.Time
		want string
	}{
		{time.Time{}, "a credential needs MFA at most 1h old; none was given, so brevet login --mfa comes first"},
		{now.Add(-3 * time.Hour), "a credential needs MFA at most 1h old; yours is 3h old, so brevet login --mfa comes first"},
		{now.Add(-time.Minute), "a credential needs MFA at most 1h old; yours is 1m old"},
	} {
		q := query(prod, "Admin")
		q.MFA = tt.mfa
		a := s.Explain(q)
		if !a.Allowed || !slices.Contains(a.Facts, tt.want) {
			t.Errorf("allowed %t, facts\n%s\nwant %s", a.Allowed, strings.Join(a.Facts, "\n"), tt.want)
		}
	}
}

func TestExplain(t *testing.T) {
	s := compile(t, rules(entitlement("prod-z", groups("engineers"), prod, "Admin", time.Hour, by(groups("security")))))
	want := []string{
		"you are engineer, in group engineers",
		"entitlement prod-admin is for group engineers, up to 2h, approved by group leads; groups count for 15m",
		"your groups were stated 1m ago",
		"it would cover you too: entitlement prod-z is for group engineers, up to 1h, approved by group security; groups count for 15m",
		"a credential needs MFA at most 1h old; yours is 10m old",
	}
	if d := cmp.Diff(want, s.Explain(query(prod, "Admin")).Facts); d != "" {
		t.Error(d)
	}
	if facts := s.Decide(query(prod, "Admin")).Facts; facts != nil {
		t.Errorf("Decide explains what it allows: %q", facts)
	}
}

func TestOptions(t *testing.T) {
	s := compile(t, rules())
	var got []string
	for _, o := range s.Options(query("", "")) {
		got = append(got, fmt.Sprintf("%s/%s %s %s", o.Account.Name, o.Role.Name, o.Longest, o.Approval))
	}
	if d := cmp.Diff([]string{"acme-prod/Admin 2h0m0s group leads", "acme-staging/ReadOnly 4h0m0s automatic"}, got); d != "" {
		t.Error(d)
	}
	q := query("", "")
	q.Duration = 3 * time.Hour
	if got := s.Options(q); len(got) != 1 {
		t.Errorf("%d options for 3h, want staging only", len(got))
	}
}

func TestFind(t *testing.T) {
	both := entitlement("both", groups("engineers"), prod, "ReadOnly", time.Hour, brevet.Approval{})
	both.Roles = append(both.Roles, "Admin")
	s := compile(t, rules(both))
	if e, ok := s.Find("both"); !ok || e.GroupsWithin != policy.PrivilegedWithin {
		t.Errorf("%+v %t; want the tightest bound of its roles", e, ok)
	}
	if _, ok := s.Find("nothing"); ok {
		t.Error("found what is not there")
	}
}

func TestNilSetAllowsNothing(t *testing.T) {
	var s *policy.Set
	if s.Decide(query(prod, "Admin")).Allowed || s.Explain(query(prod, "Admin")).Allowed || s.Options(query("", "")) != nil ||
		s.Holds(query("", ""), acme, brevet.RightAudit) || s.Concerns(query("", ""), acme) || s.Clauses() != nil {
		t.Error("it allows something")
	}
	if _, ok := s.Find("prod-admin"); ok {
		t.Error("it knows something")
	}
}

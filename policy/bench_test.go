package policy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/policy"
)

// large returns rules with n entitlements, each for a role in an account of
// its own.
func large(n int) policy.Rules {
	r := policy.Rules{Roles: map[brevet.AccountID][]brevet.Role{}, Holdings: rules().Holdings}
	roles := []brevet.Role{{Name: "ReadOnly", Max: 12 * time.Hour, MFA: brevet.Rung8h}}
	for i := range n {
		id := brevet.AccountID(fmt.Sprintf("%012d", i))
		r.Accounts = append(r.Accounts, brevet.Account{ID: id, Name: fmt.Sprintf("acme-%d", i), Customer: acme, Env: "prod"})
		r.Roles[id] = roles
		r.Entitlements = append(r.Entitlements, entitlement(fmt.Sprintf("e%04d", i), groups("engineers", "leads"), id, "ReadOnly", 4*time.Hour, brevet.Approval{}))
	}
	return r
}

// BenchmarkDecide is the promise: at most 1.5 µs without Cedar
// conditions, and the same for 1 and for 1000 entitlements.
func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("entitlements=%d", n), func(b *testing.B) { decide(b, large(n), n) })
	}
}

// BenchmarkDecideOneRole has all entitlements for one role, each for another
// group.
func BenchmarkDecideOneRole(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("entitlements=%d", n), func(b *testing.B) {
			r := large(1)
			r.Entitlements = nil
			for i := range n {
				r.Entitlements = append(r.Entitlements, entitlement(fmt.Sprintf("e%04d", i), groups(fmt.Sprintf("team-%d", i)), "000000000000", "ReadOnly", 4*time.Hour, brevet.Approval{}))
			}
			r.Entitlements[n-1].Who = groups("engineers")
			decide(b, r, 1)
		})
	}
}

// BenchmarkCedar has one guardrail for each of n accounts, and one of each
// kind that is for all.
func BenchmarkCedar(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("policies=%d", n), func(b *testing.B) {
			r := large(n)
			r.Guardrails = `forbid (principal, action, resource) when { context.env == "prod" && context.hour == 3 };`
			r.Automatic = `permit (principal, action, resource) when { context.reason like "*INC-*" && context.mfa_age < 900 };`
			for i := range n {
				r.Guardrails += fmt.Sprintf("@id(\"a%d\") forbid (principal, action, resource in Account::\"acme-%d\") when { context.duration > 14400 };\n", i, i)
			}
			decide(b, r, n)
		})
	}
}

// BenchmarkRefuse includes the explanation.
func BenchmarkRefuse(b *testing.B) {
	s := compile(b, large(1000))
	q := query("000000000007", "ReadOnly")
	q.Groups.Names = []string{"contractors"}
	b.ReportAllocs()
	for b.Loop() {
		if s.Decide(q).Allowed {
			b.Fatal("allowed")
		}
	}
}

func BenchmarkOptions(b *testing.B) {
	s := compile(b, large(1000))
	q := query("", "")
	b.ReportAllocs()
	for b.Loop() {
		if len(s.Options(q)) != 1000 {
			b.Fatal("not all")
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	r := large(1000)
	b.ReportAllocs()
	for b.Loop() {
		compile(b, r)
	}
}

// decide asks for one account after another, so that caches help no more
// than they would in life.
func decide(b *testing.B, r policy.Rules, accounts int) {
	s := compile(b, r)
	queries := make([]policy.Query, min(accounts, 64))
	for i := range queries {
		queries[i] = query(brevet.AccountID(fmt.Sprintf("%012d", i*accounts/len(queries))), "ReadOnly")
		queries[i].Duration = time.Hour
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if i++; i == len(queries) {
			i = 0
		}
		if !s.Decide(queries[i]).Allowed {
			b.Fatal("refused")
		}
	}
}

// TestDecideAllocates: the plain path must not burden the collector.
func TestDecideAllocates(t *testing.T) {
	s := compile(t, large(1000))
	q := query("000000000500", "ReadOnly")
	if n := testing.AllocsPerRun(100, func() { s.Decide(q) }); n > 0 {
		t.Errorf("%v allocations for a plain decision", n)
	}
}

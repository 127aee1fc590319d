package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/policy"
)

// measureDecision times a decision of policy without Cedar conditions. The
// goal is for the largest set; that it is flat shows by the others.
func measureDecision(_ context.Context, p plan) ([]row, error) {
	var rows []row
	for _, n := range []int{1, 100, 1000} {
		set, err := policy.Compile(entitlements(n))
		if err != nil {
			return nil, err
		}
		var all []float64
		for range p.rounds + 1 {
			ns, err := decide(set, n, p.decides)
			if err != nil {
				return nil, err
			}
			all = append(all, ns)
		}
		rows = append(rows, row{name: "decision, " + count(n, "entitlement"), unit: " ns", goal: 1500,
			value: middle(all[1:], func(v float64) float64 { return v })})
	}
	return rows, nil
}

// entitlements returns rules with n entitlements, each in an account of its
// own.
func entitlements(n int) policy.Rules {
	rules := policy.Rules{Customers: []brevet.Customer{{ID: refCustomer, Name: "acme"}}, Roles: map[brevet.AccountID][]brevet.Role{}}
	for i := range n {
		a := brevet.Account{ID: accountNumber(i), Name: fmt.Sprintf("acme-%d", i), Customer: refCustomer, Env: "staging", Region: "eu-west-1"}
		rules.Accounts = append(rules.Accounts, a)
		rules.Roles[a.ID] = []brevet.Role{{Name: role, Max: 12 * time.Hour, MFA: brevet.Rung8h}}
		rules.Entitlements = append(rules.Entitlements, brevet.Entitlement{Name: fmt.Sprintf("look-%d", i), Customer: refCustomer,
			Who: brevet.Subjects{Groups: []string{"engineers"}}, Accounts: []brevet.AccountID{a.ID}, Roles: []brevet.RoleName{role},
			Longest: 4 * time.Hour, Approval: brevet.Approval{Automatic: true}, Activate: brevet.OnUse})
	}
	return rules
}

func accountNumber(i int) brevet.AccountID { return brevet.AccountID(fmt.Sprintf("%012d", i)) }

// decide returns what one of times decisions takes in nanoseconds, asking for
// one of up to 64 accounts after another.
func decide(set *policy.Set, n, times int) (ns float64, err error) {
	now := time.Now()
	queries := make([]policy.Query, min(n, 64))
	for i := range queries {
		queries[i] = policy.Query{Person: "pr_01k9zzzzzzzzzzzzzzzzzzzzzz", Handle: "engineer", Groups: brevet.Groups{Names: []string{"engineers"}, At: now},
			Account: brevet.Account{ID: accountNumber(i * n / len(queries)), Customer: refCustomer}, Role: role, Duration: time.Hour, Reason: "look", MFA: now, Now: now}
	}
	refused := 0
	began := time.Now()
	for i := range times {
		if !set.Decide(queries[i%len(queries)]).Allowed {
			refused++
		}
	}
	took := time.Since(began)
	if refused > 0 {
		err = errors.New("policy refused what it should allow")
	}
	return float64(took.Nanoseconds()) / float64(times), err
}

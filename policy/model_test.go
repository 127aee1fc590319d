package policy_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/policy"
)

// TestModel compares Decide with the plainest way to say the same: go through
// all entitlements, keep those that fit, sort them. It covers cells of few
// rules (searched) and of many (indexed).
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{0, 2, 30, 100}).Draw(t, "n")
		r := rules(rapid.SliceOfN(rapid.Custom(drawEntitlement), n, n).Draw(t, "entitlements")...)
		for i := range r.Entitlements {
			r.Entitlements[i].Name = fmt.Sprintf("e%02d", i)
		}
		s := compile2(t, r)
		for range 20 {
			q := drawQuery(t)
			want, allowed := model(r, q)
			got := s.Decide(q)
			if got.Allowed != allowed || got.Entitlement.Name != want {
				t.Fatalf("%+v\ngot  %t %s\nwant %t %s", q, got.Allowed, got.Entitlement.Name, allowed, want)
			}
			if !got.Allowed && (len(got.Unmet) == 0 || got.Unmet[0].Condition == "" || got.Unmet[0].Have == "" || got.Unmet[0].Remedy == "") {
				t.Fatalf("a no that does not explain itself: %+v", got.Unmet)
			}
		}
	})
}

func compile2(t *rapid.T, r policy.Rules) *policy.Set {
	s, err := policy.Compile(r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var (
	someGroups  = []string{"engineers", "leads", "security", "contractors"}
	somePeople  = []brevet.Handle{"engineer", "lead", "security"}
	someRoles   = []brevet.RoleName{"ReadOnly", "Admin"}
	someAccount = []brevet.AccountID{staging, prod}
)

func drawEntitlement(t *rapid.T) brevet.Entitlement {
	who := brevet.Subjects{Groups: rapid.SliceOfDistinct(rapid.SampledFrom(someGroups), rapid.ID).Draw(t, "groups"),
		People: rapid.SliceOfDistinct(rapid.SampledFrom(somePeople), rapid.ID).Draw(t, "people")}
	e := entitlement("", who, rapid.SampledFrom(someAccount).Draw(t, "account"), rapid.SampledFrom(someRoles).Draw(t, "role"),
		rapid.SampledFrom([]time.Duration{time.Hour, 2 * time.Hour, 8 * time.Hour}).Draw(t, "longest"),
		rapid.SampledFrom([]brevet.Approval{{Automatic: true}, {}, by(groups("leads"), groups("security"))}).Draw(t, "approval"))
	e.Activate = rapid.SampledFrom([]brevet.Activation{brevet.OnApproval, brevet.OnUse}).Draw(t, "activate")
	e.GroupsWithin = rapid.SampledFrom([]time.Duration{0, time.Minute, 24 * time.Hour}).Draw(t, "within")
	return e
}

func drawQuery(t *rapid.T) policy.Query {
	q := query(rapid.SampledFrom(someAccount).Draw(t, "account"), rapid.SampledFrom(someRoles).Draw(t, "role"))
	q.Handle = rapid.SampledFrom([]brevet.Handle{"engineer", "lead", "stranger", ""}).Draw(t, "handle")
	q.Groups.Names = rapid.SliceOfDistinct(rapid.SampledFrom(append(someGroups, "others")), rapid.ID).Draw(t, "in")
	q.Groups.At = now.Add(-rapid.SampledFrom([]time.Duration{0, 5 * time.Minute, 16 * time.Minute, 9 * time.Hour}).Draw(t, "stated"))
	q.Duration = rapid.SampledFrom([]time.Duration{0, time.Hour, 90 * time.Minute, 3 * time.Hour}).Draw(t, "duration")
	return q
}

// model decides without any index.
func model(r policy.Rules, q policy.Query) (name string, allowed bool) {
	type candidate struct {
		brevet.Entitlement
		longest time.Duration
	}
	var fit []candidate
	for _, e := range r.Entitlements {
		if e.Accounts[0] != q.Account.ID || e.Roles[0] != q.Role {
			continue
		}
		within, longest := 8*time.Hour, e.Longest
		if q.Role == "Admin" {
			within, longest = 15*time.Minute, min(longest, 2*time.Hour)
		}
		if !e.Who.Cover(q.Handle, q.Groups.Fresh(q.Now, cmp.Or(e.GroupsWithin, within))) || q.Duration > longest {
			continue
		}
		fit = append(fit, candidate{e, longest})
	}
	if fit == nil {
		return "", false
	}
	rank := func(e candidate) int {
		n := 100 * max(len(e.Approval.Steps), 1)
		if e.Approval.Automatic {
			n = 0
		}
		if e.Activate != brevet.OnUse {
			n += 10
			if !e.Approval.Automatic {
				n += 1000
			}
		}
		return n
	}
	return slices.MinFunc(fit, func(a, b candidate) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Name, b.Name)) }).Name, true
}

package audit_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/audit"
)

func TestApprovals(t *testing.T) {
	from := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	a := audit.NewApprovals(from, from.AddDate(0, 1, 0))
	add := func(at time.Time, kind brevet.EventKind, by, of string, n int) {
		for range n {
			e := brevet.Event{Kind: kind, Time: at, Person: brevet.PersonID("pr_" + of), Actor: brevet.Actor{Policy: "staging"}}
			if by != "" {
				e.Actor = brevet.Actor{Person: brevet.PersonID("pr_" + by), Handle: brevet.Handle(by)}
			}
			a.Add(e)
		}
	}
	add(from.Add(-time.Microsecond), brevet.RequestApproved, "engineer", "contractor", 9) // before, but tells a name
	for _, who := range []string{"lead", "security"} {
		add(from, brevet.RequestCreated, who, who, 1)
	}
	add(from, brevet.RequestApproved, "lead", "engineer", 3)
	add(from, brevet.RequestDecided, "security", "engineer", 1)
	add(from, brevet.RequestApproved, "engineer", "security", 2)
	add(from, brevet.RequestApproved, "security", "lead", 1) // lead -> engineer -> security -> lead
	add(from, brevet.RequestApproved, "lead", "contractor", 1)
	add(from, brevet.RequestApproved, "", "engineer", 4)
	add(from, brevet.RequestDenied, "lead", "engineer", 1)
	add(from.AddDate(0, 1, 0), brevet.RequestApproved, "lead", "engineer", 5) // after
	a.Count()
	if a.People != 8 || a.Policies != 4 || a.Denials != 1 {
		t.Errorf("%d by people, %d by policy, %d denials", a.People, a.Policies, a.Denials)
	}
	pairs := []audit.Pair{
		{Approver: "lead", Requester: "engineer", Approvals: 3, OfAll: 4},
		{Approver: "engineer", Requester: "security", Approvals: 2, OfAll: 2, Back: 1},
		{Approver: "lead", Requester: "pr_contractor", Approvals: 1, OfAll: 1},
		{Approver: "security", Requester: "engineer", Approvals: 1, OfAll: 4, Back: 2},
		{Approver: "security", Requester: "lead", Approvals: 1, OfAll: 1},
	}
	if d := cmp.Diff(pairs, a.Pairs); d != "" {
		t.Error(d)
	}
	if got := a.Pairs[0].Share(); got != 75 {
		t.Errorf("share %d", got)
	}
	if d := cmp.Diff([]audit.Approver{{"lead", 4, 2}, {"engineer", 2, 1}, {"security", 2, 2}}, a.Approvers); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([][]string{{"engineer", "lead", "security"}}, a.Rings); d != "" {
		t.Error(d)
	}
}

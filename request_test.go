package brevet_test

import (
	"errors"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
)

var (
	leads     = brevet.Subjects{Groups: []string{"leads"}}
	guards    = brevet.Subjects{Groups: []string{"security"}}
	byLead    = brevet.Approval{Steps: []brevet.Step{{By: leads, Quorum: 1}}}
	twoLeads  = brevet.Approval{Steps: []brevet.Step{{By: leads, Quorum: 2}}}
	thenGuard = brevet.Approval{Steps: []brevet.Step{{By: leads, Quorum: 1}, {By: guards, Quorum: 1}}}
	automatic = brevet.Approval{Automatic: true}
	requester = brevet.Actor{Person: "pr_asker", Handle: "engineer"}
)

func pending(rule brevet.Approval) brevet.Request {
	ask := sampleAsk()
	ask.Person, ask.Rule, ask.NotBefore = requester.Person, rule, time.Time{}
	r, _ := brevet.NewRequest("req_1", ask, requester, dawn, 8*time.Hour)
	return r
}

func yes(p brevet.PersonID, groups ...string) brevet.Decision {
	return brevet.Decision{Person: p, Handle: brevet.Handle(p), Groups: groups, Approve: true}
}

func no(d brevet.Decision) brevet.Decision {
	d.Approve = false
	return d
}

var policy = brevet.Decision{Policy: "prod-admin", Approve: true}

func TestDecide(t *testing.T) {
	for _, tt := range []struct {
		name      string
		rule      brevet.Approval
		decisions []brevet.Decision
		state     brevet.RequestState
		err       brevet.Kind // of the last decision
	}{
		{"one yes", byLead, []brevet.Decision{yes("a", "leads")}, brevet.Approved, ""},
		{"one no", byLead, []brevet.Decision{no(yes("a", "leads"))}, brevet.Refused, ""},
		{"by handle", brevet.Approval{Steps: []brevet.Step{{By: brevet.Subjects{People: []brevet.Handle{"a"}}, Quorum: 1}}}, []brevet.Decision{yes("a")}, brevet.Approved, ""},
		{"the requester", byLead, []brevet.Decision{yes("pr_asker", "leads")}, brevet.Pending, brevet.Denied},
		{"the requester says no", byLead, []brevet.Decision{no(yes("pr_asker", "leads"))}, brevet.Pending, brevet.Denied},
		{"no group", byLead, []brevet.Decision{yes("a")}, brevet.Pending, brevet.Denied},
		{"another group", byLead, []brevet.Decision{yes("a", "security")}, brevet.Pending, brevet.Denied},
		{"no person", byLead, []brevet.Decision{yes("", "leads")}, brevet.Pending, brevet.Denied},
		{"policy instead of people", byLead, []brevet.Decision{policy}, brevet.Pending, brevet.Denied},
		{"policy", automatic, []brevet.Decision{policy}, brevet.Approved, ""},
		{"policy says no", automatic, []brevet.Decision{no(policy)}, brevet.Refused, ""},
		{"people instead of policy", automatic, []brevet.Decision{yes("a", "leads")}, brevet.Pending, brevet.Denied},
		{"the requester as policy", automatic, []brevet.Decision{{Policy: "prod-admin", Person: "pr_asker", Approve: true}}, brevet.Pending, brevet.Denied},
		{"half a quorum", twoLeads, []brevet.Decision{yes("a", "leads")}, brevet.Pending, ""},
		{"a quorum", twoLeads, []brevet.Decision{yes("a", "leads"), yes("b", "leads")}, brevet.Approved, ""},
		{"the same person twice", twoLeads, []brevet.Decision{yes("a", "leads"), yes("a", "leads")}, brevet.Pending, brevet.Conflict},
		{"a yes and a no", twoLeads, []brevet.Decision{yes("a", "leads"), no(yes("b", "leads"))}, brevet.Refused, ""},
		{"the first step", thenGuard, []brevet.Decision{yes("a", "leads")}, brevet.Pending, ""},
		{"both steps", thenGuard, []brevet.Decision{yes("a", "leads"), yes("b", "security")}, brevet.Approved, ""},
		{"steps out of order", thenGuard, []brevet.Decision{yes("b", "security")}, brevet.Pending, brevet.Denied},
		{"one person for both steps", thenGuard, []brevet.Decision{yes("a", "leads", "security"), yes("a", "leads", "security")}, brevet.Pending, brevet.Conflict},
		{"a second lead for the guard", thenGuard, []brevet.Decision{yes("a", "leads"), yes("b", "leads")}, brevet.Pending, brevet.Denied},
		{"after the end", byLead, []brevet.Decision{yes("a", "leads"), yes("b", "leads")}, brevet.Approved, brevet.Conflict},
		{"nobody is named", brevet.Approval{}, []brevet.Decision{yes("a", "leads")}, brevet.Pending, brevet.Denied},
		{"policy where nobody is named", brevet.Approval{}, []brevet.Decision{policy}, brevet.Pending, brevet.Denied},
		{"an empty step", brevet.Approval{Steps: []brevet.Step{{Quorum: 1}}}, []brevet.Decision{yes("a", "leads")}, brevet.Pending, brevet.Denied},
		{"a quorum of none", brevet.Approval{Steps: []brevet.Step{{By: leads}}}, []brevet.Decision{yes("a")}, brevet.Pending, brevet.Denied},
		{"a quorum of none is one", brevet.Approval{Steps: []brevet.Step{{By: leads, Quorum: -3}, {By: guards}}}, []brevet.Decision{yes("a", "leads")}, brevet.Pending, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := pending(tt.rule)
			var err error
			for i, d := range tt.decisions {
				if err != nil {
					t.Fatalf("decision %d: %v", i-1, err)
				}
				d.Digest = r.Ask.Digest()
				r, _, err = r.Decide(d, dawn.Add(time.Minute))
			}
			if r.State != tt.state || brevet.KindOf(err) != tt.err {
				t.Errorf("%s, error kind %q (%v); want %s, %q", r.State, brevet.KindOf(err), err, tt.state, tt.err)
			}
		})
	}
}

// TestDecideTimes walks over the moment at which a request lapses.
func TestDecideTimes(t *testing.T) {
	r := pending(byLead)
	d := yes("a", "leads")
	d.Digest = r.Ask.Digest()
	if _, _, err := r.Decide(d, r.Lapses.Add(-tick)); err != nil {
		t.Errorf("in the last microsecond: %v", err)
	}
	for _, late := range []time.Duration{0, tick, time.Hour} {
		if _, _, err := r.Decide(d, r.Lapses.Add(late)); !errors.Is(err, brevet.Expired) {
			t.Errorf("%s late: %v", late, err)
		}
		if _, _, err := r.Withdraw(requester, r.Lapses.Add(late)); !errors.Is(err, brevet.Expired) {
			t.Errorf("withdrawn %s late: %v", late, err)
		}
	}
}

// TestDecideExplains checks law 10 where somebody who is not named decides.
func TestDecideExplains(t *testing.T) {
	r := pending(byLead)
	d := yes("a")
	d.Digest = r.Ask.Digest()
	_, _, err := r.Decide(d, dawn)
	if e := brevet.AsError(err); len(e.Unmet) != 1 || e.Unmet[0].Condition == "" || e.Unmet[0].Have == "" || e.Unmet[0].Remedy == "" {
		t.Errorf("%+v explains nothing", e)
	}
}

// TestDecideForks decides twice on one pending request, as two rivals for a
// row would: neither may write into the other's decisions.
func TestDecideForks(t *testing.T) {
	r := pending(brevet.Approval{Steps: []brevet.Step{{By: leads, Quorum: 5}}})
	for _, p := range []brevet.PersonID{"a", "b", "c"} {
		d := yes(p, "leads")
		d.Digest = r.Ask.Digest()
		r, _, _ = r.Decide(d, dawn)
	}
	d := yes("left", "leads")
	d.Digest = r.Ask.Digest()
	left, _, _ := r.Decide(d, dawn)
	d.Person = "right"
	right, _, _ := r.Decide(d, dawn)
	if left.Decisions[3].Person != "left" || right.Decisions[3].Person != "right" || len(r.Decisions) != 3 {
		t.Errorf("decisions leak: %v %v", left.Decisions, right.Decisions)
	}
}

// TestRowsThatLie feeds Decide what only an edited row can hold.
func TestRowsThatLie(t *testing.T) {
	for _, step := range []int{-1, 1, 99} {
		r := pending(byLead)
		r.Decisions = []brevet.Decision{{Person: "x", Approve: true, Step: step}}
		d := yes("a", "leads")
		d.Digest = r.Ask.Digest()
		if got, _, err := r.Decide(d, dawn); step > 0 && (err == nil || got.State != brevet.Pending) {
			t.Errorf("step %d: %s, %v", step, got.State, err)
		}
	}
}

package brevet_test

import (
	"errors"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
)

var orOwner = brevet.Approval{Steps: []brevet.Step{
	{By: leads, Quorum: 1, Else: []brevet.Fallback{{By: brevet.Subjects{People: []brevet.Handle{"owner"}}, After: 30 * time.Minute}}},
	{By: guards, Quorum: 1, Else: []brevet.Fallback{{By: leads, After: time.Hour}}},
}}

// TestFallback walks over the moments at which fallbacks may decide.
func TestFallback(t *testing.T) {
	r := pending(orOwner)
	owner, second := yes("owner"), yes("b", "leads")
	owner.Digest, second.Digest = r.Ask.Digest(), r.Ask.Digest()
	for _, early := range []time.Duration{0, 30*time.Minute - tick, -time.Hour} {
		if _, _, err := r.Decide(owner, dawn.Add(early)); !errors.Is(err, brevet.Denied) || brevet.AsError(err).Unmet[0].Remedy == "" {
			t.Fatalf("the owner after %s: %v", early, err)
		}
	}
	met := dawn.Add(30 * time.Minute)
	r, _, err := r.Decide(owner, met)
	if err != nil || r.State != brevet.Pending || r.Step() != 1 || !r.Since().Equal(met) {
		t.Fatalf("the owner in time: %v, step %d since %s", err, r.Step(), r.Since())
	}
	if _, _, err := r.Decide(second, met.Add(time.Hour-tick)); !errors.Is(err, brevet.Denied) {
		t.Errorf("a lead for the guard, counted from the request and not from the step: %v", err)
	}
	if r, _, err = r.Decide(second, met.Add(time.Hour)); err != nil || r.State != brevet.Approved {
		t.Fatalf("a lead for the guard: %v", err)
	}
	if !r.Meets(orOwner) || r.Meets(thenGuard) {
		t.Error("what fallbacks decided meets their own rule, and none without them")
	}
	later := orOwner
	later.Steps = []brevet.Step{orOwner.Steps[0], {By: guards, Quorum: 1, Else: []brevet.Fallback{{By: leads, After: time.Hour + tick}}}}
	if r.Meets(later) {
		t.Error("a fallback that decided before its time under the rule in force counts")
	}
}

// TestNewApprovers tells who may decide on a request that is an hour old by
// what was known of them when it was made.
func TestNewApprovers(t *testing.T) {
	joined := func(at time.Duration) brevet.Standing {
		return brevet.Standing{Known: dawn.Add(-9 * time.Hour), Joined: map[string]time.Time{"leads": dawn.Add(at)}}
	}
	with := func(known bool, member time.Duration) brevet.Approval {
		return brevet.Approval{Steps: byLead.Steps, Known: known, Member: member}
	}
	for _, tt := range []struct {
		name  string
		rule  brevet.Approval
		known brevet.Standing
		ok    bool
	}{
		{"never heard of", byLead, brevet.Standing{}, true},
		{"heard of since", byLead, brevet.Standing{Known: dawn.Add(time.Minute)}, true},
		{"a member from the first", byLead, brevet.Standing{Known: dawn.Add(-time.Hour)}, true},
		{"joined just before", byLead, joined(0), true},
		{"joined just after", byLead, joined(tick), false},
		{"joined all groups after", byLead, brevet.Standing{Known: dawn.Add(-time.Hour), Joined: map[string]time.Time{brevet.AnyGroup: dawn.Add(tick)}}, false},
		{"never heard of, known", with(true, 0), brevet.Standing{}, false},
		{"heard of since, known", with(true, 0), brevet.Standing{Known: dawn.Add(tick)}, false},
		{"heard of before, known", with(true, 0), brevet.Standing{Known: dawn}, true},
		{"never heard of, an hour", with(false, time.Hour), brevet.Standing{}, false},
		{"a member from the first, an hour", with(false, time.Hour), brevet.Standing{Known: dawn.Add(-time.Hour)}, true},
		{"a member from the first, not an hour", with(false, time.Hour), brevet.Standing{Known: dawn.Add(-time.Hour + tick)}, false},
		{"joined an hour before", with(false, time.Hour), joined(-time.Hour), true},
		{"joined less than an hour before", with(false, time.Hour), joined(-time.Hour + tick), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := pending(tt.rule)
			d := yes("a", "staff", "leads")
			d.Digest, d.Standing = r.Ask.Digest(), tt.known
			r, _, err := r.Decide(d, dawn.Add(time.Hour))
			if (err == nil) != tt.ok || (err == nil) != (r.State == brevet.Approved) {
				t.Fatalf("%v, %s", err, r.State)
			}
			if e := brevet.AsError(err); err != nil && (e.Kind != brevet.Denied || len(e.Unmet) != 1 || e.Unmet[0].Have == "") {
				t.Errorf("%+v explains nothing", e)
			}
		})
	}
}

// TestGroupsThatCount checks that a decision keeps only the groups by which it
// was made: another rule must not find the others in it.
func TestGroupsThatCount(t *testing.T) {
	r := pending(byLead)
	d := yes("a", "leads", "security")
	d.Digest, d.Standing = r.Ask.Digest(), brevet.Standing{Known: dawn, Joined: map[string]time.Time{"security": dawn.Add(tick)}}
	r, _, err := r.Decide(d, dawn.Add(time.Hour))
	if err != nil || len(r.Decisions[0].Groups) != 1 {
		t.Fatalf("%v, %+v", err, r.Decisions)
	}
	if !r.Meets(byLead) || r.Meets(brevet.Approval{Steps: []brevet.Step{{By: guards, Quorum: 1}}}) {
		t.Error("the rule is met by a group that did not count")
	}
}

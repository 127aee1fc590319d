package brevet

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Approval says what makes a request approved: nothing but policy
// (Automatic), or people in steps, one after another.
type Approval struct {
	Automatic bool   `json:"automatic,omitempty"`
	Steps     []Step `json:"steps,omitempty"`
	// Known lets only people decide who were known before the request was made.
	Known bool `json:"known,omitempty"`
	// Member is how long before the request somebody must have been seen in the
	// group by which they decide.
	Member time.Duration `json:"member,omitempty"`
	// Unanswered is how long the request waits before it lapses; 0: a day.
	Unanswered time.Duration `json:"unanswered,omitempty"`
}

// Step is met when Quorum different people out of By said yes. Else names
// those who may answer, too, when By have not.
type Step struct {
	By     Subjects   `json:"by"`
	Quorum int        `json:"quorum"` // at least 1
	Else   []Fallback `json:"or,omitempty"`
}

// Fallback is who may decide a step, too, that has waited for After.
type Fallback struct {
	By    Subjects      `json:"by"`
	After time.Duration `json:"after"`
}

// DefaultWait is how long a request waits for an answer where nobody says
// otherwise.
const DefaultWait = 24 * time.Hour

// Wait returns how long a request waits for an answer before it lapses.
func (a Approval) Wait() time.Duration {
	if a.Unanswered > 0 {
		return a.Unanswered
	}
	return DefaultWait
}

// String names the rule for people: "automatic", "lead", "2 of group leads,
// then security, or group owners after 30 m".
func (a Approval) String() string {
	if a.Automatic {
		return "automatic"
	}
	var steps []string
	for _, s := range a.Steps {
		steps = append(steps, s.String())
	}
	if steps == nil {
		return "nobody"
	}
	return strings.Join(steps, ", then ")
}

// String names those who decide the step.
func (s Step) String() string {
	name := s.By.String()
	if s.Quorum > 1 {
		name = strconv.Itoa(s.Quorum) + " of " + name
	}
	for _, f := range s.Else {
		name += ", or " + f.By.String() + " after " + FormatDuration(f.After)
	}
	return name
}

// Deciders returns who may decide the step once it has waited that long.
func (s Step) Deciders(waited time.Duration) Subjects {
	who := s.By
	for _, f := range s.Else {
		if waited >= f.After {
			who = who.And(f.By)
		}
	}
	return who
}

// Everybody returns all who may ever decide the step.
func (s Step) Everybody() Subjects {
	who := s.By
	for _, f := range s.Else {
		who = who.And(f.By)
	}
	return who
}

// And returns everybody whom s or o names.
func (s Subjects) And(o Subjects) Subjects {
	return Subjects{Groups: merge(s.Groups, o.Groups), People: merge(s.People, o.People), Rotas: merge(s.Rotas, o.Rotas)}
}

func merge[S ~string](a, b []S) []S {
	out := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// Standing is what the log tells of how long somebody has been known, and in
// which groups. Its zero value says that nothing is known.
type Standing struct {
	Known  time.Time            // when a provider first spoke of them
	Joined map[string]time.Time // since when they are in groups in which they were not seen before
}

// AnyGroup stands for all groups in [Standing.Joined].
const AnyGroup = "*"

// joined returns since when the membership in a group was seen; ok is false
// if it was there from the first.
func (s Standing) joined(group string) (at time.Time, ok bool) {
	at, ok = s.Joined[group]
	if any, all := s.Joined[AnyGroup]; all && (!ok || any.After(at)) {
		return any, true
	}
	return at, ok
}

// Counts returns those of the groups by which somebody of that standing may
// decide about what was asked at: membership that began later does not count.
// Of somebody who was never heard of before, what is stated now counts, unless
// the rule says Known or Member.
func (a Approval) Counts(s Standing, groups []string, at time.Time) []string {
	before := at.Add(-a.Member)
	var out []string
	for _, g := range groups {
		since, seen := s.joined(g)
		if !seen && (a.Known || a.Member > 0) {
			since, seen = s.Known, true
			if s.Known.IsZero() {
				continue
			}
		}
		if !seen || !since.After(before) {
			out = append(out, g)
		}
	}
	return out
}

// knows reports whether the rule lets somebody of that standing decide at all
// about what was asked at.
func (a Approval) knows(s Standing, at time.Time) bool {
	return !a.Known || !s.Known.IsZero() && !s.Known.After(at)
}

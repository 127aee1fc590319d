package iam

import (
	"strconv"
	"strings"
)

// evaluation is one run of Evaluate.
type evaluation struct{ in *Input }

// found is a statement and where it stands.
type found struct {
	policy    string // "identity"
	level     int    // of a service control policy, else -1
	i, j      int    // index of the policy and of the statement
	statement *Statement
	condition *Condition // that kept it from applying, or nil
}

// outcome is what a list of policies says.
type outcome struct {
	deny, allow found
	miss        found // the first Allow that failed by a condition only
	grant       grant // the most direct Allow of a resource's policy
}

// scan looks through the policies for statements that apply. Where one has
// been found that allows, further ones are of no interest, but in a
// resource's policy, where one may allow more directly than another.
func (e *evaluation) scan(name string, level int, policies []*Policy, ofResource bool) outcome {
	var o outcome
	for i, p := range policies {
		if p == nil {
			continue
		}
		for j := range p.Statements {
			s := &p.Statements[j]
			allow := s.Effect == EffectAllow
			if allow && o.allow.statement != nil && (!ofResource || o.grant == toCaller) {
				continue
			}
			g, missed := e.applies(s, p.Version, allow, ofResource)
			at := found{policy: name, level: level, i: i, j: j, statement: s}
			switch {
			case g == toNobody:
			case missed != nil:
				if allow && o.miss.statement == nil {
					at.condition = missed
					o.miss = at
				}
			case !allow:
				o.deny = at
				return o
			case g > o.grant:
				o.allow, o.grant = at, g
			}
		}
	}
	return o
}

// applies reports whether a statement applies to the request: toNobody if
// not; with the condition that failed if only that stands in the way. An
// element that is missing or out of place makes an Allow not apply, and
// changes nothing for a Deny.
func (e *evaluation) applies(s *Statement, version string, allow, ofResource bool) (grant, *Condition) {
	r := &e.in.Request
	g := e.means(s, allow, ofResource)
	switch {
	case g == toNobody,
		len(s.Action) > 0 && !anyAction(s.Action, r.Action),
		len(s.NotAction) > 0 && anyAction(s.NotAction, r.Action),
		len(s.Action) == 0 && len(s.NotAction) == 0 && allow,
		len(s.Resource) > 0 && !e.anyResource(s.Resource, version),
		len(s.NotResource) > 0 && e.anyResource(s.NotResource, version),
		len(s.Resource) == 0 && len(s.NotResource) == 0 && allow && !ofResource:
		return toNobody, nil
	}
	for i := range s.Conditions {
		c := &s.Conditions[i]
		if v := c.judge(r.Context, version); v == fails || v == unknown && allow {
			return g, c
		}
	}
	return g, nil
}

// means reports whether a statement means the caller.
func (e *evaluation) means(s *Statement, allow, ofResource bool) grant {
	caller := e.in.Request.Caller
	stated := s.Principal != nil || s.NotPrincipal != nil
	switch {
	case stated != ofResource && allow:
		return toNobody
	case stated != ofResource, !ofResource:
		return toCaller
	case s.Principal != nil && s.NotPrincipal != nil && allow:
		return toNobody
	case s.Principal != nil:
		return s.Principal.names(caller)
	case s.NotPrincipal.exempt(caller, allow):
		return toNobody
	}
	return toCaller
}

func anyAction(patterns []string, action string) bool {
	for _, p := range patterns {
		if !apart(p, action) && (pattern{text: p}).match(action, true) {
			return true
		}
	}
	return false
}

// apart reports that a pattern and an action differ in front of the first
// wildcard, which most do at once.
func apart(p, action string) bool {
	for i := range len(p) {
		switch c := p[i]; {
		case c == '*' || c == '?':
			return false
		case i >= len(action) || c != action[i] && lower(c) != lower(action[i]):
			return true
		}
	}
	return len(p) != len(action)
}

// anyResource reports whether one of the patterns covers the resource. One
// with a variable that has no value covers nothing
// (reference_policies_variables).
func (e *evaluation) anyResource(patterns []string, version string) bool {
	r := &e.in.Request
	for _, text := range patterns {
		p, ok := pattern{text: text}, true
		if version == Version2012 {
			p, ok = expand(text, r.Context)
		}
		if ok && p.match(r.Resource, false) {
			return true
		}
	}
	return false
}

// name is the policy as a Result states it.
func (f found) name() string {
	switch {
	case f.policy == "scp":
		return "scp[" + strconv.Itoa(f.level) + "][" + strconv.Itoa(f.i) + "]"
	case f.policy == "identity" || f.policy == "session":
		return index(f.policy, f.i)
	}
	return f.policy
}

func (f found) sid() string {
	if f.statement.Sid != "" {
		return f.statement.Sid
	}
	return index("Statement", f.j)
}

func (f found) result(d Decision, in *Input) Result {
	verb := " allows "
	if d == ExplicitDeny {
		verb = " denies "
	}
	return Result{Decision: d, Policy: f.name(), Statement: f.sid(), Condition: f.statement.under(),
		Why: "statement " + f.sid() + " of " + f.name() + verb + in.Request.Action}
}

// under lists the conditions that a statement applies under, all of which
// hold where it has decided.
func (s *Statement) under() string {
	if len(s.Conditions) == 0 {
		return ""
	}
	names := make([]string, len(s.Conditions))
	for i, c := range s.Conditions {
		names[i] = c.Operator + " " + c.Key
	}
	return strings.Join(names, ", ")
}

// missing is an implicit deny for want of an Allow in the policies that o
// came from.
func (e *evaluation) missing(o outcome, policy, why string) Result {
	r := Result{Decision: ImplicitDeny, Policy: policy, Why: why + " " + e.in.Request.Action + " on " + e.in.Request.Resource}
	if f := o.miss; f.statement != nil {
		r.Policy, r.Statement = f.name(), f.sid()
		r.Condition = f.condition.Operator + " " + f.condition.Key
		r.Why += "; statement " + f.sid() + " of " + f.name() + " would, but for " + f.condition.explain(e.in.Request.Context)
	}
	return r
}

// explain says what a condition that failed wanted, and what it found.
func (c *Condition) explain(ctx Context) string {
	have := ctx.Get(c.Key)
	found := "is absent"
	if len(have) > 0 {
		found = "is " + strings.ReplaceAll(words(have), " or ", " and ")
	}
	return c.Operator + " " + c.Key + ", which wants " + words(c.Values) + " and " + found
}

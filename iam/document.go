package iam

import (
	"fmt"
	"slices"
	"strings"
)

var documentRules = []Rule{
	{"D01", SeverityError, "variables in the old version of the language", "write \"Version\": \"2012-10-17\"; without it a variable is plain text"},
	{"D02", SeverityWarning, "no version, or the old one", "write \"Version\": \"2012-10-17\""},
	{"D03", SeverityError, "longer than AWS allows", "take statements together, use wildcards for whole families of actions, or split the policy"},
	{"D04", SeverityError, "a Sid that AWS refuses", "use letters and digits only, and each Sid once"},
	{"D05", SeverityError, "an element that has no place here", "trust policies have a principal and no resource, identity policies a resource and no principal, resource policies both"},
	{"D06", SeverityError, "a service that does not exist", "see the service authorization reference for the prefix"},
	{"D07", SeverityError, "a wildcard in the name of the service", "write the service in full, or * alone"},
	{"D08", SeverityWarning, "a variable where none is replaced", "variables work in resources and in the values of string and ARN operators"},
	{"D09", SeverityNote, "a statement that changes nothing", "take it away, or the wider one"},
	{"D10", SeverityWarning, "a statement that never applies", "mend its conditions, or take it away"},
}

// longest are AWS's quotas on a document, in characters without white space
// (reference_iam-quotas): of an identity policy the quota of a role's inline
// policies together; a managed policy may have 6144.
var longest = map[PolicyKind]int{TrustPolicy: 2048, IdentityPolicy: 10240, SessionPolicy: 2048, BoundaryPolicy: 6144, ControlPolicy: 5120, ResourcePolicy: 20480}

// plainSid reports whether a Sid has letters and digits only.
func plainSid(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

// document judges the document as a whole.
func (r *report) document() {
	p := r.policy
	if n := len(p.print()); n > longest[r.kind] {
		r.add("D03", "", fmt.Sprintf("has %d characters without white space; AWS allows %d for this kind", n, longest[r.kind]), nil)
	}
	old := p.Version != Version2012
	for i := range p.Statements {
		if path, text := p.Statements[i].variable(place(i)); old && path != "" {
			r.add("D01", path, quote(text)+" is plain text in this version of the language", nil)
		}
	}
	if old && !r.has("D01", "") {
		r.add("D02", "Version", "is not 2012-10-17", nil)
	}
	var sids []string
	for i, s := range p.Statements {
		if s.Sid != "" && (slices.Contains(sids, s.Sid) || r.kind != ResourcePolicy && !plainSid(s.Sid)) {
			r.add("D04", place(i)+".Sid", quote(s.Sid)+" comes twice or has other characters than letters and digits", nil)
		}
		sids = append(sids, s.Sid)
	}
}

// variable finds the first text of a statement with a variable in it.
func (s *Statement) variable(path string) (where, text string) {
	for _, v := range append(slices.Clone(s.Resource), s.NotResource...) {
		if hasVariable(v) {
			return path + ".Resource", v
		}
	}
	for _, c := range s.Conditions {
		op, _ := parseOperator(c.Operator)
		for _, v := range c.Values {
			if op.variables && hasVariable(v) {
				return join(join(path+".Condition", c.Operator), c.Key), v
			}
		}
	}
	return "", ""
}

func hasVariable(s string) bool {
	_, after, ok := strings.Cut(s, "${")
	return ok && strings.Contains(after, "}")
}

// statement judges the elements of one statement.
func (r *report) statement(i int) {
	s, path := &r.policy.Statements[i], place(i)
	named := s.Principal != nil || s.NotPrincipal != nil
	placed := s.Resource != nil || s.NotResource != nil
	switch {
	case r.kind.hasPrincipal() && !named:
		r.add("D05", path, "has no Principal, so it is about nobody", nil)
	case !r.kind.hasPrincipal() && named:
		r.add("D05", path+".Principal", "has no place in this kind of policy", nil)
	case r.kind == TrustPolicy && placed:
		r.add("D05", path+".Resource", "has no place in a trust policy: its resource is the role", nil)
	case !r.kind.hasPrincipal() && !placed:
		r.add("D05", path, "has no Resource, so it is about nothing", nil)
	}
	r.actions(path+".Action", s.Action)
	r.actions(path+".NotAction", s.NotAction)
	r.neverMet(i)
}

func (r *report) actions(path string, actions []string) {
	for i, a := range actions {
		at := path
		if len(actions) > 1 {
			at = index(path, i)
		}
		service, _, ok := strings.Cut(strings.ToLower(a), ":")
		switch {
		case !ok || a == "*:*":
		case strings.ContainsAny(service, "*?"):
			r.add("D07", at, quote(a)+" has a wildcard in the name of the service", nil)
		case hasVariable(a):
			r.add("D08", at, quote(a)+" has a variable; none is replaced in actions", nil)
		case !knownServices()[service]:
			why := "there is no service " + quote(service)
			if near := nearest(service); near != "" {
				why += "; did you mean " + near + "?"
			}
			r.add("D06", at, why, nil)
		}
	}
}

// nearest is the service that a name may stand for; "" if none is near.
func nearest(name string) string {
	best, least := "", 3
	for s := range strings.FieldsSeq(servicePrefixes) {
		if d := distance(name, s); d < least && d < len(name) {
			best, least = s, d
		}
	}
	return best
}

// distance is how many letters must be changed, added or taken away.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := last
			if a[i] != b[j] {
				cost = 1 + min(last, row[j], row[j+1])
			}
			last, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// neverMet finds statements whose conditions exclude each other.
func (r *report) neverMet(i int) {
	s := &r.policy.Statements[i]
	ctx := meeting(s.Conditions, r.policy.Version)
	for j := range s.Conditions {
		c := &s.Conditions[j]
		if strings.Contains(strings.Join(c.Values, ""), "${") || c.judge(ctx, r.policy.Version) == holds {
			continue
		}
		if len(s.about(c.Key)) > 1 {
			r.add("D10", join(join(place(i)+".Condition", c.Operator), c.Key), "cannot hold together with the other conditions on "+c.Key, nil)
		}
	}
}

// mostStatements is up to how many statements each is held against each.
const mostStatements = 200

// redundant finds statements that another makes needless.
func (r *report) redundant() {
	if len(r.policy.Statements) > mostStatements {
		return
	}
	for i := range r.policy.Statements {
		for j := range r.policy.Statements {
			a, b := &r.policy.Statements[i], &r.policy.Statements[j]
			if i == j || i < j && covers(a, b) && covers(b, a) || r.holeIn(j) != nil {
				continue
			}
			if covers(b, a) {
				r.add("D09", place(i), "says nothing that "+b.label(j)+" does not say", nil)
			} else if a.Effect == EffectAllow && b.Effect == EffectDeny && covers(&Statement{Effect: EffectAllow, Principal: b.Principal, Action: b.Action,
				Resource: b.Resource, NotAction: b.NotAction, NotResource: b.NotResource, NotPrincipal: b.NotPrincipal, Conditions: b.Conditions}, a) {
				r.add("D10", place(i), "is denied altogether by "+b.label(j), nil)
			}
		}
	}
}

// covers reports whether wide says all that narrow says: only if that can be
// seen from the text.
func covers(wide, narrow *Statement) bool {
	if wide.Effect != narrow.Effect || len(wide.NotAction)+len(narrow.NotAction)+len(wide.NotResource)+len(narrow.NotResource) > 0 ||
		wide.NotPrincipal != nil || narrow.NotPrincipal != nil {
		return false
	}
	return coversAll(wide.Action, narrow.Action, true) && coversAll(wide.Resource, narrow.Resource, false) &&
		wide.Principal.covers(narrow.Principal) && within(wide.Conditions, narrow.Conditions)
}

// coversAll reports whether each narrow pattern is one that a wide one takes
// in.
func coversAll(wide, narrow []string, fold bool) bool {
	for _, n := range narrow {
		if !slices.ContainsFunc(wide, func(w string) bool { return w == n || (pattern{text: w}).match(n, fold) && !strings.Contains(n, "?") }) {
			return false
		}
	}
	return len(wide) > 0 || len(narrow) == 0
}

func (p *Principals) covers(q *Principals) bool {
	switch {
	case p == nil || q == nil:
		return p == q
	case p.Everyone:
		return true
	case q.Everyone:
		return false
	}
	return subset(q.AWS, p.AWS) && subset(q.Federated, p.Federated) && subset(q.Service, p.Service) && subset(q.CanonicalUser, p.CanonicalUser)
}

func subset(a, b []string) bool {
	for _, s := range a {
		if !slices.Contains(b, s) {
			return false
		}
	}
	return true
}

// within reports whether every condition of wide is one of narrow too.
func within(wide, narrow []Condition) bool {
	for _, c := range wide {
		if !slices.ContainsFunc(narrow, func(d Condition) bool {
			return c.Operator == d.Operator && strings.EqualFold(c.Key, d.Key) && slices.Equal(c.Values, d.Values)
		}) {
			return false
		}
	}
	return true
}

package iam

import (
	"slices"
	"strings"
)

// entry looks for those whom a policy with principals lets in and should not:
// it runs the hostile corpus through each statement that allows.
func (r *report) entry() {
	for i := range r.policy.Statements {
		s := &r.policy.Statements[i]
		if s.Effect != EffectAllow {
			continue
		}
		c := &search{report: r, i: i, statement: s, alone: r.policy.alone(i), meets: meeting(s.Conditions, r.policy.Version)}
		c.principals()
	}
	r.union()
}

// search is the search through one statement.
type search struct {
	*report
	i         int
	statement *Statement
	alone     *Policy // the statement and every Deny
	meets     Context // a context that meets its conditions
}

func (c *search) path(more string) string { return place(c.i) + more }

// lets reports whether the statement lets the request in.
func (c *search) lets(t try) bool {
	account := c.account
	if account == "" {
		account = "111122223333"
	}
	return c.alone.admits(t, account)
}

// hole adds a finding if the request gets in, and reports whether.
func (c *search) hole(rule, path, why string, t try) bool {
	if !c.lets(t) {
		return false
	}
	c.add(rule, path, why, t.witness(c.alone))
	return true
}

// what returns the action and resource that a search is for: in a trust
// policy the first of the wanted actions that the statement has.
func (c *search) what(wanted ...string) (action, resource string, ok bool) {
	if c.kind == TrustPolicy {
		for _, a := range wanted {
			if len(c.statement.Action) > 0 && anyAction(c.statement.Action, a) || len(c.statement.NotAction) > 0 && !anyAction(c.statement.NotAction, a) {
				return a, judged, true
			}
		}
		return "", "", false
	}
	action, resource = "s3:GetObject", "arn:aws:s3:::bucket/key"
	if len(c.statement.Action) > 0 {
		action = concrete(c.statement.Action[0])
	}
	if len(c.statement.Resource) > 0 {
		resource = concrete(c.statement.Resource[0])
	}
	return action, resource, true
}

func (c *search) principals() {
	s := c.statement
	if s.NotPrincipal != nil {
		c.foreigners(".NotPrincipal")
		return
	}
	if s.Principal == nil {
		return
	}
	for _, f := range s.Principal.Federated {
		c.federated(f)
	}
	if s.Principal.Everyone || slices.Contains(s.Principal.AWS, "*") {
		c.foreigners(".Principal")
	} else if len(s.Principal.AWS) > 0 {
		c.named()
	}
	for _, name := range s.Principal.Service {
		c.service(name)
	}
	c.mixed()
}

// mixed finds statements that let in by several doors at once.
func (c *search) mixed() {
	if c.kind != TrustPolicy {
		return
	}
	s := c.statement
	web := len(s.Principal.Federated) > 0 && anyAction(s.Action, "sts:AssumeRoleWithWebIdentity")
	wide := slices.ContainsFunc(s.Action, func(a string) bool {
		return a == "*" || strings.EqualFold(a, "sts:*") || strings.EqualFold(a, "sts:AssumeRole*")
	})
	if wide || web && len(s.Principal.AWS)+len(s.Principal.Service) > 0 && anyAction(s.Action, "sts:AssumeRole") {
		c.add("L07", c.path(".Action"), "one statement opens AssumeRole and AssumeRoleWithWebIdentity, whose conditions have nothing in common", nil)
	}
}

// union finds statements that are weaker than another for the same provider:
// whoever is refused by one comes in by the other.
func (r *report) union() {
	for i := range r.policy.Statements {
		for j := range r.policy.Statements {
			weak, strong := &r.policy.Statements[i], &r.policy.Statements[j]
			if i == j || weak.Effect != EffectAllow || strong.Effect != EffectAllow || !sharesPrincipal(weak.Principal, strong.Principal) {
				continue
			}
			if w := r.holeIn(i); w != nil && r.holeIn(j) == nil {
				r.add("L11", place(i), "lets in whom "+strong.label(j)+" refuses; of two statements the weaker one counts", w)
			}
		}
	}
}

// holeIn returns the witness of an error in a statement.
func (r *report) holeIn(i int) *Witness {
	for _, f := range r.found {
		if f.Witness != nil && f.Severity == SeverityError && f.Rule != "L11" && (f.Path == place(i) || strings.HasPrefix(f.Path, place(i)+".")) {
			return f.Witness
		}
	}
	return nil
}

func sharesPrincipal(a, b *Principals) bool {
	if a == nil || b == nil {
		return false
	}
	for _, f := range a.Federated {
		if slices.Contains(b.Federated, f) {
			return true
		}
	}
	for _, f := range a.AWS {
		if slices.Contains(b.AWS, f) {
			return true
		}
	}
	return false
}

func (s *Statement) label(i int) string {
	if s.Sid != "" {
		return s.Sid
	}
	return place(i)
}

// about returns the conditions on a key.
func (s *Statement) about(key string) []Condition {
	var out []Condition
	for _, c := range s.Conditions {
		if strings.EqualFold(c.Key, key) {
			out = append(out, c)
		}
	}
	return out
}

// pins reports whether a condition demands certain values of a key, and the
// key to be there.
func (s *Statement) pins(key string) bool {
	for _, c := range s.about(key) {
		if op, ok := parseOperator(c.Operator); ok && !op.negated && !op.ifExists && op.each != forAll && op.name != "Null" {
			return true
		}
	}
	return false
}

// patterns returns the values of the positive conditions on a key.
func (s *Statement) patterns(key string) []string {
	var out []string
	for _, c := range s.about(key) {
		if op, ok := parseOperator(c.Operator); ok && !op.negated && op.name != "Null" {
			out = append(out, c.Values...)
		}
	}
	return out
}

// pathOf is where the condition on a key stands; of the whole statement if
// there is none.
func (c *search) pathOf(key string) string {
	if about := c.statement.about(key); len(about) > 0 {
		return join(join(c.path(".Condition"), about[0].Operator), about[0].Key)
	}
	return c.path("")
}

package iam

import (
	"cmp"
	"slices"
	"strings"
)

// Parse reads a policy document. It accepts what the grammar of AWS accepts
// (reference_policies_grammar), element names and effects in exactly their
// case, and refuses elements and operators that do not exist, names that come
// twice (condition keys regardless of case), values of a wrong type, and
// statements that lack what every statement needs. Whether an element has its
// place in this kind of policy (no principal in an identity policy, no
// resource in a trust policy) it does not judge.
//
// The error is a [*ParseError]. Conditions come back sorted, and a document
// parsed, printed and parsed again is the same [Policy].
func Parse(data []byte) (*Policy, error) {
	root, err := read(data)
	if err != nil {
		return nil, err
	}
	if root.kind != '{' {
		return nil, problem("", "a policy is an object, not %v", root)
	}
	p := &Policy{}
	var statements *node
	for _, m := range root.members {
		switch m.name {
		case "Version":
			p.Version, err = text(m.value, "Version")
			if err == nil && p.Version != Version2012 && p.Version != Version2008 {
				err = problem("Version", "%s is not a version of the policy language; write %s", quote(p.Version), Version2012)
			}
		case "Id":
			p.ID, err = text(m.value, "Id")
		case "Statement":
			statements = &m.value
		default:
			err = problem(join("", m.name), "there is no such element; a policy has Version, Id and Statement")
		}
		if err != nil {
			return nil, err
		}
	}
	if statements == nil {
		return nil, problem("Statement", "is missing")
	}
	if p.Statements, err = parseStatements(*statements); err != nil {
		return nil, err
	}
	return p, nil
}

// UnmarshalJSON is [Parse].
func (p *Policy) UnmarshalJSON(data []byte) error {
	q, err := Parse(data)
	if err != nil {
		return err
	}
	*p = *q
	return nil
}

func parseStatements(n node) ([]Statement, error) {
	if n.kind == '{' {
		s, err := parseStatement(n, "Statement")
		return []Statement{s}, err
	}
	if n.kind != '[' {
		return nil, problem("Statement", "must be a statement or a list of them, not %v", n)
	}
	if len(n.items) == 0 {
		return nil, problem("Statement", "is empty")
	}
	var out []Statement
	sids := map[string]bool{}
	for i, item := range n.items {
		path := index("Statement", i)
		s, err := parseStatement(item, path)
		if err != nil {
			return nil, err
		}
		if s.Sid != "" && sids[s.Sid] {
			return nil, problem(path+".Sid", "%s names another statement already", quote(s.Sid))
		}
		sids[s.Sid] = true
		out = append(out, s)
	}
	return out, nil
}

func parseStatement(n node, path string) (Statement, error) {
	var s Statement
	if n.kind != '{' {
		return s, problem(path, "a statement is an object, not %v", n)
	}
	if len(n.members) == 0 {
		return s, problem(path, "is empty")
	}
	for _, m := range n.members {
		if err := s.set(m, join(path, m.name)); err != nil {
			return s, err
		}
	}
	switch {
	case s.Effect == "":
		return s, problem(path+".Effect", "is missing")
	case s.Action == nil && s.NotAction == nil:
		return s, problem(path+".Action", "is missing")
	case s.Action != nil && s.NotAction != nil:
		return s, problem(path, "has both Action and NotAction")
	case s.Resource != nil && s.NotResource != nil:
		return s, problem(path, "has both Resource and NotResource")
	case s.Principal != nil && s.NotPrincipal != nil:
		return s, problem(path, "has both Principal and NotPrincipal")
	}
	return s, nil
}

// set reads one element of a statement.
func (s *Statement) set(m member, path string) (err error) {
	switch m.name {
	case "Sid":
		s.Sid, err = text(m.value, path)
	case "Effect":
		var e string
		e, err = text(m.value, path)
		if s.Effect = Effect(e); err == nil && s.Effect != EffectAllow && s.Effect != EffectDeny {
			err = problem(path, "must be Allow or Deny, not %s", quote(e))
		}
	case "Principal":
		s.Principal, err = parsePrincipals(m.value, path)
	case "NotPrincipal":
		s.NotPrincipal, err = parsePrincipals(m.value, path)
	case "Action":
		s.Action, err = texts(m.value, path, checkAction)
	case "NotAction":
		s.NotAction, err = texts(m.value, path, checkAction)
	case "Resource":
		s.Resource, err = texts(m.value, path, checkResource)
	case "NotResource":
		s.NotResource, err = texts(m.value, path, checkResource)
	case "Condition":
		s.Conditions, err = parseConditions(m.value, path)
	default:
		err = problem(path, "there is no such element in a statement")
	}
	return err
}

func checkAction(s string) string {
	if service, name, ok := strings.Cut(s, ":"); s != "*" && (!ok || service == "" || name == "") {
		return "is not an action; write service:Name or *"
	}
	return ""
}

func checkResource(s string) string {
	if s != "*" && (!strings.HasPrefix(s, "arn:") || strings.Count(s, ":") < 5) && !spansARN(s) {
		return "is not an ARN; write arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE or *"
	}
	return ""
}

// spansARN reports whether a wildcard or variable of s may stand for the
// colons that it lacks.
func spansARN(s string) bool {
	return strings.HasPrefix(s, "arn:") && strings.ContainsAny(s, "*$")
}

func parsePrincipals(n node, path string) (*Principals, error) {
	if n.kind == 's' && n.text == "*" {
		return &Principals{Everyone: true}, nil
	}
	if n.kind != '{' {
		return nil, problem(path, `must be "*" or an object, not %v`, n)
	}
	if len(n.members) == 0 {
		return nil, problem(path, "is empty")
	}
	p := &Principals{}
	for _, m := range n.members {
		at := join(path, m.name)
		list := p.list(m.name)
		if list == nil {
			return nil, problem(at, "there is no such kind of principal; there are AWS, Federated, Service and CanonicalUser")
		}
		var err error
		if *list, err = texts(m.value, at, checkPrincipal); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *Principals) list(kind string) *[]string {
	switch kind {
	case "AWS":
		return &p.AWS
	case "Federated":
		return &p.Federated
	case "Service":
		return &p.Service
	case "CanonicalUser":
		return &p.CanonicalUser
	}
	return nil
}

func checkPrincipal(s string) string {
	switch {
	case s == "":
		return "is empty"
	case s != "*" && strings.ContainsAny(s, "*?"):
		return "no wildcard stands for part of a principal"
	}
	return ""
}

func parseConditions(n node, path string) ([]Condition, error) {
	if n.kind != '{' {
		return nil, problem(path, "must be an object, not %v", n)
	}
	var out []Condition
	for _, m := range n.members {
		at := join(path, m.name)
		op, ok := parseOperator(m.name)
		if !ok {
			return nil, problem(at, "there is no such condition operator")
		}
		if m.value.kind != '{' {
			return nil, problem(at, "must be an object, not %v", m.value)
		}
		seen := map[string]bool{}
		for _, k := range m.value.members {
			c, err := parseCondition(m.name, op, k, join(at, k.name))
			if err != nil {
				return nil, err
			}
			low := strings.ToLower(k.name)
			if seen[low] {
				return nil, problem(join(at, k.name), "comes twice; case does not tell keys apart")
			}
			seen[low] = true
			out = append(out, c)
		}
	}
	slices.SortFunc(out, byOperator)
	return out, nil
}

func byOperator(a, b Condition) int {
	return cmp.Or(cmp.Compare(a.Operator, b.Operator), cmp.Compare(a.Key, b.Key))
}

func parseCondition(name string, op operator, k member, path string) (Condition, error) {
	c := Condition{Operator: name, Key: k.name}
	if strings.TrimSpace(k.name) == "" {
		return c, problem(path, "a condition key must not be empty")
	}
	items := k.value.items
	scalar := k.value.kind != '['
	if scalar {
		items = []node{k.value}
	}
	if len(items) == 0 {
		return c, problem(path, "is empty")
	}
	for i, item := range items {
		at := path
		if !scalar {
			at = index(path, i)
		}
		if item.kind != 's' && item.kind != 'n' && item.kind != 'b' {
			return c, problem(at, "must be a string, a number or a boolean, not %v", item)
		}
		if why := op.check(item.text); why != "" {
			return c, problem(at, "%s %s", quote(item.text), why)
		}
		c.Values = append(c.Values, item.text)
	}
	return c, nil
}

func text(n node, path string) (string, error) {
	if n.kind != 's' {
		return "", problem(path, "must be a string, not %v", n)
	}
	return n.text, nil
}

// texts reads one string or a list of at least one.
func texts(n node, path string, check func(string) string) ([]string, error) {
	items, at := n.items, func(i int) string { return index(path, i) }
	switch {
	case n.kind == 's':
		items, at = []node{n}, func(int) string { return path }
	case n.kind != '[':
		return nil, problem(path, "must be a string or a list of strings, not %v", n)
	case len(items) == 0:
		return nil, problem(path, "is empty")
	}
	out := make([]string, 0, len(items))
	for i, item := range items {
		s, err := text(item, at(i))
		if err != nil {
			return nil, err
		}
		if why := check(s); why != "" {
			return nil, problem(at(i), "%s %s", quote(s), why)
		}
		out = append(out, s)
	}
	return out, nil
}

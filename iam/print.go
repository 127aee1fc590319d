package iam

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// MarshalJSON prints the policy in its canonical form: compact, elements in
// the order of AWS's grammar, a list of one as its only item, conditions
// sorted by operator and key. It fails with a [*ParseError] where [Parse]
// would refuse the result, so that what was printed can be read.
func (p *Policy) MarshalJSON() ([]byte, error) {
	for i, s := range p.Statements {
		if err := s.printable(index("Statement", i)); err != nil {
			return nil, err
		}
	}
	out := p.print()
	if _, err := Parse(out); err != nil {
		return nil, err
	}
	return out, nil
}

// String returns the canonical form; for a policy that has none, "invalid"
// and the reason.
func (p *Policy) String() string {
	out, err := p.MarshalJSON()
	if err != nil {
		return "invalid " + err.Error()
	}
	return string(out)
}

// printable finds what would be lost in print.
func (s *Statement) printable(path string) error {
	conditions := slices.SortedFunc(slices.Values(s.Conditions), byOperator)
	for i, c := range conditions {
		if i > 0 && byOperator(c, conditions[i-1]) == 0 {
			return problem(join(join(path+".Condition", c.Operator), c.Key), "comes twice")
		}
	}
	for _, p := range []*Principals{s.Principal, s.NotPrincipal} {
		if p != nil && p.Everyone && len(p.AWS)+len(p.Federated)+len(p.Service)+len(p.CanonicalUser) > 0 {
			return problem(path+".Principal", "names everyone and somebody")
		}
	}
	return nil
}

func (p *Policy) print() []byte {
	var w writer
	w.open('{')
	w.field("Version", p.Version)
	w.field("Id", p.ID)
	w.name("Statement")
	w.open('[')
	for i := range p.Statements {
		w.comma()
		w.statement(&p.Statements[i])
	}
	w.close(']')
	w.close('}')
	return w.out.Bytes()
}

// writer writes JSON without space.
type writer struct {
	out   bytes.Buffer
	fresh bool // nothing since the last bracket
}

func (w *writer) open(c byte) {
	w.out.WriteByte(c)
	w.fresh = true
}

func (w *writer) close(c byte) {
	w.out.WriteByte(c)
	w.fresh = false
}

func (w *writer) comma() {
	if !w.fresh {
		w.out.WriteByte(',')
	}
	w.fresh = false
}

func (w *writer) name(s string) {
	w.comma()
	w.text(s)
	w.out.WriteByte(':')
}

func (w *writer) text(s string) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic("iam: a string without JSON: " + err.Error()) // never: any string has one
	}
	w.out.Write(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

func (w *writer) field(name, value string) {
	if value != "" {
		w.name(name)
		w.text(value)
	}
}

func (w *writer) list(name string, values []string) {
	if values == nil {
		return
	}
	w.name(name)
	if len(values) == 1 {
		w.text(values[0])
		return
	}
	w.open('[')
	for _, v := range values {
		w.comma()
		w.text(v)
	}
	w.close(']')
}

func (w *writer) statement(s *Statement) {
	w.open('{')
	w.field("Sid", s.Sid)
	w.field("Effect", string(s.Effect))
	w.principals("Principal", s.Principal)
	w.principals("NotPrincipal", s.NotPrincipal)
	w.list("Action", s.Action)
	w.list("NotAction", s.NotAction)
	w.list("Resource", s.Resource)
	w.list("NotResource", s.NotResource)
	w.conditions(s.Conditions)
	w.close('}')
}

func (w *writer) principals(name string, p *Principals) {
	switch {
	case p == nil:
		return
	case p.Everyone:
		w.field(name, "*")
		return
	}
	w.name(name)
	w.open('{')
	w.list("AWS", p.AWS)
	w.list("Federated", p.Federated)
	w.list("Service", p.Service)
	w.list("CanonicalUser", p.CanonicalUser)
	w.close('}')
}

func (w *writer) conditions(list []Condition) {
	if len(list) == 0 {
		return
	}
	w.name("Condition")
	w.open('{')
	last := ""
	for _, c := range slices.SortedFunc(slices.Values(list), byOperator) {
		if c.Operator != last {
			if last != "" {
				w.close('}')
			}
			w.name(c.Operator)
			w.open('{')
			last = c.Operator
		}
		w.list(c.Key, append([]string{}, c.Values...))
	}
	if last != "" {
		w.close('}')
	}
	w.close('}')
}

// words joins values for people: "a", "a or b", "a, b or c".
func words(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = quote(v)
	}
	n := len(quoted)
	if n < 2 {
		return strings.Join(quoted, "")
	}
	return strings.Join(quoted[:n-1], ", ") + " or " + quoted[n-1]
}

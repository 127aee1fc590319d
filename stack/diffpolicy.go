package stack

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/brevet-access/brevet/iam"
)

// asPolicy reads a property as a policy, nil if it is none.
func asPolicy(v any) *iam.Policy {
	m := asMap(v)
	if m == nil || m["Statement"] == nil {
		return nil
	}
	p, err := iam.Parse([]byte(canonical(v)))
	if err != nil {
		return nil
	}
	return p
}

// policies reads both as policies; ok is false if either is none.
func policies(was, is any) (o, n *iam.Policy, ok bool) {
	o, n = asPolicy(was), asPolicy(is)
	return o, n, o != nil && n != nil
}

func asMap(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

// canonical is a value as JSON, in which equal values are equal texts.
func canonical(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}

// comparePolicies says in words how two policies differ. Statements are
// matched by their Sid, those without one by what they say.
func comparePolicies(path string, was, is *iam.Policy) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, path+": "+fmt.Sprintf(format, args...)) }
	rest := slices.Clone(was.Statements)
	for i, s := range is.Statements {
		k := match(rest, s, i)
		if k < 0 {
			say("new: %s", sentence(s))
			continue
		}
		o := rest[k]
		rest = slices.Delete(rest, k, k+1)
		for _, line := range compareStatements(o, s) {
			say("%s: %s", label(s, i), line)
		}
	}
	for _, s := range rest {
		say("dropped: %s", sentence(s))
	}
	return out
}

// match finds the statement among the rest that s is a new version of.
func match(rest []iam.Statement, s iam.Statement, i int) int {
	if s.Sid != "" {
		return slices.IndexFunc(rest, func(o iam.Statement) bool { return o.Sid == s.Sid })
	}
	text := statementText(s)
	if k := slices.IndexFunc(rest, func(o iam.Statement) bool { return statementText(o) == text }); k >= 0 {
		return k
	}
	if i == 0 {
		return slices.IndexFunc(rest, func(o iam.Statement) bool { return o.Sid == "" })
	}
	return -1
}

func statementText(s iam.Statement) string {
	return (&iam.Policy{Version: iam.Version2012, Statements: []iam.Statement{s}}).String()
}

func label(s iam.Statement, i int) string {
	if s.Sid != "" {
		return s.Sid
	}
	return fmt.Sprintf("statement %d", i+1)
}

func compareStatements(o, n iam.Statement) []string {
	var out []string
	if o.Effect != n.Effect {
		out = append(out, fmt.Sprintf("%ss instead of %ss", verb(n.Effect), verb(o.Effect)))
	}
	for _, l := range []struct {
		name    string
		was, is []string
	}{
		{"principal", principalWords(o.Principal), principalWords(n.Principal)}, {"not principal", principalWords(o.NotPrincipal), principalWords(n.NotPrincipal)},
		{"action", o.Action, n.Action}, {"all actions but", o.NotAction, n.NotAction},
		{"resource", o.Resource, n.Resource}, {"all resources but", o.NotResource, n.NotResource},
		{"condition", conditionWords(o.Conditions), conditionWords(n.Conditions)},
	} {
		for _, v := range l.is {
			if !slices.Contains(l.was, v) {
				out = append(out, l.name+": also "+briefly(v))
			}
		}
		for _, v := range l.was {
			if !slices.Contains(l.is, v) {
				out = append(out, l.name+": no longer "+briefly(v))
			}
		}
	}
	return out
}

func verb(e iam.Effect) string {
	if e == iam.EffectDeny {
		return "refuse"
	}
	return "allow"
}

// sentence is a statement in words.
func sentence(s iam.Statement) string {
	var b strings.Builder
	if s.Sid != "" {
		b.WriteString(s.Sid + " ")
	}
	b.WriteString(verb(s.Effect) + "s ")
	if len(s.NotAction) > 0 {
		b.WriteString("all but " + few(s.NotAction))
	} else {
		b.WriteString(few(s.Action))
	}
	switch {
	case len(s.NotResource) > 0:
		b.WriteString(" on all but " + few(s.NotResource))
	case len(s.Resource) > 0:
		b.WriteString(" on " + few(s.Resource))
	}
	if w := principalWords(s.Principal); len(w) > 0 {
		b.WriteString(" to " + few(w))
	}
	if w := conditionWords(s.Conditions); len(w) > 0 {
		b.WriteString(" if " + strings.Join(w, " and "))
	}
	return b.String()
}

// few lists values, and of many only how many more there are.
func few(values []string) string {
	const most = 4
	if slices.Equal(values, everything) {
		return "everything"
	}
	if len(values) > most {
		return strings.Join(values[:most], ", ") + fmt.Sprintf(" and %d more", len(values)-most)
	}
	return strings.Join(values, ", ")
}

func principalWords(p *iam.Principals) []string {
	if p == nil {
		return nil
	}
	if p.Everyone {
		return []string{"everyone"}
	}
	return slices.Concat(p.AWS, p.Federated, p.Service, p.CanonicalUser)
}

func conditionWords(list []iam.Condition) []string {
	var out []string
	for _, c := range list {
		out = append(out, c.Operator+" "+c.Key+" "+strings.Join(c.Values, " or "))
	}
	return out
}

// shownLength is how much of a long value a message shows.
const shownLength = 160

func briefly(s string) string {
	if s == "" {
		return "nothing"
	}
	if len(s) > shownLength {
		return strings.ToValidUTF8(s[:shownLength], "") + "…"
	}
	return s
}

func brieflyValue(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case string:
		return briefly(v)
	}
	return briefly(canonical(v))
}

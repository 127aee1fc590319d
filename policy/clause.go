package policy

import (
	"fmt"
	"strings"

	"github.com/cedar-policy/cedar-go"
)

// Clause is one Cedar policy of a Set, for showing and comparing.
type Clause struct {
	Where   string // "guardrails" or "automatic"
	ID      string // its @id; "" if it has none
	Text    string // as Cedar writes it: without comments, in one way
	Forbids bool
}

// Clauses returns every Cedar policy in the order of the text, guardrails
// first.
func (s *Set) Clauses() []Clause {
	if s == nil {
		return nil
	}
	return s.clauses
}

func clausesOf(where string, l cedarList) []Clause {
	var out []Clause
	for _, r := range l {
		out = append(out, Clause{Where: where, ID: string(r.Annotations()["id"]), Text: string(r.MarshalCedar()), Forbids: r.Effect() == cedar.Forbid})
	}
	return out
}

// Diff says in words what changes from the Cedar policies of one set to those
// of another, one line a change; nil where nothing does. A line starts with
// "+" where the change widens access or might, with "-" where it narrows it.
// What a changed condition means is for people to judge, so it counts as
// wider.
func Diff(old, new *Set) []string {
	was := make(map[string]Clause, len(old.Clauses()))
	for _, c := range old.Clauses() {
		was[c.key()] = c
	}
	var lines []string
	say := func(wider bool, format string, args ...any) {
		mark := "- "
		if wider {
			mark = "+ "
		}
		lines = append(lines, mark+fmt.Sprintf(format, args...))
	}
	for _, n := range new.Clauses() {
		o, known := was[n.key()]
		delete(was, n.key())
		switch {
		case !known:
			say(!n.Forbids, "%s: new: %s", n.name(), oneLine(n.Text))
		case o.Text != n.Text:
			say(true, "%s: changed: %s -> %s", n.name(), oneLine(o.Text), oneLine(n.Text))
		}
	}
	for _, o := range old.Clauses() {
		if _, gone := was[o.key()]; gone {
			say(o.Forbids, "%s: gone: %s", o.name(), oneLine(o.Text))
		}
	}
	return lines
}

// key knows a Cedar policy by its @id, or by its text if it has none.
func (c Clause) key() string {
	if c.ID == "" {
		return c.Where + "\x00" + c.Text
	}
	return c.Where + " " + c.ID
}

func (c Clause) name() string {
	if c.ID == "" {
		return c.Where
	}
	return c.Where + " " + c.ID
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

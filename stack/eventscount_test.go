package stack

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Each event counts in exactly the metrics that it belongs to.
func TestEventsCounts(t *testing.T) {
	home, _ := eventsTexts(t, eventsSide())
	i := deployEvents(t, home, "eu-west-1", nil)
	counted := map[string]bool{}
	for _, e := range readEvents(t, "own.json") {
		var got []string
		for _, f := range i.Filters {
			if f.Namespace != "brevet-access" || f.LogGroup != "continuous.engineering-access" {
				t.Fatalf("%+v", f)
			}
			if newFilter(t, f.Pattern).matches(e.Event) {
				got = append(got, f.Metric)
				counted[f.Metric] = true
			}
		}
		slices.Sort(got)
		slices.Sort(e.Counts)
		if d := cmp.Diff(e.Counts, got); d != "" {
			t.Errorf("%s: %s", e.What, d)
		}
	}
	for _, f := range i.Filters {
		if len(f.Pattern) > 1024 {
			t.Errorf("%s: its pattern has %d characters; CloudWatch takes 1024", f.Metric, len(f.Pattern))
		}
		if !counted[f.Metric] && !slices.Contains([]string{"Sessions-ReadOnly", "Sessions-Security", "Sessions-DevOps", "Sessions-Data"}, f.Metric) {
			t.Errorf("nothing counts as %s", f.Metric)
		}
	}
	// a line that a shell wrote into the same log group
	for _, f := range i.Filters {
		if newFilter(t, f.Pattern).matches(map[string]any{"eventVersion": "1.0", "sessionData": []any{"AssumeRole", "brevet-Admin"}}) {
			t.Errorf("what is typed in a shell counts as %s", f.Metric)
		}
	}
}

// filter reads as much of the JSON filter syntax of CloudWatch Logs
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html)
// as the templates write.
type filter struct {
	t      *testing.T
	tokens []string
	event  map[string]any
}

var filterToken = regexp.MustCompile(`\(|\)|&&|\|\||!=|=|"[^"]*"|\$[A-Za-z.]+|[A-Z]+`)

func newFilter(t *testing.T, pattern string) *filter {
	t.Helper()
	inner, ok := strings.CutPrefix(pattern, "{ ")
	inner, ok2 := strings.CutSuffix(inner, " }")
	if rest := filterToken.ReplaceAllString(inner, ""); !ok || !ok2 || strings.TrimSpace(rest) != "" {
		t.Fatalf("not a filter: %s (%q)", pattern, rest)
	}
	return &filter{t: t, tokens: filterToken.FindAllString(inner, -1)}
}

func (f *filter) matches(event map[string]any) bool {
	g := &filter{f.t, f.tokens, event}
	v := g.or()
	if len(g.tokens) > 0 {
		f.t.Fatalf("left over: %v", g.tokens)
	}
	return v
}

func (f *filter) next() string {
	if len(f.tokens) == 0 {
		f.t.Fatal("the pattern ends too early")
	}
	s := f.tokens[0]
	f.tokens = f.tokens[1:]
	return s
}

func (f *filter) is(s string) bool {
	if len(f.tokens) > 0 && f.tokens[0] == s {
		f.tokens = f.tokens[1:]
		return true
	}
	return false
}

func (f *filter) or() bool {
	v := f.and()
	for f.is("||") {
		v = f.and() || v
	}
	return v
}

func (f *filter) and() bool {
	v := f.one()
	for f.is("&&") {
		v = f.one() && v
	}
	return v
}

func (f *filter) one() bool {
	if f.is("(") {
		v := f.or()
		if !f.is(")") {
			f.t.Fatalf("a parenthesis is open: %v", f.tokens)
		}
		return v
	}
	have, ok := lookup(f.event, strings.TrimPrefix(f.next(), "$."))
	switch op := f.next(); op {
	case "NOT":
		if f.next() != "EXISTS" {
			f.t.Fatal("NOT what?")
		}
		return !ok
	case "IS":
		if f.next() != "FALSE" {
			f.t.Fatal("IS what?")
		}
		return have == false
	case "=", "!=":
		text, isText := have.(string)
		want := strings.Trim(f.next(), `"`)
		return isText && glob(want, text) == (op == "=")
	default:
		f.t.Fatalf("operator %s", op)
		return false
	}
}

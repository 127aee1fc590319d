package iam_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet/iam"
)

// labelled is a policy of the corpus with the label that was written by hand:
// all the rules that it breaks.
type labelled struct {
	About   string          `json:"about"`
	Kind    iam.PolicyKind  `json:"kind"`
	Account string          `json:"account"`
	Expect  []string        `json:"expect"`
	Policy  json.RawMessage `json:"policy"`
}

func corpus(t testing.TB) []labelled {
	t.Helper()
	files, err := filepath.Glob("testdata/lint/*.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []labelled
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var list []labelled
		if err := json.Unmarshal(text, &list); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, list...)
	}
	return all
}

// The linter finds in each policy what the label says, and nothing else.
func TestCorpus(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: -short: TestFindings judges the same policies")
	}
	all := corpus(t)
	if len(all) < 100 {
		t.Errorf("only %d policies", len(all))
	}
	for _, c := range all {
		t.Run(c.About, func(t *testing.T) {
			p := mustParse(t, string(c.Policy))
			got := []string{}
			found := iam.Linter{Account: c.Account}.Lint(c.Kind, p)
			for _, f := range found {
				if !slices.Contains(got, f.Rule) {
					got = append(got, f.Rule)
				}
			}
			slices.Sort(got)
			if d := cmp.Diff(c.Expect, got); d != "" {
				t.Errorf("-label +found\n%s", d)
				for _, f := range found {
					t.Logf("%s %s %s: %s\n\t%v", f.Rule, f.Severity, f.Path, f.Why, f.Witness)
				}
			}
		})
	}
}

var update = flag.Bool("update", false, "write golden files anew")

// findings prints what the linter says of a policy.
func findings(t *testing.T, c labelled) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", c.About)
	for _, f := range (iam.Linter{Account: c.Account}).Lint(c.Kind, mustParse(t, string(c.Policy))) {
		fmt.Fprintf(&b, "%s %s %s: %s\n", f.Severity, f.Rule, f.Path, f.Why)
		if f.Witness != nil {
			fmt.Fprintf(&b, "    %s\n", f.Witness)
		}
	}
	return b.String()
}

// Where each finding stands, what it says and whom it shows is held against
// a file, so that a change of it is seen and meant.
func TestFindings(t *testing.T) {
	const file = "testdata/findings.golden"
	all := corpus(t)
	if *update {
		var b strings.Builder
		for _, c := range all {
			b.WriteString(findings(t, c))
		}
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rest := string(want)
	for _, c := range all {
		got := findings(t, c)
		if !strings.HasPrefix(rest, got) {
			t.Fatalf("now (go test ./iam -update writes the file anew)\n%s\nin the file\n%s", got, rest[:min(len(rest), len(got)+200)])
		}
		rest = rest[len(got):]
	}
	if rest != "" {
		t.Errorf("the file has more: %s", rest)
	}
}

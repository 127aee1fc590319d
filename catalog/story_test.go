package catalog_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/catalog"
	"github.com/brevet-access/brevet/policy"
)

var now = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC) // a Friday

// complete returns the catalog in text after Complete.
func complete(t testing.TB, name string, text []byte) *catalog.Catalog {
	t.Helper()
	text, _, err := catalog.Complete(text, &counter{}, now)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	c, err := catalog.Parse(name, text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return c
}

// somebody asks in one group of the same name as in the sandbox, just signed
// in with MFA.
func somebody(handle brevet.Handle, groups ...string) policy.Query {
	return policy.Query{Handle: handle, Groups: brevet.Groups{Names: groups, At: now}, MFA: now, Addr: "192.0.2.7", Now: now}
}

// options lists what somebody may ask for, one line a target.
func options(c *catalog.Catalog, q policy.Query) []string {
	var out []string
	for _, o := range c.Policy.Options(q) {
		line := fmt.Sprintf("%s/%s %s, %s, MFA %s", o.Account.Name, o.Role.Name, brevet.FormatDuration(o.Longest), o.Approval, o.MFA)
		if o.Entitlement.Activate == brevet.OnUse {
			line += ", on use"
		}
		out = append(out, line)
	}
	return out
}

func TestSandbox(t *testing.T) {
	c := complete(t, "sandbox.yaml", catalog.Sandbox)
	look := "acme-staging/ReadOnly 8h, automatic, MFA 8h, on use"
	for _, tt := range []struct {
		handle brevet.Handle
		group  string
		want   []string
		rights string
	}{
		{"engineer", "engineers", []string{
			"acme-prod/Admin 2h, lead, MFA 1h", "acme-prod/Data 4h, lead, MFA 8h", "acme-prod/DevOps 4h, lead, MFA 8h",
			"acme-prod/ReadOnly 4h, lead, MFA 8h", "acme-prod/SRE 4h, lead, MFA 8h", "acme-prod/Security 4h, lead, MFA 8h",
			"acme-staging/Admin 2h, lead, MFA 1h", "acme-staging/Data 4h, lead, MFA 8h", "acme-staging/DevOps 4h, lead, MFA 8h",
			look, "acme-staging/SRE 4h, automatic, MFA 8h", "acme-staging/Security 4h, lead, MFA 8h"}, "[]"},
		{"lead", "leads", []string{look}, "[view decide]"},
		{"security", "security", []string{look}, "[view revoke audit catalog]"},
		{"contractor", "contractors", []string{look}, "[]"},
		{"stranger", "strangers", nil, "[]"},
	} {
		q := somebody(tt.handle, tt.group)
		if d := cmp.Diff(tt.want, options(c, q)); d != "" {
			t.Errorf("%s may ask for: %s", tt.handle, d)
		}
		rights := []brevet.Right{}
		for _, r := range brevet.AllRights {
			if c.Policy.Holds(q, c.Customers[0].ID, r) {
				rights = append(rights, r)
			}
		}
		if got := fmt.Sprint(rights); got != tt.rights {
			t.Errorf("%s holds %s, want %s", tt.handle, got, tt.rights)
		}
	}
}

// TestExamples checks what each story of examples/ promises.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../examples/*/catalog.yaml")
	if err != nil || len(files) != 4 {
		t.Fatalf("%v %v", files, err)
	}
	var got strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c := complete(t, file, text)
		for _, g := range []string{"engineers", "leads", "security", "contractors"} {
			fmt.Fprintf(&got, "%s: %s\n", filepath.Base(filepath.Dir(file)), g)
			for _, line := range options(c, somebody("somebody", g)) {
				fmt.Fprintf(&got, "  %s\n", line)
			}
		}
	}
	golden(t, "testdata/examples.golden", got.String())
}

var fence = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestDocs parses the sample of docs/catalog.md, and checks that the page
// names every key that the parser knows.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile("../docs/catalog.md")
	if err != nil {
		t.Fatal(err)
	}
	sample := fence.FindSubmatch(page)
	if sample == nil {
		t.Fatal("no sample")
	}
	complete(t, "docs/catalog.md", sample[1])
	if n := strings.Count(string(sample[1]), "\n"); n > 40 {
		t.Errorf("the sample has %d lines", n)
	}
	_, err = catalog.Parse("c.yaml", []byte("x: 1\nroles: {A: {x: 1}}\ncustomers: [{x: 1, accounts: [{x: 1}], rights: {x: []}}]\nentitlements: [{x: 1, approval: {x: 1}}]\n"))
	for _, list := range regexp.MustCompile(`known here: (.*)|there are (.*)`).FindAllStringSubmatch(err.Error(), -1) {
		for _, key := range strings.Split(list[1]+list[2], ", ") {
			if !strings.Contains(string(page), "`"+key+"`") {
				t.Errorf("the page does not explain `%s`", key)
			}
		}
	}
}

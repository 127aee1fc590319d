package broker_test

import (
	"crypto/rand"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/catalog"
	"github.com/brevet-access/brevet/policy"
)

var (
	friday = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	update = flag.Bool("update", false, "write what comes out into the golden files")
)

// compiled returns the catalog in text after Complete, and its policy.
func compiled(t testing.TB, name string, text []byte) (*catalog.Catalog, *policy.Set) {
	t.Helper()
	text, _, err := catalog.Complete(text, rand.Reader, friday)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	c, set, err := broker.ReadCatalog(name, text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return c, set
}

// somebody asks in one group of the same name as in the sandbox, just signed
// in with MFA.
func somebody(handle brevet.Handle, groups ...string) policy.Query {
	return policy.Query{Handle: handle, Groups: brevet.Groups{Names: groups, At: friday}, MFA: friday, Addr: "192.0.2.7", Held: []brevet.Held{}, Now: friday}
}

// options lists what somebody may ask for, one line a target.
func options(set *policy.Set, q policy.Query) []string {
	var out []string
	for _, o := range set.Options(q) {
		line := fmt.Sprintf("%s/%s %s, %s, MFA %s", o.Account.Name, o.Role.Name, brevet.FormatDuration(o.Longest), o.Approval, o.MFA)
		if o.Entitlement.Activate == brevet.OnUse {
			line += ", on use"
		}
		out = append(out, line)
	}
	return out
}

func TestSandbox(t *testing.T) {
	c, set := compiled(t, "sandbox.yaml", catalog.Sandbox)
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
		{"security", "security", []string{"acme-prod/Security 4h, lead, MFA 8h", look}, "[view revoke audit catalog]"},
		{"contractor", "contractors", []string{look}, "[]"},
		{"stranger", "strangers", nil, "[]"},
	} {
		q := somebody(tt.handle, tt.group)
		if d := cmp.Diff(tt.want, options(set, q)); d != "" {
			t.Errorf("%s may ask for: %s", tt.handle, d)
		}
		rights := []brevet.Right{}
		for _, r := range brevet.AllRights {
			if set.Holds(q, c.Customers[0].ID, r) {
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
		_, set := compiled(t, file, text)
		for _, g := range []string{"engineers", "leads", "security", "contractors"} {
			fmt.Fprintf(&got, "%s: %s\n", filepath.Base(filepath.Dir(file)), g)
			for _, line := range options(set, somebody("somebody", g)) {
				fmt.Fprintf(&got, "  %s\n", line)
			}
		}
	}
	if *update {
		if err := os.WriteFile("testdata/examples.golden", []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile("testdata/examples.golden")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got.String()); d != "" {
		t.Error(d)
	}
}

// TestDocs compiles the sample of docs/catalog.md.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile("../docs/catalog.md")
	if err != nil {
		t.Fatal(err)
	}
	sample := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(page)
	if sample == nil {
		t.Fatal("no sample")
	}
	if _, set := compiled(t, "docs/catalog.md", sample[1]); len(set.Options(somebody("somebody", "engineers"))) == 0 {
		t.Error("engineers may ask for nothing")
	}
}

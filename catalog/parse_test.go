package catalog_test

import (
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/catalog"
)

// sound is a catalog in which every key stands; the tests break it line by
// line.
//
//go:embed testdata/sound.yaml
var sound string

func parse(t testing.TB, text string) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Parse("c.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestParse(t *testing.T) {
	c := parse(t, sound)
	account := brevet.Account{ID: "111122223333", Name: "acme-staging", Customer: "cu_01jd0000000000000000000000", Env: "staging", Region: "eu-west-1",
		Audience: "brevet:111122223333:abcdefghijklmnopqrstuvwxyz", Contract: 1, Prefix: "brevet-", Issuer: "https://issuer.brevet.invalid/c/cu_01jd0000000000000000000000"}
	if got, ok := c.Account("birch-prod"); !ok || got.Broker != "arn:aws:iam::999999999999:role/brevet-broker" || got.ExternalID != "mnopqrstuvwxyz234567abcdef" {
		t.Errorf("entered by assume-role: %+v", got)
	}
	wantCustomers := []brevet.Customer{{ID: account.Customer, Name: "acme", LogGroup: "brevet-access"},
		{ID: "cu_01jd0000000000000000000009", Name: "birch", Contact: "security@birch.example", LogGroup: "continuous.engineering-access"}}
	if d := cmp.Diff(wantCustomers, c.Customers); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"203.0.113.7/32", "2001:db8::/64"}, c.Egress); d != "" {
		t.Error(d)
	}
	if c.Entry(account.Customer) != catalog.OIDC || c.Entry("cu_01jd0000000000000000000009") != catalog.AssumeRole || c.Entry("cu_01jd0000000000000000000001") != "" {
		t.Error("ways in")
	}
	if got, ok := c.Account("acme-staging"); !ok || got != account {
		t.Errorf("by name: %+v", got)
	}
	if got, ok := c.AccountByID("111122223333"); !ok || got != account {
		t.Errorf("by number: %+v", got)
	}
	if _, ok := c.AccountByID("acme-staging"); ok {
		t.Error("a name is taken for a number")
	}
	want := []brevet.Entitlement{
		{Name: "look", Customer: account.Customer, Who: brevet.Subjects{Groups: []string{"engineers"}, People: []brevet.Handle{"lead"}},
			Accounts: []brevet.AccountID{"111122223333", "444455556666"}, Roles: []brevet.RoleName{"ReadOnly"}, Longest: 8 * time.Hour,
			Approval: brevet.Approval{Automatic: true}, MFA: brevet.Rung4h, Activate: brevet.OnUse, GroupsWithin: time.Hour, Reason: brevet.TextRule{Required: true}},
		{Name: "buckets", Customer: account.Customer, Who: brevet.Subjects{Groups: []string{"engineers"}},
			Accounts: []brevet.AccountID{"444455556666"}, Roles: []brevet.RoleName{"Buckets", "ReadOnly"}, Longest: 4 * time.Hour,
			Approval: brevet.Approval{Steps: []brevet.Step{{By: brevet.Subjects{Groups: []string{"leads"}}, Quorum: 2}, {Quorum: 1}}}, Activate: brevet.OnApproval, Reason: brevet.TextRule{Required: true}},
	}
	if d := cmp.Diff(want, c.Entitlements); d != "" {
		t.Error(d)
	}
	role, ok := c.Role("444455556666", "Buckets")
	if !ok || string(role.Inline) != `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::acme-data"}]}` {
		t.Errorf("%+v", role)
	}
	if _, ok := c.Role("111122223333", "Buckets"); ok || len(c.RolesIn("111122223333")) != 1 || len(c.RolesIn("444455556666")) != 2 {
		t.Error("an account's roles are not kept to")
	}
	if string(c.Text) != sound || len(c.Digest) != 64 {
		t.Error("text or digest")
	}
}

func TestLookups(t *testing.T) {
	c := parse(t, sound)
	for _, name := range []string{"acme", "cu_01jd0000000000000000000000"} {
		if k, ok := c.Customer(name); !ok || k.Name != "acme" {
			t.Errorf("customer %s: %+v", name, k)
		}
	}
	if _, ok := c.CustomerByID("acme"); ok {
		t.Error("a name is taken for an id")
	}
	for target, want := range map[string]string{"acme-prod/Buckets": "", "444455556666/ReadOnly": "", "acme-staging/Buckets": "account acme-staging has no role Buckets", "other/ReadOnly": "there is no account other"} {
		parsed, err := brevet.ParseTarget(target)
		if err != nil {
			t.Fatal(err)
		}
		account, role, err := c.Resolve(parsed)
		switch {
		case want == "" && (err != nil || account.ID == "" || role.Name != parsed.Role):
			t.Errorf("%s: %v", target, err)
		case want != "" && (err == nil || err.Error() != want || !errors.Is(err, brevet.NotFound)):
			t.Errorf("%s: %v, want %s", target, err, want)
		}
	}
	var zero catalog.Catalog
	if _, ok := zero.Account("acme-prod"); ok || zero.RolesIn("444455556666") != nil {
		t.Error("the zero catalog holds something")
	}
}

var update = flag.Bool("update", false, "write what comes out into the golden files")

// TestErrors breaks the sound catalog in one place at a time. The files of
// testdata/errors hold paragraphs: "# name", lines "old => new" that are
// replaced, and the errors that are wanted. \n, \x20 and \e stand for a line
// break, a space and nothing.
func TestErrors(t *testing.T) {
	files, err := filepath.Glob("testdata/errors/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var golden []string
		for _, paragraph := range strings.Split(strings.TrimSpace(string(data)), "\n\n") {
			golden = append(golden, checkErrors(t, paragraph))
		}
		if *update {
			if err := os.WriteFile(file, []byte(strings.Join(golden, "\n\n")+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

var escapes = strings.NewReplacer(`\n`, "\n", `\x20`, " ", `\e`, "")

// checkErrors runs one paragraph and returns it as it should be.
func checkErrors(t *testing.T, paragraph string) string {
	text, lines := sound, strings.Split(paragraph, "\n")
	edits, rest := lines[:1], lines[1:]
	for len(rest) > 0 && strings.Contains(rest[0], " => ") && !strings.HasPrefix(rest[0], "c.yaml:") {
		old, changed, _ := strings.Cut(rest[0], " => ")
		if n := strings.Count(text, escapes.Replace(old)); n != 1 {
			t.Fatalf("%s: %q stands there %d times", lines[0], old, n)
		}
		text = strings.Replace(text, escapes.Replace(old), escapes.Replace(changed), 1)
		edits, rest = append(edits, rest[0]), rest[1:]
	}
	got := "it parses"
	if c, err := catalog.Parse("c.yaml", []byte(text)); err != nil {
		got = err.Error()
		if c != nil || !errors.Is(err, brevet.Invalid) {
			t.Errorf("%s: catalog %v, kind %s", lines[0], c, brevet.KindOf(err))
		}
	}
	if d := cmp.Diff(strings.Join(rest, "\n"), got); d != "" && !*update {
		t.Errorf("%s: %s", lines[0], d)
	}
	return strings.Join(edits, "\n") + "\n" + got
}

func TestLimits(t *testing.T) {
	deep := strings.Repeat("[", 9000) + strings.Repeat("]", 9000)
	for name, tt := range map[string]struct{ text, want string }{
		"empty":         {"", "c.yaml:1: the catalog is empty"},
		"only comments": {"# nothing\n", "c.yaml:1: the catalog is empty"},
		"a list":        {"- a\n", "must be a mapping (key: value), not a list"},
		"too large":     {"# " + strings.Repeat("x", 1<<20), "bytes are too many; at most 1048576"},
		"deep":          {"issuer: " + deep, "nested too deeply"},
		"deeper":        {"issuer: " + strings.Repeat(deep, 20), "not YAML"},
		"aliases":       {"a: &a [x]\nb: &b [*a,*a,*a,*a]\nc: [*b,*b,*b]\n", "c.yaml:1: a: anchors and aliases are not allowed: write it out"},
		"merge":         {"issuer: x\n<<: {a: b}\n", "a key must be text"},
		"tag":           {"issuer: !!binary aGk=\n", "the tag !!binary is not allowed"},
		"two documents": {sound + "---\nissuer: x\n", "only one YAML document is allowed"},
		"not YAML":      {"a: b\nissuer: [\n", "c.yaml:2: not YAML: "},
		"tab":           {"roles:\n\tReadOnly: x\n", "c.yaml:2: not YAML: "},
		"bidi":          {"issuer: x # \u202e\n", "c.yaml:1: character U+202E is not allowed"},
		"escape":        {"a: b\nissuer: \x1b[2J\n", "c.yaml:2: character U+001B is not allowed"},
		"lone return":   {"issuer: x\rroles: y\n", "c.yaml:1: character U+000D is not allowed"},
		"UTF-8":         {"issuer: \xff\n", "c.yaml:1: not valid UTF-8"},
		"BOM":           {"\ufeff" + sound, "c.yaml:1: character U+FEFF is not allowed"},
		"reach":         {wide(700, 1000), "the entitlements reach too many roles in accounts; at most 500000 in all"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := catalog.Parse("c.yaml", []byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) || !errors.Is(err, brevet.Invalid) {
				t.Errorf("%.300v\nwant %s", err, tt.want)
			}
			if err != nil && strings.Count(err.Error(), "\n") > 101 {
				t.Error("too many lines")
			}
		})
	}
	if _, err := catalog.Parse("c.yaml", []byte(strings.ReplaceAll(sound, "\n", "\r\n"))); err != nil {
		t.Errorf("CRLF: %v", err)
	}
}

// wide returns a catalog with so many entitlements, each for all of so many
// accounts.
func wide(entitlements, accounts int) string {
	var b strings.Builder
	b.WriteString("issuer: https://issuer.brevet.invalid\nroles: {ReadOnly: {max: 12h, mfa: 8h, policies: [ReadOnlyAccess]}}\ncustomers:\n  - name: acme\n    id: cu_01jd0000000000000000000000\n    accounts:\n")
	for i := range accounts {
		fmt.Fprintf(&b, "      - {name: a%d, number: \"%012d\", env: prod, region: eu-west-1, audience: \"brevet:%012d:%026s\"}\n", i, i, i, letters(i))
	}
	b.WriteString("entitlements:\n")
	for i := range entitlements {
		fmt.Fprintf(&b, "  - {name: e%d, who: [group:engineers], customer: acme, accounts: [\"*\"], roles: [ReadOnly], longest: 4h, approval: {by: [group:leads]}}\n", i)
	}
	return b.String()
}

// letters writes i in letters, 26 of them.
func letters(i int) string {
	s := strings.NewReplacer("0", "a", "1", "b", "8", "c", "9", "d").Replace(fmt.Sprint(i))
	return strings.Repeat("a", 26-len(s)) + s
}

// thousand is a catalog of a thousand accounts and a thousand entitlements,
// each for one of them.
func thousand() string {
	text := wide(1000, 1000)
	for i := range 1000 {
		text = strings.Replace(text, `accounts: ["*"]`, fmt.Sprintf("accounts: [a%d]", i), 1)
	}
	return text
}

func BenchmarkParse(b *testing.B) {
	text := []byte(thousand())
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := catalog.Parse("c.yaml", text); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sound))
	f.Add(catalog.Sandbox)
	f.Add([]byte("issuer: [&a x, *a]\n"))
	f.Add([]byte("{roles: {? [a]: b}, customers: [{accounts: [{}]}]}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := catalog.Parse("c.yaml", text)
		if err == nil {
			if d := catalog.Diff(c, c); d != nil {
				t.Errorf("it differs from itself: %q", d)
			}
			return
		}
		if !errors.Is(err, brevet.Invalid) {
			t.Fatalf("%v", err)
		}
		for _, line := range strings.Split(err.Error(), "\n") {
			if !strings.HasPrefix(line, "c.yaml:") || brevet.Printable(line) != line {
				t.Errorf("%q", line)
			}
		}
	})
}

// A role that does not say gets four hours, and Admin two with MFA of the last
// hour.
func TestRoleDefaults(t *testing.T) {
	text := `issuer: https://issuer.brevet.invalid
roles:
  Look: {policies: [ReadOnlyAccess]}
  Admin: {policies: [AdministratorAccess]}
customers: [{name: acme, id: cu_01jd0000000000000000000001}]
entitlements: []
`
	c := parse(t, text)
	for _, r := range c.Roles {
		longest, mfa := 4*time.Hour, brevet.Rung8h
		if r.Name == "Admin" {
			longest, mfa = 2*time.Hour, brevet.Rung1h
		}
		if r.Max != longest || r.MFA != mfa {
			t.Errorf("%s: max %s, mfa %s", r.Name, r.Max, r.MFA)
		}
	}
}

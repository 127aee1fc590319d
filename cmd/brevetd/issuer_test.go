package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/catalog"
	"github.com/brevet-access/brevet/signer"
)

// deployment writes brevet.yaml and what it names, and returns its folder, and
// the keys and catalog as the server would open them.
func deployment(t *testing.T) (dir string, keys *signer.Keys, cat *catalog.Catalog) {
	t.Helper()
	dir = t.TempDir()
	text, _, err := catalog.Complete(catalog.Sandbox, rand.Reader, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"catalog.yaml": string(text),
		"brevet.yaml": `url: http://127.0.0.1:8477
listen: 127.0.0.1:8477
database: sqlite:brevet.db
catalog: catalog.yaml
keys: keys
root_key: root.key
providers: [{name: corp, issuer: "https://idp.brevet.invalid", client_id: brevet, mfa: {amr: [mfa]}}]
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	root, err := signer.LoadRoot(filepath.Join(dir, "root.key"), true)
	if err != nil {
		t.Fatal(err)
	}
	if cat, err = catalog.Parse("catalog.yaml", text); err != nil {
		t.Fatal(err)
	}
	keys, err = signer.Open(signer.Config{Dir: filepath.Join(dir, "keys"), Root: root, LogName: "127.0.0.1:8477", Issuer: cat.Issuer})
	if err != nil {
		t.Fatal(err)
	}
	return dir, keys, cat
}

// brevetd runs one command line in this process.
func brevetd(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, &out, &errs)
	return code, out.String(), errs.String()
}

// static serves a folder as a static host would, whatever host is asked.
type static struct{ dir string }

func (s static) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	http.FileServer(http.Dir(s.dir)).ServeHTTP(rec, r)
	return rec.Result(), nil
}

// TestIssuerPublish: a verifier that knows nothing but the issuer's URL and the
// published files accepts the signer's tokens.
func TestIssuerPublish(t *testing.T) {
	dir, keys, cat := deployment(t)
	public := filepath.Join(dir, "public", "issuer")
	config := filepath.Join(dir, "brevet.yaml")
	code, out, errs := brevetd(t, "issuer", "publish", public, "--config", config)
	if code != 0 || strings.Count(out, "wrote") != 2 || !strings.Contains(out, "1 customers; serve "+public+" at "+cat.Issuer+"\n") {
		t.Fatalf("%d\n%s%s", code, out, errs)
	}
	a := cat.Accounts[0]
	token, err := keys.Token(t.Context(), brevet.Claims{Customer: a.Customer, Audience: a.Audience, Subject: "pr_1"})
	if err != nil {
		t.Fatal(err)
	}
	ctx := oidc.ClientContext(t.Context(), &http.Client{Transport: static{public}})
	provider, err := oidc.NewProvider(ctx, a.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.VerifierContext(ctx, &oidc.Config{ClientID: a.Audience, SupportedSigningAlgs: []string{oidc.ES256}}).Verify(ctx, token); err != nil {
		t.Errorf("the token is refused: %v", err)
	}
	if _, err := provider.VerifierContext(ctx, &oidc.Config{ClientID: a.Audience, SupportedSigningAlgs: []string{oidc.ES256}}).Verify(context.WithoutCancel(ctx), token[:len(token)-8]+"AAAAAAAA"); err == nil {
		t.Error("a token with another signature is accepted")
	}
	checkPublic(t, public)

	before := tree(t, public)
	code, out, errs = brevetd(t, "issuer", "publish", public, "--config", config)
	if after := tree(t, public); code != 0 || strings.Count(out, "unchanged") != 2 || strings.Contains(out, "wrote") || before != after {
		t.Errorf("a second time: %d\n%s%s", code, out, errs)
	}
	if err := keys.Rotate(a.Customer); err != nil {
		t.Fatal(err)
	}
	code, out, _ = brevetd(t, "issuer", "publish", public, "--config", config)
	if code != 0 || strings.Count(out, "wrote") != 1 || strings.Count(out, "unchanged") != 1 {
		t.Errorf("after a rotation: %d\n%s", code, out)
	}
	gone := filepath.Join(public, "c", "cu_01jd0000000000000000000000")
	if err := os.Mkdir(gone, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, out, _ = brevetd(t, "issuer", "publish", public, "--config", config); !strings.Contains(out, gone+": the catalog has no such customer") {
		t.Errorf("a customer that left: %s", out)
	}
}

// checkPublic checks that everybody may read what was published, and that it
// holds no private key.
func checkPublic(t *testing.T, public string) {
	t.Helper()
	err := filepath.WalkDir(public, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if want := map[bool]os.FileMode{true: 0o755, false: 0o644}[d.IsDir()]; info.Mode().Perm() != want {
			t.Errorf("%s has mode %o", path, info.Mode().Perm())
		}
		if d.IsDir() {
			return nil
		}
		if strings.HasPrefix(d.Name(), ".brevet-") {
			t.Errorf("%s was left behind", path)
		}
		text, err := os.ReadFile(path)
		if !json.Valid(text) || regexp.MustCompile(`"(d|p|q|dp|dq|qi|k)":`).Match(text) {
			t.Errorf("%s: %s", path, text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// tree describes a folder: names, contents, times.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		b.WriteString(path + " " + info.ModTime().String() + "\n" + string(text) + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestIssuerPublishRefuses(t *testing.T) {
	dir, _, _ := deployment(t)
	config := filepath.Join(dir, "brevet.yaml")
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		dir, want string
	}{
		{file, "cannot write " + file},
		{filepath.Join(file, "below"), file + " is a file"},
		{filepath.Join(dir, "keys"), "must not lie within each other"},
		{filepath.Join(dir, "keys", "public"), "must not lie within each other"},
		{dir, "must not lie within each other"},
	} {
		code, out, errs := brevetd(t, "issuer", "publish", tt.dir, "--config", config)
		if code == 0 || out != "" || !strings.Contains(errs, tt.want) {
			t.Errorf("%s: %d %s%s", tt.dir, code, out, errs)
		}
	}
	if err := os.Remove(filepath.Join(dir, "root.key")); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := brevetd(t, "issuer", "publish", filepath.Join(dir, "x"), "--config", config); code == 0 || !strings.Contains(errs, "root_key: cannot read") {
		t.Errorf("without a root key: %d %s", code, errs)
	}
	if code, _, errs := brevetd(t, "issuer", "publish", "--config", config); code == 0 || errs == "" {
		t.Errorf("without a folder: %d %s", code, errs)
	}
}

// TestCheckConfig: what channels name must be in the catalog.
func TestCheckConfig(t *testing.T) {
	dir, _, _ := deployment(t)
	config := filepath.Join(dir, "brevet.yaml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	if code, out, errs := brevetd(t, "check", "--config", config); code != 0 || !strings.Contains(out, "0 channels") || !strings.Contains(out, "accounts") {
		t.Errorf("%d %s%s", code, out, errs)
	}
	for customers, want := range map[string]string{"acme": "", "'*'": "", "nobody": "channels.paper.customers: there is no customer nobody"} {
		channel := "\nchannels: [{name: paper, kind: mail, customers: [" + customers + "], from: a@example.com, to: [b@example.com], smtp: {host: 'mail.example.com:587'}}]\n"
		if err := os.WriteFile(filepath.Join(dir, "brevet.yaml"), append(text, channel...), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, errs := brevetd(t, "check", "--config", filepath.Join(dir, "brevet.yaml"))
		if (code == 0) != (want == "") || !strings.Contains(errs, want) {
			t.Errorf("%s: %d %s%s", customers, code, out, errs)
		}
	}
	if code, _, errs := brevetd(t, "check"); code == 0 || !strings.Contains(errs, "name a CATALOG") {
		t.Errorf("%d %s", code, errs)
	}
}

// TestCheck: what is wrong with a catalog is said with its line, Cedar and
// contracts included.
func TestCheck(t *testing.T) {
	dir, _, _ := deployment(t)
	text, err := os.ReadFile(filepath.Join(dir, "catalog.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "c.yaml")
	for old, tt := range map[string]struct{ new, want string }{
		"#":                             {"#", ""},
		"contract: 1":                   {"contract: 99", "c.yaml:22: customers[0].accounts[0].contract: there is no contract 99"},
		"entitlements:\n":               {"guardrails: |\n  permit (principal, action, resource);\nentitlements:\n", ": guardrails: guardrails may only hold forbid"},
		"issuer: https://issuer.brevet": {"issuer: http://issuer.brevet", "c.yaml:4: issuer: "},
	} {
		if err := os.WriteFile(file, []byte(strings.Replace(string(text), old, tt.new, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, errs := brevetd(t, "check", file)
		if (code == 0) != (tt.want == "") || !strings.Contains(errs, tt.want) || (code == 0) != strings.Contains(out, "is sound") {
			t.Errorf("%q: %d %s%s", tt.new, code, out, errs)
		}
	}
}

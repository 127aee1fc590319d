package service_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/service"
)

const good = `
url: https://brevet.example.com
listen: 127.0.0.1:0
proxies: [10.0.0.0/8]
database: sqlite:brevet.db
catalog: catalog.yaml
keys: keys
root_key: root.key
providers:
  - {name: corp, issuer: "https://idp.example.com", client_id: brevet, mfa: {amr: [mfa]}}
`

func load(t *testing.T, text string) (service.Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "brevet.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return service.LoadConfig(path)
}

func TestLoadConfig(t *testing.T) {
	c, err := load(t, good)
	if err != nil {
		t.Fatal(err)
	}
	if !filepath.IsAbs(c.Keys) || !filepath.IsAbs(strings.TrimPrefix(c.Database, "sqlite:")) {
		t.Errorf("paths are not seen from the file: %s, %s", c.Keys, c.Database)
	}
}

func TestLoadConfigRefuses(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"unknown key", "listen:", "lisent: x\nlisten:", "lisent"},
		{"plain http", "https://brevet.example.com", "http://brevet.example.com", "url: must be https"},
		{"a path in the url", "https://brevet.example.com", "https://brevet.example.com/x", "url: must be https"},
		{"no port", "127.0.0.1:0", "127.0.0.1", "listen: must be HOST:PORT"},
		{"another database", "sqlite:brevet.db", "mysql://x", "database: must be"},
		{"no catalog", "catalog: catalog.yaml", "", "catalog: name the file"},
		{"a network that is none", "10.0.0.0/8", "10.0.0.0", "proxies: 10.0.0.0 is not a network"},
		{"a provider without MFA", "mfa: {amr: [mfa]}", "mfa: {}", "providers.corp.mfa: say which"},
		{"a provider without TLS", "https://idp.example.com", "http://idp.example.com", "providers.corp.issuer: must be https"},
		{"a limit too long", "keys: keys", "keys: keys\nsign_in: {idle: 48h}", "sign_in.idle: must be a duration"},
		{"a secret that is not there", "client_id: brevet", "client_id: brevet, client_secret_file: nowhere", "client_secret_file"},
		{"half a certificate", "keys: keys", "keys: keys\ntls: {cert: x}", "tls: cert and key go together"},
		{"not YAML", "url:", "url: [", "brevet.yaml"},
	} {
		_, err := load(t, strings.Replace(good, c.old, c.new, 1))
		if !errors.Is(err, brevet.Invalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	_, err := load(t, "{}")
	if lines := strings.Count(brevet.AsError(err).Message, "\n") + 1; lines < 6 {
		t.Errorf("an empty config names %d errors: %v", lines, err)
	}
}

func FuzzLoadConfig(f *testing.F) {
	f.Add(good)
	f.Add("providers: [{name: x}]")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := load(t, text); err != nil && !errors.Is(err, brevet.Invalid) {
			t.Errorf("kind %s: %v", brevet.KindOf(err), err)
		}
	})
}

// TestOnCall: where rotas are asked is checked, also in a file of parts, which
// holds nothing but parts.
func TestOnCall(t *testing.T) {
	for text, want := range map[string]string{
		"on_call: {allow_private: [10.1.2.3/32], pagerduty: \"https://pd.example.com/\"}":     "",
		"on_call: {allow_private: [127.0.0.0/8], pagerduty: \"http://127.0.0.1:9\"}":          "",
		"on_call: {pagerduty: \"http://127.0.0.1:9\"}":                                        "on_call.pagerduty: must be https://…",
		"on_call: {allow_private: [10.1.2.3]}":                                                "on_call.allow_private: 10.1.2.3 is not a network",
		"checks: [{name: jira, url: \"http://checks.example.com\", secret_file: jira}]":       "checks[0].url: must be https://…",
		"channels: [{name: chat, kind: pigeon, customers: [acme]}]":                           "kind: must be slack, mail or webhook",
		"channels: [{name: chat, kind: webhook, customers: [acme], url: \"https://x.test\"}]": "secret_files: one file",
		"url: https://brevet.example.com":                                                     "field url not found",
	} {
		path := filepath.Join(t.TempDir(), "parts.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := service.LoadParts(path)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

package service_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/catalog"
	"github.com/brevet-access/brevet/service"
	"github.com/brevet-access/brevet/store"
)

// start runs a server on loopback until the test ends; stop drains it.
func start(t *testing.T) (s *service.Service, base string, cfg service.Config, stop func() error) {
	t.Helper()
	dir := t.TempDir()
	text, _, err := catalog.Complete(catalog.Sandbox, rand.Reader, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "catalog.yaml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	base = "http://" + l.Addr().String()
	cfg = service.Config{URL: base, Listen: l.Addr().String(), Database: "sqlite:" + filepath.Join(dir, "brevet.db"), Catalog: filepath.Join(dir, "catalog.yaml"),
		Keys: filepath.Join(dir, "keys"), RootKey: filepath.Join(dir, "root.key")}
	p := service.Provider{Name: "corp", Issuer: "https://idp.example.com", ClientID: "brevet"}
	p.MFA.AMR = []string{"mfa"}
	cfg.Providers = []service.Provider{p}
	s, err = service.Open(t.Context(), cfg, service.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() { cancel(); s.Close() })
	return s, base, cfg, func() error { cancel(); return <-done }
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestServe(t *testing.T) {
	s, base, _, stop := start(t)
	customer := s.Broker.Catalog().Customers[0].ID
	for path, want := range map[string]string{
		"/healthz":      "",
		"/readyz":       "",
		"/metrics":      "brevet_identity_center_unseen_accounts 0",
		"/openapi.json": `"3.1`,
		"/c/" + string(customer) + "/.well-known/openid-configuration": "https://issuer.brevet.invalid/c/" + string(customer),
	} {
		if status, body := get(t, base+path); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %.200s", path, status, body)
		}
	}
	if status, _ := get(t, base+"/v1/whoami"); status != http.StatusUnauthorized {
		t.Errorf("whoami without a sign-in: %d", status)
	}
	if err := stop(); err != nil {
		t.Errorf("drain: %v", err)
	}
}

// TestOffboarded: for a customer that left, no token is made and no key is
// served, whoever asks.
func TestOffboarded(t *testing.T) {
	s, base, _, _ := start(t)
	k := s.Broker.Catalog().Customers[0]
	a, role := s.Broker.Catalog().Accounts[0], s.Broker.Catalog().Roles[0].Name
	if err := s.Broker.Prove(t.Context(), a, role); err != nil {
		t.Errorf("before, no token is made: %v", err)
	}
	err := s.DB.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Record(brevet.Event{Kind: brevet.CustomerOffboarded, Customer: k.ID})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Broker.Prove(t.Context(), a, role); brevet.KindOf(err) != brevet.Denied {
		t.Errorf("afterwards: %v", err)
	}
	_, err = s.Broker.Clouds["aws"].Issue(t.Context(), brevet.Issue{Session: "ses_1", Grant: "gr_01jzzzzzzzzzzzzzzzzzzzzzza", Person: "pr_01jzzzzzzzzzzzzzzzzzzzzzza", Handle: "engineer",
		Account: a, Role: role, MFA: brevet.Rung1h, TTL: time.Hour, End: time.Now().Add(time.Hour)})
	if !strings.Contains(fmt.Sprint(err, brevet.AsError(err).Cause), "was offboarded") {
		t.Errorf("the cloud is asked all the same: %v", err)
	}
	for _, path := range []string{"/.well-known/openid-configuration", "/jwks.json"} {
		if status, body := get(t, base+"/c/"+string(k.ID)+path); status != http.StatusNotFound {
			t.Errorf("%s: %d %.200s", path, status, body)
		}
	}
}

func TestReload(t *testing.T) {
	s, _, cfg, _ := start(t)
	before := s.Broker.Catalog()
	text, err := os.ReadFile(cfg.Catalog)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cfg.Catalog, append(text, "nonsense: true\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(t.Context()); err == nil || s.Broker.Catalog() != before {
		t.Errorf("a broken catalog was taken: %v", err)
	}
	if err := os.WriteFile(cfg.Catalog, []byte(strings.Replace(string(text), "longest: 4h", "longest: 3h", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(t.Context()); err != nil || s.Broker.Catalog() == before {
		t.Errorf("a sound catalog was not taken: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	s, _, cfg, stop := start(t)
	if _, err := service.Open(t.Context(), cfg, service.Options{}); err == nil {
		t.Error("two servers opened one SQLite database")
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cfg.RootKey, []byte("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := service.Open(t.Context(), cfg, service.Options{}); brevet.KindOf(err) != brevet.Internal {
		t.Errorf("another root key: %v", err)
	}
	if err := os.Remove(cfg.RootKey); err != nil {
		t.Fatal(err)
	}
	if _, err := service.Open(t.Context(), cfg, service.Options{}); err == nil {
		t.Error("a lost root key was made anew")
	}
	if _, err := os.Stat(cfg.RootKey); err == nil {
		t.Error("a root key was made beside keys that it cannot open")
	}
}

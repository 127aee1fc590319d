package server_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/server"
	"github.com/brevet-access/brevet/store"
)

const (
	base     = "http://127.0.0.1:8477"
	customer = "cu_01000000000000000000000000"
	verifier = "0123456789012345678901234567890123456789012"
)

const catalogText = `
issuer: https://issuer.brevet.invalid
roles:
  ReadOnly: {about: "look, no data", max: 4h, mfa: 8h, policies: [job-function/ViewOnlyAccess]}
  Admin: {about: everything, max: 2h, mfa: 1h, policies: [AdministratorAccess]}
customers:
  - name: acme
    id: cu_01000000000000000000000000
    prefix: brevet-
    accounts:
      - {name: acme-staging, number: "111122223333", env: staging, region: eu-west-1, audience: "brevet:111122223333:abcdefghijklmnopqrstuvwxyz", contract: 1}
      - {name: acme-prod, number: "444455556666", env: prod, region: eu-west-1, audience: "brevet:444455556666:zyxwvutsrqponmlkjihgfedcba", contract: 1}
    rights: {view: ["group:security"], decide: ["group:leads"], revoke: ["group:security"], audit: ["group:security"], catalog: ["group:security"], operate: []}
entitlements:
  - {name: staging-read, who: ["group:engineers"], customer: acme, accounts: [acme-staging], roles: [ReadOnly], longest: 4h, approval: automatic, mfa: 8h, activate: on-use}
  - {name: prod-admin, who: ["group:engineers"], customer: acme, accounts: [acme-prod], roles: [Admin], longest: 1h, approval: {by: ["group:leads"]}, mfa: 1h, groups_within: 15m}
`

// world is a server over a real broker and a real database, with a provider
// that believes whatever the code says, and a cloud that issues at once.
type world struct {
	t       testing.TB
	handler http.Handler
	broker  *broker.Broker
	log     *strings.Builder

	mu  sync.Mutex
	now time.Time
}

func (w *world) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) sleep(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// newWorld returns a world; edit may change the server's configuration.
func newWorld(t testing.TB, edit ...func(*server.Config)) *world {
	t.Helper()
	w := &world{t: t, log: new(strings.Builder), now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	w.broker = newBroker(t, w)
	c := server.Config{
		Broker: w.broker, URL: base, Hosts: []string{"localhost:8477"}, Banner: "A sandbox: nothing here is real.", Now: w.Now,
		Log:  slog.New(slog.NewJSONHandler(&locked{w: w.log}, &slog.HandlerOptions{Level: slog.LevelDebug})),
		JWKS: func(id brevet.CustomerID) ([]byte, error) { return document(id, `{"keys":[]}`) },
		Discovery: func(id brevet.CustomerID) ([]byte, error) {
			return document(id, `{"issuer":"https://issuer.brevet.invalid"}`)
		},
	}
	for _, e := range edit {
		e(&c)
	}
	w.handler = server.New(c)
	return w
}

func document(id brevet.CustomerID, text string) ([]byte, error) {
	if id != customer {
		return nil, brevet.Errorf(brevet.NotFound, "customer %s has no key yet", id)
	}
	return []byte(text), nil
}

// locked is a writer for many goroutines.
type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

func newBroker(t testing.TB, w *world) *broker.Broker {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, "brevet.invalid")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	check, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "brevet.db"), Now: w.Now,
		Host: "brevet.invalid", Signer: signer, Verifier: check})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	plain := func(_ string, b []byte) ([]byte, error) { return b, nil }
	b := broker.New(broker.Config{DB: db, Clouds: map[string]brevet.Cloud{"aws": instant{w}}, Providers: []broker.Provider{provider("corp", w)},
		Seal: plain, Unseal: plain, LogKey: public, Now: w.Now,
		Console: func(context.Context, brevet.Credential, string, string) (string, error) {
			return "https://console.invalid/", nil
		}})
	if _, err := b.Propose(t.Context(), brevet.Actor{System: "boot"}, []byte(catalogText)); err != nil {
		t.Fatal(err)
	}
	return b
}

// provider signs in whoever the code names: PERSON:GROUP.
func provider(name string, w *world) broker.Provider {
	issuer := "https://" + name + ".idp.invalid"
	return broker.Provider{Name: name, Issuer: issuer,
		AuthURL: func(_ context.Context, state, _, _ string, _ time.Duration) (string, error) {
			return issuer + "/auth?" + url.Values{"state": {state}}.Encode(), nil
		},
		Exchange: func(_ context.Context, code, _, _ string, _ time.Duration) (brevet.Identity, error) {
			login, group, ok := strings.Cut(code, ":")
			if !ok {
				return brevet.Identity{}, brevet.Errorf(brevet.Denied, "the provider knows no such code")
			}
			return brevet.Identity{Principal: brevet.Principal{Issuer: issuer, Subject: "sub-" + login}, Login: login,
				Proof:  brevet.Proof{AuthTime: w.Now(), Methods: []string{"pwd", "otp"}, MFA: w.Now()},
				Groups: brevet.Groups{Names: []string{group}, At: w.Now()}}, nil
		}}
}

// instant is a cloud that makes what it is asked for.
type instant struct{ w *world }

func (c instant) Issue(_ context.Context, i brevet.Issue) (brevet.Credential, error) {
	return brevet.Credential{AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "secret-of-" + string(i.Session), SessionToken: "token", Expires: c.w.Now().Add(i.TTL)}, nil
}

func (c instant) Revoke(_ context.Context, _ brevet.Credential, _ brevet.Account, k brevet.Kill) (brevet.Killed, error) {
	return brevet.Killed{Held: k.Grants}, nil
}

func (c instant) Try(context.Context, brevet.Credential, brevet.Account, brevet.RoleName) []brevet.Tried {
	return nil
}

// send sends one request. Headers are pairs; the body is JSON unless a header
// says otherwise.
func (w *world) send(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	r := httptest.NewRequestWithContext(w.t.Context(), method, base+path, in)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

// as sends a request with a bearer, expects the status and decodes the answer.
func (w *world) as(token, method, path, body string, status int, out any) {
	w.t.Helper()
	rec := w.send(method, path, body, "Authorization", "Bearer "+token)
	if rec.Code != status {
		w.t.Fatalf("%s %s: status %d, want %d: %s", method, path, rec.Code, status, rec.Body)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(rec.Body.Bytes(), out); err != nil {
		w.t.Fatalf("%s %s: %v: %s", method, path, err, rec.Body)
	}
}

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// authorize begins a sign-in and returns the state at the provider and the
// cookie.
func (w *world) authorize(redirect string) (state string, cookie *http.Cookie) {
	w.t.Helper()
	q := url.Values{"code_challenge": {challenge()}, "code_challenge_method": {"S256"}, "state": {"mine"}, "device": {"laptop"}}
	if redirect != "" {
		q.Set("redirect_uri", redirect)
	}
	rec := w.send("GET", "/login/authorize?"+q.Encode(), "")
	if rec.Code != http.StatusSeeOther {
		w.t.Fatalf("authorize: status %d: %s", rec.Code, rec.Body)
	}
	u, err := url.Parse(rec.Header().Get("Location"))
	if err != nil {
		w.t.Fatal(err)
	}
	return u.Query().Get("state"), rec.Result().Cookies()[0]
}

// signIn returns a bearer token of the person.
func (w *world) signIn(person, group string) string {
	w.t.Helper()
	state, cookie := w.authorize("http://127.0.0.1:49152/done")
	q := url.Values{"state": {state}, "code": {person + ":" + group}}
	rec := w.send("GET", "/login/callback?"+q.Encode(), "", "Cookie", cookie.Name+"="+cookie.Value)
	u, err := url.Parse(rec.Header().Get("Location"))
	if err != nil || rec.Code != http.StatusSeeOther {
		w.t.Fatalf("callback: status %d, %v: %s", rec.Code, err, rec.Body)
	}
	var token api.Token
	w.as("", "POST", "/v1/login/token", `{"code":"`+u.Query().Get("code")+`","verifier":"`+verifier+`"}`, http.StatusOK, &token)
	return token.Token
}

// problem decodes an answer that must be one.
func problem(t testing.TB, rec *httptest.ResponseRecorder) api.Problem {
	t.Helper()
	var p api.Problem
	if got := rec.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("content type %q, want a problem: %d %s", got, rec.Code, rec.Body)
	}
	d := json.NewDecoder(rec.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		t.Fatal(err)
	}
	if p.Status != rec.Code || p.Detail == "" || p.Title == "" || p.Kind == "" {
		t.Fatalf("half a problem: %+v with status %d", p, rec.Code)
	}
	return p
}

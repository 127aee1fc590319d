package signer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/signer"
	gooidc "github.com/coreos/go-oidc/v3/oidc"
	jose "github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
)

const (
	acme   = brevet.CustomerID("cu_01jzzzzzzzzzzzzzzzzzzzzzza")
	globex = brevet.CustomerID("cu_01jzzzzzzzzzzzzzzzzzzzzzzb")
	host   = "https://issuer.brevet.invalid"
)

// clock is a clock that tests set.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func root(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

func config(dir string, c *clock) signer.Config {
	return signer.Config{Dir: dir, Root: root(1), LogName: "brevet.invalid", Issuer: host, Now: c.now}
}

func mustOpen(t testing.TB, dir string, c *clock) *signer.Keys {
	t.Helper()
	k, err := signer.Open(config(dir, c))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func claims(c brevet.CustomerID) brevet.Claims {
	return brevet.Claims{Customer: c, Audience: "brevet:111122223333:abcdefghijklmnopqrstuvwxyz", Subject: "pr_01jzzzzzzzzzzzzzzzzzzzzzzz",
		SourceIdentity: "engineer", Tags: map[string]string{brevet.TagRole: "Admin", brevet.TagGrant: "gr_01jzzzzzzzzzzzzzzzzzzzzzzz",
			brevet.TagMFA: "1h", brevet.TagContract: "1"}}
}

func mustToken(t testing.TB, k *signer.Keys, c brevet.CustomerID) string {
	t.Helper()
	token, err := k.Token(context.Background(), claims(c))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func mustJWKS(t testing.TB, k *signer.Keys, c brevet.CustomerID) jose.JSONWebKeySet {
	t.Helper()
	text, err := k.JWKS(c)
	if err != nil {
		t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(text, &set); err != nil {
		t.Fatal(err)
	}
	return set
}

// verify checks a token's signature against a key set, as a relying party
// does: by key id.
func verify(token string, set jose.JSONWebKeySet, algs ...jose.SignatureAlgorithm) (map[string]any, error) {
	if algs == nil {
		algs = []jose.SignatureAlgorithm{jose.ES256}
	}
	tok, err := jwt.ParseSigned(token, algs)
	if err != nil {
		return nil, err
	}
	keys := set.Key(tok.Headers[0].KeyID)
	if len(keys) != 1 {
		return nil, errors.New("key id not in the set")
	}
	var out map[string]any
	return out, tok.Claims(keys[0].Key, &out)
}

func TestTokenIsWhatAWSReads(t *testing.T) {
	c := newClock()
	k := mustOpen(t, t.TempDir(), c)
	got, err := verify(mustToken(t, k, acme), mustJWKS(t, k, acme))
	if err != nil {
		t.Fatal(err)
	}
	jti, _ := got["jti"].(string)
	if len(jti) != 22 {
		t.Errorf("jti = %q, want 128 random bits", jti)
	}
	delete(got, "jti")
	at := float64(c.now().Unix())
	want := map[string]any{
		"iss": host + "/c/" + string(acme), "sub": "pr_01jzzzzzzzzzzzzzzzzzzzzzzz", "iat": at, "exp": at + 60,
		"aud": "brevet:111122223333:abcdefghijklmnopqrstuvwxyz",
		"https://aws.amazon.com/tags": map[string]any{
			"principal_tags": map[string]any{"brevet-role": []any{"Admin"}, "brevet-grant": []any{"gr_01jzzzzzzzzzzzzzzzzzzzzzzz"},
				"brevet-mfa": []any{"1h"}, "brevet-contract": []any{"1"}},
			"transitive_tag_keys": []any{"brevet-grant"}},
		"https://aws.amazon.com/source_identity": "engineer",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A relying party that knows only the documents must accept the token.
func TestTokenVerifiesByDiscovery(t *testing.T) {
	c := newClock()
	k := mustOpen(t, t.TempDir(), c)
	token := mustToken(t, k, acme)
	text, err := k.Discovery(acme)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"issuer":"https://issuer.brevet.invalid/c/` + string(acme) + `","jwks_uri":"https://issuer.brevet.invalid/c/` + string(acme) +
		`/jwks.json","response_types_supported":["id_token"],"subject_types_supported":["public"],` +
		`"id_token_signing_alg_values_supported":["ES256"],"claims_supported":["iss","sub","aud","iat","exp","jti"]}`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Error(diff)
	}
	var keys gooidc.StaticKeySet
	for _, key := range mustJWKS(t, k, acme).Keys {
		keys.PublicKeys = append(keys.PublicKeys, key.Key)
	}
	v := gooidc.NewVerifier(k.IssuerOf(acme), &keys, &gooidc.Config{ClientID: claims(acme).Audience, SupportedSigningAlgs: []string{"ES256"}, Now: c.now})
	if _, err := v.Verify(context.Background(), token); err != nil {
		t.Error(err)
	}
	c.add(61 * time.Second)
	var expired *gooidc.TokenExpiredError
	if _, err := v.Verify(context.Background(), token); !errors.As(err, &expired) {
		t.Errorf("after 61 s: %v, want expired", err)
	}
}

func TestClaimsThatAWSWouldRefuse(t *testing.T) {
	k := mustOpen(t, t.TempDir(), newClock())
	for name, edit := range map[string]func(*brevet.Claims){
		"no customer":       func(c *brevet.Claims) { c.Customer = "" },
		"a path":            func(c *brevet.Claims) { c.Customer = "../../etc" },
		"upper case":        func(c *brevet.Claims) { c.Customer = brevet.CustomerID(strings.ToUpper(string(acme))) },
		"no audience":       func(c *brevet.Claims) { c.Audience = "" },
		"audience of two":   func(c *brevet.Claims) { c.Audience = "a b" },
		"no subject":        func(c *brevet.Claims) { c.Subject = "" },
		"newline":           func(c *brevet.Claims) { c.Subject = "a\nb" },
		"source identity":   func(c *brevet.Claims) { c.SourceIdentity = "engineer team" },
		"empty tag":         func(c *brevet.Claims) { c.Tags[brevet.TagMFA] = "" },
		"tag charset":       func(c *brevet.Claims) { c.Tags[brevet.TagMFA] = "1h*" },
		"tag control":       func(c *brevet.Claims) { c.Tags[brevet.TagMFA] = "1h\u202e" },
		"tag invalid UTF-8": func(c *brevet.Claims) { c.Tags[brevet.TagMFA] = "\xff" },
		"tag length":        func(c *brevet.Claims) { c.Tags[brevet.TagMFA] = strings.Repeat("x", 257) },
		"tag of AWS":        func(c *brevet.Claims) { c.Tags["AWS:x"] = "x" },
	} {
		c := claims(acme)
		edit(&c)
		if _, err := k.Token(context.Background(), c); !errors.Is(err, brevet.Invalid) {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
}

func TestKeysOfOneCustomerNeverSignForAnother(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	k := mustOpen(t, dir, c)
	a, b := mustToken(t, k, acme), mustToken(t, k, globex)
	for _, tt := range []struct {
		token string
		set   brevet.CustomerID
		ok    bool
	}{{a, acme, true}, {b, globex, true}, {a, globex, false}, {b, acme, false}} {
		if _, err := verify(tt.token, mustJWKS(t, k, tt.set)); (err == nil) != tt.ok {
			t.Errorf("key set of %s: %v, want ok %v", tt.set, err, tt.ok)
		}
	}
	from := filepath.Join(dir, "c", string(acme), "es256-0001.key")
	to := filepath.Join(dir, "c", string(globex), "es256-0001.key")
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := signer.Open(config(dir, c)); !errors.Is(err, brevet.Internal) || !strings.Contains(err.Error(), to) {
		t.Errorf("with another customer's file: %v, want internal naming %s", err, to)
	}
}

func TestReopen(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	k := mustOpen(t, dir, c)
	token, key := mustToken(t, k, acme), k.LogKey()
	sealed, err := k.Seal("refresh token", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	jwks, _ := k.JWKS(acme)

	k = mustOpen(t, dir, c)
	if _, err := verify(token, mustJWKS(t, k, acme)); err != nil {
		t.Errorf("token: %v", err)
	}
	if again, _ := k.JWKS(acme); !bytes.Equal(jwks, again) {
		t.Errorf("key set changed:\n%s\n%s", jwks, again)
	}
	if k.LogKey() != key {
		t.Errorf("log key changed")
	}
	if plain, err := k.Unseal("refresh token", sealed); err != nil || string(plain) != "secret" {
		t.Errorf("unsealed %q, %v", plain, err)
	}
}

func TestLogSigner(t *testing.T) {
	k := mustOpen(t, t.TempDir(), newClock())
	v, err := note.NewVerifier(k.LogKey())
	if err != nil {
		t.Fatal(err)
	}
	msg, err := note.Sign(&note.Note{Text: "brevet.invalid/log/1\n0\nroot\n"}, k.LogSigner())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []note.Verifier{v, k.LogVerifier()} {
		if _, err := note.Open(msg, note.VerifierList(v)); err != nil {
			t.Error(err)
		}
	}
	if k.LogSigner().Name() != "brevet.invalid" {
		t.Errorf("name = %q", k.LogSigner().Name())
	}
}

func TestNobodyWhoMerelyAsksHasAKeyMade(t *testing.T) {
	dir := t.TempDir()
	k := mustOpen(t, dir, newClock())
	if _, err := k.JWKS(acme); !errors.Is(err, brevet.NotFound) {
		t.Errorf("JWKS: %v, want not_found", err)
	}
	if _, err := k.Discovery("../x"); !errors.Is(err, brevet.Invalid) {
		t.Errorf("Discovery: %v, want invalid", err)
	}
	if entries, _ := os.ReadDir(filepath.Join(dir, "c")); len(entries) != 0 {
		t.Errorf("made %v", entries)
	}
	if err := k.Ensure(acme); err != nil {
		t.Fatal(err)
	}
	if n := len(mustJWKS(t, k, acme).Keys); n != 1 {
		t.Errorf("%d keys, want 1", n)
	}
}

func TestBadConfig(t *testing.T) {
	for name, edit := range map[string]func(*signer.Config){
		"http":        func(c *signer.Config) { c.Issuer = "http://issuer.brevet.invalid" },
		"port":        func(c *signer.Config) { c.Issuer = "https://issuer.brevet.invalid:443" },
		"query":       func(c *signer.Config) { c.Issuer = "https://issuer.brevet.invalid?" },
		"case":        func(c *signer.Config) { c.Issuer = "https://Issuer.brevet.invalid" },
		"user":        func(c *signer.Config) { c.Issuer = "https://x@issuer.brevet.invalid" },
		"no host":     func(c *signer.Config) { c.Issuer = "https:///x" },
		"short root":  func(c *signer.Config) { c.Root = root(1)[:31] },
		"log name":    func(c *signer.Config) { c.LogName = "two words" },
		"no log name": func(c *signer.Config) { c.LogName = "" },
	} {
		conf := config(t.TempDir(), newClock())
		edit(&conf)
		if _, err := signer.Open(conf); !errors.Is(err, brevet.Invalid) {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	k, other := mustOpen(t, dir, c), mustOpen(t, dir, c) // two processes on one directory
	var wg sync.WaitGroup
	tokens := make(chan string, 64)
	for i := range 64 {
		wg.Go(func() {
			k := []*signer.Keys{k, other}[i%2]
			if i%8 == 0 {
				c.add(20 * time.Second)
			}
			token, err := k.Token(context.Background(), claims(acme))
			if err != nil {
				t.Error(err)
			}
			tokens <- token
			if _, err := k.JWKS(acme); err != nil {
				t.Error(err)
			}
			if _, err := k.Seal("x", []byte("y")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	close(tokens)
	for token := range tokens {
		if _, err := verify(token, mustJWKS(t, k, acme)); err != nil {
			t.Fatal(err)
		}
	}
}

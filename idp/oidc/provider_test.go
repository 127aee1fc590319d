package oidc_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/brevet-access/brevet/idp/oidc"
	jose "github.com/go-jose/go-jose/v4"
)

var start = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)

const (
	client   = "brevet"
	nonce    = "nonce-of-this-sign-in"
	verifier = "verifier-of-this-sign-in-which-is-at-least-43-characters"
)

// keys are made once: RSA is slow.
var (
	rsaKey, _   = rsa.GenerateKey(rand.Reader, 2048)
	ecKey, _    = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	otherKey, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
)

// idp is a provider whose answers a test edits. Its authorization endpoint is
// never visited: any code will do.
type idp struct {
	*httptest.Server
	t   testing.TB
	mu  sync.Mutex
	now time.Time

	down     bool                       // every answer is 503
	metadata func(map[string]any)       // edits the discovery document
	claims   func(map[string]any)       // edits the identity token's claims
	sign     func(claims []byte) string // replaces the signature
	answer   func(map[string]any)       // edits the token endpoint's answer
	token    http.HandlerFunc           // replaces the token endpoint
	userinfo func(http.ResponseWriter)  // answers the userinfo endpoint
	asked    map[string]int             // by path
	forms    []url.Values               // what the token endpoint was sent
	basic    []string                   // and with which secret in the header
	jwks     func(*jose.JSONWebKeySet)  // edits the key set
}

func newIDP(t testing.TB) *idp {
	p := &idp{t: t, now: start, asked: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", p.serveMetadata)
	mux.HandleFunc("/jwks", p.serveJWKS)
	mux.HandleFunc("/token", p.serveToken)
	mux.HandleFunc("/userinfo", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer access" {
			t.Errorf("userinfo asked with %q", r.Header.Get("Authorization"))
		}
		p.userinfo(w)
	})
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.asked[r.URL.Path]++
		if p.down {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

// set changes the provider between two calls.
func (p *idp) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

func (p *idp) count(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[path]
}

func (p *idp) clock() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

func (p *idp) serveMetadata(w http.ResponseWriter, _ *http.Request) {
	m := map[string]any{"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token",
		"jwks_uri": p.URL + "/jwks", "id_token_signing_alg_values_supported": []string{"ES256", "RS256", "HS256", "none"}}
	if p.userinfo != nil {
		m["userinfo_endpoint"] = p.URL + "/userinfo"
	}
	if p.metadata != nil {
		p.metadata(m)
	}
	writeJSON(w, m)
}

func (p *idp) serveJWKS(w http.ResponseWriter, _ *http.Request) {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &ecKey.PublicKey, KeyID: "ec", Algorithm: "ES256", Use: "sig"},
		{Key: &rsaKey.PublicKey, KeyID: "rsa", Use: "sig"}}}
	if p.jwks != nil {
		p.jwks(&set)
	}
	writeJSON(w, set)
}

func (p *idp) serveToken(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		p.t.Error(err)
	}
	p.forms = append(p.forms, r.PostForm)
	_, secret, _ := r.BasicAuth()
	p.basic = append(p.basic, secret)
	if p.token != nil {
		p.token(w, r)
		return
	}
	at := p.now.Unix()
	c := map[string]any{"iss": p.URL, "sub": "subject-1", "aud": client, "iat": at, "exp": at + 300, "nonce": nonce,
		"auth_time": at - 5, "amr": []string{"pwd", "mfa"}, "preferred_username": "engineer", "name": "An Engineer", "groups": []string{"engineers", "all"}}
	if r.PostForm.Get("grant_type") == "refresh_token" {
		delete(c, "nonce")
	}
	if p.claims != nil {
		p.claims(c)
	}
	text, err := json.Marshal(c)
	if err != nil {
		p.t.Error(err)
	}
	if p.sign == nil {
		p.sign = p.es256
	}
	answer := map[string]any{"access_token": "access", "token_type": "Bearer", "expires_in": 300, "id_token": p.sign(text), "refresh_token": "refresh-2"}
	if p.answer != nil {
		p.answer(answer)
	}
	writeJSON(w, answer)
}

func (p *idp) es256(text []byte) string { return jws(p.t, jose.ES256, ecKey, "ec", text) }

func jws(t testing.TB, alg jose.SignatureAlgorithm, key any, kid string, text []byte) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	o, err := s.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	token, err := o.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// unsigned is a token of alg none.
func unsigned(text []byte) string {
	b := base64.RawURLEncoding
	return b.EncodeToString([]byte(`{"alg":"none"}`)) + "." + b.EncodeToString(text) + "."
}

// thumb is a key's bytes as they lie in a key set: what the old trick signs
// with by HMAC.
func thumb(t testing.TB, pub crypto.PublicKey) []byte {
	t.Helper()
	text, err := json.Marshal(jose.JSONWebKey{Key: pub})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func halfHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

func (p *idp) config() oidc.Config {
	return oidc.Config{Name: "test", Issuer: p.URL, ClientID: client, ClientSecret: "s3cret&=", RedirectURL: "https://brevet.invalid/login/callback", Now: p.clock}
}

func (p *idp) provider(edits ...func(*oidc.Config)) *oidc.Provider {
	c := p.config()
	for _, f := range edits {
		f(&c)
	}
	return oidc.New(c)
}

// put returns an edit that overwrites claims; nil removes one.
func put(kv map[string]any) func(map[string]any) {
	return func(c map[string]any) {
		maps.Copy(c, kv)
		maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	}
}

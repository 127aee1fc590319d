package sandbox_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/brevet-access/brevet/sandbox"
)

// clock is a hand-set clock.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Now().Truncate(time.Second)} }

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

const callback = "http://127.0.0.1:8477/login/callback"

// provider is an identity provider on loopback with a relying party.
type provider struct {
	t      *testing.T
	idp    *sandbox.IDP
	people []sandbox.Person
	url    string
	clock  *clock
	rp     *oidc.Provider
	oauth  oauth2.Config
	cfg    sandbox.IDPConfig
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	clock := newClock()
	srv := httptest.NewUnstartedServer(nil)
	p := &provider{t: t, people: sandbox.NewPeople(rand.Reader), url: "http://" + srv.Listener.Addr().String(), clock: clock}
	p.cfg = sandbox.IDPConfig{Issuer: p.url, People: p.people, Key: make([]byte, 32), Now: clock.now, Clients: []sandbox.Client{
		{ID: "brevet", Secret: "s3cret+/=", RedirectURIs: []string{callback}},
		{ID: "public", RedirectURIs: []string{callback}},
	}}
	idp, err := sandbox.NewIDP(p.cfg)
	if err != nil {
		t.Fatal(err)
	}
	p.idp, srv.Config.Handler = idp, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.idp.ServeHTTP(w, r) })
	srv.Start()
	t.Cleanup(srv.Close)
	if p.rp, err = oidc.NewProvider(t.Context(), p.url); err != nil {
		t.Fatal(err)
	}
	p.oauth = oauth2.Config{ClientID: "brevet", ClientSecret: "s3cret+/=", Endpoint: p.rp.Endpoint(), RedirectURL: callback, Scopes: []string{"openid"}}
	return p
}

// page is what a browser is looking at; form posts to action.
type page struct {
	status   int
	body     string
	action   string
	hidden   url.Values
	location string
}

var (
	formTag   = regexp.MustCompile(`<form method="post" action="([^"]*)">`)
	hiddenTag = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
	codeTag   = regexp.MustCompile(`<output id="code"[^>]*>([0-9]{6})</output>`)
)

func look(t *testing.T, resp *http.Response, err error) page {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	p := page{status: resp.StatusCode, body: string(body), hidden: url.Values{}, location: resp.Header.Get("Location")}
	if m := formTag.FindStringSubmatch(p.body); m != nil {
		p.action = m[1]
	}
	for _, m := range hiddenTag.FindAllStringSubmatch(p.body, -1) {
		p.hidden.Set(m[1], html.UnescapeString(m[2]))
	}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") && p.location == "" {
		checkPage(t, resp.Header, p.body)
	}
	return p
}

// checkPage checks what every page must have.
func checkPage(t *testing.T, h http.Header, body string) {
	t.Helper()
	if !strings.Contains(body, "brevet sandbox") {
		t.Error("the page does not say what it is")
	}
	csp := h.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
		if !strings.Contains(csp, part) {
			t.Errorf("Content-Security-Policy %q lacks %q", csp, part)
		}
	}
	for _, tag := range []string{"style", "script"} {
		for _, m := range regexp.MustCompile(`(?s)<`+tag+`>(.*?)</`+tag+`>`).FindAllStringSubmatch(body, -1) {
			digest := sha256.Sum256([]byte(m[1]))
			if !strings.Contains(csp, tag+"-src 'sha256-"+base64.StdEncoding.EncodeToString(digest[:])+"'") {
				t.Errorf("the policy does not admit the inline %s", tag)
			}
		}
	}
	if h.Get("Cache-Control") != "no-store" || strings.Contains(body, "ZgotmplZ") {
		t.Errorf("Cache-Control %q", h.Get("Cache-Control"))
	}
}

func (p *provider) browser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (p *provider) open(b *http.Client, address string) page {
	resp, err := b.Get(address)
	return look(p.t, resp, err)
}

// submit fills the page's form.
func (p *provider) submit(b *http.Client, at page, fields ...string) page {
	p.t.Helper()
	if at.action == "" {
		p.t.Fatalf("no form on the page:\n%s", at.body)
	}
	form := url.Values{}
	for k, v := range at.hidden {
		form[k] = v
	}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	resp, err := b.PostForm(p.url+at.action, form)
	return look(p.t, resp, err)
}

const verifier = "0123456789012345678901234567890123456789012"

func (p *provider) authURL(options ...oauth2.AuthCodeOption) string {
	return p.oauth.AuthCodeURL("state", append([]oauth2.AuthCodeOption{oidc.Nonce("nonce"), oauth2.S256ChallengeOption(verifier)}, options...)...)
}

// signIn goes through both forms as who, starting at the page with the first.
func (p *provider) signIn(b *http.Client, at page, who sandbox.Person) page {
	p.t.Helper()
	at = p.submit(b, at, "username", who.Username, "password", who.Password)
	m := codeTag.FindStringSubmatch(at.body)
	if m == nil {
		p.t.Fatalf("no code on the page:\n%s", at.body)
	}
	return p.submit(b, at, "otp", m[1])
}

// answer reads the redirect back to the relying party.
func (p *provider) answer(at page) url.Values {
	p.t.Helper()
	u, err := url.Parse(at.location)
	if err != nil || !strings.HasPrefix(at.location, callback+"?") {
		p.t.Fatalf("redirected to %q (status %d)\n%s", at.location, at.status, at.body)
	}
	q := u.Query()
	if q.Get("iss") != p.url || q.Get("state") != "state" {
		p.t.Errorf("answer %v: iss or state is wrong", q)
	}
	return q
}

type idClaims struct {
	Subject  string   `json:"sub"`
	Nonce    string   `json:"nonce"`
	AuthTime int64    `json:"auth_time"`
	AMR      []string `json:"amr"`
	ACR      string   `json:"acr"`
	Username string   `json:"preferred_username"`
	Name     string   `json:"name"`
	Groups   []string `json:"groups"`
}

// claims verifies the ID token of an answer and reads it.
func (p *provider) claims(token *oauth2.Token) idClaims {
	p.t.Helper()
	raw, _ := token.Extra("id_token").(string)
	id, err := p.rp.Verifier(&oidc.Config{ClientID: "brevet", Now: p.clock.now}).Verify(p.t.Context(), raw)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := id.VerifyAccessToken(token.AccessToken); err != nil {
		p.t.Error(err)
	}
	var c idClaims
	if err := id.Claims(&c); err != nil {
		p.t.Fatal(err)
	}
	return c
}

func (p *provider) exchange(code string) (*oauth2.Token, error) {
	return p.oauth.Exchange(p.t.Context(), code, oauth2.VerifierOption(verifier))
}

func (p *provider) mustExchange(code string) *oauth2.Token {
	p.t.Helper()
	token, err := p.exchange(code)
	if err != nil {
		p.t.Fatal(err)
	}
	return token
}

// refresh trades a refresh token; expiry is left to the provider.
func (p *provider) refresh(token string) (*oauth2.Token, error) {
	return p.oauth.TokenSource(context.Background(), &oauth2.Token{RefreshToken: token}).Token()
}

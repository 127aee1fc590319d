package sandbox_test

import (
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pquerna/otp/totp"
	"golang.org/x/oauth2"

	"github.com/brevet-access/brevet/sandbox"
)

func TestSignIn(t *testing.T) {
	p := newProvider(t)
	b, engineer := p.browser(), p.people[0]
	first := p.open(b, p.authURL())
	for _, who := range p.people {
		if !strings.Contains(first.body, who.Username) || !strings.Contains(first.body, who.Password) {
			t.Errorf("the page does not list %s", who.Username)
		}
	}
	q := p.answer(p.signIn(b, first, engineer))
	token := p.mustExchange(q.Get("code"))
	got := p.claims(token)
	want := idClaims{Subject: got.Subject, Nonce: "nonce", AuthTime: p.clock.now().Unix(), AMR: []string{"pwd", "otp", "mfa"},
		ACR: got.ACR, Username: "engineer", Name: "Engineer", Groups: []string{"engineers"}}
	if diff := cmp.Diff(want, got); diff != "" || got.Subject == "" || got.ACR == "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	info, err := p.rp.UserInfo(t.Context(), oauth2.StaticTokenSource(token))
	if err != nil || info.Subject != got.Subject {
		t.Errorf("userinfo = %+v, %v", info, err)
	}
}

func TestSessionAndStepUp(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	p.answer(p.signIn(b, p.open(b, p.authURL()), p.people[0]))
	began := p.clock.now().Unix()
	p.clock.add(10 * time.Minute)

	silent := []string{"", "max_age=600", "prompt=none", "login_hint=engineer", "prompt=none&max_age=601"}
	for _, extra := range silent {
		at := p.open(b, p.authURL()+"&"+extra)
		if c := p.claims(p.mustExchange(p.answer(at).Get("code"))); c.AuthTime != began {
			t.Errorf("%q: auth_time moved by %d s", extra, c.AuthTime-began)
		}
	}
	for _, extra := range []string{"max_age=0", "max_age=599", "prompt=login", "prompt=select_account", "login_hint=lead"} {
		if at := p.open(b, p.authURL()+"&"+extra); at.action != "/password" {
			t.Errorf("%q: no password was asked (status %d, %s)", extra, at.status, at.location)
		}
	}
	for _, extra := range []string{"prompt=none&max_age=0", "prompt=none&max_age=599"} {
		if q := p.answer(p.open(b, p.authURL()+"&"+extra)); q.Get("error") != "login_required" {
			t.Errorf("%q: %v", extra, q)
		}
	}
	if q := p.answer(p.open(p.browser(), p.authURL()+"&prompt=none")); q.Get("error") != "login_required" {
		t.Errorf("prompt=none without a session: %v", q)
	}
	at := p.signIn(b, p.open(b, p.authURL()+"&max_age=0"), p.people[0])
	if c := p.claims(p.mustExchange(p.answer(at).Get("code"))); c.AuthTime != p.clock.now().Unix() {
		t.Errorf("auth_time after a step-up is %d s old", p.clock.now().Unix()-c.AuthTime)
	}
}

func TestWrongSecrets(t *testing.T) {
	p := newProvider(t)
	b, who := p.browser(), p.people[0]
	first := p.open(b, p.authURL())
	for _, fields := range [][]string{{"username", who.Username, "password", "wrong"}, {"username", "nobody", "password", ""}, {"username", who.Username}, {}} {
		if at := p.submit(b, first, fields...); at.status != http.StatusUnauthorized || at.action != "/password" {
			t.Errorf("%v: status %d, form %q", fields, at.status, at.action)
		}
	}
	if at := p.submit(p.browser(), first, "username", who.Username, "password", who.Password); at.status != http.StatusBadRequest {
		t.Errorf("another browser's form: status %d", at.status)
	}
	second := p.submit(b, first, "username", who.Username, "password", who.Password)
	skipped := first
	skipped.action = "/code"
	if at := p.submit(b, skipped, "otp", codeTag.FindStringSubmatch(second.body)[1]); at.status != http.StatusUnauthorized || at.location != "" {
		t.Errorf("a code without a password: status %d", at.status)
	}
	far, err := totp.GenerateCode(who.TOTP, p.clock.now().Add(90*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{"", "000000x", far} {
		if at := p.submit(b, second, "otp", code); at.status != http.StatusUnauthorized || at.action != "/code" {
			t.Errorf("code %q: status %d", code, at.status)
		}
	}
	p.clock.add(16 * time.Minute)
	if at := p.submit(b, second, "otp", "000000"); at.status != http.StatusBadRequest {
		t.Errorf("an old form: status %d", at.status)
	}
}

func TestOneTimeCodes(t *testing.T) {
	p := newProvider(t)
	who := p.people[0]
	for _, step := range []time.Duration{0, 30 * time.Second, -30 * time.Second} {
		code, err := totp.GenerateCode(who.TOTP, p.clock.now().Add(step))
		if err != nil {
			t.Fatal(err)
		}
		b := p.browser()
		second := p.submit(b, p.open(b, p.authURL()), "username", who.Username, "password", who.Password)
		p.answer(p.submit(b, second, "otp", code[:3]+" "+code[3:]))
	}
}

func TestAuthorizeHostile(t *testing.T) {
	p := newProvider(t)
	good := p.authURL()
	change := func(name, value string) string {
		u, _ := url.Parse(good)
		q := u.Query()
		q.Set(name, value)
		if value == "" {
			q.Del(name)
		}
		u.RawQuery = q.Encode()
		return u.String()
	}
	for name, address := range map[string]string{
		"client": change("client_id", "other"), "no client": change("client_id", ""), "redirect": change("redirect_uri", callback+"/x"),
		"no redirect": change("redirect_uri", ""), "foreign redirect": change("redirect_uri", "https://example.com/"), "twice": good + "&client_id=brevet",
	} {
		if at := p.open(p.browser(), address); at.status != http.StatusBadRequest || at.location != "" || at.action != "" {
			t.Errorf("%s: status %d, location %q", name, at.status, at.location)
		}
	}
	for address, code := range map[string]string{
		change("response_type", "token"):              "unsupported_response_type",
		change("scope", "profile"):                    "invalid_scope",
		change("code_challenge", ""):                  "invalid_request",
		change("code_challenge", "short"):             "invalid_request",
		change("code_challenge_method", "plain"):      "invalid_request",
		change("response_mode", "fragment"):           "invalid_request",
		change("request", "x"):                        "request_not_supported",
		change("request_uri", "https://example.com/"): "request_uri_not_supported",
		change("prompt", "none login"):                "invalid_request",
		change("prompt", "dance"):                     "invalid_request",
		change("max_age", "-1"):                       "invalid_request",
		change("max_age", "soon"):                     "invalid_request",
	} {
		if q := p.answer(p.open(p.browser(), address)); q.Get("error") != code {
			t.Errorf("%s\nanswered %v, want %s", address, q, code)
		}
	}
	if at := p.open(p.browser(), change("login_hint", `"><script>alert(1)</script>`)); strings.Contains(at.body, "<script>alert") {
		t.Error("login_hint is not escaped")
	}
}

func TestCodesWorkOnce(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	q := p.answer(p.signIn(b, p.open(b, p.authURL()), p.people[0]))
	token := p.mustExchange(q.Get("code"))
	if _, err := p.exchange(q.Get("code")); err == nil {
		t.Error("a code worked twice")
	}
	if _, err := p.refresh(token.RefreshToken); err == nil {
		t.Error("the refresh token outlived a replayed code")
	}
	if _, err := p.rp.UserInfo(t.Context(), oauth2.StaticTokenSource(token)); err == nil {
		t.Error("the access token outlived a replayed code")
	}
	wrong := map[string]func(code string) error{
		"verifier": func(code string) error {
			_, err := p.oauth.Exchange(t.Context(), code, oauth2.VerifierOption(strings.Repeat("x", 43)))
			return err
		},
		"no verifier": func(code string) error { _, err := p.oauth.Exchange(t.Context(), code); return err },
		"redirect": func(code string) error {
			o := p.oauth
			o.RedirectURL = "http://127.0.0.1:1/"
			_, err := o.Exchange(t.Context(), code, oauth2.VerifierOption(verifier))
			return err
		},
		"secret": func(code string) error {
			o := p.oauth
			o.ClientSecret = "wrong"
			_, err := o.Exchange(t.Context(), code, oauth2.VerifierOption(verifier))
			return err
		},
		"no secret": func(code string) error {
			o := p.oauth
			o.ClientSecret = ""
			_, err := o.Exchange(t.Context(), code, oauth2.VerifierOption(verifier))
			return err
		},
		"other client": func(code string) error {
			o := p.oauth
			o.ClientID, o.ClientSecret = "public", ""
			_, err := o.Exchange(t.Context(), code, oauth2.VerifierOption(verifier))
			return err
		},
		"late": func(code string) error {
			p.clock.add(time.Minute)
			_, err := p.exchange(code)
			return err
		},
		"not a code": func(string) error { _, err := p.exchange("x"); return err },
	}
	for name, try := range wrong {
		if err := try(p.answer(p.open(b, p.authURL())).Get("code")); err == nil {
			t.Errorf("%s: tokens were given", name)
		}
	}
}

func TestRefresh(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	token := p.mustExchange(p.answer(p.signIn(b, p.open(b, p.authURL()), p.people[0])).Get("code"))
	began := p.clock.now().Unix()
	p.clock.add(time.Hour)
	if !p.idp.SetGroups("engineer", []string{"engineers", "oncall"}) || p.idp.SetGroups("nobody", nil) {
		t.Error("SetGroups is wrong about who there is")
	}
	next, err := p.refresh(token.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	c := p.claims(next)
	if c.AuthTime != began || c.Nonce != "" || !cmp.Equal(c.Groups, []string{"engineers", "oncall"}) {
		t.Errorf("refreshed claims: %+v", c)
	}
	reopened, err := sandbox.NewIDP(p.cfg) // a restart: what was sealed opens again
	if err != nil {
		t.Fatal(err)
	}
	p.idp = reopened
	if next, err = p.refresh(next.RefreshToken); err != nil {
		t.Fatalf("after a restart: %v", err)
	}
	third, err := p.refresh(next.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.refresh(next.RefreshToken); err == nil {
		t.Error("a refresh token worked twice")
	}
	if _, err := p.refresh(third.RefreshToken); err == nil {
		t.Error("a replay did not end the family")
	}
}

func TestRemoveAndEndSession(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	lead := p.mustExchange(p.answer(p.signIn(b, p.open(b, p.authURL()), p.people[1])).Get("code"))
	if at := p.open(b, p.url+"/end_session?client_id=brevet&state=bye&post_logout_redirect_uri="+url.QueryEscape(callback)); at.location != callback+"?state=bye" {
		t.Errorf("end_session led to %q (status %d)", at.location, at.status)
	}
	if at := p.open(b, p.authURL()); at.action != "/password" {
		t.Error("the session outlived end_session")
	}
	if _, err := p.refresh(lead.RefreshToken); err == nil {
		t.Error("the refresh token outlived end_session")
	}
	if at := p.open(b, p.url+"/end_session?client_id=brevet&post_logout_redirect_uri=https://example.com/"); at.status != http.StatusOK || at.location != "" {
		t.Errorf("end_session led to %q (status %d)", at.location, at.status)
	}
	sec := p.mustExchange(p.answer(p.signIn(b, p.open(b, p.authURL()), p.people[2])).Get("code"))
	hint := sec.Extra("id_token").(string)
	for _, bad := range []string{"x", hint[:len(hint)-4] + "AAAA"} {
		if at := p.open(p.browser(), p.url+"/end_session?id_token_hint="+bad+"&post_logout_redirect_uri="+url.QueryEscape(callback)); at.location != "" {
			t.Errorf("a bad hint led to %q", at.location)
		}
	}
	p.open(p.browser(), p.url+"/end_session?id_token_hint="+hint) // without the cookie
	if at := p.open(b, p.authURL()); at.action != "/password" {
		t.Error("the session outlived end_session by its ID token")
	}
	who := p.people[0]
	token := p.mustExchange(p.answer(p.signIn(b, p.open(b, p.authURL()), who)).Get("code"))
	if !p.idp.Remove("engineer") || p.idp.Remove("engineer") {
		t.Error("Remove is wrong about who there is")
	}
	if _, err := p.refresh(token.RefreshToken); err == nil {
		t.Error("the refresh token outlived its person")
	}
	if _, err := p.rp.UserInfo(t.Context(), oauth2.StaticTokenSource(token)); err == nil {
		t.Error("the access token outlived its person")
	}
	first := p.open(b, p.authURL())
	if first.action != "/password" || p.submit(b, first, "username", who.Username, "password", who.Password).status != http.StatusUnauthorized {
		t.Error("a removed person signs in")
	}
}

func TestProviderHost(t *testing.T) {
	p := newProvider(t)
	for _, host := range []string{"evil.example", "127.0.0.1", "localhost" + p.url[len("http://127.0.0.1"):], ""} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		p.idp.ServeHTTP(w, r)
		if w.Code != http.StatusMisdirectedRequest {
			t.Errorf("Host %q: status %d", host, w.Code)
		}
	}
	b := p.browser()
	if at := p.open(b, p.url+"/"); at.status != http.StatusOK || at.action != "" || !strings.Contains(at.body, p.people[3].Password) {
		t.Errorf("home: status %d", at.status)
	}
	if at := p.open(b, p.url+"/nowhere"); at.status != http.StatusNotFound {
		t.Errorf("nowhere: status %d", at.status)
	}
}

func TestNewPeople(t *testing.T) {
	seen := map[string]bool{}
	for _, who := range append(sandbox.NewPeople(rand.Reader), sandbox.NewPeople(rand.Reader)...) {
		if seen[who.Password] || seen[who.TOTP] || len(who.Password) != 20 || len(who.TOTP) != 32 || len(who.Groups) != 1 {
			t.Errorf("%+v", who)
		}
		seen[who.Password], seen[who.TOTP] = true, true
	}
}

func TestProviderConfig(t *testing.T) {
	good := sandbox.IDPConfig{Issuer: "http://127.0.0.1:8478", Key: make([]byte, 32)}
	if _, err := sandbox.NewIDP(good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*sandbox.IDPConfig){
		"issuer": func(c *sandbox.IDPConfig) { c.Issuer = "http://127.0.0.1:8478/" },
		"key":    func(c *sandbox.IDPConfig) { c.Key = []byte("short") },
		"pem": func(c *sandbox.IDPConfig) {
			c.Key = []byte("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n")
		},
		"secret": func(c *sandbox.IDPConfig) { c.People = []sandbox.Person{{Username: "a", Password: "b", TOTP: "!"}} },
	} {
		c := good
		spoil(&c)
		if _, err := sandbox.NewIDP(c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

package oidc_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/idp/oidc"
	"github.com/google/go-cmp/cmp"
)

var ctx = context.Background()

func TestAuthURL(t *testing.T) {
	base := url.Values{"response_type": {"code"}, "client_id": {client}, "redirect_uri": {"https://brevet.invalid/login/callback"},
		"scope": {"openid profile email"}, "state": {"st"}, "nonce": {"no"}, "code_challenge": {"ch"}, "code_challenge_method": {"S256"}}
	for name, tt := range map[string]struct {
		maxAge time.Duration
		edit   func(*oidc.Config)
		meta   map[string]any
		want   url.Values
	}{
		"plain":     {-1, nil, nil, nil},
		"at most":   {90 * time.Minute, nil, nil, url.Values{"max_age": {"5400"}}},
		"fresh":     {0, nil, nil, url.Values{"max_age": {"0"}, "prompt": {"login"}}},
		"contexts":  {-1, func(c *oidc.Config) { c.MFA.ACR = []string{"a", "b"} }, nil, url.Values{"acr_values": {"a b"}}},
		"scopes":    {-1, func(c *oidc.Config) { c.Scopes = []string{"roles"} }, nil, url.Values{"scope": {"openid roles"}}},
		"announced": {-1, nil, map[string]any{"scopes_supported": []string{"groups", "openid", "offline_access"}}, url.Values{"scope": {"openid profile email offline_access groups"}}},
	} {
		idp := newIDP(t)
		idp.metadata = put(tt.meta)
		edit := tt.edit
		if edit == nil {
			edit = func(*oidc.Config) {}
		}
		got, err := idp.provider(edit).AuthURL(ctx, "st", "no", "ch", tt.maxAge)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		u, _ := url.Parse(got)
		want := url.Values{}
		for _, v := range []url.Values{base, tt.want} {
			for k := range v {
				want[k] = v[k]
			}
		}
		if diff := cmp.Diff(want, u.Query()); diff != "" || u.Path != "/authorize" {
			t.Errorf("%s: %s\n%s", name, got, diff)
		}
	}
}

func TestExchange(t *testing.T) {
	idp := newIDP(t)
	got, err := idp.provider().Exchange(ctx, "the-code", verifier, nonce, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	auth := start.Add(-5 * time.Second)
	want := brevet.Identity{Principal: brevet.Principal{Issuer: idp.URL, Subject: "subject-1"}, Login: "engineer", Name: "An Engineer",
		Proof:  brevet.Proof{AuthTime: auth, Methods: []string{"pwd", "mfa"}, MFA: auth},
		Groups: brevet.Groups{Names: []string{"all", "engineers"}, At: start}, Refresh: "v1.c3ViamVjdC0x.refresh-2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {"the-code"}, "code_verifier": {verifier}, "redirect_uri": {"https://brevet.invalid/login/callback"}}
	if diff := cmp.Diff([]url.Values{form}, idp.forms); diff != "" {
		t.Error(diff)
	}
	if idp.basic[0] != url.QueryEscape("s3cret&=") {
		t.Errorf("secret in the header: %q", idp.basic[0])
	}
}

func TestClientAuthentication(t *testing.T) {
	for name, tt := range map[string]struct {
		secret, id string
		methods    []string
		edit       func(*oidc.Config)
	}{
		"post":   {"s3cret&=", client, []string{"client_secret_post", "private_key_jwt"}, func(*oidc.Config) {}},
		"public": {"", client, nil, func(c *oidc.Config) { c.ClientSecret = "" }},
	} {
		idp := newIDP(t)
		if tt.methods != nil {
			idp.metadata = put(map[string]any{"token_endpoint_auth_methods_supported": tt.methods})
		}
		if _, err := idp.provider(tt.edit).Exchange(ctx, "c", verifier, nonce, -1); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if f := idp.forms[0]; len(idp.forms) != 1 || idp.basic[0] != "" || f.Get("client_id") != tt.id || f.Get("client_secret") != tt.secret {
			t.Errorf("%s: %v with header %q", name, idp.forms, idp.basic)
		}
	}
}

// The multi-factor proof is the time the provider states, and only if it also
// states an accepted method or context.
func TestProof(t *testing.T) {
	at := start.Add(-5 * time.Second)
	acr := func(c *oidc.Config) { c.MFA = oidc.MFA{ACR: []string{"urn:loa:2"}} }
	for name, tt := range map[string]struct {
		claims map[string]any
		edit   func(*oidc.Config)
		want   brevet.Proof
	}{
		"password":       {map[string]any{"amr": []string{"pwd"}}, nil, brevet.Proof{AuthTime: at, Methods: []string{"pwd"}}},
		"no methods":     {map[string]any{"amr": nil}, nil, brevet.Proof{AuthTime: at}},
		"one method":     {map[string]any{"amr": "mfa"}, nil, brevet.Proof{AuthTime: at, Methods: []string{"mfa"}, MFA: at}},
		"own method":     {map[string]any{"amr": []string{"hwk"}}, func(c *oidc.Config) { c.MFA.AMR = []string{"hwk"} }, brevet.Proof{AuthTime: at, Methods: []string{"hwk"}, MFA: at}},
		"no auth_time":   {map[string]any{"auth_time": nil}, nil, brevet.Proof{Methods: []string{"pwd", "mfa"}}},
		"zero auth_time": {map[string]any{"auth_time": 0}, nil, brevet.Proof{Methods: []string{"pwd", "mfa"}}},
		"context":        {map[string]any{"acr": "urn:loa:2", "amr": nil}, acr, brevet.Proof{AuthTime: at, Class: "urn:loa:2", MFA: at}},
		"other context":  {map[string]any{"acr": "urn:loa:1", "amr": []string{"mfa"}}, acr, brevet.Proof{AuthTime: at, Class: "urn:loa:1", Methods: []string{"mfa"}}},
		"empty context":  {map[string]any{"acr": "", "amr": nil}, func(c *oidc.Config) { c.MFA.ACR = []string{""} }, brevet.Proof{AuthTime: at}},
	} {
		idp := newIDP(t)
		idp.claims = put(tt.claims)
		if tt.edit == nil {
			tt.edit = func(*oidc.Config) {}
		}
		got, err := idp.provider(tt.edit).Exchange(ctx, "c", verifier, nonce, -1)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got.Proof); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// Providers ignore max_age: what they say is held against it here.
func TestMaxAge(t *testing.T) {
	for name, tt := range map[string]struct {
		authTime any
		maxAge   time.Duration
		want     brevet.Kind
	}{
		"young":            {start.Add(-time.Hour).Unix(), time.Hour, ""},
		"on the way":       {start.Add(-time.Hour - time.Minute).Unix(), time.Hour, ""},
		"old":              {start.Add(-time.Hour - 3*time.Minute).Unix(), time.Hour, brevet.StepUp},
		"old but not said": {start.Add(-24 * time.Hour).Unix(), -1, ""},
		"fresh":            {start.Add(-time.Minute).Unix(), 0, ""},
		"not fresh":        {start.Add(-3 * time.Minute).Unix(), 0, brevet.StepUp},
		"not stated":       {nil, time.Hour, brevet.StepUp},
		"not stated, 0":    {nil, 0, brevet.StepUp},
		"slightly ahead":   {start.Add(20 * time.Second).Unix(), 0, ""},
	} {
		idp := newIDP(t)
		idp.claims = put(map[string]any{"auth_time": tt.authTime})
		if _, err := idp.provider().Exchange(ctx, "c", verifier, nonce, tt.maxAge); brevet.KindOf(err) != tt.want {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

func TestLogin(t *testing.T) {
	for name, tt := range map[string]struct {
		claims map[string]any
		claim  string
		want   string
	}{
		"preferred":      {nil, "", "engineer"},
		"email":          {map[string]any{"preferred_username": nil, "email": "e@acme.invalid"}, "", "e@acme.invalid"},
		"sub":            {map[string]any{"preferred_username": nil}, "", "subject-1"},
		"chosen":         {map[string]any{"upn": "eng"}, "upn", "eng"},
		"chosen, absent": {nil, "upn", "engineer"},
		"not a string":   {map[string]any{"preferred_username": 7, "email": []string{"x"}}, "", "subject-1"},
		"hostile":        {map[string]any{"preferred_username": " a\x1b[31m\u202eb\n"}, "", "a\uFFFD[31m\uFFFDb\uFFFD"},
		"long":           {map[string]any{"preferred_username": strings.Repeat("x", 1000)}, "", strings.Repeat("x", 256)},
	} {
		idp := newIDP(t)
		idp.claims = put(tt.claims)
		got, err := idp.provider(func(c *oidc.Config) { c.LoginClaim = tt.claim }).Exchange(ctx, "c", verifier, nonce, -1)
		if err != nil || got.Login != tt.want {
			t.Errorf("%s: %q, %v; want %q", name, got.Login, err, tt.want)
		}
	}
}

// A provider that is down is asked again, after pauses; one that was seen
// once is not needed to build a URL.
func TestDiscoveryIsTriedAgain(t *testing.T) {
	idp := newIDP(t)
	idp.down = true
	p := idp.provider()
	ask := func() error { _, err := p.AuthURL(ctx, "s", "n", "c", -1); return err }
	const path = "/.well-known/openid-configuration"
	for i, step := range []struct {
		after time.Duration
		asked int
	}{{0, 1}, {900 * time.Millisecond, 1}, {100 * time.Millisecond, 2}, {time.Second, 2}, {time.Second, 3}, {time.Hour, 4}, {time.Minute, 5}} {
		idp.set(func() { idp.now = idp.now.Add(step.after) })
		if err := ask(); !errors.Is(err, brevet.Unavailable) {
			t.Errorf("step %d: %v, want unavailable", i, err)
		}
		if got := idp.count(path); got != step.asked {
			t.Errorf("step %d: asked %d times, want %d", i, got, step.asked)
		}
	}
	idp.set(func() { idp.down, idp.now = false, idp.now.Add(time.Minute) })
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	idp.set(func() { idp.down, idp.now = true, idp.now.Add(48*time.Hour) })
	for range 2 {
		if err := ask(); err != nil {
			t.Errorf("down, but known: %v", err)
		}
	}
	if got := idp.count(path); got != 7 {
		t.Errorf("asked %d times, want 7", got)
	}
}

func TestACallerWhoGoesAwaySaysNothingAboutTheProvider(t *testing.T) {
	idp := newIDP(t)
	p := idp.provider()
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := p.AuthURL(gone, "s", "n", "c", -1); err == nil {
		t.Error("no error")
	}
	if _, err := p.AuthURL(ctx, "s", "n", "c", -1); err != nil {
		t.Errorf("the next caller: %v", err)
	}
}

func TestNamesItself(t *testing.T) {
	for _, want := range []bool{true, false} {
		idp := newIDP(t)
		if want {
			idp.metadata = func(m map[string]any) { m["authorization_response_iss_parameter_supported"] = true }
		}
		got, err := idp.provider().NamesItself(t.Context())
		if err != nil || got != want {
			t.Errorf("names itself: %t (%v), want %t", got, err, want)
		}
	}
}

func TestBadProviders(t *testing.T) {
	for name, tt := range map[string]struct {
		metadata map[string]any
		edit     func(*oidc.Config)
		want     brevet.Kind
	}{
		"another issuer":     {map[string]any{"issuer": "https://evil.invalid"}, nil, brevet.Internal},
		"final slash":        {nil, func(c *oidc.Config) { c.Issuer += "/" }, brevet.Internal},
		"http":               {nil, func(c *oidc.Config) { c.Issuer = "http://idp.invalid" }, brevet.Internal},
		"not a URL":          {nil, func(c *oidc.Config) { c.Issuer = "idp" }, brevet.Internal},
		"no token endpoint":  {map[string]any{"token_endpoint": nil}, nil, brevet.Internal},
		"token without TLS":  {map[string]any{"token_endpoint": "http://idp.invalid/token"}, nil, brevet.Internal},
		"keys without TLS":   {map[string]any{"jwks_uri": "http://idp.invalid/jwks"}, nil, brevet.Internal},
		"javascript":         {map[string]any{"authorization_endpoint": "javascript:alert(1)"}, nil, brevet.Internal},
		"userinfo elsewhere": {map[string]any{"userinfo_endpoint": "ftp://idp.invalid/"}, nil, brevet.Internal},
		"oversized":          {map[string]any{"x": strings.Repeat("x", 2<<20)}, nil, brevet.Unavailable},
		"wrong types":        {map[string]any{"scopes_supported": "openid"}, nil, brevet.Unavailable},
	} {
		idp := newIDP(t)
		idp.metadata = put(tt.metadata)
		if tt.edit == nil {
			tt.edit = func(*oidc.Config) {}
		}
		_, err := idp.provider(tt.edit).AuthURL(ctx, "s", "n", "c", -1)
		if brevet.KindOf(err) != tt.want {
			t.Errorf("%s: %v (%s), want %s", name, err, brevet.KindOf(err), tt.want)
		}
	}
}

// The client's secret follows no redirect, and what is read comes from the
// provider's own host.
func TestRedirects(t *testing.T) {
	other := newIDP(t)
	for name, to := range map[string]string{"another host": other.URL + "/token", "another path": "/token?again"} {
		idp := newIDP(t)
		idp.token = func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusTemporaryRedirect) }
		if _, err := idp.provider().Exchange(ctx, "c", verifier, nonce, -1); !errors.Is(err, brevet.Unavailable) || len(idp.forms) != 1 {
			t.Errorf("%s: %v after %d calls, want unavailable after 1", name, err, len(idp.forms))
		}
	}
	front := httptest.NewServer(http.RedirectHandler(other.URL+"/.well-known/openid-configuration", http.StatusFound))
	defer front.Close()
	if _, err := oidc.New(oidc.Config{Issuer: front.URL, ClientID: client}).AuthURL(ctx, "s", "n", "c", -1); !errors.Is(err, brevet.Unavailable) {
		t.Errorf("discovery: %v, want unavailable", err)
	}
	if len(other.asked) != 0 {
		t.Errorf("the other host was asked: %v", other.asked)
	}
}

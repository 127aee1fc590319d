package oidc_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	jose "github.com/go-jose/go-jose/v4"
)

// many returns n different names.
func many(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("group-%05d", i))
	}
	return out
}

func TestHostileTokens(t *testing.T) {
	at := start.Unix()
	for name, tt := range map[string]struct {
		edit func(*idp)
		want brevet.Kind // "" is success
	}{
		"RS256":     {func(p *idp) { p.sign = func(b []byte) string { return jws(t, jose.RS256, rsaKey, "rsa", b) } }, ""},
		"no key id": {func(p *idp) { p.sign = func(b []byte) string { return jws(t, jose.ES256, ecKey, "", b) } }, ""},
		"alg none":  {func(p *idp) { p.sign = unsigned }, brevet.Denied},
		"HS256, public key": {func(p *idp) {
			p.sign = func(b []byte) string { return jws(t, jose.HS256, thumb(t, &rsaKey.PublicKey), "rsa", b) }
		}, brevet.Denied},
		"HS256, secret": {func(p *idp) {
			p.sign = func(b []byte) string { return jws(t, jose.HS256, []byte("s3cret&=s3cret&=s3cret&=s3cret&="), "rsa", b) }
		}, brevet.Denied},
		"PS256 unannounced": {func(p *idp) { p.sign = func(b []byte) string { return jws(t, jose.PS256, rsaKey, "rsa", b) } }, brevet.Denied},
		"foreign key":       {func(p *idp) { p.sign = func(b []byte) string { return jws(t, jose.ES256, otherKey, "ec", b) } }, brevet.Denied},
		"unknown key id":    {func(p *idp) { p.sign = func(b []byte) string { return jws(t, jose.ES256, otherKey, "x", b) } }, brevet.Denied},
		"secret in the set": {func(p *idp) {
			secret := []byte(strings.Repeat("k", 32))
			p.jwks = func(s *jose.JSONWebKeySet) { s.Keys = append(s.Keys, jose.JSONWebKey{Key: secret, KeyID: "oct"}) }
			p.sign = func(b []byte) string { return jws(t, jose.HS256, secret, "oct", b) }
		}, brevet.Denied},
		"edited":             {func(p *idp) { p.sign = func(b []byte) string { return splice(p.es256(b), p.es256([]byte(`{}`))) } }, brevet.Denied},
		"not a token":        {func(p *idp) { p.sign = func([]byte) string { return "a.b.c" } }, brevet.Denied},
		"no token":           {func(p *idp) { p.answer = put(map[string]any{"id_token": nil}) }, brevet.Denied},
		"token of number":    {func(p *idp) { p.answer = put(map[string]any{"id_token": 5}) }, brevet.Denied},
		"wrong aud":          {func(p *idp) { p.claims = put(map[string]any{"aud": "other"}) }, brevet.Denied},
		"no aud":             {func(p *idp) { p.claims = put(map[string]any{"aud": nil}) }, brevet.Denied},
		"two aud, azp":       {func(p *idp) { p.claims = put(map[string]any{"aud": []string{client, "other"}, "azp": client}) }, ""},
		"two aud":            {func(p *idp) { p.claims = put(map[string]any{"aud": []string{client, "other"}}) }, brevet.Denied},
		"wrong azp":          {func(p *idp) { p.claims = put(map[string]any{"azp": "other"}) }, brevet.Denied},
		"wrong iss":          {func(p *idp) { p.claims = put(map[string]any{"iss": "https://evil.invalid"}) }, brevet.Denied},
		"iss with slash":     {func(p *idp) { p.claims = put(map[string]any{"iss": p.URL + "/"}) }, brevet.Denied},
		"expired":            {func(p *idp) { p.claims = put(map[string]any{"exp": at - 1}) }, brevet.Denied},
		"no exp":             {func(p *idp) { p.claims = put(map[string]any{"exp": nil}) }, brevet.Denied},
		"not yet":            {func(p *idp) { p.claims = put(map[string]any{"nbf": at + 3600}) }, brevet.Denied},
		"no iat":             {func(p *idp) { p.claims = put(map[string]any{"iat": nil}) }, brevet.Denied},
		"future iat":         {func(p *idp) { p.claims = put(map[string]any{"iat": at + 60}) }, brevet.Clock},
		"future auth_time":   {func(p *idp) { p.claims = put(map[string]any{"auth_time": at + 60}) }, brevet.Clock},
		"auth_time text":     {func(p *idp) { p.claims = put(map[string]any{"auth_time": "yesterday"}) }, brevet.Denied},
		"auth_time negative": {func(p *idp) { p.claims = put(map[string]any{"auth_time": -5}) }, brevet.Denied},
		"auth_time huge":     {func(p *idp) { p.claims = put(map[string]any{"auth_time": json.Number("1e300")}) }, brevet.Denied},
		"auth_time fraction": {func(p *idp) { p.claims = put(map[string]any{"auth_time": float64(at) - 0.5}) }, ""},
		"wrong nonce":        {func(p *idp) { p.claims = put(map[string]any{"nonce": nonce + "x"}) }, brevet.Denied},
		"no nonce":           {func(p *idp) { p.claims = put(map[string]any{"nonce": nil}) }, brevet.Denied},
		"no sub":             {func(p *idp) { p.claims = put(map[string]any{"sub": nil}) }, brevet.Denied},
		"sub of number":      {func(p *idp) { p.claims = put(map[string]any{"sub": 5}) }, brevet.Denied},
		"sub control":        {func(p *idp) { p.claims = put(map[string]any{"sub": "a\x1b[2J"}) }, brevet.Denied},
		"sub long":           {func(p *idp) { p.claims = put(map[string]any{"sub": strings.Repeat("x", 256)}) }, brevet.Denied},
		"amr object":         {func(p *idp) { p.claims = put(map[string]any{"amr": map[string]any{"mfa": true}}) }, brevet.Denied},
		"amr of null":        {func(p *idp) { p.claims = put(map[string]any{"amr": []any{nil}}) }, brevet.Denied},
		"right at_hash":      {func(p *idp) { p.claims = put(map[string]any{"at_hash": halfHash("access")}) }, ""},
		"wrong at_hash":      {func(p *idp) { p.claims = put(map[string]any{"at_hash": halfHash("other")}) }, brevet.Denied},
		"2000 groups":        {func(p *idp) { p.claims = put(map[string]any{"groups": many(2000)}) }, ""},
		"2001 groups":        {func(p *idp) { p.claims = put(map[string]any{"groups": many(2001)}) }, brevet.Denied},
		"groups of numbers":  {func(p *idp) { p.claims = put(map[string]any{"groups": []any{"a", 5}}) }, brevet.Denied},
		"groups object":      {func(p *idp) { p.claims = put(map[string]any{"groups": map[string]any{"a": true}}) }, brevet.Denied},
		"group's name long":  {func(p *idp) { p.claims = put(map[string]any{"groups": []string{strings.Repeat("x", 257)}}) }, brevet.Denied},
		"oversized token":    {func(p *idp) { p.claims = put(map[string]any{"x": strings.Repeat("x", 1<<20)}) }, brevet.Unavailable},
		"oversized key set":  {func(p *idp) { p.jwks = func(s *jose.JSONWebKeySet) { s.Keys[0].KeyID = strings.Repeat("x", 2<<20) } }, brevet.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			p := newIDP(t)
			tt.edit(p)
			id, err := p.provider().Exchange(ctx, "c", verifier, nonce, -1)
			if brevet.KindOf(err) != tt.want {
				t.Errorf("%v (%s), want %q", err, brevet.KindOf(err), tt.want)
			}
			if err != nil && id.Principal != (brevet.Principal{}) {
				t.Errorf("an error, and %v", id)
			}
			mustHide(t, err)
		})
	}
}

// splice returns the claims of one token under the signature of another.
func splice(claims, signature string) string {
	c, s := strings.Split(claims, "."), strings.Split(signature, ".")
	return c[0] + "." + c[1] + "." + s[2]
}

// mustHide fails if an error, down to its causes, holds a secret or more than
// a line.
func mustHide(t *testing.T, err error) {
	t.Helper()
	for e := err; e != nil; e = errors.Unwrap(e) {
		if e != err && errors.Unwrap(e) == nil {
			return // the library's own, reached only by errors.As
		}
		if s := e.Error(); strings.Contains(s, "s3cret") || strings.Contains(s, verifier) || strings.ContainsAny(s, "\r\n") || len(s) > 500 {
			t.Errorf("%q", s)
		}
	}
}

func TestTokenEndpoint(t *testing.T) {
	answer := func(status int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			w.Write([]byte(body))
		}
	}
	for name, tt := range map[string]struct {
		token http.HandlerFunc
		want  brevet.Kind
	}{
		"used code":      {answer(400, "application/json", `{"error":"invalid_grant","error_description":"code \u001b[31m`+verifier+`"}`), brevet.Denied},
		"wrong secret":   {answer(401, "application/json", `{"error":"invalid_client"}`), brevet.Internal},
		"401":            {answer(401, "text/html", `<html>`), brevet.Internal},
		"hostile code":   {answer(400, "application/json", `{"error":"\u001b[31m`+strings.Repeat("x", 1000)+`"}`), brevet.Denied},
		"500 HTML":       {answer(500, "text/html", `<html>`+strings.Repeat("\n", 1000)), brevet.Unavailable},
		"429":            {answer(429, "application/json", `{"error":"slow_down"}`), brevet.Unavailable},
		"200 HTML":       {answer(200, "text/html", `<html>welcome`), brevet.Unavailable},
		"200 with error": {answer(200, "application/json", `{"error":"invalid_grant"}`), brevet.Denied},
		"empty":          {answer(200, "application/json", ``), brevet.Unavailable},
		"no token":       {answer(200, "application/json", `{}`), brevet.Unavailable},
		"1 MB":           {answer(200, "application/json", `{"access_token":"`+strings.Repeat("x", 1<<20)+`"}`), brevet.Unavailable},
		"deep":           {answer(200, "application/json", strings.Repeat("[", 1<<19)), brevet.Unavailable},
	} {
		p := newIDP(t)
		p.token = tt.token
		_, err := p.provider().Exchange(ctx, "c", verifier, nonce, -1)
		if brevet.KindOf(err) != tt.want || len(p.forms) != 1 {
			t.Errorf("%s: %v (%s) after %d calls, want %s after 1", name, err, brevet.KindOf(err), len(p.forms), tt.want)
		}
		mustHide(t, err)
	}
}

func TestIncompleteCalls(t *testing.T) {
	p := newIDP(t).provider()
	for _, in := range [][3]string{{"", verifier, nonce}, {"c", "", nonce}, {"c", verifier, ""}} {
		if _, err := p.Exchange(ctx, in[0], in[1], in[2], -1); !errors.Is(err, brevet.Invalid) {
			t.Errorf("%q: %v, want invalid", in, err)
		}
	}
	if _, err := p.AuthURL(ctx, "s", "", "c", -1); err == nil {
		t.Error("a URL without a nonce")
	}
}

// Rotated keys are fetched when a token names one that is not known, and
// withdrawn ones are forgotten within the hour.
func TestKeyRotation(t *testing.T) {
	idp := newIDP(t)
	p := idp.provider()
	for range 3 {
		if _, err := p.Exchange(ctx, "c", verifier, nonce, -1); err != nil {
			t.Fatal(err)
		}
	}
	if n := idp.count("/jwks"); n != 1 {
		t.Errorf("keys fetched %d times for three tokens", n)
	}
	idp.set(func() {
		idp.jwks = func(s *jose.JSONWebKeySet) { s.Keys = []jose.JSONWebKey{{Key: &otherKey.PublicKey, KeyID: "new"}} }
		idp.sign = func(b []byte) string { return jws(t, jose.ES256, otherKey, "new", b) }
	})
	if _, err := p.Exchange(ctx, "c", verifier, nonce, -1); err != nil {
		t.Error(err)
	}
	idp.set(func() { idp.now, idp.sign = idp.now.Add(time.Hour), idp.es256 })
	if _, err := p.Exchange(ctx, "c", verifier, nonce, -1); !errors.Is(err, brevet.Denied) {
		t.Errorf("a withdrawn key: %v, want denied", err)
	}
}

package sandbox_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"encoding/xml"
	"errors"
	"maps"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
)

func TestWebIdentityHostile(t *testing.T) {
	c := newCloud(t)
	now := c.clock.now().Unix()
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	claim := func(name string, v any) func(url.Values) {
		return func(f url.Values) {
			m := c.claims("Admin")
			if v == nil {
				delete(m, name)
			} else {
				m[name] = v
			}
			f.Set("WebIdentityToken", c.sign(m))
		}
	}
	tags := func(edit func(map[string]any)) func(url.Values) {
		return func(f url.Values) {
			m := c.claims("Admin")
			edit(m["https://aws.amazon.com/tags"].(map[string]any)["principal_tags"].(map[string]any))
			f.Set("WebIdentityToken", c.sign(m))
		}
	}
	tag := func(k string, v any) func(url.Values) {
		return tags(func(m map[string]any) {
			if v == nil {
				delete(m, k)
			} else {
				m[k] = v
			}
		})
	}
	set := func(k, v string) func(url.Values) { return func(f url.Values) { f.Set(k, v) } }
	tests := []struct {
		name   string
		change func(url.Values)
		status int
		code   string
	}{
		{"no token", set("WebIdentityToken", ""), 400, "ValidationError"},
		{"junk token", set("WebIdentityToken", "not-a-jwt"), 400, "InvalidIdentityToken"},
		{"huge token", set("WebIdentityToken", strings.Repeat("a", 20001)), 400, "ValidationError"},
		{"alg none", set("WebIdentityToken", "eyJhbGciOiJub25lIn0.e30."), 400, "InvalidIdentityToken"},
		{"HS256 with the public key", func(f url.Values) {
			f.Set("WebIdentityToken", signWith(t, jose.HS256, []byte(strings.Repeat("k", 64)), "k1", c.claims("Admin")))
		}, 400, "InvalidIdentityToken"},
		{"foreign key", func(f url.Values) { f.Set("WebIdentityToken", signWith(t, jose.ES256, other, "k1", c.claims("Admin"))) }, 400, "InvalidIdentityToken"},
		{"unknown kid", func(f url.Values) { f.Set("WebIdentityToken", signWith(t, jose.ES256, c.key, "k2", c.claims("Admin"))) }, 400, "InvalidIdentityToken"},
		{"no kid", func(f url.Values) { f.Set("WebIdentityToken", signWith(t, jose.ES256, c.key, "", c.claims("Admin"))) }, 400, "InvalidIdentityToken"},
		{"RS256 under an EC kid", func(f url.Values) {
			f.Set("WebIdentityToken", signWith(t, jose.RS256, rsaKey, "k1", c.claims("Admin")))
		}, 400, "InvalidIdentityToken"},
		{"payload not JSON", func(f url.Values) { f.Set("WebIdentityToken", c.sign("[]")) }, 400, "InvalidIdentityToken"},
		{"claim twice", func(f url.Values) { f.Set("WebIdentityToken", c.sign(`{"iss":"a","iss":"b"}`)) }, 400, "InvalidIdentityToken"},
		{"issuer", claim("iss", "https://issuer.brevet.invalid/c/cu_y"), 400, "InvalidIdentityToken"},
		{"issuer with a slash", claim("iss", c.accounts[0].Issuer+"/"), 400, "InvalidIdentityToken"},
		{"no issuer", claim("iss", nil), 400, "InvalidIdentityToken"},
		{"audience", claim("aud", c.accounts[1].Audience), 400, "InvalidIdentityToken"},
		{"audience in another case", claim("aud", strings.ToUpper(c.accounts[0].Audience)), 400, "InvalidIdentityToken"},
		{"two audiences", claim("aud", []string{c.accounts[0].Audience, c.accounts[1].Audience}), 400, "InvalidIdentityToken"},
		{"no audience", claim("aud", nil), 400, "InvalidIdentityToken"},
		{"no sub", claim("sub", nil), 400, "InvalidIdentityToken"},
		{"sub of somebody else's shape", claim("sub", "engineer@example.com"), 403, "AccessDenied"},
		{"expired", func(f url.Values) {
			m := c.claims("Admin")
			m["exp"], m["iat"] = now-300, now-360
			f.Set("WebIdentityToken", c.sign(m))
		}, 400, "ExpiredTokenException"},
		{"no exp", claim("exp", nil), 400, "InvalidIdentityToken"},
		{"exp as text", claim("exp", strconv.FormatInt(now+60, 10)), 400, "InvalidIdentityToken"},
		{"exp as fraction", claim("exp", float64(now)+60.5), 400, "InvalidIdentityToken"},
		{"no iat", claim("iat", nil), 400, "InvalidIdentityToken"},
		{"future iat", claim("iat", now+301), 403, "IDPRejectedClaim"},
		{"future nbf", claim("nbf", now+301), 403, "IDPRejectedClaim"},
		{"source too short", claim("https://aws.amazon.com/source_identity", "e"), 403, "IDPRejectedClaim"},
		{"source with a space", claim("https://aws.amazon.com/source_identity", "an engineer"), 403, "IDPRejectedClaim"},
		{"source as a list", claim("https://aws.amazon.com/source_identity", []string{"engineer"}), 403, "IDPRejectedClaim"},
		{"source aws:", claim("https://aws.amazon.com/source_identity", "aws:x"), 403, "IDPRejectedClaim"},
		{"no source", claim("https://aws.amazon.com/source_identity", nil), 403, "AccessDenied"},
		{"no tags", claim("https://aws.amazon.com/tags", nil), 403, "AccessDenied"},
		{"tags as text", claim("https://aws.amazon.com/tags", "brevet-role=Admin"), 403, "IDPRejectedClaim"},
		{"tag of another role", tag("brevet-role", []string{"ReadOnly"}), 403, "AccessDenied"},
		{"tag with two values", tag("brevet-role", []string{"Admin", "ReadOnly"}), 403, "IDPRejectedClaim"},
		{"tag without value", tag("brevet-role", []string{}), 403, "IDPRejectedClaim"},
		{"tag as text", tag("brevet-role", "Admin"), 403, "IDPRejectedClaim"},
		{"tag value charset", tag("brevet-grant", []string{"gr\n"}), 403, "IDPRejectedClaim"},
		{"tag value length", tag("brevet-grant", []string{strings.Repeat("x", 257)}), 403, "IDPRejectedClaim"},
		{"tag key aws:", tag("AWS:x", []string{"y"}), 403, "IDPRejectedClaim"},
		{"tag key length", tag(strings.Repeat("k", 129), []string{"y"}), 403, "IDPRejectedClaim"},
		{"tag key in two cases", tag("Brevet-Role", []string{"Admin"}), 403, "IDPRejectedClaim"},
		{"foreign tag", tag("team", []string{"x"}), 403, "AccessDenied"},
		{"51 tags", tags(func(m map[string]any) {
			for i := range 47 {
				m["brevet-"+strconv.Itoa(i)] = []string{"x"}
			}
		}), 403, "IDPRejectedClaim"},
		{"too much in tags", tags(func(m map[string]any) {
			for i := range 20 {
				m["brevet-"+strconv.Itoa(i)] = []string{strings.Repeat("x", 256)}
			}
		}), 400, "PackedPolicyTooLarge"},
		{"mfa too old", tag("brevet-mfa", []string{"8h"}), 403, "AccessDenied"},
		{"no mfa", tag("brevet-mfa", nil), 403, "AccessDenied"},
		{"no grant", tag("brevet-grant", nil), 403, "IDPRejectedClaim"}, // it is named as transitive
		{"empty grant", tag("brevet-grant", []string{""}), 403, "AccessDenied"},
		{"contract", tag("brevet-contract", []string{"2"}), 403, "AccessDenied"},
		{"no version", set("Version", ""), 400, "InvalidAction"},
		{"wrong version", set("Version", "2010-05-08"), 400, "InvalidAction"},
		{"session name too short", set("RoleSessionName", "x"), 400, "ValidationError"},
		{"session name too long", set("RoleSessionName", strings.Repeat("x", 65)), 400, "ValidationError"},
		{"session name charset", set("RoleSessionName", "an engineer"), 400, "ValidationError"},
		{"no session name", set("RoleSessionName", ""), 400, "ValidationError"},
		{"role ARN", set("RoleArn", "brevet-Admin"), 400, "ValidationError"},
		{"role of nobody", set("RoleArn", "arn:aws:iam::111122223333:role/brevet-Nothing"), 403, "AccessDenied"},
		{"role without prefix", set("RoleArn", "arn:aws:iam::111122223333:role/Admin"), 403, "AccessDenied"},
		{"role in another account", set("RoleArn", c.accounts[1].RoleARN("Admin")), 400, "InvalidIdentityToken"},
		{"account of nobody", set("RoleArn", "arn:aws:iam::999999999999:role/brevet-Admin"), 403, "AccessDenied"},
		{"another partition", set("RoleArn", "arn:aws-cn:iam::111122223333:role/brevet-Admin"), 403, "AccessDenied"},
		{"duration too short", set("DurationSeconds", "899"), 400, "ValidationError"},
		{"duration too long", set("DurationSeconds", "43201"), 400, "ValidationError"},
		{"duration beyond the role's", set("DurationSeconds", "7201"), 400, "ValidationError"},
		{"duration not a number", set("DurationSeconds", "1h"), 400, "ValidationError"},
		{"policy too long", set("Policy", `{"Version":"2012-10-17","Statement":[]}`+strings.Repeat(" ", 2048)), 400, "ValidationError"},
		{"policy not JSON", set("Policy", "{"), 400, "MalformedPolicyDocument"},
		{"policy with a principal", set("Policy", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`), 400, "MalformedPolicyDocument"},
		{"policy without resource", set("Policy", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*"}]}`), 400, "MalformedPolicyDocument"},
		{"managed session policy", set("PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/ReadOnlyAccess"), 400, "ValidationError"},
		{"provider id", set("ProviderId", "www.amazon.com"), 400, "ValidationError"},
		{"parameter twice", func(f url.Values) { f.Add("RoleArn", "x") }, 400, "ValidationError"},
		{"SAML", set("Action", "AssumeRoleWithSAML"), 400, "InvalidAction"},
		{"no action", set("Action", ""), 403, "MissingAuthenticationToken"},
		{"needs a signature", set("Action", "GetCallerIdentity"), 403, "MissingAuthenticationToken"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			form := c.form("Admin")
			tt.change(form)
			status, body := c.post(form)
			var e struct {
				Error     struct{ Type, Code, Message string }
				RequestId string
			}
			if err := xml.Unmarshal([]byte(body), &e); err != nil || e.Error.Type != "Sender" || e.Error.Message == "" || e.RequestId == "" {
				t.Errorf("not an error of AWS's form (%v):\n%s", err, body)
			}
			if status != tt.status || e.Error.Code != tt.code {
				t.Errorf("got %d %s (%s), want %d %s", status, e.Error.Code, e.Error.Message, tt.status, tt.code)
			}
		})
	}
	t.Run("keys cannot be fetched", func(t *testing.T) {
		c.jwksErr = errors.New("down")
		defer func() { c.jwksErr = nil }()
		if _, body := c.post(c.form("Admin")); !strings.Contains(body, "InvalidIdentityToken") || !strings.Contains(body, "Couldn&#39;t retrieve verification key") {
			t.Error(body)
		}
	})
	c.session("Admin", func(f url.Values) { // the leeway
		m := c.claims("Admin")
		m["exp"], m["iat"] = now-299, now-359
		f.Set("WebIdentityToken", c.sign(m))
	})
	c.session("Admin", claim("aud", []string{c.accounts[0].Audience}))
}

func TestRS256(t *testing.T) {
	c := newCloud(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	c.jwks.Keys = append(c.jwks.Keys, jose.JSONWebKey{Key: &key.PublicKey, KeyID: "r1", Use: "sig"})
	c.session("Admin", func(f url.Values) { f.Set("WebIdentityToken", signWith(t, jose.RS256, key, "r1", c.claims("Admin"))) })
	if status, body := c.post(func() url.Values {
		f := c.form("Admin")
		f.Set("WebIdentityToken", signWith(t, jose.PS256, key, "r1", c.claims("Admin")))
		return f
	}()); status != 400 {
		t.Error(body)
	}
}

// TestTagsAndSourceNeedTrust: a trust policy that lacks one of the three
// actions refuses the whole call if the token needs it.
func TestTagsAndSourceNeedTrust(t *testing.T) {
	c := newCloud(t)
	actions := `"sts:AssumeRole"`
	c.trust = func(a brevet.Account, r brevet.Role) (*iam.Policy, error) {
		return iam.Parse([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":[` + actions + `],
			"Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/issuer.brevet.invalid/c/cu_x"}}]}`))
	}
	c.restart()
	const assume, tag, source = `"sts:AssumeRoleWithWebIdentity"`, `"sts:TagSession"`, `"sts:SetSourceIdentity"`
	for _, tt := range []struct {
		actions      string
		tags, source bool
		want         string // in the refusal; "" if there is none
	}{
		{assume, false, false, ""},
		{assume, true, false, "Not authorized to perform sts:TagSession"},
		{assume, false, true, "Not authorized to perform sts:SetSourceIdentity"},
		{assume + "," + tag, true, false, ""},
		{assume + "," + tag, true, true, "Not authorized to perform sts:SetSourceIdentity"},
		{assume + "," + tag + "," + source, true, true, ""},
		{tag + "," + source, true, true, "Not authorized to perform sts:AssumeRoleWithWebIdentity"},
	} {
		actions = tt.actions
		c.deploy()
		claims := c.claims("Admin")
		if !tt.tags {
			delete(claims, "https://aws.amazon.com/tags")
		}
		if !tt.source {
			delete(claims, "https://aws.amazon.com/source_identity")
		}
		form := c.form("Admin")
		form.Set("WebIdentityToken", c.sign(claims))
		if status, body := c.post(form); (status == 200) != (tt.want == "") || !strings.Contains(body, tt.want) {
			t.Errorf("%+v: %d\n%s", tt, status, body)
		}
	}
}

// FuzzWebIdentity has STS read tokens: any text, and any claims under a good
// signature. It answers, and lets nobody in whom the claims do not name.
func FuzzWebIdentity(f *testing.F) {
	c := newCloud(f)
	good := c.form("Admin")
	claims, err := json.Marshal(c.claims("Admin"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good.Get("WebIdentityToken"), string(claims))
	f.Add("", "{}")
	f.Add("a.b.c", "[]")
	f.Add("eyJhbGciOiJub25lIn0.e30.", `{"iss":1,"aud":["x"],"exp":1e999}`)
	f.Add("eyJhbGciOiJFUzI1NiIsImtpZCI6ImsxIn0..", `{"iss":"https://issuer.brevet.invalid/c/cu_x","https://aws.amazon.com/tags":{"principal_tags":null}}`)
	f.Fuzz(func(t *testing.T, token, payload string) {
		for _, text := range []string{token, signWith(t, jose.ES256, c.key, "k1", payload)} {
			form := maps.Clone(good)
			form["WebIdentityToken"] = []string{text}
			r := httptest.NewRequestWithContext(t.Context(), "POST", c.url+"/", strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			rec := httptest.NewRecorder()
			c.aws.ServeHTTP(rec, r)
			var said struct {
				Issuer  string `json:"iss"`
				Subject string `json:"sub"`
			}
			switch {
			case rec.Code >= 500:
				t.Fatalf("%q: %d %s", text, rec.Code, rec.Body)
			case rec.Code == 200 && text != token && (json.Unmarshal([]byte(payload), &said) != nil || said.Issuer != c.accounts[0].Issuer || said.Subject == ""):
				t.Fatalf("%q was let in", payload)
			}
		}
	})
}

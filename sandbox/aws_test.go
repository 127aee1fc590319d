package sandbox_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
	"github.com/go-jose/go-jose/v4"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
	"github.com/brevet-access/brevet/sandbox"
	"github.com/brevet-access/brevet/stack"
)

const (
	staging brevet.AccountID = "111122223333"
	prod    brevet.AccountID = "444455556666"

	grantTag = "gr_01jd0000000000000000000000"
	person   = "pr_01jd0000000000000000000000"
)

// cloud is a simulated AWS on loopback with the key of its one customer's
// issuer.
type cloud struct {
	t        testing.TB
	aws      *sandbox.AWS
	cfg      sandbox.AWSConfig
	url      string
	clock    *clock
	key      *ecdsa.PrivateKey
	accounts []brevet.Account
	roles    []brevet.Role
	trust    func(brevet.Account, brevet.Role) (*iam.Policy, error) // nil: as package stack writes it
	jwks     jose.JSONWebKeySet
	jwksErr  error
}

// newCloud is a cloud in whose accounts a small stack with the roles is
// deployed.
func newCloud(t testing.TB) *cloud {
	t.Helper()
	c := newBareCloud(t)
	c.deploy()
	return c
}

// newBareCloud is a cloud whose accounts hold nothing yet.
func newBareCloud(t testing.TB) *cloud {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &cloud{t: t, clock: newClock(), key: key}
	account := brevet.Account{ID: staging, Name: "acme-staging", Customer: "cu_x", Region: "eu-west-1", Contract: 1, Prefix: "brevet-",
		Issuer: "https://issuer.brevet.invalid/c/cu_x", Audience: "brevet:111122223333:abcdefghijklmnopqrstuvwxyz"}
	other := account
	other.ID, other.Name, other.Audience = prod, "acme-prod", "brevet:444455556666:zyxwvutsrqponmlkjihgfedcba"
	c.accounts = []brevet.Account{account, other}
	c.roles = []brevet.Role{
		{Name: "ReadOnly", Max: 4 * time.Hour, MFA: brevet.Rung8h, Policies: []string{"job-function/ViewOnlyAccess"}},
		{Name: "Admin", Max: 2 * time.Hour, MFA: brevet.Rung1h, Policies: []string{"AdministratorAccess"}, About: "everything"},
		{Name: "SRE", Max: 4 * time.Hour, MFA: brevet.Rung8h, Inline: json.RawMessage(
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ssm:StartSession","Resource":"arn:aws:ec2:*:*:instance/*"}]}`)},
	}
	c.jwks.Keys = []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "k1", Algorithm: "ES256", Use: "sig"}}
	srv := httptest.NewUnstartedServer(nil)
	c.url = "http://" + srv.Listener.Addr().String()
	c.cfg = sandbox.AWSConfig{Key: make([]byte, 32), Host: srv.Listener.Addr().String(), Now: c.clock.now,
		Accounts: func() []brevet.Account { return c.accounts },
		JWKS: func(issuer string) ([]byte, error) {
			if issuer != account.Issuer {
				return nil, errors.New("another issuer")
			}
			text, err := json.Marshal(c.jwks)
			return text, errors.Join(err, c.jwksErr)
		}}
	c.begin()
	srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.aws.ServeHTTP(w, r) })
	srv.Start()
	t.Cleanup(srv.Close)
	return c
}

func (c *cloud) restart() {
	c.t.Helper()
	c.begin()
	c.deploy()
}

func (c *cloud) begin() {
	c.t.Helper()
	a, err := sandbox.NewAWS(c.cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	c.aws = a
}

// claims are those of a token that is good for role.
func (c *cloud) claims(role string) map[string]any {
	now := c.clock.now().Unix()
	return map[string]any{
		"iss": c.accounts[0].Issuer, "sub": person, "aud": c.accounts[0].Audience, "iat": now, "exp": now + 60, "jti": "1",
		"https://aws.amazon.com/source_identity": "engineer",
		"https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string]any{
			"brevet-role": []string{role}, "brevet-grant": []string{grantTag}, "brevet-mfa": []string{"5m"}, "brevet-contract": []string{"1"}},
			"transitive_tag_keys": []string{"brevet-grant"}},
	}
}

func (c *cloud) sign(claims any) string {
	return signWith(c.t, jose.ES256, c.key, "k1", claims)
}

func signWith(t testing.TB, alg jose.SignatureAlgorithm, key any, kid string, claims any) string {
	t.Helper()
	options := &jose.SignerOptions{}
	if kid != "" {
		options = options.WithHeader("kid", kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	text, ok := claims.(string)
	if !ok {
		raw, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		text = string(raw)
	}
	jws, err := signer.Sign([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// form is a good AssumeRoleWithWebIdentity for role.
func (c *cloud) form(role string) url.Values {
	return url.Values{"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"}, "RoleArn": {c.accounts[0].RoleARN(brevet.RoleName(role))},
		"RoleSessionName": {"engineer=0123456789"}, "WebIdentityToken": {c.sign(c.claims(role))}}
}

// post sends a form, unsigned, and returns status and body.
func (c *cloud) post(form url.Values) (int, string) {
	c.t.Helper()
	resp, err := http.PostForm(c.url+"/", form)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// assumed is what STS answers.
type assumed struct {
	Result struct {
		Credentials struct{ AccessKeyId, SecretAccessKey, SessionToken, Expiration string }
		User        struct{ Arn, AssumedRoleId string } `xml:"AssumedRoleUser"`
		Subject     string                              `xml:"SubjectFromWebIdentityToken"`
		Provider    string
		Audience    string
		Source      string `xml:"SourceIdentity"`
	} `xml:"AssumeRoleWithWebIdentityResult"`
}

// session assumes role; change may edit the form.
func (c *cloud) session(role string, change ...func(url.Values)) assumed {
	c.t.Helper()
	form := c.form(role)
	for _, f := range change {
		f(form)
	}
	status, body := c.post(form)
	var got assumed
	if err := xml.Unmarshal([]byte(body), &got); err != nil || status != 200 {
		c.t.Fatalf("status %d, %v\n%s", status, err, body)
	}
	return got
}

func (a assumed) provider() aws.CredentialsProvider {
	k := a.Result.Credentials
	return credentials.NewStaticCredentialsProvider(k.AccessKeyId, k.SecretAccessKey, k.SessionToken)
}

// sts returns the AWS SDK's client with these credentials.
func (c *cloud) sts(creds aws.CredentialsProvider) *sts.Client {
	return sts.New(sts.Options{Region: "eu-west-1", BaseEndpoint: &c.url, Credentials: creds, Retryer: aws.NopRetryer{}})
}

// whoami asks STS by way of the SDK.
func whoami(c *cloud, a assumed) (*sts.GetCallerIdentityOutput, error) {
	return c.sts(a.provider()).GetCallerIdentity(context.Background(), &sts.GetCallerIdentityInput{})
}

func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

func TestAssumeRoleWithWebIdentity(t *testing.T) {
	c := newCloud(t)
	got := c.session("Admin", func(f url.Values) { f.Set("DurationSeconds", "900") })
	r := got.Result
	want := c.clock.now().Add(15 * time.Minute).UTC().Format(time.RFC3339)
	if !strings.HasPrefix(r.Credentials.AccessKeyId, "ASIA") || len(r.Credentials.AccessKeyId) != 20 || r.Credentials.Expiration != want ||
		r.User.Arn != "arn:aws:sts::111122223333:assumed-role/brevet-Admin/engineer=0123456789" || r.Subject != person ||
		r.Provider != stack.ProviderARN(c.accounts[0]) || r.Audience != c.accounts[0].Audience || r.Source != "engineer" {
		t.Errorf("answer: %+v", r)
	}
	c.restart() // credentials outlive the process
	id, err := whoami(c, got)
	if err != nil {
		t.Fatal(err)
	}
	if *id.Account != string(staging) || *id.Arn != r.User.Arn || *id.UserId != r.User.AssumedRoleId {
		t.Errorf("GetCallerIdentity: %s %s %s", *id.Account, *id.Arn, *id.UserId)
	}
}

func TestHostileCallers(t *testing.T) {
	c := newCloud(t)
	good := c.session("ReadOnly")
	k := good.Result.Credentials
	admin := c.session("Admin").Result.Credentials
	for name, tt := range map[string]struct{ id, secret, token, code string }{
		"wrong secret":         {k.AccessKeyId, k.SecretAccessKey + "x", k.SessionToken, "SignatureDoesNotMatch"},
		"no token":             {k.AccessKeyId, k.SecretAccessKey, "", "InvalidClientTokenId"},
		"junk token":           {k.AccessKeyId, k.SecretAccessKey, "junk", "InvalidClientTokenId"},
		"token of another key": {k.AccessKeyId, k.SecretAccessKey, admin.SessionToken, "InvalidClientTokenId"},
		"key of nobody":        {"AKIAAAAAAAAAAAAAAAAA", "secret", "", "InvalidClientTokenId"},
	} {
		_, err := c.sts(credentials.NewStaticCredentialsProvider(tt.id, tt.secret, tt.token)).GetCallerIdentity(t.Context(), nil)
		if codeOf(err) != tt.code {
			t.Errorf("%s: %v, want %s", name, err, tt.code)
		}
	}
	if _, err := sts.New(sts.Options{Region: "cn-north-1", BaseEndpoint: &c.url, Credentials: good.provider()}).GetCallerIdentity(t.Context(), nil); codeOf(err) != "InvalidClientTokenId" {
		t.Errorf("another partition: %v", err)
	}
	if _, err := c.sts(good.provider()).GetSessionToken(t.Context(), nil); codeOf(err) != "AccessDenied" {
		t.Errorf("GetSessionToken: %v", err)
	}
	if _, err := c.sts(good.provider()).GetFederationToken(t.Context(), &sts.GetFederationTokenInput{Name: aws.String("x1")}); codeOf(err) != "AccessDenied" {
		t.Errorf("GetFederationToken: %v", err)
	}
	roles := c.roles
	c.roles = c.roles[1:]
	c.deploy()
	if _, err := whoami(c, good); codeOf(err) != "InvalidClientTokenId" {
		t.Errorf("a deleted role: %v", err)
	}
	c.roles = roles
	c.deploy()
	for host, want := range map[string]int{"evil.example": 421, "localhost": 421} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(c.form("Admin").Encode()))
		r.Host = host
		w := httptest.NewRecorder()
		if c.aws.ServeHTTP(w, r); w.Code != want {
			t.Errorf("Host %s: %d", host, w.Code)
		}
	}
	r := httptest.NewRequest("POST", "/", strings.NewReader(strings.Repeat("a", 1<<20+1)))
	r.Host = c.cfg.Host
	w := httptest.NewRecorder()
	if c.aws.ServeHTTP(w, r); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a huge body: %d", w.Code)
	}
}

func TestRoleChaining(t *testing.T) {
	c := newCloud(t)
	c.trust = func(a brevet.Account, r brevet.Role) (*iam.Policy, error) {
		if a.ID == staging {
			return stack.Trust(a, r)
		}
		return iam.Parse([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},
			"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"],"Condition":{"StringEquals":{"sts:ExternalId":"cust-7f3c0d9e"}}}]}`))
	}
	c.restart()
	admin, readOnly := c.sts(c.session("Admin").provider()), c.sts(c.session("ReadOnly").provider())
	input := func(edit func(*sts.AssumeRoleInput)) *sts.AssumeRoleInput {
		in := &sts.AssumeRoleInput{RoleArn: aws.String(c.accounts[1].RoleARN("SRE")), RoleSessionName: aws.String("chained"), ExternalId: aws.String("cust-7f3c0d9e")}
		if edit != nil {
			edit(in)
		}
		return in
	}
	got, err := admin.AssumeRole(t.Context(), input(nil))
	if err != nil {
		t.Fatal(err)
	}
	if aws.ToString(got.SourceIdentity) != "engineer" || *got.AssumedRoleUser.Arn != "arn:aws:sts::444455556666:assumed-role/brevet-SRE/chained" {
		t.Errorf("answer: %+v", got)
	}
	tagged, err := admin.AssumeRole(t.Context(), input(func(in *sts.AssumeRoleInput) {
		in.Tags, in.TransitiveTagKeys = []types.Tag{{Key: aws.String("team"), Value: aws.String("a b")}}, []string{"team"}
	}))
	if err != nil {
		t.Fatal(err)
	}
	var chained assumed
	k := tagged.Credentials
	chained.Result.Credentials.AccessKeyId, chained.Result.Credentials.SecretAccessKey, chained.Result.Credentials.SessionToken = *k.AccessKeyId, *k.SecretAccessKey, *k.SessionToken
	c.roles[2].Inline = json.RawMessage(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:ListUsers","cloudtrail:LookupEvents"],"Resource":"*","Condition":{"StringEquals":
		{"aws:PrincipalTag/brevet-grant":"` + grantTag + `","aws:PrincipalTag/team":"a b","aws:SourceIdentity":"engineer"},"Null":{"aws:PrincipalTag/brevet-role":"true"}}}]}`)
	c.deploy()
	if status, body := c.query(chained, "iam ListUsers"); status != 200 {
		t.Errorf("inherited tags: %d\n%s", status, body)
	}
	records, raw := c.lookup(chained, "{}") // in the account of the role
	if len(records) != 3 || records[1]["eventName"] != "AssumeRole" || records[1]["userIdentity"].(map[string]any)["type"] != "AWSAccount" {
		t.Errorf("trail: %s", raw)
	}
	tests := map[string]struct {
		by   *sts.Client
		edit func(*sts.AssumeRoleInput)
		code string
	}{
		"no external id":          {admin, func(in *sts.AssumeRoleInput) { in.ExternalId = nil }, "AccessDenied"},
		"wrong external id":       {admin, func(in *sts.AssumeRoleInput) { in.ExternalId = aws.String("cust-other") }, "AccessDenied"},
		"over an hour":            {admin, func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(3601) }, "ValidationError"},
		"another source identity": {admin, func(in *sts.AssumeRoleInput) { in.SourceIdentity = aws.String("lead") }, "AccessDenied"},
		"an inherited tag anew": {admin, func(in *sts.AssumeRoleInput) {
			in.Tags = []types.Tag{{Key: aws.String("brevet-grant"), Value: aws.String("gr_x")}}
		}, "ValidationError"},
		"a tag key of AWS's": {admin, func(in *sts.AssumeRoleInput) {
			in.Tags = []types.Tag{{Key: aws.String("aws:x"), Value: aws.String("y")}}
		}, "ValidationError"},
		"a tag twice": {admin, func(in *sts.AssumeRoleInput) {
			in.Tags = []types.Tag{{Key: aws.String("a"), Value: aws.String("y")}, {Key: aws.String("A"), Value: aws.String("y")}}
		}, "ValidationError"},
		"transitive without tag": {admin, func(in *sts.AssumeRoleInput) { in.TransitiveTagKeys = []string{"team"} }, "ValidationError"},
		"caller may not":         {readOnly, nil, "AccessDenied"},
		"trusts only the issuer": {admin, func(in *sts.AssumeRoleInput) { in.RoleArn = aws.String(c.accounts[0].RoleARN("SRE")) }, "AccessDenied"},
		"no such role":           {admin, func(in *sts.AssumeRoleInput) { in.RoleArn = aws.String(c.accounts[1].RoleARN("Nothing")) }, "AccessDenied"},
	}
	for name, tt := range tests {
		if _, err := tt.by.AssumeRole(t.Context(), input(tt.edit)); codeOf(err) != tt.code {
			t.Errorf("%s: %v, want %s", name, err, tt.code)
		}
	}
}

func TestHome(t *testing.T) {
	c := newCloud(t)
	r, err := http.NewRequest("GET", c.url+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	resp, err := http.DefaultClient.Do(r)
	if p := look(t, resp, err); p.status != 200 || !strings.Contains(p.body, "acme-prod") {
		t.Errorf("status %d\n%s", p.status, p.body)
	}
}

func TestAWSConfig(t *testing.T) {
	good := newCloud(t).cfg
	for name, spoil := range map[string]func(*sandbox.AWSConfig){
		"key":      func(c *sandbox.AWSConfig) { c.Key = c.Key[1:] },
		"host":     func(c *sandbox.AWSConfig) { c.Host = "" },
		"accounts": func(c *sandbox.AWSConfig) { c.Accounts = nil },
		"jwks":     func(c *sandbox.AWSConfig) { c.JWKS = nil },
	} {
		cfg := good
		spoil(&cfg)
		if _, err := sandbox.NewAWS(cfg); !errors.Is(err, brevet.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

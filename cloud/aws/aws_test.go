package aws_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/cloud/aws"
	"github.com/google/go-cmp/cmp"
)

var now = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)

const (
	keyID   = "ASIAEXAMPLEEXAMPLE00"
	secret  = "secretAccessKey/of+tests"
	session = "sessionToken/of+tests=="
)

func answer(id, key, token, expires string) string {
	return `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <SubjectFromWebIdentityToken>pr_1</SubjectFromWebIdentityToken>
    <Audience>brevet</Audience>
    <AssumedRoleUser><Arn>arn:aws:sts::111122223333:assumed-role/brevet-SRE/engineer</Arn><AssumedRoleId>AROAEXAMPLE:engineer</AssumedRoleId></AssumedRoleUser>
    <Credentials><AccessKeyId>` + id + `</AccessKeyId><SecretAccessKey>` + key + `</SecretAccessKey><SessionToken>` + token +
		`</SessionToken><Expiration>` + expires + `</Expiration></Credentials>
  </AssumeRoleWithWebIdentityResult>
  <ResponseMetadata><RequestId>7e4f2c1a-0000-0000-0000-000000000000</RequestId></ResponseMetadata>
</AssumeRoleWithWebIdentityResponse>`
}

var good = answer(keyID, secret, session, "2026-09-01T13:00:00Z")

func refusal(code, message string) string {
	return `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>` + code +
		`</Code><Message>` + message + `</Message></Error><RequestId>7e4f2c1a</RequestId></ErrorResponse>`
}

// reply is one answer of the test's STS.
type reply struct {
	status int
	kind   string // content type; "" is text/xml
	body   string
}

// sts answers with one reply after another, the last one for ever, and keeps
// what it was asked.
type sts struct {
	*httptest.Server
	mu      sync.Mutex
	replies []reply
	asked   []url.Values
	headers []http.Header
}

func newSTS(t testing.TB, replies ...reply) *sts {
	s := &sts{replies: replies}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked, s.headers = append(s.asked, r.PostForm), append(s.headers, r.Header)
		if r.Method != http.MethodPost || r.URL.RawQuery != "" {
			t.Errorf("asked %s %s", r.Method, r.URL)
		}
		a := s.replies[0]
		if len(s.replies) > 1 {
			s.replies = s.replies[1:]
		}
		if a.kind == "" {
			a.kind = "text/xml"
		}
		w.Header().Set("Content-Type", a.kind)
		w.WriteHeader(a.status)
		w.Write([]byte(a.body))
	}))
	t.Cleanup(s.Close)
	return s
}

// secretToken is what the tests' signer returns: three long parts, numbered.
func secretToken(n int) string {
	return "eyJhbGciOiJFUzI1NiJ9." + strings.Repeat("payload", 10) + strconv.Itoa(n) + "." + strings.Repeat("signature", 10)
}

func newCloud(endpoint string) (*aws.Cloud, *[]brevet.Claims) {
	var seen []brevet.Claims
	return aws.New(aws.Config{
		Token: func(_ context.Context, c brevet.Claims) (string, error) {
			seen = append(seen, c)
			return secretToken(len(seen)), nil
		},
		STS:    func(string, string) string { return endpoint },
		SignIn: endpoint + "/federation",
		Issuer: "https://brevet.invalid",
		Now:    func() time.Time { return now },
		Wait:   func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}), &seen
}

func issue() brevet.Issue {
	return brevet.Issue{Session: "ses_1", Grant: "gr_01jzzzzzzzzzzzzzz0123456789", Person: "pr_01jzzzzzzzzzzzzzzzzzzzzzzz", Handle: "engineer",
		Account: brevet.Account{ID: "111122223333", Name: "acme-staging", Customer: "cu_01jzzzzzzzzzzzzzzzzzzzzzza", Region: "eu-west-1",
			Audience: "brevet:111122223333:abcdefghijklmnopqrstuvwxyz", Contract: 3, Prefix: "brevet-", Issuer: "https://issuer.brevet.invalid/c/cu_1"},
		Role: "SRE", MFA: brevet.Rung1h, TTL: time.Hour, End: now.Add(90*time.Minute + 700*time.Millisecond)}
}

func TestIssue(t *testing.T) {
	s := newSTS(t, reply{200, "", good})
	c, claims := newCloud(s.URL)
	got, err := c.Issue(context.Background(), issue())
	if err != nil {
		t.Fatal(err)
	}
	want := brevet.Credential{AccessKeyID: keyID, SecretAccessKey: secret, SessionToken: session, Expires: now.Add(time.Hour)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	form := url.Values{
		"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"}, "DurationSeconds": {"3600"},
		"RoleArn": {"arn:aws:iam::111122223333:role/brevet-SRE"}, "RoleSessionName": {"engineer=0123456789"},
		"WebIdentityToken": {secretToken(1)},
		"Policy": {`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},` +
			`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateGreaterThanEquals":{"aws:CurrentTime":"2026-09-01T13:30:00Z"}}}]}`},
	}
	if diff := cmp.Diff([]url.Values{form}, s.asked); diff != "" {
		t.Error(diff)
	}
	if s.headers[0].Get("Authorization") != "" {
		t.Error("the call is signed")
	}
	said := []brevet.Claims{{Customer: "cu_01jzzzzzzzzzzzzzzzzzzzzzza", Audience: "brevet:111122223333:abcdefghijklmnopqrstuvwxyz",
		Subject: "pr_01jzzzzzzzzzzzzzzzzzzzzzzz", SourceIdentity: "engineer", Tags: map[string]string{
			"brevet-role": "SRE", "brevet-grant": "gr_01jzzzzzzzzzzzzzz0123456789", "brevet-mfa": "1h", "brevet-contract": "3"}}}
	if diff := cmp.Diff(said, *claims); diff != "" {
		t.Error(diff)
	}
}

func TestDurations(t *testing.T) {
	for ttl, want := range map[time.Duration]string{-time.Hour: "900", 0: "900", time.Minute: "900", 15*time.Minute + 900*time.Millisecond: "900",
		time.Hour: "3600", 13 * time.Hour: "43200"} {
		s := newSTS(t, reply{200, "", good})
		c, _ := newCloud(s.URL)
		i := issue()
		i.TTL = ttl
		if _, err := c.Issue(context.Background(), i); err != nil {
			t.Fatal(err)
		}
		if got := s.asked[0].Get("DurationSeconds"); got != want {
			t.Errorf("TTL %s: asked for %s, want %s", ttl, got, want)
		}
	}
}

// What AWS would refuse anyway, or must never be asked, costs no call.
func TestNotAsked(t *testing.T) {
	s := newSTS(t, reply{200, "", good})
	c, claims := newCloud(s.URL)
	for name, tt := range map[string]struct {
		edit func(*brevet.Issue)
		want brevet.Kind
	}{
		"account":        {func(i *brevet.Issue) { i.Account.ID = "1" }, brevet.Invalid},
		"role":           {func(i *brevet.Issue) { i.Role = "../x" }, brevet.Invalid},
		"no role":        {func(i *brevet.Issue) { i.Role = "" }, brevet.Invalid},
		"no audience":    {func(i *brevet.Issue) { i.Account.Audience = "" }, brevet.Invalid},
		"region":         {func(i *brevet.Issue) { i.Account.Region = "evil.invalid/" }, brevet.Invalid},
		"no region":      {func(i *brevet.Issue) { i.Account.Region = "" }, brevet.Invalid},
		"no MFA":         {func(i *brevet.Issue) { i.MFA = "" }, brevet.Invalid},
		"no grant":       {func(i *brevet.Issue) { i.Grant = "" }, brevet.Invalid},
		"handle":         {func(i *brevet.Issue) { i.Handle = "two words" }, brevet.Invalid},
		"policy":         {func(i *brevet.Issue) { i.SessionPolicy = "{}" }, brevet.Invalid},
		"the grant over": {func(i *brevet.Issue) { i.End = now }, brevet.NoGrant},
		"no end":         {func(i *brevet.Issue) { i.End = time.Time{} }, brevet.NoGrant},
	} {
		i := issue()
		tt.edit(&i)
		if _, err := c.Issue(context.Background(), i); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
	if len(s.asked) != 0 || len(*claims) != 0 {
		t.Errorf("asked %d times with %d tokens", len(s.asked), len(*claims))
	}
}

func TestRefusals(t *testing.T) {
	unfetched := refusal("InvalidIdentityToken", "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements")
	for _, tt := range []struct {
		name    string
		replies []reply
		asked   int
		kind    brevet.Kind // "" is success
		says    string
	}{
		{"denied", []reply{{403, "", refusal("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")}}, 1, brevet.CloudRefused,
			"AWS said no: AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		{"no provider", []reply{{400, "", refusal("InvalidIdentityToken", "No OpenIDConnect provider found in your account")}}, 1, brevet.CloudRefused, "No OpenIDConnect provider"},
		{"expired", []reply{{400, "", refusal("ExpiredTokenException", "Token expired")}}, 1, brevet.CloudRefused, "ExpiredTokenException"},
		{"region", []reply{{403, "", refusal("RegionDisabledException", "STS is not activated")}}, 1, brevet.CloudRefused, "RegionDisabledException"},
		{"idp once", []reply{{400, "", refusal("IDPCommunicationError", "slow")}, {200, "", good}}, 2, "", ""},
		{"idp always", []reply{{400, "", refusal("IDPCommunicationError", "slow")}}, 3, brevet.CloudRefused, "AWS said no: IDPCommunicationError: slow"},
		{"keys once", []reply{{400, "", unfetched}, {200, "", good}}, 2, "", ""},
		{"keys always", []reply{{400, "", unfetched}}, 3, brevet.CloudRefused, "retrieve verification key"},
		{"throttled", []reply{{400, "", refusal("Throttling", "Rate exceeded")}, {200, "", good}}, 2, "", ""},
		{"500 once", []reply{{500, "", refusal("InternalFailure", "x")}, {200, "", good}}, 2, "", ""},
		{"500 always", []reply{{500, "", refusal("InternalFailure", "x")}}, 3, brevet.Unavailable, "InternalFailure"},
		{"503 HTML", []reply{{503, "text/html", "<html><body>down</body></html>"}}, 3, brevet.Unavailable, "no usable answer"},
		{"403 HTML", []reply{{403, "text/html", "<html><body>the proxy says no</body></html>"}}, 3, brevet.Unavailable, "no usable answer"},
		{"200 HTML", []reply{{200, "text/html", "<html><body>welcome to the hotel</body></html>"}}, 3, brevet.Unavailable, "no usable answer"},
		{"redirect", []reply{{302, "text/html", ""}}, 3, brevet.Unavailable, "no usable answer"},
		{"empty", []reply{{200, "", ""}}, 3, brevet.Unavailable, "no usable answer"},
		{"truncated", []reply{{200, "", good[:len(good)/2]}, {200, "", good}}, 2, "", ""},
		{"truncated error", []reply{{400, "", refusal("AccessDenied", "x")[:60]}}, 3, brevet.Unavailable, "no usable answer"},
		{"error without code", []reply{{400, "", refusal("", "x")}}, 3, brevet.Unavailable, "no usable answer"},
		{"1 MB", []reply{{200, "", strings.Repeat("x", 1<<20)}}, 3, brevet.Unavailable, "no usable answer"},
		{"1 MB of XML", []reply{{200, "", strings.Repeat("<a>", 1<<18)}}, 3, brevet.Unavailable, "no usable answer"},
		{"wrong type, right answer", []reply{{200, "application/octet-stream", good}}, 1, "", ""},
		{"JSON", []reply{{200, "application/json", `{"AssumeRoleWithWebIdentityResponse":{}}`}}, 3, brevet.Unavailable, "no usable answer"},
		{"no key", []reply{{200, "", answer("", secret, session, "2026-09-01T13:00:00Z")}}, 3, brevet.Unavailable, "no usable answer"},
		{"no secret", []reply{{200, "", answer(keyID, "", session, "2026-09-01T13:00:00Z")}}, 3, brevet.Unavailable, "no usable answer"},
		{"no session token", []reply{{200, "", answer(keyID, secret, "", "2026-09-01T13:00:00Z")}}, 3, brevet.Unavailable, "no usable answer"},
		{"no expiry", []reply{{200, "", answer(keyID, secret, session, "")}}, 3, brevet.Unavailable, "no usable answer"},
		{"line in key", []reply{{200, "", answer(keyID, "a\nb", session, "2026-09-01T13:00:00Z")}}, 3, brevet.Unavailable, "no usable answer"},
		{"another account", []reply{{200, "", strings.ReplaceAll(good, "111122223333", "444455556666")}}, 3, brevet.Unavailable, "no usable answer"},
		// Once in doubt, a later no does not prove that nothing was made.
		{"doubt, then no", []reply{{500, "", "<html>"}, {403, "", refusal("AccessDenied", "x")}}, 2, brevet.Unavailable, "AccessDenied"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSTS(t, tt.replies...)
			c, claims := newCloud(s.URL)
			_, err := c.Issue(context.Background(), issue())
			if brevet.KindOf(err) != tt.kind || tt.kind != "" && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v (%s), want %s %q", err, brevet.KindOf(err), tt.kind, tt.says)
			}
			if len(s.asked) != tt.asked || len(*claims) != tt.asked {
				t.Errorf("asked %d times with %d tokens, want %d", len(s.asked), len(*claims), tt.asked)
			}
			mustHide(t, err)
		})
	}
}

// mustHide fails if an error, however it is printed, holds a secret.
func mustHide(t *testing.T, err error) {
	t.Helper()
	for e := err; e != nil; e = errors.Unwrap(e) {
		text := fmt.Sprintf("%v %+v %#v %q", e, e, e, brevet.AsError(e).Hint)
		for _, s := range append(strings.Split(secretToken(1), "."), secret, session, "payloadpayload", "signaturesignature") {
			if strings.Contains(text, s) {
				t.Errorf("the error holds %q: %s", s, text)
			}
		}
	}
}

func TestHostileMessages(t *testing.T) {
	for name, message := range map[string]string{
		"echo of the token": "bad token " + secretToken(1) + " and " + strings.Split(secretToken(1), ".")[1],
		"escape sequences":  "&#27;[31mred\u202e\u2066 \u200b",
		"control":           "a&#10;b&#13;c&#9;d",
		"1 MB":              strings.Repeat("long ", 10_000),
		"not UTF-8":         "caf\xe9",
	} {
		s := newSTS(t, reply{403, "", refusal("AccessDenied", message)})
		c, _ := newCloud(s.URL)
		_, err := c.Issue(context.Background(), issue())
		if err == nil {
			t.Fatalf("%s: no error", name)
		}
		mustHide(t, err)
		if text := err.Error(); len(text) > 600 || brevet.Printable(text) != text || strings.ContainsAny(text, "\r\n\t") {
			t.Errorf("%s: %q", name, text)
		}
	}
}

func TestUnreachable(t *testing.T) {
	s := newSTS(t, reply{200, "", good})
	s.Close()
	c, claims := newCloud(s.URL)
	_, err := c.Issue(context.Background(), issue())
	if !errors.Is(err, brevet.Unavailable) || len(*claims) != 3 {
		t.Errorf("%v after %d attempts, want unavailable after 3", err, len(*claims))
	}
	mustHide(t, err)
}

// A caller who goes away stops the attempts; whether AWS made something is
// then not known.
func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	hang := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // only then does the server notice that the client went away
		cancel()
		<-r.Context().Done()
	}))
	defer hang.Close()
	c, claims := newCloud(hang.URL)
	if _, err := c.Issue(ctx, issue()); !errors.Is(err, brevet.Unavailable) || len(*claims) != 1 {
		t.Errorf("%v after %d attempts, want unavailable after 1", err, len(*claims))
	}
}

// Without a token AWS is not asked, and the signer's error is the answer -
// unless an earlier attempt is in doubt.
func TestNoToken(t *testing.T) {
	s := newSTS(t, reply{500, "", "<html>"})
	n := 0
	c := aws.New(aws.Config{STS: func(string, string) string { return s.URL }, Now: func() time.Time { return now },
		Wait: func(context.Context, time.Duration) error { return nil },
		Token: func(context.Context, brevet.Claims) (string, error) {
			if n++; n%2 == 1 {
				return "", brevet.Errorf(brevet.Internal, "key file is damaged")
			}
			return secretToken(n), nil
		}})
	if _, err := c.Issue(context.Background(), issue()); !errors.Is(err, brevet.Internal) || len(s.asked) != 0 {
		t.Errorf("%v, asked %d times", err, len(s.asked))
	}
	if _, err := c.Issue(context.Background(), issue()); brevet.KindOf(err) != brevet.Unavailable || len(s.asked) != 1 {
		t.Errorf("%v, asked %d times", err, len(s.asked))
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := newSTS(t, reply{200, "", good})
	s := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer s.Close()
	c, _ := newCloud(s.URL)
	if _, err := c.Issue(context.Background(), issue()); !errors.Is(err, brevet.Unavailable) || len(elsewhere.asked) != 0 {
		t.Errorf("%v, and the other host was asked %d times", err, len(elsewhere.asked))
	}
}

func TestEndpoint(t *testing.T) {
	for region, want := range map[string]string{"eu-west-1": "https://sts.eu-west-1.amazonaws.com", "cn-north-1": "https://sts.cn-north-1.amazonaws.com.cn",
		"us-gov-west-1": "https://sts.us-gov-west-1.amazonaws.com", "eusc-de-east-1": "https://sts.eusc-de-east-1.amazonaws.eu"} {
		if got := aws.Endpoint(region, brevet.Account{Region: region}.Partition()); got != want {
			t.Errorf("%s: %s, want %s", region, got, want)
		}
	}
}

// BenchmarkIssue is one session against an STS that answers at once.
func BenchmarkIssue(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(good)) }))
	defer s.Close()
	c := aws.New(aws.Config{STS: func(string, string) string { return s.URL }, Now: func() time.Time { return now },
		Token: func(context.Context, brevet.Claims) (string, error) { return secretToken(1), nil }})
	b.SetParallelism(32) // 64 callers on two cores
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.Issue(context.Background(), issue()); err != nil {
				b.Error(err)
			}
		}
	})
}

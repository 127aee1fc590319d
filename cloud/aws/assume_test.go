package aws_test

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/cloud/aws"
)

var goodRole = strings.ReplaceAll(good, "AssumeRoleWithWebIdentity", "AssumeRole")

// own is the nth set of the broker's own credentials.
func own(n int) brevet.Credential {
	return brevet.Credential{AccessKeyID: "ASIABROKERBROKER" + strconv.Itoa(1000+n), SecretAccessKey: "brokerSecretAccessKey" + strconv.Itoa(n),
		SessionToken: "brokerSessionTokenBrokerSessionToken" + strconv.Itoa(n)}
}

// newBroker returns a cloud whose own credentials are made by lend, and how
// often they were asked for.
func newBroker(endpoint string, lend func(n int) (brevet.Credential, error)) (*aws.Cloud, *int) {
	asked := new(int)
	return aws.New(aws.Config{STS: func(string, string) string { return endpoint }, Now: func() time.Time { return now },
		Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Token: func(context.Context, brevet.Claims) (string, error) {
			return "", brevet.Errorf(brevet.Internal, "no token is needed here")
		},
		Credentials: func(context.Context) (brevet.Credential, error) {
			*asked++
			return lend(*asked)
		}}), asked
}

func lend(n int) (brevet.Credential, error) { return own(n), nil }

func roleIssue() brevet.Issue {
	i := issue()
	i.Account.Broker, i.Account.ExternalID, i.Account.Audience = "arn:aws:iam::999999999999:role/brevet-broker", "abcdefghijklmnopqrstuvwxyz", ""
	i.TTL = 4 * time.Hour
	return i
}

func TestAssumeRole(t *testing.T) {
	s := newSTS(t, reply{200, "", goodRole})
	c, lent := newBroker(s.URL, lend)
	got, err := c.Issue(t.Context(), roleIssue())
	if err != nil {
		t.Fatal(err)
	}
	want := brevet.Credential{AccessKeyID: keyID, SecretAccessKey: secret, SessionToken: session, Expires: now.Add(time.Hour)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	form := url.Values{
		"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "DurationSeconds": {"3600"}, "ExternalId": {"abcdefghijklmnopqrstuvwxyz"},
		"RoleArn": {"arn:aws:iam::111122223333:role/brevet-SRE"}, "RoleSessionName": {"engineer=0123456789"}, "SourceIdentity": {"engineer"},
		"Tags.member.1.Key": {"brevet-contract"}, "Tags.member.1.Value": {"3"}, "Tags.member.2.Key": {"brevet-grant"}, "Tags.member.2.Value": {"gr_01jzzzzzzzzzzzzzz0123456789"},
		"Tags.member.3.Key": {"brevet-mfa"}, "Tags.member.3.Value": {"1h"}, "Tags.member.4.Key": {"brevet-role"}, "Tags.member.4.Value": {"SRE"},
		"Policy": {`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},` +
			`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateGreaterThanEquals":{"aws:CurrentTime":"2026-09-01T13:30:00Z"}}}]}`},
	}
	if diff := cmp.Diff([]url.Values{form}, s.asked); diff != "" {
		t.Error(diff)
	}
	if _, err := c.Issue(t.Context(), roleIssue()); err != nil || *lent != 1 {
		t.Errorf("%v; the broker's credentials were fetched %d times", err, *lent)
	}
	for _, h := range s.headers {
		if a := h.Get("Authorization"); !strings.HasPrefix(a, "AWS4-HMAC-SHA256 Credential=ASIABROKERBROKER1001/20260901/eu-west-1/sts/aws4_request, ") {
			t.Errorf("signed %q", a)
		}
		if h.Get("X-Amz-Security-Token") != own(1).SessionToken {
			t.Error("the session token is missing")
		}
	}
}

// Role chaining: an hour, whatever was wished.
func TestAssumeRoleDurations(t *testing.T) {
	for ttl, want := range map[time.Duration]string{0: "900", 20 * time.Minute: "1200", time.Hour: "3600", time.Hour + time.Second: "3600", 12 * time.Hour: "3600"} {
		s := newSTS(t, reply{200, "", goodRole})
		c, _ := newBroker(s.URL, lend)
		i := roleIssue()
		i.TTL = ttl
		if _, err := c.Issue(t.Context(), i); err != nil {
			t.Fatal(err)
		}
		if got := s.asked[0].Get("DurationSeconds"); got != want {
			t.Errorf("TTL %s: asked for %s, want %s", ttl, got, want)
		}
	}
}

// The broker's own credentials are not touched before an account needs them.
func TestPurseIsLazy(t *testing.T) {
	s := newSTS(t, reply{200, "", good})
	var lent int
	c := aws.New(aws.Config{STS: func(string, string) string { return s.URL }, Now: func() time.Time { return now },
		Token:       func(context.Context, brevet.Claims) (string, error) { return secretToken(1), nil },
		Credentials: func(context.Context) (brevet.Credential, error) { lent++; return own(1), nil }})
	if _, err := c.Issue(t.Context(), issue()); err != nil || lent != 0 || s.headers[0].Get("Authorization") != "" {
		t.Errorf("%v; %d fetched, signed %q", err, lent, s.headers[0].Get("Authorization"))
	}
}

func TestAssumeRoleNotAsked(t *testing.T) {
	s := newSTS(t, reply{200, "", goodRole})
	c, lent := newBroker(s.URL, lend)
	i := roleIssue()
	i.Account.ExternalID = ""
	if _, err := c.Issue(t.Context(), i); !errors.Is(err, brevet.Invalid) || !strings.Contains(err.Error(), "external_id") {
		t.Errorf("without external id: %v", err)
	}
	i = roleIssue()
	i.End = now
	if _, err := c.Issue(t.Context(), i); !errors.Is(err, brevet.NoGrant) {
		t.Errorf("the grant is over: %v", err)
	}
	if len(s.asked) != 0 || *lent != 0 {
		t.Errorf("asked %d times, %d credentials", len(s.asked), *lent)
	}
}

func TestAssumeRoleRefusals(t *testing.T) {
	denied := "User: arn:aws:sts::999999999999:assumed-role/brevet-broker/i-1 is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111122223333:role/brevet-SRE"
	for _, tt := range []struct {
		name        string
		replies     []reply
		asked, lent int
		kind        brevet.Kind
		says, hint  string
	}{
		{"denied", []reply{{403, "", refusal("AccessDenied", denied)}}, 1, 1, brevet.CloudRefused, "is not authorized to perform: sts:AssumeRole", "external id and contract 3"},
		{"expired once", []reply{{403, "", refusal("ExpiredToken", "x")}, {200, "", goodRole}}, 2, 2, "", "", ""},
		{"unknown once", []reply{{403, "", refusal("InvalidClientTokenId", "x")}, {200, "", goodRole}}, 2, 2, "", "", ""},
		{"expired for ever", []reply{{403, "", refusal("ExpiredToken", "The security token included in the request is expired")}}, 3, 3, brevet.CloudRefused, "ExpiredToken", "own credentials"},
		{"a wrong secret", []reply{{403, "", refusal("SignatureDoesNotMatch", "x")}}, 1, 1, brevet.CloudRefused, "SignatureDoesNotMatch", "clock"},
		{"chaining", []reply{{400, "", refusal("ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit")}}, 1, 1, brevet.CloudRefused, "1 hour", ""},
		{"500 always", []reply{{500, "", refusal("InternalFailure", "x")}}, 3, 1, brevet.Unavailable, "InternalFailure", ""},
		{"HTML", []reply{{200, "text/html", "<html>hotel</html>"}}, 3, 1, brevet.Unavailable, "no usable answer", ""},
		{"the other action's answer", []reply{{200, "", good}}, 3, 1, brevet.Unavailable, "no usable answer", ""},
		{"another account", []reply{{200, "", strings.ReplaceAll(goodRole, "111122223333", "444455556666")}}, 3, 1, brevet.Unavailable, "no usable answer", ""},
		{"doubt, then no", []reply{{500, "", "<html>"}, {403, "", refusal("AccessDenied", "x")}}, 2, 1, brevet.Unavailable, "AccessDenied", ""},
		{"an echo", []reply{{403, "", refusal("AccessDenied", "key "+own(1).SecretAccessKey+" token "+own(1).SessionToken)}}, 1, 1, brevet.CloudRefused, "[token]", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSTS(t, tt.replies...)
			c, lent := newBroker(s.URL, lend)
			_, err := c.Issue(t.Context(), roleIssue())
			if brevet.KindOf(err) != tt.kind || tt.kind != "" && (!strings.Contains(err.Error(), tt.says) || !strings.Contains(brevet.AsError(err).Hint, tt.hint)) {
				t.Errorf("%v (%s), want %s %q and hint %q", err, brevet.KindOf(err), tt.kind, tt.says, tt.hint)
			}
			if len(s.asked) != tt.asked || *lent != tt.lent {
				t.Errorf("asked %d times with %d credentials, want %d and %d", len(s.asked), *lent, tt.asked, tt.lent)
			}
			mustHideOwn(t, err)
		})
	}
}

func mustHideOwn(t *testing.T, err error) {
	t.Helper()
	mustHide(t, err)
	for e := err; e != nil; e = errors.Unwrap(e) {
		if strings.Contains(e.Error(), "brokerSecret") || strings.Contains(e.Error(), "brokerSession") {
			t.Errorf("the error holds the broker's own credentials: %v", e)
		}
	}
}

// Without credentials AWS is not asked, so nothing was made - unless an
// earlier attempt is in doubt.
func TestAssumeRoleWithoutCredentials(t *testing.T) {
	s := newSTS(t, reply{200, "", goodRole})
	none := brevet.Errorf(brevet.Unavailable, "no role here")
	c, _ := newBroker(s.URL, func(int) (brevet.Credential, error) { return brevet.Credential{}, none })
	_, err := c.Issue(t.Context(), roleIssue())
	if !errors.Is(err, brevet.CloudRefused) || !strings.Contains(brevet.AsError(err).Hint, "docs/entry.md") || len(s.asked) != 0 {
		t.Errorf("%v after %d calls", err, len(s.asked))
	}
	s = newSTS(t, reply{500, "", "<html>"}, reply{403, "", refusal("ExpiredToken", "x")})
	c, _ = newBroker(s.URL, func(n int) (brevet.Credential, error) {
		if n > 1 {
			return brevet.Credential{}, none
		}
		return own(n), nil
	})
	if _, err = c.Issue(t.Context(), roleIssue()); !errors.Is(err, brevet.Unavailable) || len(s.asked) != 2 {
		t.Errorf("%v after %d calls; one is in doubt", err, len(s.asked))
	}
}

// Where nothing is given, credentials come from where the AWS SDK looks.
func TestDefaultCredentials(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "credentials")
	text := "[default]\naws_access_key_id = ASIAFROMTHEFILE00000\naws_secret_access_key = s\naws_session_token = t\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_WEB_IDENTITY_TOKEN_FILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	s := newSTS(t, reply{200, "", goodRole})
	broker := func() *aws.Cloud {
		return aws.New(aws.Config{STS: func(string, string) string { return s.URL }, Now: func() time.Time { return now },
			Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
	}
	if _, err := broker().Issue(t.Context(), roleIssue()); err != nil || !strings.Contains(s.headers[0].Get("Authorization"), "Credential=ASIAFROMTHEFILE00000/") {
		t.Errorf("%v, %v", err, s.headers)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := broker().Issue(t.Context(), roleIssue()); !errors.Is(err, brevet.CloudRefused) || len(s.asked) != 1 {
		t.Errorf("without any: %v after %d calls", err, len(s.asked))
	}
}

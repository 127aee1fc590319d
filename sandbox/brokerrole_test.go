package sandbox_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/brevet-access/brevet"
	cloudaws "github.com/brevet-access/brevet/cloud/aws"
)

// newBrokerCloud is a cloud whose second account is entered by the broker's
// role; of the third, too, with another external id.
func newBrokerCloud(t *testing.T) *cloud {
	t.Helper()
	c := newCloud(t)
	third := c.accounts[1]
	third.ID, third.Name, third.Audience = "777788889999", "zenith", ""
	c.accounts = append(c.accounts, third)
	for i, id := range []string{"", "abcdefghijklmnopqrstuvwxyz", "zyxwvutsrqponmlkjihgfedcba"} {
		if id != "" {
			c.accounts[i].Broker, c.accounts[i].ExternalID = "arn:aws:iam::999999999999:role/brevet-broker", id
		}
	}
	c.deploy()
	return c
}

func (c *cloud) brokers() brevet.Cloud {
	return cloudaws.New(cloudaws.Config{Now: c.clock.now, STS: func(string, string) string { return c.url },
		Wait:        func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Credentials: func(ctx context.Context) (brevet.Credential, error) { return c.aws.BrokerCredential(ctx) },
		Token: func(context.Context, brevet.Claims) (string, error) {
			return c.sign(c.claims("Admin")), nil
		}})
}

func (c *cloud) issue(account int) brevet.Issue {
	return brevet.Issue{Session: "ses_1", Grant: grantTag, Person: person, Handle: "engineer", Account: c.accounts[account], Role: "Admin",
		MFA: brevet.Rung1h, TTL: 2 * time.Hour, End: c.clock.now().Add(90 * time.Minute)}
}

func keys(k brevet.Credential) aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(k.AccessKeyID, k.SecretAccessKey, k.SessionToken)
}

// One server enters customers of both kinds.
func TestBothWaysIn(t *testing.T) {
	c := newBrokerCloud(t)
	cloud := c.brokers()
	for account, lasts := range []time.Duration{2 * time.Hour, time.Hour, time.Hour} {
		got, err := cloud.Issue(t.Context(), c.issue(account))
		if err != nil {
			t.Fatalf("%s: %v", c.accounts[account].Name, err)
		}
		if d := got.Expires.Sub(c.clock.now().Truncate(time.Second)); d != lasts {
			t.Errorf("%s: the session lasts %s, want %s", c.accounts[account].Name, d, lasts)
		}
		who, err := c.sts(keys(got)).GetCallerIdentity(t.Context(), nil)
		want := "arn:aws:sts::" + string(c.accounts[account].ID) + ":assumed-role/brevet-Admin/engineer="
		if err != nil || !strings.HasPrefix(aws.ToString(who.Arn), want) {
			t.Errorf("%s: %v, %v", c.accounts[account].Name, who, err)
		}
	}
}

func asAssumed(k brevet.Credential) (a assumed) {
	a.Result.Credentials.AccessKeyId, a.Result.Credentials.SecretAccessKey, a.Result.Credentials.SessionToken = k.AccessKeyID, k.SecretAccessKey, k.SessionToken
	return a
}

// A session of the broker's kind ends with its grant as any other, and the
// broker's own credentials are renewed when they run out.
func TestBrokerSessionEnds(t *testing.T) {
	c := newBrokerCloud(t)
	cloud := c.brokers()
	i := c.issue(1)
	i.End = c.clock.now().Add(30 * time.Minute)
	got, err := cloud.Issue(t.Context(), i)
	if err != nil {
		t.Fatal(err)
	}
	if status, body := c.query(asAssumed(got), "iam ListUsers"); status != 200 {
		t.Errorf("before the grant's end: %d %s", status, body)
	}
	c.clock.add(31 * time.Minute)
	if status, body := c.query(asAssumed(got), "iam ListUsers"); status != 403 || !strings.Contains(body, "explicit deny in a session policy") {
		t.Errorf("after the grant's end: %d %s", status, body)
	}
	c.clock.add(2 * time.Hour)
	if _, err := cloud.Issue(t.Context(), c.issue(1)); err != nil {
		t.Errorf("the broker's credentials have run out and are not renewed: %v", err)
	}
}

// The customer's side keeps out what is not the broker, and the broker where
// it does not name this customer.
func TestBrokerRefused(t *testing.T) {
	c := newBrokerCloud(t)
	own, err := c.aws.BrokerCredential(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	broker := c.sts(keys(own))
	admin := c.sts(c.session("Admin", func(form url.Values) { // of another customer, with AdministratorAccess
		claims := c.claims("Admin")
		delete(claims["https://aws.amazon.com/tags"].(map[string]any), "transitive_tag_keys")
		form.Set("WebIdentityToken", c.sign(claims))
	}).provider())
	right := func(edit func(*sts.AssumeRoleInput)) *sts.AssumeRoleInput {
		in := &sts.AssumeRoleInput{RoleArn: aws.String(c.accounts[1].RoleARN("Admin")), RoleSessionName: aws.String("engineer=0123456789"),
			ExternalId: aws.String(c.accounts[1].ExternalID), SourceIdentity: aws.String("engineer"), DurationSeconds: aws.Int32(3600)}
		for k, v := range map[string]string{"brevet-role": "Admin", "brevet-grant": grantTag, "brevet-mfa": "1h", "brevet-contract": "1"} {
			in.Tags = append(in.Tags, types.Tag{Key: aws.String(k), Value: aws.String(v)})
		}
		if edit != nil {
			edit(in)
		}
		return in
	}
	if _, err := broker.AssumeRole(t.Context(), right(nil)); err != nil {
		t.Fatalf("the right call is refused: %v", err)
	}
	for name, tt := range map[string]struct {
		by   *sts.Client
		edit func(*sts.AssumeRoleInput)
		code string
	}{
		"no external id":           {broker, func(in *sts.AssumeRoleInput) { in.ExternalId = nil }, "AccessDenied"},
		"another customer's":       {broker, func(in *sts.AssumeRoleInput) { in.ExternalId = aws.String(c.accounts[2].ExternalID) }, "AccessDenied"},
		"another customer's role":  {broker, func(in *sts.AssumeRoleInput) { in.RoleArn = aws.String(c.accounts[2].RoleARN("Admin")) }, "AccessDenied"},
		"a customer of OIDC":       {broker, func(in *sts.AssumeRoleInput) { in.RoleArn = aws.String(c.accounts[0].RoleARN("Admin")) }, "AccessDenied"},
		"more than an hour":        {broker, func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(3601) }, "ValidationError"},
		"another customer's Admin": {admin, nil, "AccessDenied"},
		"no source identity":       {broker, func(in *sts.AssumeRoleInput) { in.SourceIdentity = nil }, "AccessDenied"},
		"no tags":                  {broker, func(in *sts.AssumeRoleInput) { in.Tags = nil }, "AccessDenied"},
		"a tag of another kind": {broker, func(in *sts.AssumeRoleInput) {
			in.Tags = append(in.Tags, types.Tag{Key: aws.String("team"), Value: aws.String("a")})
		}, "AccessDenied"},
		"its own account": {broker, func(in *sts.AssumeRoleInput) { in.RoleArn = aws.String("arn:aws:iam::999999999999:role/brevet-broker") }, "AccessDenied"},
	} {
		if _, err := tt.by.AssumeRole(t.Context(), right(tt.edit)); codeOf(err) != tt.code {
			t.Errorf("%s: %v, want %s", name, err, tt.code)
		}
	}
	if _, err := c.sts(credentials.NewStaticCredentialsProvider(own.AccessKeyID, "another secret", own.SessionToken)).AssumeRole(t.Context(), right(nil)); codeOf(err) != "SignatureDoesNotMatch" {
		t.Errorf("another secret: %v", err)
	}
	if status, body := c.query(asAssumed(own), "iam ListUsers"); status != 403 {
		t.Errorf("the broker's role may list users: %d %s", status, body)
	}
	c.accounts[1].Broker = "arn:aws:iam::999999999999:role/another"
	c.accounts[2].Broker = c.accounts[1].Broker
	if _, err := broker.AssumeRole(t.Context(), right(nil)); codeOf(err) != "InvalidClientTokenId" {
		t.Errorf("a broker's role that is gone: %v", err)
	}
	c.accounts = c.accounts[:1]
	if _, err := c.aws.BrokerCredential(t.Context()); !errors.Is(err, brevet.NotFound) {
		t.Errorf("no account names a broker: %v", err)
	}
}

package sandbox_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	cloudaws "github.com/brevet-access/brevet/cloud/aws"
	"github.com/brevet-access/brevet/sandbox"
	"github.com/brevet-access/brevet/stack"
)

// generated deploys what package stack writes into the first account; edit
// may change each template's text.
func (c *cloud) generated(parameters map[string]map[string]string, edit func(name, text string) string) {
	c.t.Helper()
	files, err := stack.CloudFormation(stack.Side{Customer: customer, Account: c.accounts[0], Roles: c.roles})
	if err != nil {
		c.t.Fatal(err)
	}
	o := c.owner()
	for _, f := range files {
		name, ok := map[string]string{"access.yaml": "brevet-access", "events.yaml": "brevet-events"}[f.Name]
		if !ok {
			continue
		}
		text := string(f.Text)
		if edit != nil {
			text = edit(f.Name, text)
		}
		if _, err := c.aws.Deploy(c.accounts[0], sandbox.Own{Name: name, Region: "eu-west-1", Template: text, Parameters: parameters[name]}); err != nil {
			c.t.Fatal(err)
		}
	}
	c.must(o, "cloudformation ListStacks", "<StackName>brevet-events</StackName>")
}

var customer = brevet.Customer{ID: "cu_x", Name: "acme", Contact: "security@acme.invalid", LogGroup: "brevet-access"}

// probe probes the first account as its issuer would.
func (c *cloud) probe(change func(*brevet.Probe)) map[string]brevet.Check {
	c.t.Helper()
	cloud := cloudaws.New(cloudaws.Config{Now: c.clock.now, STS: func(string, string) string { return c.url },
		API:  func(string, string, string) string { return c.url },
		Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Token: func(_ context.Context, said brevet.Claims) (string, error) {
			claims := map[string]any{"iss": "https://issuer.brevet.invalid/c/" + string(said.Customer), "sub": said.Subject, "aud": said.Audience, "jti": "1",
				"iat": c.clock.now().Unix(), "exp": c.clock.now().Unix() + 60}
			tags := map[string]any{}
			for k, v := range said.Tags {
				tags[k] = []string{v}
			}
			claims["https://aws.amazon.com/tags"] = map[string]any{"principal_tags": tags, "transitive_tag_keys": []string{}}
			if said.SourceIdentity != "" {
				claims["https://aws.amazon.com/source_identity"] = said.SourceIdentity
			}
			return c.sign(claims), nil
		}})
	begun, done := 0, 0
	p := brevet.Probe{Customer: customer, Account: c.accounts[0], Roles: c.roles, Foreign: "cu_y",
		Issue: brevet.Issue{Grant: grantTag, Person: person, Handle: "brevet-probe", Account: c.accounts[0], Role: "ReadOnly", MFA: brevet.Rung1h,
			TTL: 15 * time.Minute, End: c.clock.now().Add(15 * time.Minute)},
		Begin: func() (brevet.SessionID, func(*brevet.Credential, error) error, error) {
			begun++
			return "ses_1", func(cred *brevet.Credential, err error) error {
				if done++; (cred == nil) != (err != nil) {
					c.t.Errorf("outcome of an attempt: %v, %v", cred, err)
				}
				return nil
			}, nil
		}}
	if change != nil {
		change(&p)
	}
	out := map[string]brevet.Check{}
	for _, k := range cloud.Probe(c.t.Context(), p) {
		out[k.Name] = k
	}
	if begun == 0 || begun != done {
		c.t.Errorf("%d attempts, %d outcomes", begun, done)
	}
	return out
}

// newProbeCloud has the three roles of newCloud with what a probe needs.
func newProbeCloud(t *testing.T) *cloud {
	t.Helper()
	c := newBareCloud(t)
	c.roles[0].Policies = []string{"ReadOnlyAccess"}
	return c
}

func TestProbe(t *testing.T) {
	c := newProbeCloud(t)
	c.generated(nil, nil)
	got := c.probe(nil)
	for name, k := range got {
		if want := map[bool]brevet.CheckResult{true: brevet.CheckMiss, false: brevet.CheckOK}[name == "alert mail"]; k.Result != want {
			t.Errorf("%s: %s, want %s: %s", name, k.Result, want, k.Detail)
		}
	}
	if len(got) != 20 {
		t.Errorf("%d checks", len(got))
	}
}

// A hole in any layer of the customer's side is a miss, by the name of the
// check that is about it.
func TestProbeFindsHoles(t *testing.T) {
	drop := func(texts ...string) func(string, string) string {
		return func(name, text string) string {
			for i := 0; i < len(texts); i += 2 {
				text = strings.ReplaceAll(text, texts[i], texts[i+1])
			}
			return text
		}
	}
	for name, tt := range map[string]struct {
		edit       func(name, text string) string
		parameters map[string]map[string]string
		check      string
		result     brevet.CheckResult
	}{
		"any tag":              {edit: drop("aws:TagKeys: brevet-*", "aws:TagKeys: '*'"), check: "foreign tag key", result: brevet.CheckMiss},
		"any source":           {edit: drop("sts:SourceIdentity: ?*", "sts:RoleSessionName: ?*", "sts:SourceIdentity:", "sts:RoleSessionName:"), check: "no source identity", result: brevet.CheckMiss},
		"any role":             {edit: drop("aws:RequestTag/brevet-role: ", "aws:RequestTag/brevet-note: ", "aws:RequestTag/brevet-role:", "aws:RequestTag/brevet-mfa:"), check: "way in", result: brevet.CheckMiss},
		"shorter":              {edit: drop("MaxSessionDuration: 7200", "MaxSessionDuration: 3600"), check: "role Admin", result: brevet.CheckMiss},
		"no boundary":          {edit: drop("      PermissionsBoundary: !Ref Boundary\n", ""), check: "role ReadOnly", result: brevet.CheckMiss},
		"another contract":     {edit: drop("Value: '1'", "Value: '7'"), check: "contract", result: brevet.CheckMiss},
		"rule without reads":   {edit: drop("State: ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS", "State: ENABLED"), check: "rules", result: brevet.CheckMiss},
		"canary without reads": {edit: drop("State: ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS", "State: ENABLED"), check: "canary", result: brevet.CheckPending},
		"frozen":               {parameters: map[string]map[string]string{"brevet-access": {"Freeze": "true"}}, check: "way in", result: brevet.CheckMiss},
		"production guard":     {parameters: map[string]map[string]string{"brevet-access": {"DenyProdAdmin": "true"}}, check: "production guard", result: brevet.CheckOK},
	} {
		t.Run(name, func(t *testing.T) {
			c := newProbeCloud(t)
			changed := tt.parameters != nil
			c.generated(tt.parameters, func(name, text string) string {
				if tt.edit == nil {
					return text
				}
				edited := tt.edit(name, text)
				changed = changed || edited != text
				return edited
			})
			if !changed {
				t.Fatal("the edit changes nothing")
			}
			if got := c.probe(nil)[tt.check]; got.Result != tt.result {
				t.Errorf("%s: %q: %s", tt.check, got.Result, got.Detail)
			}
		})
	}
}

// What was deleted is noticed, from inside and from outside.
func TestProbeDeleted(t *testing.T) {
	c := newProbeCloud(t)
	c.generated(nil, nil)
	o := c.owner()
	c.must(o, "cloudformation DeleteStack", "", "StackName", "brevet-events")
	got := c.probe(nil)
	if got["rules"].Result != brevet.CheckMiss || got["canary"].Result != brevet.CheckPending || got["alert mail"].Result != brevet.CheckMiss {
		t.Errorf("without the record: %+v", got)
	}
	if status, body := c.signed(o, "cloudtrail", "POST", "/", "x.DeleteTrail", `{"Name":"org"}`); status != 200 {
		t.Fatal(body)
	}
	if got := c.probe(nil); got["trail"].Result != brevet.CheckMiss {
		t.Errorf("without a trail: %+v", got["trail"])
	}
	c.must(o, "cloudformation DeleteStack", "", "StackName", "brevet-access")
	got = c.probe(nil)
	if got["stack"].Result != brevet.CheckMiss || !strings.Contains(got["stack"].Detail, "deleted the stack") || got["wrong audience"].Result != brevet.CheckUnknown {
		t.Errorf("without any stack: %+v", got)
	}
	for name, k := range got {
		if k.Result == brevet.CheckOK {
			t.Errorf("without any stack %s is ok: %s", name, k.Detail)
		}
	}
}

// What cannot be recorded is not done, and nobody's silence is an ok.
func TestProbeFailsClosed(t *testing.T) {
	c := newProbeCloud(t)
	c.generated(nil, nil)
	for name, k := range c.probe(func(p *brevet.Probe) {
		begin := p.Begin
		n := 0
		p.Begin = func() (brevet.SessionID, func(*brevet.Credential, error) error, error) {
			if n++; n > 1 {
				return "", nil, errors.New("the database is gone")
			}
			id, done, err := begin()
			return id, func(cred *brevet.Credential, err error) error {
				done(cred, err)
				return errors.New("the database is gone")
			}, err
		}
	}) {
		if k.Result != brevet.CheckUnknown {
			t.Errorf("%s: %s %s", name, k.Result, k.Detail)
		}
	}
	c.jwksErr = errors.New("down")
	if got := c.probe(nil); got["way in"].Result == brevet.CheckOK || slices.ContainsFunc([]string{"wrong audience", "foreign tag key"}, func(n string) bool { return got[n].Result == brevet.CheckOK }) {
		t.Errorf("keys that cannot be had: %+v", got)
	}
}

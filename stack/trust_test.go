package stack_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
	"github.com/brevet-access/brevet/stack"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	customer = "cu_01jd5w0q3v8xk2m7n9p4r6t8y0"
	person   = "pr_01jd5w1a2b3c4d5e6f7g8h9j0k"
	grant    = "gr_01jd5w2a2b3c4d5e6f7g8h9j0k"
)

func staging() brevet.Account {
	return brevet.Account{ID: "111122223333", Name: "acme-staging", Customer: customer, Env: "staging", Region: "eu-west-1",
		Audience: "brevet:111122223333:abcdefghijklmnopqrstuvwxyz", Contract: 1, Prefix: "brevet-",
		Issuer: "https://issuer.brevet.invalid/c/" + customer}
}

// six are the roles of the sandbox.
func six() []brevet.Role {
	role := func(name brevet.RoleName, max time.Duration, mfa brevet.Rung, policies ...string) brevet.Role {
		return brevet.Role{Name: name, Max: max, MFA: mfa, Policies: policies}
	}
	return []brevet.Role{
		role("ReadOnly", 12*time.Hour, brevet.Rung8h, "ReadOnlyAccess"),
		role("Security", 8*time.Hour, brevet.Rung8h, "SecurityAudit"),
		role("SRE", 8*time.Hour, brevet.Rung8h, "job-function/ViewOnlyAccess", "AmazonEC2FullAccess", "AmazonSSMFullAccess"),
		role("DevOps", 8*time.Hour, brevet.Rung8h, "PowerUserAccess"),
		role("Data", 8*time.Hour, brevet.Rung8h, "job-function/DatabaseAdministrator", "AmazonS3FullAccess"),
		role("Admin", 2*time.Hour, brevet.Rung1h, "AdministratorAccess"),
	}
}

func sixth() brevet.Role { return six()[5] }

func mustTrust(t testing.TB, a brevet.Account, r brevet.Role) *iam.Policy {
	t.Helper()
	p, err := stack.Trust(a, r)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What lies in customers' accounts must not change by accident.
func TestTrustGolden(t *testing.T) {
	for _, r := range six() {
		t.Run(string(r.Name), func(t *testing.T) {
			var got bytes.Buffer
			if err := json.Indent(&got, []byte(mustTrust(t, staging(), r).String()), "", "  "); err != nil {
				t.Fatal(err)
			}
			got.WriteByte('\n')
			file := filepath.Join("testdata", "trust", string(r.Name)+".json")
			if *update {
				if err := os.WriteFile(file, got.Bytes(), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got.String()); d != "" {
				t.Errorf("differs from %s; customers' stacks hold it, so that a change is a new contract version (-update writes it):\n%s", file, d)
			}
		})
	}
}

// token is what STS knows of a call of AssumeRoleWithWebIdentity.
type token struct {
	caller  iam.Caller
	context iam.Context
}

// right is the token that brevet signs for the role.
func right(a brevet.Account, r brevet.Role, mfa brevet.Rung) token {
	host := strings.TrimPrefix(a.Issuer, "https://")
	return token{
		caller: iam.Caller{Kind: iam.KindFederated, Federated: stack.ProviderARN(a)},
		context: iam.Context{
			host + ":aud":                     {a.Audience},
			host + ":sub":                     {person},
			"aws:FederatedProvider":           {stack.ProviderARN(a)},
			"sts:SourceIdentity":              {"engineer"},
			"sts:RoleSessionName":             {"engineer=6f7g8h9j0k"},
			"aws:TagKeys":                     {"brevet-contract", "brevet-grant", "brevet-mfa", "brevet-role"},
			"aws:RequestTag/brevet-contract":  {"1"},
			"aws:RequestTag/brevet-grant":     {grant},
			"aws:RequestTag/brevet-mfa":       {string(mfa)},
			"aws:RequestTag/brevet-role":      {string(r.Name)},
			"aws:SecureTransport":             {"true"},
			"sts:DurationSeconds":             {"3600"},
			"aws:CurrentTime":                 {"2026-11-21T02:30:00Z"},
			"aws:SourceIp":                    {"192.0.2.7"},
			"aws:RequestedRegion":             {a.Region},
			"sts:TransitiveTagKeys":           {"brevet-grant"},
			"aws:UserAgent":                   {"brevetd"},
			"aws:PrincipalTag/brevet-ignored": {"x"},
		},
	}
}

// actions are what STS evaluates, one by one, for a token with tags and a
// source identity.
var actions = []string{"sts:AssumeRoleWithWebIdentity", "sts:TagSession", "sts:SetSourceIdentity"}

func (k token) assume(p *iam.Policy, a brevet.Account, r brevet.Role, action string) iam.Result {
	return iam.Evaluate(iam.Input{Resource: p, Request: iam.Request{Caller: k.caller, Action: action,
		Resource: a.RoleARN(r.Name), ResourceAccount: string(a.ID), Context: k.context}})
}

func TestTrustAllowsTheRightToken(t *testing.T) {
	for _, r := range six() {
		p := mustTrust(t, staging(), r)
		for _, rung := range brevet.Rungs {
			within := rung.Age() <= r.MFA.Age()
			for _, action := range actions {
				got := right(staging(), r, rung).assume(p, staging(), r, action)
				if (got.Decision == iam.Allow) != within {
					t.Errorf("%s, MFA %s, %s: %+v", r.Name, rung, action, got)
				}
			}
		}
	}
}

// wrong is a token that must open nothing: a change of the right one, and the
// condition that keeps it out; "" if it is not a condition.
type wrong struct {
	name   string
	change func(*token)
	why    string
}

// wrongTokens are the wrong tokens for a role whose bound on MFA is 1h.
func wrongTokens(a brevet.Account, r brevet.Role) []wrong {
	host := strings.TrimPrefix(a.Issuer, "https://")
	return []wrong{
		{"another account's audience", set(host+":aud", "brevet:444455556666:abcdefghijklmnopqrstuvwxyz"), "StringEquals " + host + ":aud"},
		{"an audience of the same account before", set(host+":aud", "brevet:111122223333:zyxwvutsrqponmlkjihgfedcba"), "StringEquals " + host + ":aud"},
		{"an audience in capitals", set(host+":aud", strings.ToUpper(a.Audience)), "StringEquals " + host + ":aud"},
		{"no audience", unset(host + ":aud"), "StringEquals " + host + ":aud"},
		{"a subject that is no person", set(host+":sub", "si_01jd5w1a2b3c4d5e6f7g8h9j0k"), "StringLike " + host + ":sub"},
		{"a subject too short", set(host+":sub", person[:28]), "StringLike " + host + ":sub"},
		{"a subject too long", set(host+":sub", person+"0"), "StringLike " + host + ":sub"},
		{"no subject", unset(host + ":sub"), "StringLike " + host + ":sub"},
		{"another role", set("aws:RequestTag/brevet-role", "ReadOnly"), "StringEquals aws:RequestTag/brevet-role"},
		{"the role by its IAM name", set("aws:RequestTag/brevet-role", "brevet-Admin"), "StringEquals aws:RequestTag/brevet-role"},
		{"no role", unset("aws:RequestTag/brevet-role"), "StringEquals aws:RequestTag/brevet-role"},
		{"MFA too old", set("aws:RequestTag/brevet-mfa", "4h"), "StringEquals aws:RequestTag/brevet-mfa"},
		{"MFA of no rung", set("aws:RequestTag/brevet-mfa", "30m"), "StringEquals aws:RequestTag/brevet-mfa"},
		{"MFA of break-glass", set("aws:RequestTag/brevet-mfa", "breakglass"), "StringEquals aws:RequestTag/brevet-mfa"},
		{"MFA empty", set("aws:RequestTag/brevet-mfa", ""), "StringEquals aws:RequestTag/brevet-mfa"},
		{"no MFA", unset("aws:RequestTag/brevet-mfa"), "StringEquals aws:RequestTag/brevet-mfa"},
		{"another contract", set("aws:RequestTag/brevet-contract", "2"), "StringEquals aws:RequestTag/brevet-contract"},
		{"the contract with a zero", set("aws:RequestTag/brevet-contract", "01"), "StringEquals aws:RequestTag/brevet-contract"},
		{"no contract", unset("aws:RequestTag/brevet-contract"), "StringEquals aws:RequestTag/brevet-contract"},
		{"no grant", unset("aws:RequestTag/brevet-grant"), "Null aws:RequestTag/brevet-grant"},
		{"an empty grant", set("aws:RequestTag/brevet-grant", ""), "Null aws:RequestTag/brevet-grant"},
		{"no source identity", unset("sts:SourceIdentity"), "StringLike sts:SourceIdentity"},
		{"an empty source identity", set("sts:SourceIdentity", ""), "StringLike sts:SourceIdentity"},
		{"a foreign tag key", set("aws:TagKeys", "brevet-role", "brevet-grant", "team"), "ForAllValues:StringLike aws:TagKeys"},
		{"a tag key in capitals", set("aws:TagKeys", "BREVET-ROLE"), "ForAllValues:StringLike aws:TagKeys"},
		{"another customer's issuer", func(k *token) {
			b := a
			b.Issuer = "https://issuer.brevet.invalid/c/cu_01jd5w0q3v8xk2m7n9p4r6t8y1"
			*k = right(b, r, brevet.Rung1h)
		}, ""},
		{"another customer's provider", func(k *token) { k.caller.Federated += "x" }, ""},
		{"the provider of another account", func(k *token) {
			k.caller.Federated = strings.Replace(k.caller.Federated, "111122223333", "444455556666", 1)
		}, ""},
		{"claims of another issuer", func(k *token) {
			delete(k.context, host+":aud")
			delete(k.context, host+":sub")
			k.context["issuer.example:aud"], k.context["issuer.example:sub"] = []string{a.Audience}, []string{person}
		}, "StringEquals " + host + ":aud"},
		{"a session of the same account", func(k *token) {
			k.caller = iam.Caller{ARN: "arn:aws:sts::111122223333:assumed-role/brevet-Admin/engineer", Account: "111122223333"}
		}, ""},
		{"the root user of the account", func(k *token) {
			k.caller = iam.Caller{ARN: "arn:aws:iam::111122223333:root", Account: "111122223333"}
		}, ""},
		{"nobody", func(k *token) { k.caller = iam.Caller{} }, ""},
		{"nothing but the provider", func(k *token) { k.context = nil }, "Null aws:RequestTag/brevet-grant"},
	}
}

// Each condition keeps out what it is there for, in each of the actions.
func TestTrustRefuses(t *testing.T) {
	a, r := staging(), sixth()
	p := mustTrust(t, a, r)
	for _, c := range wrongTokens(a, r) {
		t.Run(c.name, func(t *testing.T) {
			k := right(a, r, brevet.Rung1h)
			c.change(&k)
			for _, action := range actions {
				got := k.assume(p, a, r, action)
				if got.Decision != iam.ImplicitDeny || got.Condition != c.why {
					t.Errorf("%s: %+v, want %q to keep it out", action, got, c.why)
				}
			}
		})
	}
}

// No condition is idle: without it, a wrong token gets in.
func TestTrustNeedsEveryCondition(t *testing.T) {
	a, r := staging(), sixth()
	whole := mustTrust(t, a, r).Statements[0]
	for i, c := range whole.Conditions {
		s := whole
		s.Conditions = slices.Delete(slices.Clone(whole.Conditions), i, i+1)
		p := &iam.Policy{Version: iam.Version2012, Statements: []iam.Statement{s}}
		entered := slices.ContainsFunc(wrongTokens(a, r), func(w wrong) bool {
			k := right(a, r, brevet.Rung1h)
			w.change(&k)
			return k.assume(p, a, r, actions[0]).Decision == iam.Allow
		})
		if !entered {
			t.Errorf("without %s %s no wrong token gets in", c.Operator, c.Key)
		}
	}
}

func set(key string, values ...string) func(*token) {
	return func(k *token) { k.context[key] = values }
}

func unset(key string) func(*token) { return func(k *token) { delete(k.context, key) } }

// Other ways into a role are not opened.
func TestTrustAllowsThreeActions(t *testing.T) {
	a, r := staging(), sixth()
	p, k := mustTrust(t, a, r), right(a, r, brevet.Rung1h)
	for _, action := range []string{"sts:AssumeRole", "sts:AssumeRoleWithSAML", "sts:AssumeRoot", "sts:TagGetFederationToken", "iam:PassRole"} {
		if got := k.assume(p, a, r, action); got.Decision != iam.ImplicitDeny {
			t.Errorf("%s: %+v", action, got)
		}
	}
}

// A customer is a wall (law 13): no token of one account opens a role of
// another.
func TestTrustWall(t *testing.T) {
	var accounts []brevet.Account
	const letters = "abcdefghijklmnopqrst"
	for i := range 20 {
		a := staging()
		a.ID = brevet.AccountID("1111222233" + string([]byte{'0' + byte(i/10), '0' + byte(i%10)}))
		a.Issuer = "https://issuer.brevet.invalid/c/cu_01jd5w0q3v8xk2m7n9p4r6t8y" + letters[i:i+1]
		a.Audience = "brevet:" + string(a.ID) + ":abcdefghijklmnopqrstuvwxy" + letters[i:i+1]
		accounts = append(accounts, a)
	}
	r := sixth()
	for i, from := range accounts {
		for j, to := range accounts {
			got := right(from, r, brevet.Rung5m).assume(mustTrust(t, to, r), to, r, actions[0])
			if (got.Decision == iam.Allow) != (i == j) {
				t.Errorf("token of %s, role of %s: %+v", from.ID, to.ID, got)
			}
		}
	}
}

// The longest names in every partition stay below AWS's limit.
func TestTrustFits(t *testing.T) {
	for _, region := range []string{"eu-west-1", "cn-northwest-1", "us-gov-west-1", "eusc-de-east-1", "ap-southeast-7"} {
		a, r := staging(), sixth()
		a.Region, a.Contract = region, 1<<31
		a.Issuer = "https://" + strings.Repeat("i", 63) + ".example/c/"
		a.Issuer += strings.Repeat("x", 255-len(a.Issuer))
		r.Name, r.MFA = brevet.RoleName(strings.Repeat("R", 40)), brevet.Rung24h
		p := mustTrust(t, a, r)
		if n := len(p.String()); n >= stack.LongestTrust {
			t.Errorf("%s: %d characters", region, n)
		}
		k := right(a, r, brevet.Rung24h)
		k.context["aws:RequestTag/brevet-contract"] = []string{"2147483648"}
		if got := k.assume(p, a, r, actions[0]); got.Decision != iam.Allow {
			t.Errorf("%s: %+v", region, got)
		}
		if !strings.HasPrefix(stack.ProviderARN(a), "arn:"+a.Partition()+":iam::111122223333:oidc-provider/iii") {
			t.Error(stack.ProviderARN(a))
		}
	}
}

func TestTrustRefusesToBeWritten(t *testing.T) {
	for name, change := range map[string]func(*brevet.Account, *brevet.Role){
		"no account":           func(a *brevet.Account, _ *brevet.Role) { a.ID = "" },
		"account name":         func(a *brevet.Account, _ *brevet.Role) { a.ID = "acme-staging" },
		"no audience":          func(a *brevet.Account, _ *brevet.Role) { a.Audience = "" },
		"audience of another":  func(a *brevet.Account, _ *brevet.Role) { a.Audience = "brevet:444455556666:abcdefghijklmnopqrstuvwxyz" },
		"audience too short":   func(a *brevet.Account, _ *brevet.Role) { a.Audience = a.Audience[:41] },
		"audience, a variable": func(a *brevet.Account, _ *brevet.Role) { a.Audience = "brevet:111122223333:${aws:userid, 'xxxxxxxxx'}" },
		"no issuer":            func(a *brevet.Account, _ *brevet.Role) { a.Issuer = "" },
		"issuer without https": func(a *brevet.Account, _ *brevet.Role) { a.Issuer = "http://issuer.brevet.invalid/c/x" },
		"issuer with port":     func(a *brevet.Account, _ *brevet.Role) { a.Issuer = "https://issuer.brevet.invalid:443/c/x" },
		"issuer with slash":    func(a *brevet.Account, _ *brevet.Role) { a.Issuer += "/" },
		"issuer with query":    func(a *brevet.Account, _ *brevet.Role) { a.Issuer += "?a=b" },
		"issuer with wildcard": func(a *brevet.Account, _ *brevet.Role) { a.Issuer += "*" },
		"issuer too long":      func(a *brevet.Account, _ *brevet.Role) { a.Issuer += strings.Repeat("x", 255) },
		"no contract":          func(a *brevet.Account, _ *brevet.Role) { a.Contract = 0 },
		"no role":              func(_ *brevet.Account, r *brevet.Role) { r.Name = "" },
		"role with wildcard":   func(_ *brevet.Account, r *brevet.Role) { r.Name = "Admin*" },
		"no MFA":               func(_ *brevet.Account, r *brevet.Role) { r.MFA = "" },
		"MFA of no rung":       func(_ *brevet.Account, r *brevet.Role) { r.MFA = "2h" },
	} {
		t.Run(name, func(t *testing.T) {
			a, r := staging(), sixth()
			change(&a, &r)
			if p, err := stack.Trust(a, r); !errors.Is(err, brevet.Invalid) {
				t.Errorf("error %v, policy %v", err, p)
			}
		})
	}
}

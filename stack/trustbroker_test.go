package stack_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
	"github.com/brevet-access/brevet/stack"
)

const brokerRole = "arn:aws:iam::999999999999:role/brevet-broker"

// brokered is an account that is entered by AssumeRole.
func brokered() brevet.Account {
	a := staging()
	a.Broker, a.ExternalID = brokerRole, "m7n6p4r6t2w3x5y7z2abcdefgh"
	return a
}

func TestTrustBrokerGolden(t *testing.T) {
	var got bytes.Buffer
	if err := json.Indent(&got, []byte(mustTrust(t, brokered(), sixth()).String()), "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	file := filepath.Join("testdata", "trust", "broker", "Admin.json")
	if *update {
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o777), os.WriteFile(file, got.Bytes(), 0o666)); err != nil {
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
}

// rightCall is what the broker sends for the role.
func rightCall(a brevet.Account, r brevet.Role, mfa brevet.Rung) token {
	k := right(a, r, mfa)
	host := strings.TrimPrefix(a.Issuer, "https://")
	for _, key := range []string{host + ":aud", host + ":sub", "aws:FederatedProvider"} {
		delete(k.context, key)
	}
	k.caller = iam.Caller{Kind: iam.KindAssumedRole, ARN: "arn:aws:sts::999999999999:assumed-role/brevet-broker/brevetd", Account: "999999999999"}
	k.context["aws:PrincipalArn"] = []string{brokerRole}
	k.context["aws:PrincipalAccount"] = []string{"999999999999"}
	k.context["sts:ExternalId"] = []string{a.ExternalID}
	return k
}

var brokerActions = []string{"sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"}

// brokerMay is the broker's own policy: across accounts both sides must allow
// it.
var brokerMay = []*iam.Policy{{Version: iam.Version2012, Statements: []iam.Statement{{Effect: iam.EffectAllow, Resource: []string{"*"}, Action: brokerActions}}}}

func (k token) enter(p *iam.Policy, a brevet.Account, r brevet.Role, action string) iam.Result {
	return iam.Evaluate(iam.Input{Identity: brokerMay, Resource: p, Request: iam.Request{Caller: k.caller, Action: action,
		Resource: a.RoleARN(r.Name), ResourceAccount: string(a.ID), Context: k.context}})
}

func TestTrustBrokerAllows(t *testing.T) {
	a := brokered()
	for _, r := range six() {
		p := mustTrust(t, a, r)
		for _, rung := range brevet.Rungs {
			within := rung.Age() <= r.MFA.Age()
			for _, action := range brokerActions {
				if got := rightCall(a, r, rung).enter(p, a, r, action); (got.Decision == iam.Allow) != within {
					t.Errorf("%s, MFA %s, %s: %+v", r.Name, rung, action, got)
				}
			}
		}
		for _, action := range []string{"sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithSAML", "sts:AssumeRoot", "iam:PassRole"} {
			if got := rightCall(a, r, brevet.Rung5m).enter(p, a, r, action); got.Decision != iam.ImplicitDeny {
				t.Errorf("%s: %+v", action, got)
			}
		}
	}
}

func wrongCalls(a brevet.Account, r brevet.Role) []wrong {
	all := []wrong{
		{"no external id", unset("sts:ExternalId"), "StringEquals sts:ExternalId"},
		{"another customer's external id", set("sts:ExternalId", "zyxwvutsrqponmlkjihgfedcba"), "StringEquals sts:ExternalId"},
		{"an external id in capitals", set("sts:ExternalId", strings.ToUpper(a.ExternalID)), "StringEquals sts:ExternalId"},
		{"a longer external id", set("sts:ExternalId", a.ExternalID+"a"), "StringEquals sts:ExternalId"},
		{"an empty external id", set("sts:ExternalId", ""), "StringEquals sts:ExternalId"},
		{"an external id with a wildcard", set("sts:ExternalId", "*"), "StringEquals sts:ExternalId"},
		{"another role of the broker's account", set("aws:PrincipalArn", "arn:aws:iam::999999999999:role/deploy"), "ArnEquals aws:PrincipalArn"},
		{"a role whose name begins alike", set("aws:PrincipalArn", brokerRole+"2"), "ArnEquals aws:PrincipalArn"},
		{"a user of the broker's account", set("aws:PrincipalArn", "arn:aws:iam::999999999999:user/brevet-broker"), "ArnEquals aws:PrincipalArn"},
		{"a caller without an ARN", unset("aws:PrincipalArn"), "ArnEquals aws:PrincipalArn"},
		{"a role of that name in another account", func(k *token) {
			k.caller = iam.Caller{Kind: iam.KindAssumedRole, ARN: "arn:aws:sts::888888888888:assumed-role/brevet-broker/x", Account: "888888888888"}
		}, ""},
		{"a session of the same account", func(k *token) {
			k.caller = iam.Caller{Kind: iam.KindAssumedRole, ARN: "arn:aws:sts::111122223333:assumed-role/brevet-Admin/engineer", Account: "111122223333"}
		}, ""},
		{"a token of the customer's issuer", func(k *token) { k.caller = right(a, r, brevet.Rung1h).caller }, ""},
		{"nobody", func(k *token) { k.caller = iam.Caller{} }, ""},
	}
	for _, w := range wrongTokens(a, r) { // tags and source identity are asked for alike
		if strings.Contains(w.why, "aws:RequestTag/") || strings.Contains(w.why, "aws:TagKeys") || strings.Contains(w.why, "SourceIdentity") {
			if w.name != "nothing but the provider" {
				all = append(all, w)
			}
		}
	}
	return all
}

// The vendor's own duty: a role that can be entered without the external id,
// or with another customer's, protects from nobody (IAM User Guide, "How to
// use an external ID"). Each condition keeps out what it is there for.
func TestTrustBrokerRefuses(t *testing.T) {
	a, r := brokered(), sixth()
	p := mustTrust(t, a, r)
	for _, c := range wrongCalls(a, r) {
		t.Run(c.name, func(t *testing.T) {
			k := rightCall(a, r, brevet.Rung1h)
			c.change(&k)
			for _, action := range brokerActions {
				got := k.enter(p, a, r, action)
				if got.Decision != iam.ImplicitDeny || got.Condition != c.why {
					t.Errorf("%s: %+v, want %q to keep it out", action, got, c.why)
				}
			}
		})
	}
}

func TestTrustBrokerNeedsEveryCondition(t *testing.T) {
	a, r := brokered(), sixth()
	whole := mustTrust(t, a, r).Statements[0]
	for i, c := range whole.Conditions {
		s := whole
		s.Conditions = slices.Delete(slices.Clone(whole.Conditions), i, i+1)
		p := &iam.Policy{Version: iam.Version2012, Statements: []iam.Statement{s}}
		entered := slices.ContainsFunc(wrongCalls(a, r), func(w wrong) bool {
			k := rightCall(a, r, brevet.Rung1h)
			w.change(&k)
			return k.enter(p, a, r, brokerActions[0]).Decision == iam.Allow
		})
		if !entered {
			t.Errorf("without %s %s no wrong call gets in", c.Operator, c.Key)
		}
	}
}

// The broker holds the external ids of all its customers; each opens one.
func TestTrustBrokerWall(t *testing.T) {
	var accounts []brevet.Account
	for i := range 20 {
		a := brokered()
		a.ID = brevet.AccountID("1111222233" + string([]byte{'0' + byte(i/10), '0' + byte(i%10)}))
		a.ExternalID = "abcdefghijklmnopqrstuvwxy" + "abcdefghijklmnopqrst"[i:i+1]
		accounts = append(accounts, a)
	}
	r := sixth()
	for i, from := range accounts {
		for j, to := range accounts {
			got := rightCall(from, r, brevet.Rung5m).enter(mustTrust(t, to, r), to, r, brokerActions[0])
			if (got.Decision == iam.Allow) != (i == j) {
				t.Errorf("call for %s, role of %s: %+v", from.ID, to.ID, got)
			}
		}
	}
}

func TestTrustBrokerFits(t *testing.T) {
	for region, partition := range map[string]string{"eu-west-1": "aws", "cn-northwest-1": "aws-cn", "us-gov-west-1": "aws-us-gov", "eusc-de-east-1": "aws-eusc"} {
		a, r := brokered(), sixth()
		a.Region, a.Contract = region, 1<<31
		a.Broker = "arn:" + partition + ":iam::999999999999:role/" + strings.Repeat("p", 191) + "/" + strings.Repeat("r", 64)
		r.Name, r.MFA = brevet.RoleName(strings.Repeat("R", 40)), brevet.Rung24h
		p, err := stack.Trust(a, r)
		if err != nil || len(p.String()) >= stack.LongestTrust {
			t.Errorf("%s: %v", region, err)
		}
	}
}

func TestTrustBrokerRefusesToBeWritten(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*brevet.Account)
		field  string
	}{
		"not an ARN":              {func(a *brevet.Account) { a.Broker = "brevet-broker" }, "broker"},
		"the account's root":      {func(a *brevet.Account) { a.Broker = "arn:aws:iam::999999999999:root" }, "broker"},
		"a user":                  {func(a *brevet.Account) { a.Broker = "arn:aws:iam::999999999999:user/broker" }, "broker"},
		"a session":               {func(a *brevet.Account) { a.Broker = "arn:aws:sts::999999999999:assumed-role/brevet-broker/x" }, "broker"},
		"every role":              {func(a *brevet.Account) { a.Broker = "arn:aws:iam::999999999999:role/*" }, "broker"},
		"a variable":              {func(a *brevet.Account) { a.Broker = "arn:aws:iam::999999999999:role/${aws:username}" }, "broker"},
		"every account":           {func(a *brevet.Account) { a.Broker = "arn:aws:iam::*:role/brevet-broker" }, "broker"},
		"another partition":       {func(a *brevet.Account) { a.Broker = "arn:aws-cn:iam::999999999999:role/brevet-broker" }, "broker"},
		"no external id":          {func(a *brevet.Account) { a.ExternalID = "" }, "external_id"},
		"a guessable external id": {func(a *brevet.Account) { a.ExternalID = "continuous.engineer" }, "external_id"},
		"a wildcard":              {func(a *brevet.Account) { a.ExternalID = "abcdefghijklmnopqrstuvwxy*" }, "external_id"},
		"capitals":                {func(a *brevet.Account) { a.ExternalID = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" }, "external_id"},
		"no contract":             {func(a *brevet.Account) { a.Contract = 0 }, "contract"},
	} {
		a := brokered()
		c.change(&a)
		p, err := stack.Trust(a, sixth())
		if !errors.Is(err, brevet.Invalid) || !strings.Contains(err.Error(), c.field) {
			t.Errorf("%s: error %v, policy %v; want %q named", name, err, p, c.field)
		}
	}
	a := brokered()
	a.Audience, a.Issuer = "", ""
	if _, err := stack.Trust(a, sixth()); err != nil {
		t.Errorf("an account that is entered by AssumeRole needs no issuer: %v", err)
	}
}

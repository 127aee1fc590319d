package iam_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/brevet-access/brevet/iam"
)

// Statements that no document could say, made by hand, allow nothing by what
// they lack.
func TestHandMadeStatements(t *testing.T) {
	all := []string{"*"}
	for name, s := range map[string]iam.Statement{
		"no effect":               {Action: all, Resource: all},
		"no action":               {Effect: iam.EffectAllow, Resource: all},
		"no resource":             {Effect: iam.EffectAllow, Action: all},
		"an empty action":         {Effect: iam.EffectAllow, Action: []string{""}, Resource: all},
		"another resource only":   {Effect: iam.EffectAllow, Action: all, NotResource: []string{"arn:aws:s3:::b/k"}},
		"another action only":     {Effect: iam.EffectAllow, NotAction: []string{"s3:GetObject"}, Resource: all},
		"both, which contradict":  {Effect: iam.EffectAllow, Action: all, NotAction: []string{"s3:*"}, Resource: all},
		"resources, likewise":     {Effect: iam.EffectAllow, Action: all, Resource: all, NotResource: []string{"arn:aws:s3:::b/*"}},
		"an operator that is new": {Effect: iam.EffectAllow, Action: all, Resource: all, Conditions: []iam.Condition{{Operator: "StringRhymes", Key: "k:a", Values: []string{"x"}}}},
	} {
		got := iam.Evaluate(iam.Input{Identity: []*iam.Policy{{Version: iam.Version2012, Statements: []iam.Statement{s}}},
			Request: iam.Request{Caller: session, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k"}})
		if got.Decision == iam.Allow {
			t.Errorf("%s: %+v", name, got)
		}
	}
	both := iam.Statement{Effect: iam.EffectAllow, Action: all, Resource: all, Principal: &iam.Principals{Everyone: true}, NotPrincipal: &iam.Principals{AWS: []string{other}}}
	got := iam.Evaluate(iam.Input{Resource: &iam.Policy{Statements: []iam.Statement{both}}, Request: iam.Request{Caller: session, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k"}})
	if got.Decision == iam.Allow {
		t.Errorf("Principal and NotPrincipal: %+v", got)
	}
}

func TestNumbersOfAnyLength(t *testing.T) {
	one := func(s string) []string { return []string{s} }
	runConditions(t, []conditionCase{
		{"NumericGreaterThan k:key -2", one("1"), true},
		{"NumericLessThan k:key -2", one("1"), false},
		{"NumericLessThan k:key 1", one("-5"), true},
		{"NumericGreaterThan k:key 1", one("-5"), false},
		{"NumericLessThan k:key -10", one("-9"), false},
		{"NumericGreaterThan k:key -10", one("-9"), true},
		{"NumericEquals k:key -1.50", one("-1.5"), true},
		{"NumericEquals k:key 1.5", one("-1.5"), false},
		{"NumericGreaterThan k:key 99", one("100"), true},
		{"NumericLessThan k:key 100", one("99"), true},
		{"NumericLessThan k:key 0.2", one("0.19"), true},
		{"NumericGreaterThan k:key 0.19", one("0.2"), true},
		{"NumericEquals k:key 0", one("000"), true},
		{"DateEquals k:key 1099511627775", one("1099511627775"), true},
	})
	for _, bad := range []string{"NumericEquals k:key 1", "DateEquals k:key 2026-11-25"} {
		for _, have := range []string{"", "-", "1.", ".5", "1e3", "1099511627776", "2026-13-01", "99999999999999999999"} {
			if bad[0] == 'N' && strings.Trim(have, "0123456789") == "" && have != "" {
				continue
			}
			p := &iam.Policy{Statements: []iam.Statement{{Effect: iam.EffectAllow, Action: []string{"*"}, Resource: []string{"*"}, Conditions: []iam.Condition{condition(bad)}}}}
			if got := iam.Evaluate(iam.Input{Identity: []*iam.Policy{p}, Request: iam.Request{Caller: user, Action: "a:B", Resource: "*", Context: iam.Context{"k:key": {have}}}}); got.Decision == iam.Allow {
				t.Errorf("%s with %q: %+v", bad, have, got)
			}
		}
	}
}

func TestUnmarshal(t *testing.T) {
	var p iam.Policy
	if err := json.Unmarshal([]byte(`{"Version":"2012-10-17","Statement":{`+allowAll+`}}`), &p); err != nil || len(p.Statements) != 1 {
		t.Fatalf("%v %+v", err, p)
	}
	if err := json.Unmarshal([]byte(`{"Version":"2012-10-17"}`), &p); err == nil || len(p.Statements) != 1 {
		t.Errorf("%v %+v", err, p)
	}
}

func TestParseEdges(t *testing.T) {
	const rest = `"Effect":"Allow","Resource":"*"`
	for text, want := range map[string]string{
		statement(`"Effect":"Allow","Resource":"*","Action":":Get"`):                      "is not an action",
		statement(`"Effect":"Allow","Resource":"*","Action":"s3:"`):                       "is not an action",
		statement(`"Effect":"Allow","Resource":"*","Action":"s3"`):                        "is not an action",
		statement(`"Effect":"Allow","Resource":"*","Action":""`):                          "is not an action",
		statement(`"Effect":"Allow","Action":"*","Resource":"arm:aws:s3:::b"`):            "is not an ARN",
		statement(`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:b"`):              "is not an ARN",
		statement(`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3::b"`):             "is not an ARN",
		statement(`"Effect":"Allow","Action":"*","Resource":"x*"`):                        "is not an ARN",
		statement(`"Effect":"Allow","Action":"*","Resource":"*","Principal":{"AWS":""}`):  "is empty",
		statement(`"Effect":"Allow","Action":"*","Resource":"*","Principal":{"AWS":"?"}`): "no wildcard stands",
		statement(rest + `,"Action":` + strings.Repeat("[", 6)):                           "nested too deeply",
		statement(rest + `,"` + strings.Repeat("x", 81) + `":1`):                          `Statement[1]."` + strings.Repeat("x", 80) + `\u2026": there is no such element`,
		statement(rest + `,"` + strings.Repeat("x", 80) + `":1`):                          `Statement[1].` + strings.Repeat("x", 80) + `: there is no such element`,
		statement(rest + `,"a b":1`):                                                      `Statement[1]."a b": there is no such element`,
		statement(rest + `,"~!":1`):                                                       `Statement[1].~!: there is no such element`,
		statement(rest + `,"a.b":1`):                                                      `Statement[1]."a.b": there is no such element`,
		statement(rest + `,"a[b":1`):                                                      `Statement[1]."a[b": there is no such element`,
		statement(rest + `,"\u007f":1`):                                                   `Statement[1]."\x7f": there is no such element`,
		statement(rest + `,"":1`):                                                         `Statement[1]."": there is no such element`,
		`{"Statement":[{` + allowAll + `},]}`:                                             `Statement[1]: not valid JSON`,
		`{"Statement":[{` + allowAll + `}`:                                                `Statement: not valid JSON`,
		`{"Statement":{` + allowAll + `},"Id":`:                                           `Id: not valid JSON`,
		`{"Id":"x",1:2}`:                                                                  `not valid JSON`,
		`{"Statement":[],"Version":[]}`:                                                   `Version: must be a string, not a list`,
		`{"Id":{},"Statement":[]}`:                                                        `Id: must be a string, not an object`,
		`{"Id":true,"Statement":[]}`:                                                      `Id: must be a string, not a boolean`,
		`"x"`:                                                                             `a policy is an object, not a string`,
	} {
		if _, err := iam.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	for _, sound := range []string{
		statement(rest + `,"Action":"s3:Get?"`), statement(`"Effect":"Allow","Action":"*","Resource":"arn:*"`), statement(`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b"`),
		statement(`"Effect":"Allow","Action":"*","Resource":"arn:${x}"`), statement(`"Sid":"","Effect":"Allow","Action":"*"`) + " \n",
		`{"Statement":[{"Sid":"",` + allowAll + `},{"Sid":"",` + allowAll + `}]}`,
	} {
		if _, err := iam.Parse([]byte(sound)); err != nil {
			t.Errorf("%s: %v", sound, err)
		}
	}
}

// What needs hands to say, since Parse refuses it.
func TestLintOfHandMadePolicies(t *testing.T) {
	s := iam.Statement{Sid: "One", Effect: iam.EffectAllow, Action: []string{"s3:GetObject"}, Resource: []string{"arn:aws:s3:::b/*"}}
	other := s
	other.Resource = []string{"arn:aws:s3:::c/*"}
	found := iam.Lint(iam.IdentityPolicy, &iam.Policy{Version: iam.Version2012, Statements: []iam.Statement{s, other}})
	if len(found) != 1 || found[0].Rule != "D04" || found[0].Path != "Statement[1].Sid" {
		t.Errorf("%+v", found)
	}
	if !iam.SeverityError.AtLeast(iam.SeverityError) || !iam.SeverityError.AtLeast(iam.SeverityNote) || iam.SeverityNote.AtLeast(iam.SeverityWarning) {
		t.Error("severities are not in order")
	}
}

func TestGuessKind(t *testing.T) {
	for text, want := range map[string]iam.PolicyKind{
		`"Effect":"Allow","Action":"s3:*","Resource":"*"`:                                                  iam.IdentityPolicy,
		`"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"`:                                        iam.IdentityPolicy,
		`"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"`:                                       iam.TrustPolicy,
		`"Effect":"Allow","NotPrincipal":"*","Action":["STS:AssumeRole","sts:TagSession"]`:                 iam.TrustPolicy,
		`"Effect":"Allow","Principal":"*","Action":["sts:AssumeRole","s3:Get*"]`:                           iam.ResourcePolicy,
		`"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"`:                        iam.ResourcePolicy,
		`"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","NotResource":"*"`:                     iam.ResourcePolicy,
		`"Effect":"Allow","Principal":"*","NotAction":"sts:AssumeRole"`:                                    iam.ResourcePolicy,
		`"Effect":"Deny","Action":"sts:*"},{"Effect":"Allow","Principal":"*","Action":"sts:*"`:             iam.TrustPolicy,
		`"Effect":"Deny","Principal":"*","Action":"sts:*"},{"Effect":"Allow","Principal":"*","Action":"*"`: iam.ResourcePolicy,
	} {
		if got := iam.GuessKind(mustParse(t, `{"Statement":[{`+text+`}]}`)); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// In the old version of the language the value of a condition is plain text,
// and in the new one it is for operators without variables.
func TestVariablesArePlainText(t *testing.T) {
	ctx := iam.Context{"k:a": {"${aws:username}"}, "aws:username": {"x"}}
	for version, want := range map[string]iam.Decision{iam.Version2008: iam.Allow, iam.Version2012: iam.ImplicitDeny} {
		p := &iam.Policy{Version: version, Statements: []iam.Statement{{Effect: iam.EffectAllow, Action: []string{"*"}, Resource: []string{"*"},
			Conditions: []iam.Condition{{Operator: "StringEquals", Key: "k:a", Values: []string{"${aws:username}"}}}}}}
		if got := iam.Evaluate(iam.Input{Identity: []*iam.Policy{p}, Request: iam.Request{Caller: user, Action: "a:B", Resource: "*", Context: ctx}}); got.Decision != want {
			t.Errorf("version %s: %+v", version, got)
		}
	}
	p := &iam.Policy{Version: iam.Version2012, Statements: []iam.Statement{{Effect: iam.EffectAllow, Action: []string{"*"}, Resource: []string{"*"},
		Conditions: []iam.Condition{{Operator: "NumericEquals", Key: "k:a", Values: []string{"${k:b}"}}}}}}
	if got := iam.Evaluate(iam.Input{Identity: []*iam.Policy{p}, Request: iam.Request{Caller: user, Action: "a:B", Resource: "*", Context: iam.Context{"k:a": {"1"}, "k:b": {"1"}}}}); got.Decision == iam.Allow {
		t.Errorf("%+v", got)
	}
}

// Trust policies must allow by themselves whatever the case of the action,
// and a refusal tells of the nearest miss, in whichever policy it is.
func TestNearestMiss(t *testing.T) {
	trust := policy(t, `"Sid":"Trust","Effect":"Allow",`+aws(roleARN)+`,"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"x"}}`)
	mine := policy(t, `"Sid":"Mine","Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"k:a":"x"}}`)
	theirs := policy(t, `"Sid":"Theirs","Effect":"Allow",`+aws(roleARN)+`,"Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"k:b":"x"}}`)
	read := iam.Request{Caller: session, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k"}
	for _, c := range []struct {
		name            string
		in              iam.Input
		policy, sid, by string
	}{
		{"trust", iam.Input{Identity: []*iam.Policy{policy(t, allowAll)}, Resource: trust, Request: iam.Request{Caller: session, Action: "STS:assumerole", Resource: roleARN}}, "resource", "Trust", "StringEquals sts:ExternalId"},
		{"both", iam.Input{Identity: []*iam.Policy{mine}, Resource: theirs, Request: read}, "identity[0]", "Mine", "StringEquals k:a"},
		{"theirs only", iam.Input{Identity: []*iam.Policy{policy(t, allowEC2)}, Resource: theirs, Request: read}, "resource", "Theirs", "StringEquals k:b"},
		{"mine only", iam.Input{Identity: []*iam.Policy{mine}, Request: read}, "identity[0]", "Mine", "StringEquals k:a"},
		{"neither", iam.Input{Request: read}, "identity", "", ""},
	} {
		if got := iam.Evaluate(c.in); got.Decision != iam.ImplicitDeny || got.Policy != c.policy || got.Statement != c.sid || got.Condition != c.by {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestPrintsEverything(t *testing.T) {
	const text = `{"Version":"2012-10-17","Statement":[{"Sid":"A","Effect":"Allow","Principal":{"AWS":"111122223333","Federated":"accounts.google.com","Service":["ec2.amazonaws.com","sns.amazonaws.com"],"CanonicalUser":"79a59df9"},"Action":"s3:*","Resource":"arn:aws:s3:::b/<&>","Condition":{"Bool":{"aws:SecureTransport":"true","aws:ViaAWSService":"false"},"StringLike":{"s3:prefix":["a","<b>"]}}},{"Effect":"Deny","NotPrincipal":"*","NotAction":"s3:*","NotResource":"*"}]}`
	if got := mustParse(t, text).String(); got != text {
		t.Errorf("%s\nwant\n%s", got, text)
	}
	for _, p := range []iam.Principals{{Everyone: true, AWS: []string{account}}, {Everyone: true, Federated: []string{"x"}}, {Everyone: true, Service: []string{"x"}},
		{Everyone: true, CanonicalUser: []string{"x"}}, {Everyone: true, AWS: []string{account}, Federated: []string{"x"}}, {Everyone: true, AWS: []string{account}, Service: []string{"x"}},
		{Everyone: true, AWS: []string{account}, CanonicalUser: []string{"x"}}} {
		if out, err := (&iam.Policy{Statements: []iam.Statement{{Effect: iam.EffectAllow, Action: []string{"*"}, Principal: &p}}}).MarshalJSON(); err == nil {
			t.Errorf("printed %s", out)
		}
	}
}

func TestNamesOfAccountsAndActions(t *testing.T) {
	read := func(who iam.Caller, principal string) iam.Decision {
		return iam.Evaluate(iam.Input{Resource: policy(t, to("Allow", aws(principal))), Request: iam.Request{Caller: who, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", ResourceAccount: ""}}).Decision
	}
	for principal, want := range map[string]iam.Decision{rootARN: iam.Allow, account: iam.Allow, "arn:x:y:iam::" + account + ":root": iam.Allow, other: iam.Allow} {
		if got := read(root, principal); got != want { // within its account the root user needs nobody
			t.Errorf("%s: %s", principal, got)
		}
	}
	abroad := func(principal string) iam.Decision {
		return iam.Evaluate(iam.Input{Identity: []*iam.Policy{policy(t, allowAll)}, Resource: policy(t, to("Allow", aws(principal))),
			Request: iam.Request{Caller: session, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", ResourceAccount: other}}).Decision
	}
	for principal, want := range map[string]iam.Decision{rootARN: iam.Allow, account: iam.Allow, "arn:aws-cn:iam::" + account + ":root": iam.Allow, "arn:a:b:iam::" + account + ":root": iam.ImplicitDeny,
		"arm:aws:iam::" + account + ":root": iam.ImplicitDeny, "aws:iam::" + account + ":root": iam.ImplicitDeny, "arn:aws:iam::" + account + ":rooted": iam.ImplicitDeny, other: iam.ImplicitDeny} {
		if got := abroad(principal); got != want {
			t.Errorf("%s: %s, want %s", principal, got, want)
		}
	}
	for _, c := range []struct {
		pattern, action string
		want            bool
	}{{"a:Z", "A:z", true}, {"a:z", "A:Z", true}, {"a:[", "a:{", false}, {"a:@", "a:`", false}, {"a:?", "a:Q", true}, {"?:a", "s:a", true}, {"a:b", "a:bc", false}, {"a:bc", "a:b", false}, {"a:b*", "a:b", true}, {"A:*", "a:Do", true}} {
		got := iam.Evaluate(iam.Input{Identity: []*iam.Policy{{Statements: []iam.Statement{{Effect: iam.EffectAllow, Action: []string{c.pattern}, Resource: []string{"*"}}}}},
			Request: iam.Request{Caller: session, Action: c.action, Resource: "*"}})
		if (got.Decision == iam.Allow) != c.want {
			t.Errorf("%s for %s: %s", c.pattern, c.action, got.Decision)
		}
	}
	runConditions(t, []conditionCase{
		{"ArnLike k:key arn:aws:iam::${aws:PrincipalAccount}:role/${aws:PrincipalTag/odd}", []string{"arn:aws:iam::111122223333:role/abc"}, false},
		{"ArnLike k:key arn:aws:iam::${aws:PrincipalAccount}:role/${aws:PrincipalTag/odd}", []string{"arn:aws:iam::111122223333:role/a*"}, true},
		{"ArnLike k:key arn:aws:iam::1:role", []string{"arn:aws:iam::1"}, false},
		{"ArnLike k:key arn:aws", []string{"arn:aws:iam::1:role"}, false},
	})
}

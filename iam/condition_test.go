package iam_test

import (
	"strings"
	"testing"

	"github.com/brevet-access/brevet/iam"
)

// holds evaluates one condition by way of a policy that allows everything
// under it, and checks that a Deny under it agrees.
func holds(t *testing.T, c iam.Condition, ctx iam.Context) bool {
	t.Helper()
	policy := func(effects ...iam.Effect) *iam.Policy {
		p := &iam.Policy{Version: iam.Version2012}
		for i, e := range effects {
			s := iam.Statement{Effect: e, Action: []string{"*"}, Resource: []string{"*"}}
			if i == len(effects)-1 {
				s.Conditions = []iam.Condition{c}
			}
			p.Statements = append(p.Statements, s)
		}
		if _, err := p.MarshalJSON(); err != nil {
			t.Fatalf("%v: %v", c, err)
		}
		return p
	}
	r := iam.Request{Caller: user, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Context: ctx}
	allow := iam.Evaluate(iam.Input{Identity: []*iam.Policy{policy(iam.EffectAllow)}, Request: r}).Decision
	deny := iam.Evaluate(iam.Input{Identity: []*iam.Policy{policy(iam.EffectAllow, iam.EffectDeny)}, Request: r}).Decision
	if (allow == iam.Allow) != (deny == iam.ExplicitDeny) {
		t.Errorf("%v: an Allow under it gives %s, a Deny under it %s", c, allow, deny)
	}
	return allow == iam.Allow
}

var user = iam.Caller{ARN: "arn:aws:iam::111122223333:user/engineer", Account: "111122223333"}

// condition writes a condition as "Operator key value|value".
func condition(s string) iam.Condition {
	parts := strings.SplitN(s, " ", 3)
	return iam.Condition{Operator: parts[0], Key: parts[1], Values: strings.Split(parts[2], "|")}
}

type conditionCase struct {
	condition string
	have      []string // nil: absent
	want      bool
}

func runConditions(t *testing.T, cases []conditionCase) {
	t.Helper()
	for _, c := range cases {
		ctx := iam.Context{"aws:PrincipalTag/team": {"yellow"}, "aws:PrincipalTag/odd": {"a*"}, "aws:PrincipalTag/none": {""}, "many": {"a", "b"},
			"aws:PrincipalAccount": {"111122223333"}}
		if c.have != nil {
			ctx["K:Key"] = c.have
		}
		if got := holds(t, condition(c.condition), ctx); got != c.want {
			t.Errorf("%s with %q: %v, want %v", c.condition, c.have, got, c.want)
		}
	}
}

// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
func TestOperators(t *testing.T) {
	one := func(s string) []string { return []string{s} }
	runConditions(t, []conditionCase{
		{"StringEquals k:key a|b", one("b"), true},
		{"StringEquals K:KEY a", one("a"), true},
		{"StringEquals k:key a", one("A"), false},
		{"StringEquals k:key a*", one("ab"), false},
		{"StringEquals k:key a*", one("a*"), true},
		{"StringNotEquals k:key a|b", one("c"), true},
		{"StringNotEquals k:key a|b", one("b"), false},
		{"StringEqualsIgnoreCase k:key aB", one("Ab"), true},
		{"StringNotEqualsIgnoreCase k:key aB", one("Ab"), false},
		{"StringLike k:key a?c*", one("abcd"), true},
		{"StringLike k:key a?c*", one("ABCD"), false},
		{"StringLike k:key ?*", one("x"), true},
		{"StringLike k:key ?*", one(""), false},
		{"StringNotLike k:key a*", one("ab"), false},
		{"StringNotLike k:key a*", one("b"), true},
		{"StringLike k:key arn:aws:someservice:*:111122223333:finance/*", one("arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt"), true},

		{"NumericEquals k:key 10", one("10.0"), true},
		{"NumericEquals k:key 10", one("010"), true},
		{"NumericEquals k:key 0", one("-0.00"), true},
		{"NumericNotEquals k:key 10", one("11"), true},
		{"NumericNotEquals k:key 10|11", one("11"), false},
		{"NumericLessThan k:key 10", one("9.99"), true},
		{"NumericLessThan k:key 10", one("10"), false},
		{"NumericLessThan k:key 10", one("9007199254740993"), false},
		{"NumericLessThan k:key 9007199254740993", one("9007199254740992"), true},
		{"NumericLessThan k:key -1", one("-1.5"), true},
		{"NumericLessThan k:key 0", one("-100"), true},
		{"NumericLessThanEquals k:key 10", one("10"), true},
		{"NumericLessThanEquals k:key 10", one("10.01"), false},
		{"NumericGreaterThan k:key 9", one("10"), true},
		{"NumericGreaterThan k:key -2", one("-1"), true},
		{"NumericGreaterThanEquals k:key 10", one("9"), false},

		{"DateEquals k:key 2026-11-21T02:30:00Z", one("2026-11-21T03:30:00+01:00"), true},
		{"DateEquals k:key 1795228200", one("2026-11-21T02:30:00.000Z"), true},
		{"DateNotEquals k:key 2026-11-21", one("2026-11-21T00:00Z"), false},
		{"DateLessThan k:key 2026-11-21T02:30:00Z", one("2026-11-21T02:29:59.999Z"), true},
		{"DateLessThan k:key 2026-11-21T02:30:00Z", one("2026-11-21T02:30:00Z"), false},
		{"DateLessThan k:key 2026-11-21T02:30:00Z", one("1795228199"), true},
		{"DateLessThanEquals k:key 2026-11-21T02:30:00Z", one("1795228200"), true},
		{"DateGreaterThan k:key 2026-11", one("2026-11-01T00:00:00Z"), false},
		{"DateGreaterThan k:key 2026-11", one("2026-11-01T00:00:01Z"), true},
		{"DateGreaterThanEquals k:key 2026-11-21T02:30:00Z", one("2026-11-21T02:30:00Z"), true},

		{"Bool k:key true", one("true"), true},
		{"Bool k:key TRUE", one("true"), true},
		{"Bool k:key true", one("false"), false},
		{"BinaryEquals k:key QmluYXJ5VmFsdWVJbkJhc2U2NA==", one("QmluYXJ5VmFsdWVJbkJhc2U2NA=="), true},
		{"BinaryEquals k:key QmluYXJ5VmFsdWVJbkJhc2U2NA==", one("QmluYXJ5"), false},

		{"IpAddress k:key 203.0.113.0/24|2001:DB8:1234:5678::/64", one("203.0.113.9"), true},
		{"IpAddress k:key 203.0.113.0/24|2001:DB8:1234:5678::/64", one("2001:db8:1234:5678:9::1"), true},
		{"IpAddress k:key 203.0.113.0/24|2001:DB8:1234:5678::/64", one("2001:db8:1234:5679::1"), false},
		{"IpAddress k:key 203.0.113.7", one("203.0.113.7"), true},
		{"IpAddress k:key 203.0.113.7", one("203.0.113.8"), false},
		{"IpAddress k:key 203.0.113.77/24", one("203.0.113.8"), true}, // host bits do not count
		{"IpAddress k:key 0.0.0.0/0", one("2001:db8::1"), false},
		{"IpAddress k:key ::/0", one("203.0.113.8"), false},
		{"IpAddress k:key 203.0.113.0/24", one("::ffff:203.0.113.8"), true},
		{"NotIpAddress k:key 203.0.113.0/24", one("203.0.113.8"), false},
		{"NotIpAddress k:key 203.0.113.0/24", one("198.51.100.1"), true},

		{"ArnEquals k:key arn:aws:sns:REGION:123456789012:TOPIC-ID", one("arn:aws:sns:REGION:123456789012:TOPIC-ID"), true},
		{"ArnEquals k:key arn:aws:iam::*:role/a*", one("arn:aws:iam::111122223333:role/abc"), true},
		{"ArnLike k:key arn:aws:iam::*:role/a*", one("arn:aws:iam::111122223333:role/b"), false},
		{"ArnLike k:key arn:aws:iam::1*:role/a", one("arn:aws:iam::111122223333:ROLE/a"), false},
		{"ArnLike k:key arn:aws:someservice:*:111122223333:finance/*", one("arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt"), false},
		{"ArnLike k:key arn:aws:logs:*:*:log-group:*", one("arn:aws:logs:eu-west-1:111122223333:log-group:a:b"), true},
		{"ArnLike k:key *", one("arn:aws:s3:::b"), true},
		{"ArnLike k:key arn:*", one("arn:aws:s3:::b"), false},
		{"ArnLike k:key arn:aws:s3:::*", one("bucket"), false},
		{"ArnNotEquals k:key arn:aws:s3:::b", one("arn:aws:s3:::b"), false},
		{"ArnNotLike k:key arn:aws:s3:::b", one("arn:aws:s3:::c"), true},
	})
}

// An absent key fits nothing, so that a negated operator holds; IfExists lets
// it pass. (The same page.)
func TestAbsentKeys(t *testing.T) {
	for _, c := range []struct {
		operator, value string
		negated         bool
	}{
		{"StringEquals", "a", false}, {"StringNotEquals", "a", true},
		{"StringEqualsIgnoreCase", "a", false}, {"StringNotEqualsIgnoreCase", "a", true},
		{"StringLike", "*", false}, {"StringNotLike", "a", true},
		{"NumericEquals", "1", false}, {"NumericNotEquals", "1", true},
		{"NumericLessThan", "1", false}, {"NumericLessThanEquals", "1", false},
		{"NumericGreaterThan", "1", false}, {"NumericGreaterThanEquals", "1", false},
		{"DateEquals", "1", false}, {"DateNotEquals", "1", true},
		{"DateLessThan", "1", false}, {"DateLessThanEquals", "1", false},
		{"DateGreaterThan", "1", false}, {"DateGreaterThanEquals", "1", false},
		{"Bool", "true", false}, {"BinaryEquals", "AA==", false},
		{"IpAddress", "10.0.0.0/8", false}, {"NotIpAddress", "10.0.0.0/8", true},
		{"ArnEquals", "*", false}, {"ArnNotEquals", "*", true}, {"ArnLike", "*", false}, {"ArnNotLike", "*", true},
	} {
		k := " k:key " + c.value
		runConditions(t, []conditionCase{
			{c.operator + k, nil, c.negated},
			{c.operator + k, []string{}, c.negated},
			{c.operator + "IfExists" + k, nil, true},
			{"ForAllValues:" + c.operator + k, nil, true},
			{"ForAllValues:" + c.operator + k, []string{""}, true},
			{"ForAnyValue:" + c.operator + k, nil, false},
			{"ForAnyValue:" + c.operator + k, []string{""}, false},
			{"ForAllValues:" + c.operator + "IfExists" + k, nil, true},
			{"ForAnyValue:" + c.operator + "IfExists" + k, nil, true},
		})
	}
	runConditions(t, []conditionCase{
		{"Null k:key true", nil, true},
		{"Null k:key false", nil, false},
		{"Null k:key true", []string{"x"}, false},
		{"Null k:key false", []string{"x"}, true},
		{"Null k:key FALSE", []string{"x"}, true},
		{"Null k:key true|false", nil, true},
		{"Null k:key true", []string{""}, true}, // an empty tag is null: reference_policies_elements_condition
		{"Null k:key false", []string{""}, false},
		{"StringEquals k:key ", []string{""}, true},
	})
}

// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_multi-value-conditions.html
func TestQuantifiers(t *testing.T) {
	runConditions(t, []conditionCase{
		{"ForAllValues:StringEquals k:key ID|Message|Tags", []string{"Message", "Tags"}, true},
		{"ForAllValues:StringEquals k:key ID|Message|Tags", []string{"Message", "UserName"}, false},
		{"ForAnyValue:StringEquals k:key ID|PostDateTime", []string{"Message", "ID"}, true},
		{"ForAnyValue:StringEquals k:key ID|PostDateTime", []string{"Message"}, false},
		{"ForAllValues:StringLike k:key brevet-*", []string{"brevet-role", "brevet-mfa"}, true},
		{"ForAllValues:StringLike k:key brevet-*", []string{"brevet-role", "team"}, false},
		{"ForAllValues:StringLike k:key brevet-*", []string{"brevet-role", ""}, false},
		{"ForAllValues:StringNotEquals k:key a|b", []string{"c", "d"}, true},
		{"ForAllValues:StringNotEquals k:key a|b", []string{"c", "a"}, false},
		{"ForAnyValue:StringNotEquals k:key a|b", []string{"a", "c"}, true},
		{"ForAnyValue:StringNotEquals k:key a|b", []string{"a", "b"}, false},
		{"ForAllValues:StringEqualsIfExists k:key a", []string{"b"}, false},
		{"StringEquals k:key a", []string{"b", "a"}, true},
		{"StringNotEquals k:key a", []string{"b", "a"}, false},
		{"StringNotEquals k:key a", []string{"b", "c"}, true},
	})
}

// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
func TestVariables(t *testing.T) {
	one := func(s string) []string { return []string{s} }
	runConditions(t, []conditionCase{
		{"StringEquals k:key ${aws:PrincipalTag/team}", one("yellow"), true},
		{"StringEquals k:key ${AWS:principaltag/TEAM}", one("yellow"), true},
		{"StringLike k:key x-${aws:PrincipalTag/team}-*", one("x-yellow-9"), true},
		{"StringEquals k:key ${aws:PrincipalTag/gone}", one(""), false},
		{"StringEquals k:key ${aws:PrincipalTag/none}", one(""), false},
		{"StringNotEquals k:key ${aws:PrincipalTag/gone}", one("x"), true},
		{"StringNotLike k:key ${aws:PrincipalTag/gone}*", one("x"), true},
		{"StringEquals k:key ${aws:PrincipalTag/gone}|y", one("y"), true},
		{"StringEquals k:key ${aws:PrincipalTag/gone, 'company-wide'}", one("company-wide"), true},
		{"StringEquals k:key ${aws:PrincipalTag/none, 'company-wide'}", one("company-wide"), true},
		{"StringEquals k:key ${aws:PrincipalTag/team, 'company-wide'}", one("company-wide"), false},
		{"StringEquals k:key ${many}", one("a"), false}, // no key with several values
		{"StringLike k:key ${aws:PrincipalTag/odd}", one("abc"), false},
		{"StringLike k:key ${aws:PrincipalTag/odd}", one("a*"), true},
		{"StringLike k:key a${*}b", one("a*b"), true},
		{"StringLike k:key a${*}b", one("axb"), false},
		{"StringLike k:key a${?}${*}*", one("a?*c"), true},
		{"StringEquals k:key ${$}{aws:PrincipalTag/team}", one("${aws:PrincipalTag/team}"), true},
		{"StringEquals k:key ${aws:PrincipalTag/team", one("${aws:PrincipalTag/team"), true},
		{"ArnEquals k:key arn:aws:iam::${aws:PrincipalAccount}:role/${aws:PrincipalTag/team}", one("arn:aws:iam::111122223333:role/yellow"), true},
		{"Bool k:key ${aws:PrincipalTag/team, 'true'}", one("true"), false},
		{"Bool k:key ${aws:PrincipalTag/gone, 'true'}", one("true"), true},
	})
}

// In the old version of the language a variable is plain text.
func TestVariablesInOldVersion(t *testing.T) {
	ctx := iam.Context{"aws:username": {"engineer"}}
	for version, want := range map[string]iam.Decision{iam.Version2012: iam.Allow, iam.Version2008: iam.ImplicitDeny, "": iam.ImplicitDeny} {
		p := &iam.Policy{Version: version, Statements: []iam.Statement{{Effect: iam.EffectAllow, Action: []string{"*"},
			Resource:   []string{"arn:aws:s3:::b/${aws:username}/*"},
			Conditions: []iam.Condition{{Operator: "StringEquals", Key: "aws:username", Values: []string{"${aws:username}"}}}}}}
		r := iam.Evaluate(iam.Input{Identity: []*iam.Policy{p}, Request: iam.Request{Caller: user, Action: "s3:GetObject",
			Resource: "arn:aws:s3:::b/engineer/k", Context: ctx}})
		if r.Decision != want {
			t.Errorf("version %q: %+v", version, r)
		}
	}
}

func TestExpand(t *testing.T) {
	ctx := iam.Context{"a:b": {"x*"}}
	for _, c := range []struct {
		in, text, literal string
		ok                bool
	}{
		{"plain*", "plain*", "", true},
		{"p*${a:b}*", "p*x**", "..LL.", true},
		{"${a:c}", "", "", false},
		{"${a:c, 'd}e'}f", "d}ef", "LLL.", true},
		{"${a:c,'d'}", "d", "L", true},
		{"${", "${", "..", true},
		{"${}", "", "", false},
		{"${a:b, d}", "${a:b, d}", ".........", true},
	} {
		text, literal, ok := iam.Expand(c.in, ctx)
		if text != c.text || literal != c.literal || ok != c.ok {
			t.Errorf("%q: %q %q %v, want %q %q %v", c.in, text, literal, ok, c.text, c.literal, c.ok)
		}
	}
}

// What cannot be compared never makes an Allow apply, and never keeps a Deny
// from applying.
func TestUncertainFailsClosed(t *testing.T) {
	for _, c := range []struct {
		condition string
		have      string
	}{
		{"NumericLessThan k:key 10", "few"},
		{"NumericNotEquals k:key 10", "few"},
		{"DateGreaterThan k:key 2026-11-21", "now"},
		{"DateNotEquals k:key 2026-11-21", ""},
		{"IpAddress k:key 10.0.0.0/8", "localhost"},
		{"NotIpAddress k:key 10.0.0.0/8", "10.0.0.1, 192.0.2.1"},
		{"BinaryEquals k:key AA==", "*"},
		{"StringMatches k:key a", "a"},
		{"NumericEquals k:key x", "1"},
		{"Null k:key maybe", "1"},
	} {
		for effect, want := range map[iam.Effect]iam.Decision{iam.EffectAllow: iam.Allow, iam.EffectDeny: iam.ExplicitDeny} {
			p := &iam.Policy{Version: iam.Version2012, Statements: []iam.Statement{{Effect: effect, Action: []string{"*"},
				Resource: []string{"*"}, Conditions: []iam.Condition{condition(c.condition)}}}}
			got := iam.Evaluate(iam.Input{Identity: []*iam.Policy{p}, Request: iam.Request{Caller: user, Action: "a:B", Resource: "*",
				Context: iam.Context{"k:key": {c.have}}}}).Decision
			if (got == want) != (effect == iam.EffectDeny) {
				t.Errorf("%s %s with %q: %s", effect, c.condition, c.have, got)
			}
		}
	}
}

func TestContext(t *testing.T) {
	c := iam.NewContext(map[string][]string{"AWS:TagKeys": {"a"}, "aws:tagkeys": {"b"}, "aws:SourceIp": {"10.0.0.1"}})
	if got := c.Get("aws:TAGKEYS"); len(got) != 2 || got[0] != "a" || got[1] != "b" {
		t.Errorf("got %q", got)
	}
	if got := (iam.Context{"aws:SourceIp": {"10.0.0.1"}}).Get("AWS:sourceip"); len(got) != 1 {
		t.Errorf("got %q", got)
	}
	if got := iam.Context(nil).Get("x"); got != nil {
		t.Errorf("got %q", got)
	}
}

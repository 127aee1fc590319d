package iam_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/brevet-access/brevet/iam"
)

// whole checks that findings are complete, the same each time, and that each
// witness is one that can be printed and sent.
func whole(t interface{ Errorf(string, ...any) }, l iam.Linter, kind iam.PolicyKind, p *iam.Policy) {
	found := l.Lint(kind, p)
	if again := l.Lint(kind, p); !reflect.DeepEqual(found, again) {
		t.Errorf("findings differ: %+v\n%+v", found, again)
	}
	rank := map[iam.Severity]int{iam.SeverityError: 0, iam.SeverityWarning: 1, iam.SeverityNote: 2}
	for i, f := range found {
		if f.Rule == "" || f.Why == "" || f.Mend == "" || f.Severity == "" {
			t.Errorf("half a finding: %+v", f)
		}
		if i > 0 && rank[found[i-1].Severity] > rank[f.Severity] {
			t.Errorf("%s after %s", f.Severity, found[i-1].Severity)
		}
		if f.Witness == nil {
			continue
		}
		if f.Witness.String() == "" || f.Witness.Who == "" || f.Witness.Action == "" {
			t.Errorf("half a witness: %+v", f.Witness)
		}
		text, err := json.Marshal(f.Witness)
		var back iam.Witness
		if err != nil || json.Unmarshal(text, &back) != nil {
			t.Errorf("the witness is no JSON: %v", err)
		}
	}
}

// What is drawn by chance never brings the linter down.
func TestLintIsWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(iam.PolicyKinds).Draw(t, "kind")
		p := drawPolicy(t, rapid.Bool().Draw(t, "of a resource"))
		whole(t, iam.Linter{}, kind, p)
	})
}

func TestLintOfEmptyPolicies(t *testing.T) {
	for _, kind := range iam.PolicyKinds {
		whole(t, iam.Linter{}, kind, &iam.Policy{})
		whole(t, iam.Linter{}, kind, &iam.Policy{Statements: []iam.Statement{{}, {Effect: iam.EffectAllow}, {Effect: iam.EffectAllow, Principal: &iam.Principals{}, NotPrincipal: &iam.Principals{},
			Conditions: []iam.Condition{{}, {Operator: "Bool", Key: "x"}, {Operator: "Null", Key: "aws:TagKeys"}, {Operator: "IpAddress", Key: "aws:SourceIp", Values: []string{"x"}}}}}})
	}
}

func FuzzLint(f *testing.F) {
	for i, c := range corpus(f) {
		if i%9 == 0 {
			f.Add([]byte(c.Policy), uint8(i))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, kind uint8) {
		p, err := iam.Parse(text)
		if err != nil || len(text) > 4096 {
			return
		}
		whole(t, iam.Linter{}, iam.PolicyKinds[int(kind)%len(iam.PolicyKinds)], p)
		iam.GuessKind(p)
	})
}

func FuzzEvaluate(f *testing.F) {
	f.Add([]byte(statement(`"Effect":"Allow","Action":"s3:*","Resource":"*"`)), "s3:GetObject", "arn:aws:s3:::b/k", "aws:username", "x")
	f.Add([]byte(statement(`"Effect":"Deny","NotAction":"iam:*","NotResource":"*","Condition":{"NumericLessThan":{"k:a":"1"}}`)), "", "*", "k:a", "-0.0")
	f.Add([]byte(statement(`"Effect":"Allow","Principal":{"AWS":"*"},"Action":"*","Condition":{"DateLessThan":{"k:a":"2026-11-25T00:00:00Z"}}`)), "sts:AssumeRole", "${", "K:A", "1e9")
	f.Fuzz(func(t *testing.T, text []byte, action, resource, key, value string) {
		p, err := iam.Parse(text)
		if err != nil {
			return
		}
		for _, caller := range []iam.Caller{session, root, fedUser, web, service, {}} {
			in := iam.Input{Identity: []*iam.Policy{p, nil}, Resource: p, Session: []*iam.Policy{p}, SCPs: [][]*iam.Policy{{p}}, Request: iam.Request{
				Caller: caller, Action: action, Resource: resource, Context: iam.Context{key: {value}, "aws:username": {"x"}}}}
			got := iam.Evaluate(in)
			if again := iam.Evaluate(in); got != again || got.Decision == "" || got.Why == "" {
				t.Errorf("%+v, then %+v", got, again)
			}
		}
	})
}

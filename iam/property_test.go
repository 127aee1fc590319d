package iam_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/brevet-access/brevet/iam"
)

// The vocabulary is small, so that what is drawn often meets.
var (
	drawAction   = rapid.SampledFrom([]string{"*", "s3:*", "s3:GetObject", "S3:get*", "ec2:*", "s3:P?tObject"})
	drawResource = rapid.SampledFrom([]string{"*", "arn:aws:s3:::b/*", "arn:aws:s3:::b/${k:a}", "arn:aws:s3:::c", "arn:aws:s3:::b/${k:z, 'x'}"})
	drawValue    = rapid.SampledFrom([]string{"x", "X", "y", "x*", "?", "", "${k:a}", "1", "2026-11-21"})
	drawKey      = rapid.SampledFrom([]string{"k:a", "k:b", "k:c"})
	drawWho      = rapid.SampledFrom([]string{"*", account, rootARN, roleARN, sessARN, other})
	drawTextOp   = rapid.SampledFrom([]string{"StringEquals", "StringNotEquals", "StringLike", "StringNotLike",
		"StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "ArnLike", "ArnNotLike"})
	drawPrefix = rapid.SampledFrom([]string{"", "", "ForAllValues:", "ForAnyValue:"})
	drawSuffix = rapid.SampledFrom([]string{"", "", "IfExists"})
)

func drawConditions(t *rapid.T) []iam.Condition {
	var out []iam.Condition
	for range rapid.IntRange(0, 2).Draw(t, "conditions") {
		c := iam.Condition{Operator: drawPrefix.Draw(t, "prefix") + drawTextOp.Draw(t, "operator") + drawSuffix.Draw(t, "suffix"),
			Key: drawKey.Draw(t, "key"), Values: rapid.SliceOfN(drawValue, 1, 3).Draw(t, "values")}
		if !slices.ContainsFunc(out, func(o iam.Condition) bool { return o.Operator == c.Operator && o.Key == c.Key }) {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b iam.Condition) int {
		if c := strings.Compare(a.Operator, b.Operator); c != 0 {
			return c
		}
		return strings.Compare(a.Key, b.Key)
	})
	return out
}

func drawStatement(t *rapid.T, withPrincipal bool) iam.Statement {
	s := iam.Statement{Effect: rapid.SampledFrom([]iam.Effect{iam.EffectAllow, iam.EffectAllow, iam.EffectDeny}).Draw(t, "effect")}
	actions, resources := rapid.SliceOfN(drawAction, 1, 2).Draw(t, "actions"), rapid.SliceOfN(drawResource, 1, 2).Draw(t, "resources")
	if rapid.Bool().Draw(t, "not action") {
		s.NotAction = actions
	} else {
		s.Action = actions
	}
	if rapid.Bool().Draw(t, "not resource") {
		s.NotResource = resources
	} else {
		s.Resource = resources
	}
	if withPrincipal {
		who := &iam.Principals{AWS: rapid.SliceOfN(drawWho, 1, 2).Draw(t, "who")}
		if rapid.IntRange(0, 3).Draw(t, "not principal") == 0 {
			s.NotPrincipal = who
		} else {
			s.Principal = who
		}
	}
	s.Conditions = drawConditions(t)
	return s
}

func drawPolicy(t *rapid.T, withPrincipal bool) *iam.Policy {
	p := &iam.Policy{Version: iam.Version2012}
	for range rapid.IntRange(1, 3).Draw(t, "statements") {
		p.Statements = append(p.Statements, drawStatement(t, withPrincipal))
	}
	return p
}

func drawPolicies(t *rapid.T, most int) []*iam.Policy {
	var out []*iam.Policy
	for range rapid.IntRange(0, most).Draw(t, "policies") {
		out = append(out, drawPolicy(t, false))
	}
	return out
}

func drawInput(t *rapid.T) iam.Input {
	in := iam.Input{Identity: drawPolicies(t, 2), Session: drawPolicies(t, 1)}
	if rapid.Bool().Draw(t, "resource policy") {
		in.Resource = drawPolicy(t, true)
	}
	if rapid.IntRange(0, 2).Draw(t, "boundary") == 0 {
		in.Boundary = drawPolicy(t, false)
	}
	if rapid.IntRange(0, 3).Draw(t, "organization") == 0 {
		in.SCPs = [][]*iam.Policy{drawPolicies(t, 2)}
	}
	in.Request = iam.Request{Caller: session, ResourceAccount: rapid.SampledFrom([]string{"", account, other}).Draw(t, "account"),
		Action:   rapid.SampledFrom([]string{"s3:GetObject", "ec2:RunInstances", "sts:AssumeRole"}).Draw(t, "action"),
		Resource: rapid.SampledFrom([]string{"arn:aws:s3:::b/x", "arn:aws:s3:::c", "*"}).Draw(t, "resource"), Context: iam.Context{}}
	for _, k := range []string{"k:a", "k:b"} {
		in.Request.Context[k] = rapid.SliceOfN(rapid.SampledFrom([]string{"x", "y", "", "x*"}), 0, 2).Draw(t, k)
	}
	return in
}

// What was printed is read as the same.
func TestPrintedIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPolicy(t, rapid.Bool().Draw(t, "of a resource"))
		q, err := iam.Parse([]byte(p.String()))
		if err != nil {
			t.Fatalf("%v in %s", err, p)
		}
		if d := cmp.Diff(p, q); d != "" {
			t.Fatal(d)
		}
	})
}

// One more Deny, boundary, session policy or level of service control
// policies never lets anything through; one more Allow never keeps anything
// out; and who is allowed is so by an Allow that stands where the result says.
func TestMonotony(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		before := iam.Evaluate(in).Decision
		narrow := in
		switch rapid.IntRange(0, 3).Draw(t, "narrowed by") {
		case 0:
			deny := drawPolicy(t, false)
			for i := range deny.Statements {
				deny.Statements[i].Effect = iam.EffectDeny
			}
			narrow.Identity = append(slices.Clone(in.Identity), deny)
		case 1:
			if in.Boundary == nil {
				narrow.Boundary = drawPolicy(t, false)
			}
		case 2:
			if len(in.Session) == 0 {
				narrow.Session = []*iam.Policy{drawPolicy(t, false)}
			}
		case 3:
			narrow.SCPs = append(slices.Clone(in.SCPs), drawPolicies(t, 2))
		}
		if after := iam.Evaluate(narrow).Decision; after == iam.Allow && before != iam.Allow {
			t.Fatalf("%s became %s", before, after)
		}
		wide := in
		allow := drawPolicy(t, false)
		for i := range allow.Statements {
			allow.Statements[i].Effect = iam.EffectAllow
		}
		wide.Identity = append(slices.Clone(in.Identity), allow)
		if after := iam.Evaluate(wide).Decision; before == iam.Allow && after != iam.Allow {
			t.Fatalf("%s became %s", before, after)
		}
	})
}

// A negated operator is the opposite of the plain one, whether the key is
// there or not.
func TestNegation(t *testing.T) {
	pairs := map[string]string{"StringEquals": "StringNotEquals", "StringLike": "StringNotLike",
		"StringEqualsIgnoreCase": "StringNotEqualsIgnoreCase", "ArnLike": "ArnNotLike", "ArnEquals": "ArnNotEquals"}
	rapid.Check(t, func(r *rapid.T) {
		plain := rapid.SampledFrom([]string{"StringEquals", "StringLike", "StringEqualsIgnoreCase", "ArnLike", "ArnEquals"}).Draw(r, "operator")
		c := iam.Condition{Operator: plain, Key: "k:b", Values: rapid.SliceOfN(drawValue, 1, 3).Draw(r, "values")}
		ctx := iam.Context{"k:a": {"x"}, "k:b": rapid.SliceOfN(rapid.SampledFrom([]string{"x", "y", "", "x*"}), 0, 2).Draw(r, "have")}
		n := c
		n.Operator = pairs[plain]
		if holds(t, c, ctx) == holds(t, n, ctx) {
			r.Fatalf("%v and %v agree on %q", c, n, ctx["k:b"])
		}
	})
}

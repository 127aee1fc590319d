package iam_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet/iam"
)

func TestParse(t *testing.T) {
	got, err := iam.Parse([]byte(`{
		"Version": "2012-10-17",
		"Id": "trust",
		"Statement": [{
			"Sid": "One",
			"Effect": "Allow",
			"Principal": {"AWS": "111122223333", "Federated": ["arn:aws:iam::111122223333:oidc-provider/issuer"]},
			"Action": ["sts:AssumeRole", "sts:TagSession"],
			"Condition": {
				"StringLike": {"sts:SourceIdentity": "?*"},
				"Bool": {"aws:SecureTransport": true},
				"NumericLessThan": {"aws:MultiFactorAuthAge": [3600, "28800"]}
			}
		}, {
			"Effect": "Deny",
			"NotPrincipal": "*",
			"NotAction": "*",
			"NotResource": "arn:aws:s3:::b/${aws:username}",
			"Condition": {}
		}]
	}`))
	if err != nil {
		t.Fatal(err)
	}
	want := &iam.Policy{Version: iam.Version2012, ID: "trust", Statements: []iam.Statement{{
		Sid: "One", Effect: iam.EffectAllow,
		Principal: &iam.Principals{AWS: []string{"111122223333"}, Federated: []string{"arn:aws:iam::111122223333:oidc-provider/issuer"}},
		Action:    []string{"sts:AssumeRole", "sts:TagSession"},
		Conditions: []iam.Condition{
			{Operator: "Bool", Key: "aws:SecureTransport", Values: []string{"true"}},
			{Operator: "NumericLessThan", Key: "aws:MultiFactorAuthAge", Values: []string{"3600", "28800"}},
			{Operator: "StringLike", Key: "sts:SourceIdentity", Values: []string{"?*"}},
		},
	}, {
		Effect: iam.EffectDeny, NotPrincipal: &iam.Principals{Everyone: true},
		NotAction: []string{"*"}, NotResource: []string{"arn:aws:s3:::b/${aws:username}"},
	}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	text := got.String()
	const canonical = `{"Version":"2012-10-17","Id":"trust","Statement":[` +
		`{"Sid":"One","Effect":"Allow","Principal":{"AWS":"111122223333","Federated":"arn:aws:iam::111122223333:oidc-provider/issuer"},` +
		`"Action":["sts:AssumeRole","sts:TagSession"],"Condition":{"Bool":{"aws:SecureTransport":"true"},` +
		`"NumericLessThan":{"aws:MultiFactorAuthAge":["3600","28800"]},"StringLike":{"sts:SourceIdentity":"?*"}}},` +
		`{"Effect":"Deny","NotPrincipal":"*","NotAction":"*","NotResource":"arn:aws:s3:::b/${aws:username}"}]}`
	if text != canonical {
		t.Errorf("printed %s\nwant %s", text, canonical)
	}
}

// statement puts elements into an otherwise sound policy.
func statement(elements string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"},{` + elements + `}]}`
}

func TestParseRefuses(t *testing.T) {
	const rest = `"Effect":"Allow","Action":"s3:*","Resource":"*"`
	for _, c := range []struct{ name, text, want string }{
		{"nothing", ``, `not valid JSON`},
		{"null", `null`, `a policy is an object, not null`},
		{"list", `[]`, `a policy is an object, not a list`},
		{"half", `{"Version":"2012-10-17","Statement":[`, `Statement: not valid JSON`},
		{"two documents", `{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}} {}`, `more after the end`},
		{"not UTF-8", "{\"Id\":\"\xff\"}", `not valid UTF-8`},
		{"trailing comma", `{"Statement":{` + rest + `,}}`, `not valid JSON`},
		{"version", `{"Version":"2012-10-18","Statement":{` + rest + `}}`, `Version: "2012-10-18" is not a version`},
		{"version type", `{"Version":20121017,"Statement":{` + rest + `}}`, `Version: must be a string, not a number`},
		{"empty version", `{"Version":"","Statement":{` + rest + `}}`, `Version: "" is not a version`},
		{"no statement", `{"Version":"2012-10-17"}`, `Statement: is missing`},
		{"no statements", `{"Statement":[]}`, `Statement: is empty`},
		{"statement text", `{"Statement":"Allow"}`, `Statement: must be a statement or a list`},
		{"unknown element", `{"Statements":[]}`, `Statements: there is no such element`},
		{"element in lower case", `{"version":"2012-10-17"}`, `version: there is no such element`},
		{"element twice", `{"Version":"2012-10-17","Version":"2012-10-17"}`, `Version: comes twice`},
		{"empty", statement(``), `Statement[1]: is empty`},
		{"in a list", `{"Statement":[[]]}`, `Statement[0]: a statement is an object, not a list`},
		{"single", `{"Statement":{"Effect":"allow"}}`, `Statement.Effect: must be Allow or Deny, not "allow"`},
		{"unknown in statement", statement(rest + `,"Resources":"*"`), `Statement[1].Resources: there is no such element`},
		{"twice in statement", statement(rest + `,"Action":"*"`), `Statement[1].Action: comes twice`},
		{"no effect", statement(`"Action":"*"`), `Statement[1].Effect: is missing`},
		{"no action", statement(`"Effect":"Deny"`), `Statement[1].Action: is missing`},
		{"action and its opposite", statement(rest + `,"NotAction":"*"`), `both Action and NotAction`},
		{"resource and its opposite", statement(rest + `,"NotResource":"*"`), `both Resource and NotResource`},
		{"principal and its opposite", statement(rest + `,"Principal":"*","NotPrincipal":"*"`), `both Principal and NotPrincipal`},
		{"no actions", statement(`"Effect":"Deny","Action":[]`), `Statement[1].Action: is empty`},
		{"action type", statement(`"Effect":"Deny","Action":["*",1]`), `Statement[1].Action[1]: must be a string, not a number`},
		{"action object", statement(`"Effect":"Deny","Action":{}`), `Statement[1].Action: must be a string or a list`},
		{"action without service", statement(`"Effect":"Deny","Action":["Get*"]`), `Statement[1].Action[0]: "Get*" is not an action`},
		{"resource", statement(`"Effect":"Deny","Action":"*","Resource":"bucket"`), `Statement[1].Resource: "bucket" is not an ARN`},
		{"principal", statement(rest + `,"Principal":"111122223333"`), `Statement[1].Principal: must be "*" or an object`},
		{"principals", statement(rest + `,"Principal":{}`), `Statement[1].Principal: is empty`},
		{"kind of principal", statement(rest + `,"Principal":{"Aws":"*"}`), `Statement[1].Principal.Aws: there is no such kind`},
		{"part of a principal", statement(rest + `,"Principal":{"AWS":["arn:aws:iam::111122223333:role/*"]}`), `Statement[1].Principal.AWS[0]: "arn:aws:iam::111122223333:role/*" no wildcard`},
		{"condition", statement(rest + `,"Condition":[]`), `Statement[1].Condition: must be an object`},
		{"operator", statement(rest + `,"Condition":{"StringEqual":{}}`), `Statement[1].Condition.StringEqual: there is no such condition operator`},
		{"operator in lower case", statement(rest + `,"Condition":{"stringEquals":{}}`), `Statement[1].Condition.stringEquals: there is no such`},
		{"both quantifiers", statement(rest + `,"Condition":{"ForAllValues:ForAnyValue:StringEquals":{}}`), `there is no such condition operator`},
		{"null if exists", statement(rest + `,"Condition":{"NullIfExists":{}}`), `there is no such condition operator`},
		{"null for all", statement(rest + `,"Condition":{"ForAllValues:Null":{}}`), `there is no such condition operator`},
		{"operator list", statement(rest + `,"Condition":{"Bool":[]}`), `Statement[1].Condition.Bool: must be an object`},
		{"key twice", statement(rest + `,"Condition":{"Bool":{"aws:A":"true","AWS:a":"true"}}`), `Statement[1].Condition.Bool.AWS:a: comes twice; case`},
		{"operator twice", statement(rest + `,"Condition":{"Bool":{},"Bool":{}}`), `Statement[1].Condition.Bool: comes twice`},
		{"no key", statement(rest + `,"Condition":{"Bool":{"":"true"}}`), `must not be empty`},
		{"no values", statement(rest + `,"Condition":{"Bool":{"a:b":[]}}`), `Statement[1].Condition.Bool.a:b: is empty`},
		{"value type", statement(rest + `,"Condition":{"StringEquals":{"a:b":["x",null]}}`), `Statement[1].Condition.StringEquals.a:b[1]: must be a string, a number or a boolean, not null`},
		{"nested value", statement(rest + `,"Condition":{"StringEquals":{"a:b":[["x"]]}}`), `not a list`},
		{"not a boolean", statement(rest + `,"Condition":{"Bool":{"a:b":"yes"}}`), `"yes" is not true or false`},
		{"not a number", statement(rest + `,"Condition":{"NumericEquals":{"a:b":"1e9"}}`), `"1e9" is not a number`},
		{"not a date", statement(rest + `,"Condition":{"DateLessThan":{"aws:CurrentTime":"tomorrow"}}`), `is not a date`},
		{"not an address", statement(rest + `,"Condition":{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/33"}}`), `is not an IP address`},
		{"not base64", statement(rest + `,"Condition":{"BinaryEquals":{"a:b":"*"}}`), `is not base64`},
		{"sid twice", `{"Statement":[{"Sid":"A",` + rest + `},{"Sid":"A",` + rest + `}]}`, `Statement[1].Sid: "A" names another statement`},
		{"too deep", strings.Repeat(`{"Statement":`, 20) + `1` + strings.Repeat(`}`, 20), `nested too deeply`},
		{"too big", `{"Id":"` + strings.Repeat("x", 1<<20) + `"}`, `too many`},
		{"path quoted", `{"Statement":{` + rest + `,"Condition":{"StringEquals":{"issuer.example/c:aud":[]}}}}`, `Statement.Condition.StringEquals."issuer.example/c:aud": is empty`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := iam.Parse([]byte(c.text))
			var bad *iam.ParseError
			if !errors.As(err, &bad) {
				t.Fatalf("error is %v", err)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %q, want %q in it", err, c.want)
			}
		})
	}
}

// Hand-made policies that no document can say are not printed as another one.
func TestPrintRefuses(t *testing.T) {
	sound := iam.Statement{Effect: iam.EffectAllow, Action: []string{"*"}, Resource: []string{"*"}}
	for name, change := range map[string]func(*iam.Statement){
		"condition twice": func(s *iam.Statement) {
			s.Conditions = []iam.Condition{{"Bool", "a:b", []string{"true"}}, {"Null", "a:b", []string{"true"}}, {"Bool", "a:b", []string{"false"}}}
		},
		"everyone and somebody": func(s *iam.Statement) { s.Principal = &iam.Principals{Everyone: true, AWS: []string{"111122223333"}} },
		"no principal":          func(s *iam.Statement) { s.Principal = &iam.Principals{} },
		"no effect":             func(s *iam.Statement) { s.Effect = "" },
		"no values":             func(s *iam.Statement) { s.Conditions = []iam.Condition{{Operator: "Bool", Key: "a:b"}} },
		"no actions":            func(s *iam.Statement) { s.Action = []string{} },
	} {
		t.Run(name, func(t *testing.T) {
			s := sound
			change(&s)
			p := &iam.Policy{Version: iam.Version2012, Statements: []iam.Statement{s}}
			if out, err := p.MarshalJSON(); err == nil {
				t.Errorf("printed %s", out)
			}
			if got := p.String(); !strings.HasPrefix(got, "invalid policy: ") {
				t.Errorf("String is %s", got)
			}
		})
	}
}

// roundTrip checks that a policy parsed, printed and parsed again is the
// same, and prints the same.
func roundTrip(t *testing.T, text []byte) {
	t.Helper()
	p, err := iam.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	q, err := iam.Parse(out)
	if err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if d := cmp.Diff(p, q); d != "" {
		t.Error(d)
	}
	if q.String() != string(out) {
		t.Errorf("prints %s, then %s", out, q)
	}
}

func TestRoundTripOfManagedPolicies(t *testing.T) {
	files, err := filepath.Glob("../stack/managed/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(file), func(t *testing.T) { roundTrip(t, text) })
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(statement(`"Effect":"Deny","NotPrincipal":{"AWS":"*"},"NotAction":"s3:*","NotResource":["arn:aws:s3:::b/${aws:username, 'x'}"]`)))
	f.Add([]byte(statement(`"Sid":"","Effect":"Allow","Action":"*","Resource":"*","Condition":{"ForAllValues:StringLikeIfExists":{"aws:TagKeys":["a\u0000","\ud800"]},"Bool":{"x:y":false}}`)))
	f.Add([]byte(`{"Statement":[{}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := iam.Parse(text)
		if err != nil {
			if p != nil {
				t.Error("a policy and an error")
			}
			return
		}
		roundTrip(t, text)
		in := iam.Input{Identity: []*iam.Policy{p}, Resource: p, Boundary: p, Request: iam.Request{
			Caller: iam.Caller{ARN: "arn:aws:sts::111122223333:assumed-role/r/s"}, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k",
			Context: iam.Context{"aws:TagKeys": {"a", ""}, "x:y": {"1"}}}}
		if r := iam.Evaluate(in); r.Decision == "" || r.Why == "" {
			t.Errorf("%+v", r)
		}
	})
}

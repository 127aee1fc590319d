package iam_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet/iam"
)

var home = iam.Home{Partition: "aws", Account: "111122223333", Region: "eu-west-1"}

// narrowed is what a text becomes, one line "ACTIONS on RESOURCES" a statement.
func narrowed(t testing.TB, text string) (*iam.Policy, string) {
	t.Helper()
	pieces, err := iam.ParsePieces(text)
	if err != nil {
		return nil, err.Error()
	}
	p, err := iam.Narrow(pieces, home)
	if err != nil {
		return nil, err.Error()
	}
	return p, strings.Join(p.Words(), "; ")
}

func TestNarrow(t *testing.T) {
	const at = "arn:aws:dynamodb:eu-west-1:111122223333:table/"
	for text, want := range map[string]string{
		"s3:ListBucket,s3:GetObject@logs":           "s3:ListBucket on arn:aws:s3:::logs; s3:GetObject on arn:aws:s3:::logs/*",
		"s3:GetObject@logs/2026/*":                  "s3:GetObject on arn:aws:s3:::logs/2026/*",
		"s3:ListBucket,s3:GetObject@arn:aws:s3:::a": "s3:ListBucket on arn:aws:s3:::a; s3:GetObject on arn:aws:s3:::a/*",
		"s3:*@logs":                                   "s3:* on arn:aws:s3:::logs, arn:aws:s3:::logs/*",
		"s3:GetObject@a,@b":                           "s3:GetObject on arn:aws:s3:::a/*, arn:aws:s3:::b/*",
		"s3:GetObject@a,s3:GetObjectTagging@a":        "s3:GetObject, s3:GetObjectTagging on arn:aws:s3:::a/*",
		"s3:GetObject@a, ec2:DescribeInstances":       "s3:GetObject on arn:aws:s3:::a/*; ec2:DescribeInstances on whatever the role may",
		"s3:AbortMultipartUpload@a":                   "s3:AbortMultipartUpload on arn:aws:s3:::a/*",
		"s3:GetBucketObjectLockConfiguration@a":       "s3:GetBucketObjectLockConfiguration on arn:aws:s3:::a",
		"dynamodb:GetItem@orders":                     "dynamodb:GetItem on " + at + "orders",
		"dynamodb:Query@orders":                       "dynamodb:Query on " + at + "orders, " + at + "orders/index/*",
		"dynamodb:GetItem@arn:aws:dynamodb:::table/x": "dynamodb:GetItem on " + at + "x",
		"ec2:StopInstances@i-0a1b":                    "ec2:StopInstances on arn:aws:ec2:eu-west-1:111122223333:instance/i-0a1b",
		"ssm:StartSession@i-0a1b":                     "ssm:StartSession on arn:aws:ec2:eu-west-1:111122223333:instance/i-0a1b",
		"ssm:GetParameter@/app/db":                    "ssm:GetParameter on arn:aws:ssm:eu-west-1:111122223333:parameter/app/db",
		"secretsmanager:GetSecretValue@db":            "secretsmanager:GetSecretValue on arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-??????",
		"iam:GetRole@x":                               "iam:GetRole on arn:aws:iam::111122223333:role/x",
		"s3:GetObject@*":                              "s3:GetObject on whatever the role may",
		"":                                            "an action is missing between two commas; write it as s3:GetObject@BUCKET",
		"s3:GetObject,,s3:PutObject":                  "an action is missing between two commas; write it as s3:GetObject@BUCKET",
		"*":                                           `"*" is not an action; write it as s3:GetObject`,
		"*:GetObject@a":                               `"*:GetObject": there is no service "*"`,
		"s3:Get Object@a":                             `"s3:Get Object" is not an action; write it as s3:GetObject`,
		"s3:ListBucket@a/b":                           "s3:ListBucket is about a bucket and not about what is in it; write s3:ListBucket@a",
		"s3:ListAllMyBuckets@a":                       "s3:ListAllMyBuckets is about no single bucket; name it without @",
		"s3:GetObject@arn:aws-cn:s3:::a/*":            `"arn:aws-cn:s3:::a/*" is in partition "aws-cn", and the account is in "aws"`,
		"s3:GetObject@a b":                            `"a b": the character ' ' cannot stand in a resource; write ? in its place`,
		"kms:Decrypt@alias/x":                         `kms:Decrypt on "alias/x": what kind of resource that is cannot be told; write its ARN, arn:aws:…, or * for any`,
	} {
		if _, got := narrowed(t, text); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
	}
	// an action before one with a resource shares it: nothing is wider than it reads
	if _, got := narrowed(t, "ec2:DescribeInstances,s3:GetObject@a"); !strings.Contains(got, "cannot be told") {
		t.Errorf("a bucket's name for an action of EC2: %s", got)
	}
}

// asked are requests that narrowing policies are held against.
var asked = func() (out []iam.Request) {
	for _, a := range []string{"s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:GetObjectTagging", "dynamodb:GetItem", "dynamodb:Query", "iam:GetRole", "ec2:DescribeInstances"} {
		for _, r := range []string{"*", "arn:aws:s3:::a", "arn:aws:s3:::b", "arn:aws:s3:::a/x", "arn:aws:s3:::a/2026/x", "arn:aws:s3:::ab/x",
			"arn:aws:dynamodb:eu-west-1:111122223333:table/a", "arn:aws:dynamodb:eu-west-1:111122223333:table/a/index/i", "arn:aws:dynamodb:us-east-1:111122223333:table/a",
			"arn:aws:iam::111122223333:role/a", "arn:aws:iam::111122223333:role/b"} {
			out = append(out, iam.Request{Caller: iam.Caller{Kind: iam.KindAssumedRole, ARN: "arn:aws:sts::111122223333:assumed-role/r/s", Account: "111122223333"},
				Action: a, Resource: r, Context: iam.Context{}})
		}
	}
	return out
}()

// pieces that are put together at random, and what each lets through.
var parts = map[string]func(action, resource string) bool{
	"s3:ListBucket@a": func(a, r string) bool { return a == "s3:ListBucket" && r == "arn:aws:s3:::a" },
	"s3:GetObject@a":  func(a, r string) bool { return a == "s3:GetObject" && strings.HasPrefix(r, "arn:aws:s3:::a/") },
	"s3:GetObject@a/2026/*": func(a, r string) bool {
		return a == "s3:GetObject" && strings.HasPrefix(r, "arn:aws:s3:::a/2026/")
	},
	"s3:Get*@a": func(a, r string) bool {
		return strings.HasPrefix(a, "s3:Get") && (r == "arn:aws:s3:::a" || strings.HasPrefix(r, "arn:aws:s3:::a/"))
	},
	"dynamodb:GetItem@a": func(a, r string) bool {
		return a == "dynamodb:GetItem" && r == "arn:aws:dynamodb:eu-west-1:111122223333:table/a"
	},
	"dynamodb:Query@a": func(a, r string) bool {
		return a == "dynamodb:Query" && strings.HasPrefix(r, "arn:aws:dynamodb:eu-west-1:111122223333:table/a")
	},
	"iam:GetRole@a":   func(a, r string) bool { return a == "iam:GetRole" && r == "arn:aws:iam::111122223333:role/a" },
	"ec2:Describe*@*": func(a, _ string) bool { return strings.HasPrefix(a, "ec2:Describe") },
}

// TestNarrowAllowsExactlyThat holds random scopes against random roles: a
// session may do what both allow, so never more than the role, and of what the
// role may exactly what was named.
func TestNarrowAllowsExactlyThat(t *testing.T) {
	names := make([]string, 0, len(parts))
	for name := range parts {
		names = append(names, name)
	}
	slices.Sort(names)
	roles := []string{
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["s3:Get*","s3:List*","dynamodb:*"],"Resource":"*"}}`,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":"iam:*","Resource":"*"},{"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::a/2026/*"}]}`,
		`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`,
	}
	random := rand.New(rand.NewPCG(7, 11))
	passed := 0
	for range 300 {
		var chosen []string
		for _, i := range random.Perm(len(names))[:1+random.IntN(4)] {
			chosen = append(chosen, names[i])
		}
		text := strings.Join(chosen, ",")
		policy, err := narrowed(t, text)
		if policy == nil {
			t.Fatalf("%s: %s", text, err)
		}
		role, problem := iam.Parse([]byte(roles[random.IntN(len(roles))]))
		if problem != nil {
			t.Fatal(problem)
		}
		for _, r := range asked {
			alone := iam.Evaluate(iam.Input{Identity: []*iam.Policy{role}, Request: r}).Decision == iam.Allow
			both := iam.Evaluate(iam.Input{Identity: []*iam.Policy{role}, Session: []*iam.Policy{policy}, Request: r}).Decision == iam.Allow
			named := slices.ContainsFunc(chosen, func(c string) bool { return parts[c](r.Action, r.Resource) })
			if both != (alone && named) {
				t.Fatalf("%s: %s on %s: role %t, named %t, session %t\n%s", text, r.Action, r.Resource, alone, named, both, policy)
			}
			if both {
				passed++
			}
		}
	}
	if passed < 100 {
		t.Errorf("only %d requests passed; the test proves nothing", passed)
	}
}

func FuzzNarrow(f *testing.F) {
	for _, s := range []string{"s3:ListBucket,s3:GetObject@logs", "s3:GetObject@arn:aws:s3:::a/*,@b", "dynamodb:*@x,ec2:Describe*", "iam:GetRole@x", "@", "s3:*@*", "ssm:StartSession@i-1",
		"s3:GetObject@a\"],\"Resource\":\"*", "lambda:InvokeFunction@f:1", "s3:GetObject@arn:aws:s3:eu-west-1:1:accesspoint/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		pieces, err := iam.ParsePieces(text)
		if err != nil {
			return
		}
		p, err := iam.Narrow(pieces, home)
		if err != nil {
			return
		}
		again, err := iam.Parse([]byte(p.String()))
		if err != nil || cmp.Diff(p, again) != "" {
			t.Fatalf("%q: %s does not read back: %v", text, p, err)
		}
		for _, s := range p.Statements {
			if s.Effect != iam.EffectAllow || s.Principal != nil || len(s.NotAction)+len(s.NotResource)+len(s.Conditions) > 0 || len(s.Action) == 0 || len(s.Resource) == 0 {
				t.Fatalf("%q: %s says more than was named", text, p)
			}
			for _, a := range s.Action {
				if !strings.Contains(strings.ToLower(text), strings.ToLower(a)) {
					t.Fatalf("%q does not name %s", text, a)
				}
			}
		}
	})
}

func TestReadDenied(t *testing.T) {
	const who = "arn:aws:sts::111122223333:assumed-role/brevet-ReadOnly/engineer=abc"
	const object = `User: ` + who + ` is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::logs/2026/a b,c.txt" because no identity-based policy allows the s3:GetObject action`
	event, _ := json.Marshal(map[string]string{"errorCode": "AccessDenied", "errorMessage": object})
	one := func(action, resource, by string, explicit bool) []iam.Denied {
		return []iam.Denied{{Caller: who, Action: action, Resource: resource, By: by, Explicit: explicit}}
	}
	for name, tt := range map[string]struct {
		text string
		want []iam.Denied
	}{
		"the CLI":        {"\nAn error occurred (AccessDenied) when calling the GetObject operation: " + object + "\n", one("s3:GetObject", "arn:aws:s3:::logs/2026/a?b?c.txt", "identity-based policy", false)},
		"CloudTrail":     {string(event), one("s3:GetObject", "arn:aws:s3:::logs/2026/a?b?c.txt", "identity-based policy", false)},
		"no resource":    {"User: " + who + " is not authorized to perform: ec2:DescribeInstances because no session policy allows the ec2:DescribeInstances action", one("ec2:DescribeInstances", "*", "session policy", false)},
		"star":           {"User: " + who + " is not authorized to perform: iam:ListRoles on resource: * because no permissions boundary allows the iam:ListRoles action", one("iam:ListRoles", "*", "permissions boundary", false)},
		"SCP":            {"User: " + who + " is not authorized to perform: s3:PutObject on resource: arn:aws:s3:::b/k with an explicit deny in a service control policy", one("s3:PutObject", "arn:aws:s3:::b/k", "service control policy", true)},
		"SCP's ARN":      {"User: " + who + " is not authorized to perform: s3:PutObject on resource: arn:aws:s3:::b/k with an explicit deny in a service control policy: arn:aws:organizations::1:policy/o-1/service_control_policy/p-1", one("s3:PutObject", "arn:aws:s3:::b/k", "service control policy", true)},
		"EC2":            {"An error occurred (UnauthorizedOperation) when calling the RunInstances operation: You are not authorized to perform this operation. User: " + who + " is not authorized to perform: ec2:RunInstances on resource: arn:aws:ec2:eu-west-1:111122223333:instance/* because no identity-based policy allows the ec2:RunInstances action. Encoded authorization failure message: abc_DEF-1", one("ec2:RunInstances", "arn:aws:ec2:eu-west-1:111122223333:instance/*", "identity-based policy", false)},
		"KMS":            {"User: " + who + " is not authorized to perform: kms:Decrypt on the resource associated with this ciphertext because the resource does not exist in this Region, no resource-based policies allow access", one("kms:Decrypt", "*", "", false)},
		"full stop":      {"User: " + who + " is not authorized to perform: sns:Publish on resource: arn:aws:sns:eu-west-1:111122223333:t.", one("sns:Publish", "arn:aws:sns:eu-west-1:111122223333:t", "", false)},
		"decoded":        {`{"DecodedMessage": "{\"allowed\":false,\"explicitDeny\":false,\"context\":{\"principal\":{\"id\":\"A\",\"arn\":\"` + who + `\"},\"action\":\"ec2:RunInstances\",\"resource\":\"arn:aws:ec2:eu-west-1:111122223333:instance/*\"}}"}`, one("ec2:RunInstances", "arn:aws:ec2:eu-west-1:111122223333:instance/*", "", false)},
		"two, one twice": {object + "\n" + object + "\nUser: anonymous is not authorized to perform: es:ESHttpGet", append(one("s3:GetObject", "arn:aws:s3:::logs/2026/a?b?c.txt", "identity-based policy", false), iam.Denied{Action: "es:ESHttpGet", Resource: "*"})},
	} {
		got, err := iam.ReadDenied(tt.text)
		if d := cmp.Diff(tt.want, got); d != "" || err != nil {
			t.Errorf("%s: %v %s", name, err, d)
		}
		for _, d := range got {
			if _, err := iam.ParsePieces(d.Only()); err != nil {
				t.Errorf("%s: %q is not read: %v", name, d.Only(), err)
			}
			if d.Beyond() != (d.By == "service control policy") {
				t.Errorf("%s: beyond %t", name, d.Beyond())
			}
		}
	}
	for text, hint := range map[string]string{
		"": "paste the line", "hello": "paste the line",
		"An error occurred (UnauthorizedOperation) when calling the RunInstances operation: You are not authorized to perform this operation. Encoded authorization failure message: abc": "decode-authorization-message",
		"An error occurred (AccessDenied) when calling the ListObjectsV2 operation: Access Denied":                                                                                        "--only s3:ListBucket",
		"User: " + who + " is not authorized to perform: nosuch:Thing on resource: *":                                                                                                     "paste the line",
		"User: " + who + " is not authorized to perform: s3:GetObject on resource: \"not an arn\"":                                                                                        "paste the line",
	} {
		_, err := iam.ReadDenied(text)
		no, ok := err.(*iam.DeniedError)
		if !ok || !strings.Contains(no.Hint, hint) {
			t.Errorf("%q: %v, want a hint with %q", text, err, hint)
		}
	}
}

func FuzzReadDenied(f *testing.F) {
	f.Add("User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: s3:GetObject on resource: \"arn:aws:s3:::a/k\" because no identity-based policy allows the s3:GetObject action")
	f.Add("is not authorized to perform: s3:GetObject on resource: arn:aws:s3:::${a}@,b is not authorized to perform: ec2:X")
	f.Add(`{"allowed":false,"explicitDeny":true,"context":{"principal":{"arn":"a"},"action":"ec2:RunInstances","resource":"arn:a:b:c:d:e"}}`)
	f.Add("Encoded authorization failure message: x")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := iam.ReadDenied(text)
		if (err == nil) != (len(got) > 0) {
			t.Fatalf("%v, %v", got, err)
		}
		for _, d := range got {
			pieces, err := iam.ParsePieces(d.Only())
			if err != nil || len(pieces) != 1 || len(pieces[0].Actions) != 1 || len(pieces[0].Resources) != 1 {
				t.Fatalf("%q becomes %q, which is read as %+v, %v", text, d.Only(), pieces, err)
			}
			if strings.ContainsAny(d.Caller, " \r\n") {
				t.Fatalf("caller %q", d.Caller)
			}
		}
	})
}

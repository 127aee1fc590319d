package stack_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
	"github.com/brevet-access/brevet/stack"
)

func TestCloudFormationRefuses(t *testing.T) {
	roles := func(names ...brevet.RoleName) func(*stack.Side) {
		return func(s *stack.Side) {
			s.Roles = nil
			for _, n := range names {
				s.Roles = append(s.Roles, brevet.Role{Name: n, Max: time.Hour, MFA: brevet.Rung1h, Policies: []string{"ReadOnlyAccess"}})
			}
		}
	}
	inline := func(length int, resource string) func(*stack.Side) {
		return func(s *stack.Side) {
			s.Roles[0].Inline, _ = json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": map[string]any{"Sid": strings.Repeat("x", length), "Effect": "Allow", "Action": "*", "Resource": resource}})
		}
	}
	for name, c := range map[string]struct {
		change func(*stack.Side)
		want   string
	}{
		"the same role twice":        {roles("A", "A"), "role A is there twice"},
		"names that differ in case":  {roles("DevOps", "devops"), "roles DevOps and devops clash: IAM tells no case apart"},
		"names that become the same": {roles("Dev-Ops", "DevOps"), "roles Dev-Ops and DevOps clash: CloudFormation takes letters and digits only, and both become DevOps"},
		"the revoker's name":         {roles("Revoker"), "role Revoker: the stack needs this name itself"},
		"the errand's name":          {roles("ERRAND"), "role ERRAND: the stack needs this name itself"},
		"the forwarder's name":       {roles("forward"), "role forward: the stack needs this name itself"},
		"a role name too long":       {func(s *stack.Side) { s.Account.Prefix = strings.Repeat("p", 25); roles("A")(s) }, "prefix"},
		"no roles":                   {roles(), "account 111122223333 has no roles"},
		"no prefix":                  {func(s *stack.Side) { s.Account.Prefix = "" }, `prefix: "" is not`},
		"a prefix for all":           {func(s *stack.Side) { s.Account.Prefix = "*" }, `prefix: "*" is not`},
		"a prefix with a dot":        {func(s *stack.Side) { s.Account.Prefix = "a.b" }, `prefix: "a.b" is not`},
		"unknown region":             {func(s *stack.Side) { s.Account.Region = "mars" }, `region: "mars" is not an AWS region`},
		"log group":                  {func(s *stack.Side) { s.Customer.LogGroup = "a b" }, `log_group: "a b" is not`},
		"log group too long":         {func(s *stack.Side) { s.Customer.LogGroup = strings.Repeat("l", 513) }, "log_group"},
		"address":                    {func(s *stack.Side) { s.Egress = []string{"203.0.113.7"} }, `egress: "203.0.113.7" is not a block of addresses`},
		"contact":                    {func(s *stack.Side) { s.Customer.Contact = "x" }, "contact"},
		"customer's name":            {func(s *stack.Side) { s.Customer.Name = "a\nb" }, "name"},
		"audience":                   {func(s *stack.Side) { s.Account.Audience = "brevet:111122223333:x" }, "audience"},
		"unknown managed policy":     {func(s *stack.Side) { s.Roles[0].Policies = []string{"NoSuch"} }, `"NoSuch" is not an AWS managed policy`},
		"managed policies": {func(s *stack.Side) {
			s.Roles[0].Policies = strings.Fields("ReadOnlyAccess SecurityAudit PowerUserAccess IAMFullAccess AmazonEC2FullAccess AmazonRDSFullAccess AmazonS3FullAccess AmazonSSMFullAccess AWSSupportAccess AdministratorAccess")
		}, "role ReadOnly has 10 managed policies; AWS takes 10, and the revoker's is one of them"},
		"inline policies": {inline(10_000, "*"), "IAM takes 10240"},
		"addresses that fill the trust policy": {func(s *stack.Side) {
			for i := range 80 {
				s.Egress = append(s.Egress, fmt.Sprintf("192.0.2.%d/32", i))
			}
		}, "the trust policy of role ReadOnly has "},
		"CloudFormation's placeholder": {inline(1, "arn:aws:s3:::${AWS::AccountId}-x"), "inline policy of role ReadOnly: ${AWS::AccountId} is CloudFormation's"},
		"our placeholder":              {inline(1, "arn:aws:s3:::${Audience}"), "inline policy of role ReadOnly: ${Audience} is CloudFormation's"},
	} {
		t.Run(name, func(t *testing.T) {
			s := side()
			c.change(&s)
			got, err := stack.CloudFormation(s)
			if !errors.Is(err, brevet.Invalid) || !strings.Contains(err.Error(), c.want) || got != nil {
				t.Errorf("%d files, %v; want %q", len(got), err, c.want)
			}
		})
	}
}

// The longest names still leave room in the boundary.
func TestBoundaryFits(t *testing.T) {
	s := side()
	s.Customer.LogGroup, s.Account.Prefix, s.Account.Region = strings.Repeat("l", 512), strings.Repeat("p", 24), "us-gov-west-1"
	s.Account.Issuer = "https://issuer.invalid/" + strings.Repeat("i", 232)
	d, err := read(t, string(generate(t, s, "access.yaml"))).Deploy(stack.Place{Partition: "aws-us-gov", Account: "111122223333", Region: "us-gov-west-1", Stack: "x"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	in, err := stack.Install(d)
	if err != nil {
		t.Fatal(err)
	}
	r, _ := in.Role(s.Account.RoleARN("Admin"))
	if n := len(r.Boundary.String()); n > 6144 || n < 3000 {
		t.Errorf("%d characters", n)
	}
}

// A template that is too long is refused, with the limit named; so are more
// roles than an event pattern holds.
func TestCloudFormationTooLong(t *testing.T) {
	long := side()
	for i := range long.Roles {
		long.Roles[i].Inline = json.RawMessage(`{"Version":"2012-10-17","Statement":{"Sid":"` + strings.Repeat("x", 6000) + `","Effect":"Allow","Action":"*","Resource":"*"}}`)
	}
	if _, err := stack.CloudFormation(long); !errors.Is(err, brevet.Invalid) || !strings.Contains(err.Error(), "access.yaml has ") || !strings.Contains(err.Error(), "51200") {
		t.Errorf("%v", err)
	}
	many := side()
	many.Roles = nil
	for i := range 40 {
		many.Roles = append(many.Roles, brevet.Role{Name: brevet.RoleName(fmt.Sprintf("Role%d", i)), Max: time.Hour, MFA: brevet.Rung1h, Policies: []string{"ReadOnlyAccess"}})
	}
	if _, err := stack.CloudFormation(many); !errors.Is(err, brevet.Invalid) || !strings.Contains(err.Error(), "2048") {
		t.Errorf("%v", err)
	}
	many.Roles = many.Roles[:9]
	d := deploy(t, string(generate(t, many, "access.yaml")), map[string]string{"DenyProdRole8": "true"})
	p, ok := d.Resource("DenyProdPolicy")
	if roles, _ := p.Properties["Roles"].([]any); !ok || len(roles) != 1 || roles[0] != "brevet-Role8" {
		t.Errorf("%+v", p)
	}
}

func TestCloudFormationIsStable(t *testing.T) {
	first, _ := stack.CloudFormation(side())
	for range 20 {
		again, _ := stack.CloudFormation(side())
		for i := range first {
			if string(first[i].Text) != string(again[i].Text) {
				t.Fatalf("%s differs from one time to the next", first[i].Name)
			}
		}
	}
	for _, f := range first {
		if len(f.Text) >= stack.LongestTemplate {
			t.Errorf("%s has %d bytes", f.Name, len(f.Text))
		}
	}
}

// In other partitions the ARNs and the console are their own.
func TestCloudFormationPartition(t *testing.T) {
	s := side()
	s.Account.Region = "cn-northwest-1"
	text := string(generate(t, s, "access.yaml"))
	if strings.Contains(text, "arn:aws:") || !strings.Contains(text, "console.amazonaws.cn") {
		t.Error("an ARN of another partition, or another's console")
	}
	d, err := read(t, text).Deploy(stack.Place{Partition: "aws-cn", Account: "111122223333", Region: "cn-northwest-1", Stack: "brevet-access"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	in, err := stack.Install(d)
	if err != nil {
		t.Fatal(err)
	}
	if r, ok := in.Role("arn:aws-cn:iam::111122223333:role/brevet-Admin"); !ok || r.BoundaryARN != "arn:aws-cn:iam::111122223333:policy/brevet-Boundary" {
		t.Errorf("%+v", r)
	}
}

// A string comes out of a template as IAM is to see it.
func FuzzYAMLString(f *testing.F) {
	for _, s := range []string{"", "a", "true", "No", "null", "~", "1", "0x1f", "1e3", "2012-10-17", "12:30:00", "*", "?*", "&a", "!x", "- a", "a: b", "a #b", "#", "'", "\"", "a\nb", "\t", "\u0085", "\u2028", "\ufeff", "é", "😀",
		"{a", "[a", "%a", "@a", "`a", "=", ".inf", ".", "a:", "${aws:userid}", "${*}", "$${", "${AWS::AccountId}", "x${AWS::Region}y", "${AWS::Partition}${aws:userid}", "${!AWS::Region}", "${Audience}", "${Audience", "arn:${AWS::Partition}:s3:::it's ${aws:username, 'x'}"} {
		f.Add(s)
	}
	values := strings.NewReplacer("${AWS::AccountId}", "111122223333", "${AWS::Region}", "eu-west-1", "${AWS::Partition}", "aws", "${Audience}", "brevet:x")
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ToValidUTF8(s, "") != s || strings.Contains(s, "${!") || len(s) > 200 {
			return // neither is in a policy that iam.Parse takes
		}
		for _, other := range []string{"ExternalId", "BrokerRoleArn", "LogGroupName", "WorkloadPath"} {
			if strings.Contains(s, "${"+other+"}") {
				return // the template below has no such parameter
			}
		}
		text := "Parameters: {Audience: {Type: String, Default: 'brevet:x'}}\nResources:\n  P:\n    Type: AWS::IAM::ManagedPolicy\n    Properties:\n      PolicyDocument: {Version: '2012-10-17'}\n      Description: " +
			stack.YAMLString(s) + "\n      Path: [a, " + stack.YAMLString(s) + ", b]\n"
		tpl, err := stack.ReadTemplate("t.yaml", []byte(text))
		if err != nil {
			return // what the reader refuses, such as control characters or ${AWS::Nothing}
		}
		d, err := tpl.Deploy(place, nil)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		p, _ := d.Resource("P")
		want := values.Replace(s)
		list, _ := p.Properties["Path"].([]any)
		if p.Properties["Description"] != want || len(list) != 3 || list[1] != want {
			t.Errorf("%q became %q and %q\n%s", want, p.Properties["Description"], list, text)
		}
	})
}

// An inline policy of the catalog arrives as it is, IAM's variables too.
func TestInlinePolicyArrives(t *testing.T) {
	for _, doc := range []string{
		`{"Version":"2012-10-17","Statement":[{"Sid":"A1","Effect":"Allow","Action":["s3:*","ec2:Describe*"],"Resource":"arn:aws:s3:::home/${aws:username}/*","Condition":{"StringEquals":{"aws:RequestedRegion":["true","1","2026-11-25","no"]},"Bool":{"aws:SecureTransport":"true"},"NumericLessThan":{"s3:max-keys":"10"},"DateGreaterThan":{"aws:CurrentTime":"2026-01-01T00:00:00Z"}}}]}`,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","NotAction":"iam:*","NotResource":["arn:aws:iam::*:role/it's","arn:aws:iam::*:role/\"x\""],"Condition":{"StringLike":{"aws:PrincipalTag/a b":["${*}x","- y","# z",": w","","é"]},"Null":{"aws:TagKeys":"false"}}}]}`,
	} {
		s := side()
		s.Roles[0].Inline = json.RawMessage(doc)
		w := deployed(t, s, nil)
		r, _ := w.Role(w.account.RoleARN("ReadOnly"))
		want, err := iam.Parse([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, p := range r.Policies {
			found = found || p.Policy.String() == want.String()
		}
		if !found {
			t.Errorf("%s did not arrive:\n%+v", want, r.Policies[1].Policy)
		}
	}
}

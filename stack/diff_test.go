package stack_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/stack"
)

// diff compares an edited access.yaml with what is generated.
func diff(t *testing.T, s stack.Side, edit func(text string) string) []string {
	t.Helper()
	tpl, err := stack.ReadTemplate("deployed.yaml", []byte(edit(string(generate(t, s, "access.yaml")))))
	if err != nil {
		t.Fatal(err)
	}
	changes, err := stack.Diff(s, tpl)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, c := range changes {
		out = append(out, fmt.Sprintf("%s %s %s %s %s", c.Kind, c.What, c.Name, c.Type, strings.Join(c.Details, "; ")))
	}
	return out
}

func replacing(old, new string) func(string) string {
	return func(text string) string {
		if !strings.Contains(text, old) {
			panic("not in the template: " + old)
		}
		return strings.Replace(text, old, new, 1)
	}
}

func TestDiff(t *testing.T) {
	s := side()
	for name, c := range map[string]struct {
		edit func(string) string
		want string // the only change; "": none
	}{
		"the same": {func(s string) string { return s }, ""},
		"without comments": {func(s string) string {
			var b strings.Builder
			for line := range strings.Lines(s) {
				body := strings.TrimLeft(line, " ")
				if !strings.HasPrefix(body, "#") || len(line)-len(body) > 10 { // deeper is the function
					b.WriteString(line)
				}
			}
			return b.String()
		}, ""},
		"another contract":     {replacing("Contract: 1", "Contract: 0"), "changed contract 1  was 0; once it is deployed write contract: 1 to the account in the catalog"},
		"a shorter session":    {replacing("MaxSessionDuration: 43200", "MaxSessionDuration: 3600"), "changed resource RoleReadOnly AWS::IAM::Role MaxSessionDuration: 43200, was 3600"},
		"a policy less":        {replacing("        - !Sub 'arn:${AWS::Partition}:iam::aws:policy/AmazonEC2FullAccess'\n", ""), "changed resource RoleSRE AWS::IAM::Role ManagedPolicyArns: also arn:aws:iam::aws:policy/AmazonEC2FullAccess"},
		"a wider trust":        {replacing("aws:RequestTag/brevet-mfa: ['5m', '15m', '1h', '4h', '8h']", "aws:RequestTag/brevet-mfa: ['5m', '15m', '1h', '4h', '8h', '24h']"), "changed resource RoleReadOnly AWS::IAM::Role AssumeRolePolicyDocument: statement 1: condition: also StringEquals aws:RequestTag/brevet-mfa 5m or 15m or 1h or 4h or 8h; AssumeRolePolicyDocument: statement 1: condition: no longer StringEquals aws:RequestTag/brevet-mfa 5m or 15m or 1h or 4h or 8h or 24h"},
		"an action less":       {replacing("              - cloudtrail:Stop*\n", ""), "changed resource Boundary AWS::IAM::ManagedPolicy PolicyDocument: Record: action: also cloudtrail:Stop*"},
		"an effect turned":     {replacing("- Sid: OtherDoors\n            Effect: Deny", "- Sid: OtherDoors\n            Effect: Allow"), "changed resource Boundary AWS::IAM::ManagedPolicy PolicyDocument: OtherDoors: refuses instead of allows"},
		"a statement renamed":  {replacing("- Sid: OtherDoors", "- Sid: Gone"), "changed resource Boundary AWS::IAM::ManagedPolicy PolicyDocument: new: OtherDoors refuses ec2-instance-connect:*, ssm-guiconnect:* on everything; PolicyDocument: dropped: Gone refuses ec2-instance-connect:*, ssm-guiconnect:* on everything"},
		"a boundary less":      {replacing("      PermissionsBoundary: !Ref Boundary\n", ""), "changed resource RoleReadOnly AWS::IAM::Role PermissionsBoundary: arn:aws:iam::111122223333:policy/brevet-Boundary, was nothing"},
		"an output less":       {replacing("  BoundaryArn:\n    Description: Give this boundary to strong roles of your own, and sessions cannot use them as a way out\n    Value: !Ref Boundary\n", ""), "added output BoundaryArn  "},
		"another default":      {replacing("    Default: 20\n", "    Default: 10\n"), "changed parameter ShellIdleMinutes  default: 20, was 10; the stack keeps its value unless another is given"},
		"what is switched off": {replacing("Timeout: 30", "Timeout: 3"), "changed resource RevokerFunction AWS::Lambda::Function Timeout: 30, was 3"},
		"another function":     {replacing("LONGEST = 6144 ", "LONGEST = 9999 "), "changed resource RevokerFunction AWS::Lambda::Function Code.ZipFile: from line 7 on: LONGEST = 6144  # characters of a managed policy, was LONGEST = 9999  # characters of a managed policy"},
		"a parameter more":     {replacing("Parameters:\n  Freeze:", "Parameters:\n  Extra: {Type: String, Default: x}\n  Freeze:"), "removed parameter Extra  "},
		"a resource more":      {replacing("\nOutputs:\n", "\n  Extra: {Type: 'AWS::SNS::Topic'}\n\nOutputs:\n"), "removed resource Extra AWS::SNS::Topic "},
	} {
		t.Run(name, func(t *testing.T) {
			if got := strings.Join(diff(t, s, c.edit), "\n"); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// A role that the catalog gained is new to the account.
func TestDiffOfAnotherCatalog(t *testing.T) {
	few := side()
	few.Roles = few.Roles[:5]
	tpl, err := stack.ReadTemplate("deployed.yaml", generate(t, few, "access.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	changes, err := stack.Diff(side(), tpl)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(changes)
	for _, want := range []string{"added resource RoleAdmin AWS::IAM::Role [AssumeRolePolicyDocument: allows sts:AssumeRoleWithWebIdentity, sts:TagSession, sts:SetSourceIdentity to ", "added parameter DenyProdAdmin", "Roles: also brevet-Admin"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing: %s", want, got)
		}
	}
}

func TestDiffRefuses(t *testing.T) {
	tpl, err := stack.ReadTemplate("x.yaml", []byte("Resources: {T: {Type: 'AWS::SNS::Topic'}}"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stack.Diff(side(), tpl); !errors.Is(err, brevet.Invalid) || !strings.Contains(err.Error(), "x.yaml is none of access.yaml") {
		t.Errorf("%v", err)
	}
	bad := side()
	bad.Roles = nil
	if _, err := stack.Diff(bad, tpl); !errors.Is(err, brevet.Invalid) {
		t.Errorf("%v", err)
	}
}

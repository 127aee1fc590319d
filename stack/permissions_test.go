package stack_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
	"github.com/brevet-access/brevet/stack"
)

// may says what a session of the role may do, without boundary.
func may(t *testing.T, a brevet.Account, r brevet.Role, action, resource string) bool {
	t.Helper()
	policies, err := stack.Permissions(a, r)
	if err != nil {
		t.Fatal(err)
	}
	caller := iam.Caller{ARN: "arn:" + a.Partition() + ":sts::" + string(a.ID) + ":assumed-role/" + a.Prefix + string(r.Name) + "/engineer"}
	return iam.Evaluate(iam.Input{Identity: policies, Request: iam.Request{Caller: caller, Action: action, Resource: resource}}).Decision == iam.Allow
}

func TestPermissionsOfTheSixRoles(t *testing.T) {
	const instance = "arn:aws:ec2:eu-west-1:111122223333:instance/i-1"
	for _, c := range []struct{ action, resource, roles string }{
		{"ec2:DescribeInstances", "*", "ReadOnly Security SRE DevOps Admin"},
		{"ec2:TerminateInstances", instance, "SRE DevOps Admin"},
		{"s3:GetObject", "arn:aws:s3:::b/k", "ReadOnly DevOps Data Admin"},
		{"s3:DeleteObject", "arn:aws:s3:::b/k", "DevOps Data Admin"},
		{"rds:ModifyDBInstance", "*", "DevOps Data Admin"},
		{"iam:ListRoles", "*", "ReadOnly Security SRE DevOps Data Admin"},
		{"iam:CreateUser", "arn:aws:iam::111122223333:user/x", "Admin"},
		{"IAM:createuser", "arn:aws:iam::111122223333:user/x", "Admin"},
		{"iam:PassRole", "arn:aws:iam::111122223333:role/rds-monitoring-role", "Data Admin"},
		{"organizations:DescribeOrganization", "*", "ReadOnly Security DevOps Admin"},
		{"organizations:LeaveOrganization", "*", "Admin"},
		{"account:ListRegions", "*", "ReadOnly DevOps Admin"},
		{"ssm:StartSession", instance, "SRE DevOps Admin"},
		{"cloudtrail:StopLogging", "*", "DevOps Admin"},
	} {
		var got []string
		for _, r := range six() {
			if may(t, staging(), r, c.action, c.resource) {
				got = append(got, string(r.Name))
			}
		}
		if g := strings.Join(got, " "); g != c.roles {
			t.Errorf("%s on %s: %s; want %s", c.action, c.resource, g, c.roles)
		}
	}
}

func TestPermissionsInline(t *testing.T) {
	r := brevet.Role{Name: "Keys", MFA: brevet.Rung1h, Policies: []string{"AWSSupportAccess"},
		Inline: json.RawMessage(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}}`)}
	got, err := stack.Permissions(staging(), r)
	if err != nil || len(got) != 2 {
		t.Fatalf("%d policies, %v", len(got), err)
	}
	if !may(t, staging(), r, "kms:Decrypt", "arn:aws:kms:eu-west-1:111122223333:key/1") || !may(t, staging(), r, "support:CreateCase", "*") || may(t, staging(), r, "kms:Encrypt", "*") {
		t.Error("the inline policy does not count beside the managed one")
	}
	if got, err := stack.Permissions(staging(), brevet.Role{Name: "None"}); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

// In other partitions the documents speak of their own ARNs.
func TestPermissionsPartition(t *testing.T) {
	a := staging()
	a.Region = "cn-northwest-1"
	r := brevet.Role{Name: "Data", Policies: []string{"job-function/DatabaseAdministrator"}}
	if !may(t, a, r, "iam:PassRole", "arn:aws-cn:iam::111122223333:role/rds-monitoring-role") {
		t.Error("its own ARN does not count")
	}
	if may(t, a, r, "iam:PassRole", "arn:aws:iam::111122223333:role/rds-monitoring-role") {
		t.Error("an ARN of another partition counts")
	}
}

func TestPermissionsRefuses(t *testing.T) {
	inline := func(s string) brevet.Role { return brevet.Role{Name: "X", Inline: json.RawMessage(s)} }
	for name, c := range map[string]struct {
		role brevet.Role
		want string
	}{
		"unknown":              {brevet.Role{Name: "X", Policies: []string{"ReadOnlyAccess", "NoSuchAccess"}}, `"NoSuchAccess"`},
		"case":                 {brevet.Role{Name: "X", Policies: []string{"readonlyaccess"}}, `"readonlyaccess"`},
		"without its path":     {brevet.Role{Name: "X", Policies: []string{"ViewOnlyAccess"}}, `"ViewOnlyAccess"`},
		"out of the folder":    {brevet.Role{Name: "X", Policies: []string{"../managed/ReadOnlyAccess"}}, `"../managed/ReadOnlyAccess"`},
		"empty":                {brevet.Role{Name: "X", Policies: []string{""}}, `""`},
		"control characters":   {brevet.Role{Name: "X", Policies: []string{"\x1b[2J"}}, `is not an AWS managed policy`},
		"inline, no policy":    {inline(`{}`), "inline policy of role X: policy: Statement: is missing"},
		"inline, principal":    {inline(`{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}`), "a principal has no place"},
		"inline, no resource":  {inline(`{"Statement":{"Effect":"Deny","Action":"*"}}`), "names no resource"},
		"inline, wrong effect": {inline(`{"Statement":{"Effect":"Permit","Action":"*","Resource":"*"}}`), `"Permit"`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := stack.Permissions(staging(), c.role)
			if !errors.Is(err, brevet.Invalid) || !strings.Contains(err.Error(), c.want) || got != nil {
				t.Errorf("%v, %v; want %q in it", got, err, c.want)
			}
			if err != nil && strings.ContainsRune(err.Error(), 0x1b) {
				t.Error("the message holds an escape")
			}
		})
	}
}

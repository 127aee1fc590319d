package iam_test

import (
	"testing"

	"github.com/brevet-access/brevet/iam"
)

// The examples of service control policies
// (https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_examples.html
// and orgs_manage_policies_scps_evaluation.html).
func TestPagesOfServiceControlPolicies(t *testing.T) {
	full := policy(t, `"Sid":"FullAWSAccess","Effect":"Allow","Action":"*","Resource":"*"`)
	regions := policy(t, `"Sid":"DenyAllOutsideEU","Effect":"Deny","NotAction":["iam:*","organizations:*","route53:*","support:*","sts:*"],"Resource":"*","Condition":{"StringNotEquals":{"aws:RequestedRegion":["eu-central-1","eu-west-1"]},"ArnNotLike":{"aws:PrincipalARN":["arn:aws:iam::*:role/Role1AllowedToBypassThisSCP"]}}`)
	noRoot := policy(t, `"Sid":"RestrictEC2ForRoot","Effect":"Deny","Action":["ec2:*"],"Resource":["*"],"Condition":{"StringLike":{"aws:PrincipalArn":["arn:aws:iam::*:root"]}}`)
	leave := policy(t, `"Sid":"Leave","Effect":"Deny","Action":["organizations:LeaveOrganization"],"Resource":"*"`)
	small := policy(t, `"Sid":"RequireMicroInstanceType","Effect":"Deny","Action":"ec2:RunInstances","Resource":["arn:aws:ec2:*:*:instance/*"],"Condition":{"StringNotEquals":{"ec2:InstanceType":"t2.micro"}}`)
	mfa := policy(t, `"Sid":"DenyStopAndTerminateWhenMFAIsNotPresent","Effect":"Deny","Action":["ec2:StopInstances","ec2:TerminateInstances"],"Resource":"*","Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":false}}`)
	list := policy(t, `"Sid":"AllowsListedServices","Effect":"Allow","Action":["ec2:*","cloudwatch:*","organizations:*"],"Resource":"*"`)
	in := func(r iam.Request, levels ...[]*iam.Policy) iam.Input {
		return iam.Input{Identity: []*iam.Policy{full}, SCPs: levels, Request: r}
	}
	one := func(ps ...*iam.Policy) []*iam.Policy { return ps }
	const user, role, bypass = "arn:aws:iam::111122223333:user/u", "arn:aws:iam::111122223333:role/r", "arn:aws:iam::111122223333:role/Role1AllowedToBypassThisSCP"
	run := func(region, principal string) iam.Request {
		return call(user, "ec2:RunInstances", "arn:aws:ec2:us-east-1:111122223333:instance/*", "aws:RequestedRegion", region, "aws:PrincipalArn", principal, "ec2:InstanceType", "t2.micro")
	}
	const scps = "orgs_manage_policies_scps_examples"
	runPages(t, []page{
		{scps, "a region of the list", in(run("eu-west-1", role), one(full, regions)), iam.Allow, ""},
		{scps, "another region", in(run("us-east-1", role), one(full, regions)), iam.ExplicitDeny, "DenyAllOutsideEU"},
		{scps, "another region, by the role that may", in(run("us-east-1", bypass), one(full, regions)), iam.Allow, ""},
		{scps, "another region, a service that has none", in(call(user, "iam:CreateUser", "*", "aws:RequestedRegion", "us-east-1"), one(full, regions)), iam.Allow, ""},
		{scps, "the root user", in(call(rootARN, "ec2:RunInstances", "*", "aws:PrincipalArn", rootARN), one(full, noRoot)), iam.ExplicitDeny, "RestrictEC2ForRoot"},
		{scps, "somebody else", in(run("eu-west-1", role), one(full, noRoot)), iam.Allow, ""},
		{scps, "leave the organization", in(call(user, "organizations:LeaveOrganization", "*"), one(full, leave)), iam.ExplicitDeny, "Leave"},
		{scps, "a small instance", in(run("eu-west-1", role), one(full, small)), iam.Allow, ""},
		{scps, "a big instance", in(call(user, "ec2:RunInstances", "arn:aws:ec2:us-east-1:111122223333:instance/*", "ec2:InstanceType", "m5.large"), one(full, small)), iam.ExplicitDeny, "RequireMicroInstanceType"},
		{scps, "stop with MFA", in(call(user, "ec2:StopInstances", "*", "aws:MultiFactorAuthPresent", "true"), one(full, mfa)), iam.Allow, ""},
		{scps, "stop without MFA", in(call(user, "ec2:StopInstances", "*", "aws:MultiFactorAuthPresent", "false"), one(full, mfa)), iam.ExplicitDeny, ""},
		{scps, "stop with a long-term key", in(call(user, "ec2:StopInstances", "*"), one(full, mfa)), iam.ExplicitDeny, ""},
		{scps, "a service of the list", in(run("eu-west-1", role), one(list)), iam.Allow, ""},
		{scps, "a service beside the list", in(call(user, "s3:GetObject", "arn:aws:s3:::b/k"), one(list)), iam.ImplicitDeny, ""},
		{"orgs_manage_policies_scps_evaluation", "every level must allow: root, unit, account", in(call(user, "s3:GetObject", "arn:aws:s3:::b/k"), one(full), one(list), one(full)), iam.ImplicitDeny, ""},
		{"orgs_manage_policies_scps_evaluation", "every level allows", in(run("eu-west-1", role), one(full), one(list), one(full)), iam.Allow, ""},
	})
}

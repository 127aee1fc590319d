package stack_test

import (
	"slices"
	"testing"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
	"github.com/brevet-access/brevet/stack"
)

// world is an account in which the generated access.yaml is deployed.
type world struct {
	*stack.Installed
	account brevet.Account
}

func deployed(t testing.TB, s stack.Side, parameters map[string]string) world {
	t.Helper()
	in, err := stack.Install(deploy(t, string(generate(t, s, "access.yaml")), parameters))
	if err != nil {
		t.Fatal(err)
	}
	return world{in, s.Account}
}

// try evaluates a call by a session of a role, as AWS would: the role's
// policies and its boundary.
func (w world) try(t testing.TB, role brevet.RoleName, action, resource string, context iam.Context) iam.Result {
	t.Helper()
	r, ok := w.Role(w.account.RoleARN(role))
	if !ok {
		t.Fatalf("there is no role %s", role)
	}
	if r.Boundary == nil {
		t.Fatalf("role %s has no boundary", role)
	}
	all := iam.Context{"aws:PrincipalArn": {r.ARN}, "aws:PrincipalTag/brevet-grant": {grant}, "aws:PrincipalTag/brevet-role": {string(role)}}
	for k, v := range context {
		all[k] = v
	}
	in := iam.Input{Boundary: r.Boundary, Request: iam.Request{Action: action, Resource: resource, Context: all,
		Caller: iam.Caller{ARN: "arn:aws:sts::111122223333:assumed-role/" + r.Name + "/engineer", Role: r.ARN}}}
	for _, p := range r.Policies {
		in.Identity = append(in.Identity, p.Policy)
	}
	return iam.Evaluate(in)
}

const (
	us   = "arn:aws:iam::111122223333:"
	ours = us + "policy/brevet-Boundary"
)

func bounded(by string) iam.Context { return iam.Context{"iam:PermissionsBoundary": {by}} }

const (
	logs = "arn:aws:logs:eu-west-1:111122223333:log-group:continuous.engineering-access"
	key  = "arn:aws:kms:eu-west-1:111122223333:key/1"
	prov = us + "oidc-provider/issuer.brevet.invalid/c/" + customer
)

// recorded is side with a log group of another name than the rest.
func recorded() stack.Side {
	s := side()
	s.Customer.LogGroup = "continuous.engineering-access"
	return s
}

var recordKey = iam.Context{"aws:ResourceTag/brevet-record": {"true"}}

// attacks are what an administrator inside the boundary would try to get out
// of it, and to get at the way in and the record, and the clause of the
// boundary that refuses it.
var attacks = []struct {
	clause, action, resource string
	context                  iam.Context
}{
	// the way in
	{"Ours", "iam:UpdateAssumeRolePolicy", us + "role/brevet-Admin", nil},
	{"Ours", "iam:UpdateAssumeRolePolicy", us + "role/brevet-ReadOnly", nil},
	{"Ours", "iam:PutRolePolicy", us + "role/brevet-Admin", bounded(ours)},
	{"Ours", "iam:AttachRolePolicy", us + "role/brevet-ReadOnly", bounded(ours)},
	{"Ours", "iam:DetachRolePolicy", us + "role/brevet-Data", bounded(ours)},
	{"Ours", "iam:DeleteRolePolicy", us + "role/brevet-Data", bounded(ours)},
	{"Ours", "iam:DeleteRolePermissionsBoundary", us + "role/brevet-Admin", bounded(ours)},
	{"Ours", "iam:PutRolePermissionsBoundary", us + "role/brevet-Admin", bounded(us + "policy/mine")},
	{"Ours", "iam:UpdateRole", us + "role/brevet-Admin", nil},
	{"Ours", "iam:TagRole", us + "role/brevet-Admin", nil},
	{"Ours", "iam:UntagRole", us + "role/brevet-Revoke", nil},
	{"Ours", "iam:DeleteRole", us + "role/brevet-Revoker", nil},
	{"Ours", "iam:CreateRole", us + "role/brevet-Root", bounded(ours)},
	{"Ours", "iam:PassRole", us + "role/brevet-Revoker", nil},
	{"Ours", "sts:AssumeRole", us + "role/brevet-Data", nil},
	{"Ours", "iam:CreatePolicyVersion", ours, nil},
	{"Ours", "iam:SetDefaultPolicyVersion", ours, nil},
	{"Ours", "iam:DeletePolicyVersion", us + "policy/brevet-Revocations", nil},
	{"Ours", "iam:DeletePolicy", ours, nil},
	{"Ours", "iam:AddClientIDToOpenIDConnectProvider", prov, nil},
	{"Ours", "iam:UpdateOpenIDConnectProviderThumbprint", prov, nil},
	{"Ours", "iam:DeleteOpenIDConnectProvider", prov, nil},
	{"Ours", "iam:TagOpenIDConnectProvider", prov, nil},
	{"Ours", "cloudformation:UpdateStack", "arn:aws:cloudformation:eu-west-1:111122223333:stack/brevet-access/0a1b", nil},
	{"Ours", "cloudformation:DeleteStack", "arn:aws:cloudformation:eu-west-1:111122223333:stack/brevet-events/0a1b", nil},
	{"Ours", "cloudformation:ExecuteChangeSet", "arn:aws:cloudformation:eu-west-1:111122223333:stack/brevet-access/0a1b", nil},
	{"Ours", "cloudformation:SetStackPolicy", "arn:aws:cloudformation:us-east-1:111122223333:stack/brevet-events-forward/0a1b", nil},
	{"Ours", "cloudformation:DeleteStack", "arn:aws:cloudformation:eu-west-1:111122223333:stack/StackSet-brevet-access-0a1b/2c", nil},
	{"Ours", "cloudformation:UpdateStackSet", "arn:aws:cloudformation:eu-west-1:111122223333:stackset/brevet-access:0a1b", nil},
	{"Ours", "lambda:InvokeFunction", "arn:aws:lambda:eu-west-1:111122223333:function:brevet-Revoker", nil},
	{"Ours", "lambda:UpdateFunctionCode", "arn:aws:lambda:eu-west-1:111122223333:function:brevet-Revoker", nil},
	{"Ours", "lambda:AddPermission", "arn:aws:lambda:eu-west-1:111122223333:function:brevet-Revoker", nil},
	{"Ours", "lambda:PutFunctionConcurrency", "arn:aws:lambda:eu-west-1:111122223333:function:brevet-Revoker", nil},
	{"Ours", "ssm:UpdateDocument", "arn:aws:ssm:eu-west-1:111122223333:document/brevet-Shell", nil},
	{"Ours", "ssm:ModifyDocumentPermission", "arn:aws:ssm:eu-west-1:111122223333:document/brevet-Shell", nil},
	{"Ours", "ssm:DeleteDocument", "arn:aws:ssm:eu-west-1:111122223333:document/brevet-Shell", nil},
	// the record
	{"Ours", "logs:DeleteLogGroup", logs, nil},
	{"Ours", "logs:DeleteLogGroup", logs + ":*", nil},
	{"Ours", "logs:DeleteLogStream", logs + ":log-stream:a", nil},
	{"Ours", "logs:PutRetentionPolicy", logs, nil},
	{"Ours", "logs:PutMetricFilter", logs, nil},
	{"Ours", "logs:DeleteMetricFilter", logs + ":*", nil},
	{"Ours", "logs:PutSubscriptionFilter", logs, nil},
	{"Ours", "logs:PutDataProtectionPolicy", logs, nil},
	{"Ours", "logs:PutTransformer", logs, nil},
	{"Ours", "logs:AssociateKmsKey", logs, nil},
	{"Ours", "logs:DeleteLogGroup", "arn:aws:logs:eu-west-1:111122223333:log-group:brevet-Revoker", nil},
	{"ShellLog", "logs:PutLogEvents", "arn:aws:logs:eu-west-1:111122223333:log-group:brevet-Revoker:log-stream:a", nil},
	{"ShellLog", "logs:PutLogEvents", logs + ":log-stream:a", nil},
	{"ShellLog", "logs:CreateLogStream", logs, nil},
	{"Record", "logs:PutAccountPolicy", "*", nil},
	{"Record", "logs:DeleteAccountPolicy", "*", nil},
	{"Record", "logs:DeleteResourcePolicy", "*", nil},
	{"Record", "logs:PutResourcePolicy", "*", nil},
	{"Ours", "cloudwatch:DeleteAlarms", "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:brevet-admin", nil},
	{"Ours", "cloudwatch:DisableAlarmActions", "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:brevet-admin", nil},
	{"Ours", "cloudwatch:SetAlarmState", "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:brevet-denied", nil},
	{"Ours", "cloudwatch:PutMetricAlarm", "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:brevet-admin", nil},
	{"Record", "cloudwatch:PutAlarmMuteRule", "*", nil},
	{"Ours", "cloudwatch:PutDashboard", "arn:aws:cloudwatch::111122223333:dashboard/brevet-access", nil},
	{"Ours", "cloudwatch:DeleteDashboards", "arn:aws:cloudwatch::111122223333:dashboard/brevet-access", nil},
	{"Ours", "sns:DeleteTopic", "arn:aws:sns:eu-west-1:111122223333:brevet-alerts", nil},
	{"Ours", "sns:SetTopicAttributes", "arn:aws:sns:eu-west-1:111122223333:brevet-alerts", nil},
	{"Ours", "sns:Publish", "arn:aws:sns:eu-west-1:111122223333:brevet-alerts", nil},
	{"Ours", "sns:Subscribe", "arn:aws:sns:eu-west-1:111122223333:brevet-alerts", nil},
	{"Record", "sns:Unsubscribe", "*", nil},
	{"Record", "sns:SetSubscriptionAttributes", "*", nil},
	{"Ours", "events:DisableRule", "arn:aws:events:eu-west-1:111122223333:rule/brevet-calls", nil},
	{"Ours", "events:PutRule", "arn:aws:events:us-east-1:111122223333:rule/brevet-entries", nil},
	{"Ours", "events:RemoveTargets", "arn:aws:events:eu-west-1:111122223333:rule/brevet-calls", nil},
	{"Ours", "events:DeleteRule", "arn:aws:events:eu-west-1:111122223333:rule/brevet-calls", nil},
	{"Record", "events:RemovePermission", "arn:aws:events:eu-west-1:111122223333:event-bus/default", nil},
	{"Record", "events:UpdateEventBus", "arn:aws:events:eu-west-1:111122223333:event-bus/default", nil},
	{"Record", "events:PutPermission", "arn:aws:events:eu-west-1:111122223333:event-bus/default", nil},
	{"Ours", "cloudtrail:StopLogging", "arn:aws:cloudtrail:eu-west-1:111122223333:trail/brevet-trail", nil},
	{"Ours", "cloudtrail:RemoveTags", "arn:aws:cloudtrail:eu-west-1:111122223333:trail/brevet-trail", nil},
	{"Record", "cloudtrail:StopLogging", "arn:aws:cloudtrail:eu-west-1:111122223333:trail/theirs", nil},
	{"Record", "cloudtrail:DeleteTrail", "arn:aws:cloudtrail:eu-west-1:111122223333:trail/theirs", nil},
	{"Record", "cloudtrail:UpdateTrail", "arn:aws:cloudtrail:eu-west-1:111122223333:trail/theirs", nil},
	{"Record", "cloudtrail:PutEventSelectors", "arn:aws:cloudtrail:eu-west-1:111122223333:trail/theirs", nil},
	{"Ours", "s3:PutBucketPolicy", "arn:aws:s3:::brevet-trail-111122223333-eu-west-1", nil},
	{"Ours", "s3:PutLifecycleConfiguration", "arn:aws:s3:::brevet-trail-111122223333-eu-west-1", nil},
	{"Ours", "s3:DeleteBucket", "arn:aws:s3:::brevet-trail-111122223333-eu-west-1", nil},
	{"Ours", "s3:DeleteObject", "arn:aws:s3:::brevet-trail-111122223333-eu-west-1/AWSLogs/x.json.gz", nil},
	{"Ours", "s3:PutObject", "arn:aws:s3:::brevet-trail-111122223333-eu-west-1/AWSLogs/x.json.gz", nil},
	{"Ours", "s3:BypassGovernanceRetention", "arn:aws:s3:::brevet-trail-111122223333-eu-west-1/AWSLogs/x.json.gz", nil},
	{"Record", "s3:CreateAccessPoint", "arn:aws:s3:eu-west-1:111122223333:accesspoint/side-door", nil},
	{"Record", "s3:CreateMultiRegionAccessPoint", "arn:aws:s3::111122223333:accesspoint/x.mrap", nil},
	{"Key", "kms:ScheduleKeyDeletion", key, recordKey},
	{"Key", "kms:DisableKey", key, recordKey},
	{"Key", "kms:PutKeyPolicy", key, recordKey},
	{"Key", "kms:UntagResource", key, recordKey},
	{"Key", "kms:CreateGrant", key, recordKey},
	// principals that no boundary holds
	{"Bounded", "iam:CreateRole", us + "role/x", nil},
	{"Bounded", "iam:CreateRole", us + "role/workload/x", bounded(us + "policy/mine")},
	{"Bounded", "iam:CreateUser", us + "user/x", nil},
	{"Bounded", "iam:AttachRolePolicy", us + "role/theirs", nil},
	{"Bounded", "iam:PutRolePolicy", us + "role/theirs", nil},
	{"Bounded", "iam:PutRolePolicy", us + "role/workload/theirs", bounded(us + "policy/another")},
	{"Bounded", "iam:DetachRolePolicy", us + "role/theirs", nil},
	{"Bounded", "iam:DeleteRolePolicy", us + "role/theirs", nil},
	{"Bounded", "iam:AttachUserPolicy", us + "user/theirs", nil},
	{"Bounded", "iam:PutUserPolicy", us + "user/theirs", nil},
	{"Bounded", "iam:AttachGroupPolicy", us + "group/theirs", nil},
	{"Bounded", "iam:PutGroupPolicy", us + "group/theirs", nil},
	{"Bounded", "iam:DeleteGroupPolicy", us + "group/theirs", nil},
	{"Bounded", "iam:DeleteUserPolicy", us + "user/theirs", nil},
	{"Never", "iam:AddUserToGroup", us + "group/admins", nil},
	{"Never", "iam:DeleteRolePermissionsBoundary", us + "role/workload/x", bounded(ours)},
	{"Never", "iam:DeleteUserPermissionsBoundary", us + "user/x", bounded(ours)},
	{"Bounded", "iam:PutRolePermissionsBoundary", us + "role/workload/x", bounded(us + "policy/mine")},
	{"Bounded", "iam:PutUserPermissionsBoundary", us + "user/workload/x", bounded(us + "policy/mine")},
	{"Workloads", "iam:PutRolePermissionsBoundary", us + "role/the-owner", bounded(ours)},
	{"Workloads", "iam:PutUserPermissionsBoundary", us + "user/the-owner", bounded(ours)},
	// principals that exist
	{"Workloads", "sts:AssumeRole", us + "role/OrganizationAccountAccessRole", nil},
	{"Workloads", "sts:AssumeRole", us + "role/cdk-deploy", nil},
	{"Workloads", "sts:AssumeRole", "arn:aws:iam::444455556666:role/anything", nil},
	{"Workloads", "sts:AssumeRole", "arn:aws:iam::444455556666:role/workload/anything", nil},
	{"Never", "sts:AssumeRoot", "arn:aws:iam::444455556666:root", nil},
	{"Workloads", "iam:UpdateAssumeRolePolicy", us + "role/theirs", nil},
	{"Workloads", "iam:PassRole", us + "role/theirs", iam.Context{"iam:PassedToService": {"lambda.amazonaws.com"}}},
	{"Workloads", "iam:PassRole", us + "role/theirs", iam.Context{"iam:PassedToService": {"cloudformation.amazonaws.com"}}},
	{"Workloads", "iam:PassRole", us + "role/service-role/theirs", iam.Context{"iam:PassedToService": {"glue.amazonaws.com"}}},
	{"Workloads", "iam:PassRole", us + "role/workloads", iam.Context{"iam:PassedToService": {"ec2.amazonaws.com"}}},
	{"Workloads", "iam:CreatePolicyVersion", us + "policy/theirs", nil},
	{"Workloads", "iam:SetDefaultPolicyVersion", us + "policy/theirs", nil},
	// what outlives a session, and other ways in
	{"Never", "iam:CreateAccessKey", us + "user/theirs", nil},
	{"Never", "iam:UpdateAccessKey", us + "user/theirs", nil},
	{"Never", "iam:CreateLoginProfile", us + "user/theirs", nil},
	{"Never", "iam:UpdateLoginProfile", us + "user/theirs", nil},
	{"Never", "iam:CreateServiceSpecificCredential", us + "user/theirs", nil},
	{"Never", "iam:ResetServiceSpecificCredential", us + "user/theirs", nil},
	{"Never", "iam:UploadSSHPublicKey", us + "user/theirs", nil},
	{"Never", "iam:UpdateSSHPublicKey", us + "user/theirs", nil},
	{"Never", "iam:UploadSigningCertificate", us + "user/theirs", nil},
	{"Never", "iam:UpdateSigningCertificate", us + "user/theirs", nil},
	{"Never", "iam:CreateOpenIDConnectProvider", us + "oidc-provider/evil.invalid", nil},
	{"Never", "iam:AddClientIDToOpenIDConnectProvider", us + "oidc-provider/token.actions.githubusercontent.com", nil},
	{"Never", "iam:UpdateOpenIDConnectProviderThumbprint", us + "oidc-provider/theirs.invalid", nil},
	{"Never", "iam:DeleteOpenIDConnectProvider", us + "oidc-provider/theirs.invalid", nil},
	{"Never", "iam:CreateSAMLProvider", us + "saml-provider/evil", nil},
	{"Never", "iam:UpdateSAMLProvider", us + "saml-provider/theirs", nil},
	{"Never", "iam:DeleteSAMLProvider", us + "saml-provider/theirs", nil},
	{"Never", "iam:CreateDelegationRequest", "*", nil},
	{"Never", "rolesanywhere:CreateTrustAnchor", "*", nil},
	{"Never", "rolesanywhere:UpdateTrustAnchor", "arn:aws:rolesanywhere:eu-west-1:111122223333:trust-anchor/1", nil},
	{"Never", "rolesanywhere:ImportCrl", "*", nil},
	{"Never", "sso:ProvisionPermissionSet", "*", nil},
	{"Never", "sso:CreateAccountAssignment", "*", nil},
	{"Never", "sso:PutInlinePolicyToPermissionSet", "*", nil},
	{"Never", "sso:AttachManagedPolicyToPermissionSet", "*", nil},
	{"Never", "identitystore:CreateGroupMembership", "*", nil},
	{"Never", "sso:UpdateInstanceAccessControlAttributeConfiguration", "*", nil},
	{"Never", "identitystore:UpdateUser", "*", nil},
	{"Never", "sso-directory:CreateUser", "*", nil},
	{"Never", "organizations:LeaveOrganization", "*", nil},
	{"Never", "organizations:RemoveAccountFromOrganization", "*", nil},
	{"Never", "organizations:CloseAccount", "*", nil},
	{"Never", "account:CloseAccount", "*", nil},
	{"Never", "account:DisableRegion", "*", nil},
	// shells
	{"Shell", "ssm:StartSession", "arn:aws:ssm:eu-west-1::document/AWS-StartPortForwardingSession", nil},
	{"Shell", "ssm:StartSession", "arn:aws:ssm:eu-west-1::document/AWS-StartPortForwardingSessionToRemoteHost", nil},
	{"Shell", "ssm:StartSession", "arn:aws:ssm:eu-west-1::document/AWS-StartSSHSession", nil},
	{"Shell", "ssm:StartSession", "arn:aws:ssm:eu-west-1:111122223333:document/SSM-SessionManagerRunShell", nil},
	{"Shell", "ssm:StartSession", "arn:aws:ecs:eu-west-1:111122223333:task/c/1", nil},
	{"NoDefault", "ssm:StartSession", "arn:aws:ec2:eu-west-1:111122223333:instance/i-1", iam.Context{"ssm:SessionDocumentAccessCheck": {"false"}}},
	{"OtherDoors", "ec2-instance-connect:SendSSHPublicKey", "arn:aws:ec2:eu-west-1:111122223333:instance/i-1", nil},
	{"OtherDoors", "ec2-instance-connect:SendSerialConsoleSSHPublicKey", "arn:aws:ec2:eu-west-1:111122223333:instance/i-1", nil},
	{"OtherDoors", "ec2-instance-connect:OpenTunnel", "arn:aws:ec2:eu-west-1:111122223333:instance-connect-endpoint/1", nil},
	{"OtherDoors", "ssm-guiconnect:StartConnection", "*", nil},
}

func TestAdminCannot(t *testing.T) {
	w := deployed(t, recorded(), map[string]string{"Revoker": "true"})
	for _, c := range attacks {
		got := w.try(t, "Admin", c.action, c.resource, c.context)
		if got.Decision != iam.ExplicitDeny || got.Policy != "boundary" || got.Statement != c.clause {
			t.Errorf("%s on %s %v: %s by %s %s; want it refused by the boundary's %s", c.action, c.resource, c.context, got.Decision, got.Policy, got.Statement, c.clause)
		}
	}
}

// Each action, resource and condition of the boundary is needed: without it
// one of the attacks gets further.
func TestBoundaryHoldsNothingIdle(t *testing.T) {
	w := deployed(t, recorded(), nil)
	admin, _ := w.Role(staging().RoleARN("Admin"))
	succeed := func(p *iam.Policy) bool {
		for _, c := range attacks {
			request := iam.Request{Action: c.action, Resource: c.resource, Context: c.context, Caller: iam.Caller{ARN: "arn:aws:sts::111122223333:assumed-role/brevet-Admin/engineer"}}
			if iam.Evaluate(iam.Input{Identity: []*iam.Policy{admin.Policies[0].Policy}, Boundary: p, Request: request}).Decision == iam.Allow {
				return true
			}
		}
		return false
	}
	if succeed(admin.Boundary) {
		t.Fatal("an attack succeeds")
	}
	without := func(list []string, i int) []string { return slices.Delete(slices.Clone(list), i, i+1) }
	for i, s := range admin.Boundary.Statements {
		lists := map[string]func(*iam.Statement) *[]string{
			"Action":   func(s *iam.Statement) *[]string { return &s.Action },
			"Resource": func(s *iam.Statement) *[]string { return &s.Resource },
		}
		for element, of := range lists {
			for k, v := range *of(&s) {
				if s.Effect == iam.EffectAllow {
					continue
				}
				p := &iam.Policy{Version: admin.Boundary.Version, Statements: slices.Clone(admin.Boundary.Statements)}
				*of(&p.Statements[i]) = append(without(*of(&s), k), "nothing:nothing")
				if !succeed(p) {
					t.Errorf("%s: no attack needs %s %s", s.Sid, element, v)
				}
			}
		}
	}
}

// The boundary takes no more than it must.
func TestAdminCan(t *testing.T) {
	w := deployed(t, side(), nil)
	for _, c := range []struct {
		action, resource string
		context          iam.Context
	}{
		{"iam:CreateRole", us + "role/x", bounded(ours)},
		{"iam:CreateRole", us + "role/workload/x", bounded(ours)},
		{"iam:CreateUser", us + "user/x", bounded(ours)},
		{"iam:PutRolePolicy", us + "role/workload/x", bounded(ours)},
		{"iam:AttachRolePolicy", us + "role/x", bounded(ours)},
		{"iam:DetachRolePolicy", us + "role/x", bounded(ours)},
		{"iam:PutRolePermissionsBoundary", us + "role/workload/x", bounded(ours)},
		{"iam:PutUserPermissionsBoundary", us + "user/workload/x", bounded(ours)},
		{"iam:UpdateAssumeRolePolicy", us + "role/workload/x", nil},
		{"iam:PassRole", us + "role/workload/x", iam.Context{"iam:PassedToService": {"lambda.amazonaws.com"}}},
		{"sts:AssumeRole", us + "role/workload/team/x", nil},
		{"iam:CreatePolicy", us + "policy/x", nil},
		{"iam:CreatePolicyVersion", us + "policy/workload/x", nil},
		{"iam:DeleteAccessKey", us + "user/theirs", nil},
		{"iam:DeleteUser", us + "user/theirs", nil},
		{"iam:CreateServiceLinkedRole", us + "role/aws-service-role/x", nil},
		{"iam:GetRole", us + "role/brevet-Admin", nil},
		{"iam:GetRolePolicy", us + "role/theirs", nil},
		{"iam:ListOpenIDConnectProviders", "*", nil},
		{"iam:GetOpenIDConnectProvider", us + "oidc-provider/theirs.invalid", nil},
		{"iam:GetPolicyVersion", ours, nil},
		{"cloudformation:DescribeStacks", "arn:aws:cloudformation:eu-west-1:111122223333:stack/brevet-access/0a1b", nil},
		{"cloudformation:UpdateStack", "arn:aws:cloudformation:eu-west-1:111122223333:stack/shop/0a1b", nil},
		{"logs:StartQuery", "arn:aws:logs:eu-west-1:111122223333:log-group:brevet-access", nil},
		{"logs:GetLogEvents", "arn:aws:logs:eu-west-1:111122223333:log-group:brevet-access:log-stream:a", nil},
		{"logs:DeleteLogGroup", "arn:aws:logs:eu-west-1:111122223333:log-group:shop", nil},
		{"logs:PutLogEvents", "arn:aws:logs:eu-west-1:111122223333:log-group:shop:log-stream:a", nil},
		{"logs:DescribeResourcePolicies", "*", nil},
		{"cloudwatch:GetDashboard", "arn:aws:cloudwatch::111122223333:dashboard/brevet-access", nil},
		{"cloudwatch:DeleteAlarms", "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:shop", nil},
		{"sns:DeleteTopic", "arn:aws:sns:eu-west-1:111122223333:shop", nil},
		{"events:PutRule", "arn:aws:events:eu-west-1:111122223333:rule/shop", nil},
		{"cloudtrail:LookupEvents", "*", nil},
		{"cloudtrail:CreateTrail", "arn:aws:cloudtrail:eu-west-1:111122223333:trail/second", nil},
		{"s3:GetObject", "arn:aws:s3:::brevet-trail-111122223333-eu-west-1/AWSLogs/x.json.gz", nil},
		{"s3:DeleteObject", "arn:aws:s3:::shop/x", nil},
		{"kms:ScheduleKeyDeletion", "arn:aws:kms:eu-west-1:111122223333:key/1", nil},
		{"kms:Decrypt", "arn:aws:kms:eu-west-1:111122223333:key/1", iam.Context{"aws:ResourceTag/brevet-record": {"true"}}},
		{"ssm:StartSession", "arn:aws:ssm:eu-west-1:111122223333:document/brevet-Shell", nil},
		{"ssm:StartSession", "arn:aws:ec2:eu-west-1:111122223333:instance/i-1", nil},
		{"ssm:TerminateSession", "arn:aws:ssm:eu-west-1:111122223333:session/x", nil},
		{"organizations:DescribeOrganization", "*", nil},
		{"sso:ListInstances", "*", nil},
		{"ec2:RunInstances", "arn:aws:ec2:eu-west-1:111122223333:instance/*", nil},
	} {
		if got := w.try(t, "Admin", c.action, c.resource, c.context); got.Decision != iam.Allow {
			t.Errorf("%s on %s %v: %s by %s %s %s", c.action, c.resource, c.context, got.Decision, got.Policy, got.Statement, got.Condition)
		}
	}
	// a workload's role, which has the boundary, writes the log of a shell
	const stream = "arn:aws:logs:eu-west-1:111122223333:log-group:brevet-access:log-stream:a"
	workload := iam.Context{"aws:PrincipalArn": {us + "role/workload/instance"}}
	if got := w.try(t, "Admin", "logs:PutLogEvents", stream, workload); got.Decision != iam.Allow {
		t.Errorf("the agent on an instance cannot write the log of a shell: %+v", got)
	}
	if got := w.try(t, "Admin", "logs:DeleteLogStream", stream, workload); got.Decision != iam.ExplicitDeny {
		t.Errorf("a workload's role can erase the log of a shell: %+v", got)
	}
}

// Another name of log group, prefix and path moves the walls with it.
func TestBoundaryFollowsItsParameters(t *testing.T) {
	s := side()
	s.Account.Prefix, s.Customer.LogGroup = "Firm-", "continuous.engineering-access"
	w := deployed(t, s, map[string]string{"WorkloadPath": "/apps/"})
	for _, c := range []struct {
		action, resource string
		want             iam.Decision
	}{
		{"iam:PutRolePolicy", us + "role/Firm-Admin", iam.ExplicitDeny},
		{"logs:DeleteLogGroup", "arn:aws:logs:eu-west-1:111122223333:log-group:continuous.engineering-access", iam.ExplicitDeny},
		{"s3:DeleteObject", "arn:aws:s3:::firm-trail-111122223333-eu-west-1/x", iam.ExplicitDeny},
		{"iam:PassRole", us + "role/workload/x", iam.ExplicitDeny},
		{"iam:PassRole", us + "role/apps/x", iam.Allow},
		{"logs:DeleteLogGroup", "arn:aws:logs:eu-west-1:111122223333:log-group:brevet-access", iam.Allow},
	} {
		if got := w.try(t, "Admin", c.action, c.resource, nil); got.Decision != c.want {
			t.Errorf("%s on %s: %+v", c.action, c.resource, got)
		}
	}
}

package stack

import "github.com/brevet-access/brevet/iam"

// boundaryName is the name of the permissions boundary of the six roles.
func (n names) boundaryName() string { return n.prefix + "Boundary" }

func (n names) boundaryARN() string { return n.arn("iam", "", "policy/"+n.boundaryName()) }

// boundary returns what no session of our roles may do, whatever else its
// policies allow. It protects by names: all that the stacks make is called by
// the customer's prefix, so what a later version adds is protected as well.
//
// A boundary counts only while nobody inside it can step out. The ways out
// are to edit the boundary or the roles, to make a principal without it, to
// give an existing principal more rights, to become an existing principal, to
// hand an existing role to a service, and to make a credential that outlives
// the session. Each has a clause here; the test of this file tries them.
func boundary(n names) []clause {
	return []clause{
		{"A boundary gives nothing by itself. What is not refused below is left to the role's policies.",
			iam.Statement{Sid: "Rest", Effect: iam.EffectAllow, Action: everything, Resource: everything}},
		{"The way in and the record may be read and not touched: all that these stacks made, by name.",
			iam.Statement{Sid: "Ours", Effect: iam.EffectDeny, NotAction: reads(), Resource: n.ours()}},
		{"Nor the key that the record is encrypted with. Keys have no name of their own, so it is known by its tag.",
			iam.Statement{Sid: "Key", Effect: iam.EffectDeny, NotAction: each("kms", "Decrypt", "Describe*", "Get*", "List*"),
				Resource:   []string{n.arn("kms", "*", "key/*")},
				Conditions: []iam.Condition{when("StringEquals", "aws:ResourceTag/brevet-record", "true")}}},
		{"The agent on an instance writes the log of a shell, so workload roles may add to the log group. Others may not.",
			iam.Statement{Sid: "ShellLog", Effect: iam.EffectDeny, Action: each("logs", "CreateLogStream", "PutLogEvents"),
				Resource:   n.logGroups(),
				Conditions: []iam.Condition{when("ArnNotLike", "aws:PrincipalArn", n.workloads("role"))}}},
		{"Any trail, and what works for a whole account or has no name: policies of logs and buses, subscriptions\nof topics, and access points, which are side doors to buckets.",
			deny("Record", join(each("cloudtrail", "Delete*", "Put*", "Stop*", "Update*"), each("cloudwatch", "*AlarmMuteRule"),
				each("events", "PutPermission", "RemovePermission", "UpdateEventBus"), each("logs", "*AccountPolicy", "*ResourcePolicy"),
				each("s3", "Create*AccessPoint*"), each("sns", "SetSubscriptionAttributes", "Unsubscribe"))...)},
		{"No principal without this boundary: none made, none given or robbed of rights.\n(Groups cannot have one, so theirs are refused always.)",
			iam.Statement{Sid: "Bounded", Effect: iam.EffectDeny, Action: each("iam", "Attach*Policy", "CreateRole", "CreateUser", "DeleteGroupPolicy",
				"DeleteRolePolicy", "DeleteUserPolicy", "Detach*Policy", "Put*Boundary", "Put*Policy"), Resource: everything,
				Conditions: []iam.Condition{when("StringNotEquals", "iam:PermissionsBoundary", n.boundaryARN())}}},
		{"Roles may be assumed, handed to a service or opened to others only below WorkloadPath; policies rewritten only there;\nand the boundary put on nobody else, or it could be put on whoever is to stop us.",
			iam.Statement{Sid: "Workloads", Effect: iam.EffectDeny, Action: []string{"iam:CreatePolicyVersion", "iam:PassRole", "iam:Put*Boundary",
				"iam:SetDefaultPolicyVersion", "iam:UpdateAssumeRolePolicy", "sts:AssumeRole"},
				NotResource: []string{n.workloads("policy"), n.workloads("role"), n.workloads("user")}}},
		{"Never: to take a boundary off; keys and passwords, which outlive a session; identity providers, by which others\nget in; users of IAM Identity Center; the root of member accounts; to end the account, its organization or a region.",
			deny("Never", join(each("iam", "*ClientID*", "*Delegation*", "*ServiceSpecificCredential", "AddUserToGroup", "Create*Provider", "CreateAccessKey",
				"CreateLoginProfile", "Delete*Boundary", "Delete*Provider", "Update*Key", "Update*Provider*", "UpdateLoginProfile", "UpdateSigning*",
				"UploadSSH*", "UploadSigning*"),
				each("account", "CloseAccount", "DisableRegion"), each("identitystore", "Create*", "Update*"), each("organizations", "CloseAccount", "LeaveOrganization", "RemoveAccount*"),
				each("rolesanywhere", "Create*", "Import*", "Update*"), each("sso", "Attach*", "Create*", "Provision*", "Put*", "Update*"),
				[]string{"sso-directory:*", "sts:AssumeRoot"})...)},
		{"Shells run through Session Manager with our document, which records them and ends them. No other document,\nso no forwarded port; no SSH key pushed to an instance, no serial console, no remote desktop.",
			iam.Statement{Sid: "Shell", Effect: iam.EffectDeny, Action: []string{"ssm:StartSession"}, NotResource: []string{
				n.arn("ssm", "*", "document/"+n.shell()), n.arn("ec2", "*", "instance/*"), n.arn("ssm", "*", "managed-instance/*")}}},
		{"Nor without naming a document: AWS would take the account's default one, and judge only the instance.",
			iam.Statement{Sid: "NoDefault", Effect: iam.EffectDeny, Action: []string{"ssm:StartSession"}, Resource: everything,
				Conditions: []iam.Condition{when("Bool", "ssm:SessionDocumentAccessCheck", "false")}}},
		{"", deny("OtherDoors", "ec2-instance-connect:*", "ssm-guiconnect:*")},
	}
}

// shell is the name of the session document.
func (n names) shell() string { return n.prefix + "Shell" }

// workloads are the roles or policies that our sessions may work with.
func (n names) workloads(kind string) string { return n.arn("iam", "", kind+n.workload+"*") }

// logGroups are the record, and the function's own log.
func (n names) logGroups() []string {
	return []string{n.arn("logs", "*", "log-group:"+n.logGroup+"*"), n.arn("logs", "*", "log-group:"+n.prefix+"*")}
}

// ours are all the things that the stacks make, the stacks, and what would be
// called like them.
func (n names) ours() []string {
	p := n.prefix
	providers := []string{n.provider()}
	if n.offline != "" {
		providers = append(providers, providerARN(n.partition, n.account, n.offline))
	}
	return join([]string{n.arn("iam", "", "role/"+p+"*"), n.arn("iam", "", "policy/"+p+"*")}, providers, []string{
		n.arn("cloudformation", "*", "stack*/"+p+"*"), n.arn("cloudformation", "*", "stack/StackSet-"+p+"*"),
	}, n.logGroups(), []string{
		n.arn("cloudwatch", "*", "alarm:"+p+"*"), n.arn("cloudwatch", "", "dashboard/"+p+"*"),
		n.arn("sns", "*", p+"*"), n.arn("events", "*", "rule/"+p+"*"), n.arn("cloudtrail", "*", "trail/"+p+"*"),
		"arn:" + n.partition + ":s3:::" + trailBucket(p) + "-*",
		n.arn("lambda", "*", "function:"+p+"*"), n.arn("ssm", "*", "document/"+p+"*"),
	})
}

// reads are the actions that change nothing, of the services that ours
// belongs to; and to begin a shell with our document.
func reads() []string {
	return join(each("cloudformation", "Describe*", "Get*", "List*"), each("cloudtrail", "Describe*", "Get*", "List*"),
		each("cloudwatch", "Describe*", "Get*", "List*"), each("events", "Describe*", "List*"), each("iam", "Get*", "List*"),
		each("lambda", "Get*", "List*"),
		each("logs", "CreateLogStream", "Describe*", "FilterLogEvents", "Get*", "List*", "PutLogEvents", "StartLiveTail", "StartQuery"),
		each("s3", "Get*", "List*"), each("sns", "Get*", "List*"), each("ssm", "Describe*", "Get*", "List*", "StartSession"))
}

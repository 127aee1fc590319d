package stack

import (
	"slices"

	"github.com/brevet-access/brevet/iam"
)

func isAllow(s iam.Statement) bool { return s.Effect == iam.EffectAllow }

// indirect are the roads round the boundary, each with the one that is meant
// to be open.
func (b *book) indirect() {
	r, ok := b.strongest()
	if !ok {
		return
	}
	w := &world{side: b.side}
	role := r.Name
	refuse := func(id, about string, tries ...[]try) {
		b.claim("admin-cannot-"+id, string(role)+" "+about+".", Refused, permissionsLayer, slices.Concat(tries...)...).against(HostileEngineer, StolenLaptop)
	}
	allow := func(id, about string, tries ...[]try) {
		b.claim("admin-may-"+id, string(role)+" "+about+".", Allowed, permissionsLayer, slices.Concat(tries...)...)
	}
	boundary := w.global("iam", "policy/"+w.ours("Boundary"))
	ours, foreign := knowing("iam:PermissionsBoundary", boundary), knowing("iam:PermissionsBoundary", w.global("iam", "policy/other"))
	workRole, otherRole := w.global("iam", "role"+w.workload()+"shop"), w.global("iam", "role/shop")
	workUser, group := w.global("iam", "user"+w.workload()+"bot"), w.global("iam", "group/admins")
	other := []string{otherRole, w.global("iam", "role/aws-service-role/x/y"), w.global("iam", "role/not"+w.workload()+"x")}

	for _, kind := range []struct {
		word, resource, create string
		strengthen             []string
	}{
		{"role", workRole, "iam:CreateRole", actionsOf("iam: AttachRolePolicy PutRolePolicy DetachRolePolicy DeleteRolePolicy PutRolePermissionsBoundary")},
		{"user", workUser, "iam:CreateUser", actionsOf("iam: AttachUserPolicy PutUserPolicy DetachUserPolicy DeleteUserPolicy PutUserPermissionsBoundary")},
	} {
		one := []string{kind.resource}
		refuse("make-unbounded-"+kind.word, "makes no "+kind.word+" without the boundary", onEach(role, one, []string{kind.create}), onEach(role, one, []string{kind.create}, foreign))
		allow("make-bounded-"+kind.word, "may make a "+kind.word+" under the boundary", onEach(role, one, []string{kind.create}, ours))
		refuse("strengthen-unbounded-"+kind.word, "neither gives nor takes rights of a "+kind.word+" that has not the boundary",
			onEach(role, one, kind.strengthen), onEach(role, one, kind.strengthen, foreign))
		allow("strengthen-bounded-"+kind.word, "may change what a "+kind.word+" under the boundary may do", onEach(role, one, kind.strengthen, ours))
	}
	refuse("remove-boundary", "takes the boundary off nobody", onEach(role, []string{workRole, otherRole, workUser}, actionsOf("iam: DeleteRolePermissionsBoundary DeleteUserPermissionsBoundary"), ours))
	refuse("bind-others", "puts the boundary on nobody outside WorkloadPath, whom it would stop", onEach(role, []string{otherRole}, []string{"iam:PutRolePermissionsBoundary"}, ours),
		onEach(role, []string{w.global("iam", "user/somebody")}, []string{"iam:PutUserPermissionsBoundary"}, ours))
	refuse("use-groups", "gives nobody rights by a group", onEach(role, []string{group}, actionsOf("iam: AddUserToGroup AttachGroupPolicy PutGroupPolicy DetachGroupPolicy DeleteGroupPolicy")))
	refuse("pass-other-roles", "hands services no role outside WorkloadPath", onEach(role, other, []string{"iam:PassRole"}), b.ourRoles("iam:PassRole"))
	allow("pass-workload-roles", "may hand services the roles below WorkloadPath", onEach(role, []string{workRole}, []string{"iam:PassRole"}))
	refuse("assume-other-roles", "becomes no role outside WorkloadPath, and none of the others of brevet's", onEach(role, other, []string{"sts:AssumeRole"}), b.ourRoles("sts:AssumeRole"))
	allow("assume-workload-roles", "may become the roles below WorkloadPath", onEach(role, []string{workRole}, []string{"sts:AssumeRole"}))
	refuse("open-other-trust", "opens no role outside WorkloadPath to others", onEach(role, other, []string{"iam:UpdateAssumeRolePolicy"}))
	allow("open-workload-trust", "may say who uses the roles below WorkloadPath", onEach(role, []string{workRole}, []string{"iam:UpdateAssumeRolePolicy"}))
	refuse("rewrite-other-policies", "rewrites no managed policy outside WorkloadPath, which others may have", onEach(role, []string{w.global("iam", "policy/shop")}, actionsOf("iam: CreatePolicyVersion SetDefaultPolicyVersion")))
	refuse("make-keys", "makes no access key, password, certificate or other credential that outlives the session",
		onEach(role, []string{workUser, w.global("iam", "user/somebody")}, actionsOf(`iam: CreateAccessKey UpdateAccessKey CreateLoginProfile UpdateLoginProfile CreateServiceSpecificCredential
			ResetServiceSpecificCredential UpdateServiceSpecificCredential UploadSSHPublicKey UpdateSSHPublicKey UploadSigningCertificate UpdateSigningCertificate`)))
	refuse("make-providers", "makes and changes no identity provider", onEach(role, []string{w.global("iam", "oidc-provider/example.com"), w.global("iam", "saml-provider/x")}, actionsOf(`iam: CreateOpenIDConnectProvider
		CreateSAMLProvider UpdateSAMLProvider DeleteSAMLProvider DeleteOpenIDConnectProvider AddClientIDToOpenIDConnectProvider RemoveClientIDFromOpenIDConnectProvider UpdateOpenIDConnectProviderThumbprint`)))
	refuse("make-people", "makes no user of IAM Identity Center, and gives none rights", onEach(role, []string{"*"}, actionsOf(`identitystore: CreateUser CreateGroupMembership UpdateUser, sso-directory: CreateUser AddMemberToGroup,
		sso: CreateAccountAssignment CreatePermissionSet PutInlinePolicyToPermissionSet AttachManagedPolicyToPermissionSet ProvisionPermissionSet UpdatePermissionSet`)))
	refuse("make-anchors", "opens no way in by certificates", onEach(role, []string{"*"}, actionsOf("rolesanywhere: CreateTrustAnchor CreateProfile UpdateTrustAnchor UpdateProfile ImportCrl")))
	refuse("delegate", "hands the account to no partner", onEach(role, []string{"*"}, actionsOf("iam: CreateDelegationRequest AcceptDelegationRequest SendDelegationToken")))
	refuse("be-root", "is nobody's root user", onEach(role, []string{"arn:aws:iam::" + b.side.stranger() + ":root"}, []string{"sts:AssumeRoot"}))
	refuse("leave", "neither closes the account or one of its regions, nor takes it out of its organization", onEach(role, []string{"*"}, actionsOf("account: CloseAccount DisableRegion, organizations: LeaveOrganization CloseAccount RemoveAccountFromOrganization")))
	refuse("use-side-doors", "makes no access point, by which a bucket's own policy could be passed by", onEach(role, []string{w.arn("s3", "accesspoint/x")}, actionsOf("s3: CreateAccessPoint CreateAccessPointForObjectLambda"), checked),
		onEach(role, []string{"arn:" + b.side.Account.Partition() + ":s3::" + string(b.side.Account.ID) + ":accesspoint/x.mrap"}, actionsOf("s3: CreateMultiRegionAccessPoint")))
	b.child()
}

// ourRoles is an action of the strongest role on each of brevet's.
func (b *book) ourRoles(action string) []try {
	r, _ := b.strongest()
	var out []try
	for _, o := range b.side.Roles {
		out = append(out, doing(r.Name, action, b.side.Account.RoleARN(o.Name)))
	}
	return out
}

// child is a role that a session made under the boundary, with all rights.
func (b *book) child() {
	w := &world{side: b.side}
	as := func(action, resource string) try {
		return try{"the new role: " + action + " on " + resource, func(w *world) finding {
			policy := w.boundary()
			if policy == nil {
				return finding{result: Allowed, why: "the templates install no boundary"}
			}
			child := InstalledRole{Name: "child", ARN: w.global("iam", "role"+w.workload()+"child"), Boundary: policy, BoundaryARN: w.global("iam", "policy/"+w.ours("Boundary")),
				Policies: []NamedPolicy{{Name: "AdministratorAccess", Policy: everythingAllowed[0]}}}
			c := call{role: child.ARN, action: action, resources: []string{resource}}
			return w.decided(iam.Evaluate(w.input(c, child, resource, true)), child, false)
		}}
	}
	b.claim("child-cannot-climb", "A role that a session makes under the boundary, with all rights, may do no more than the session.", Refused, permissionsLayer,
		as("iam:CreateUser", w.global("iam", "user/x")), as("iam:UpdateAssumeRolePolicy", b.side.Account.RoleARN(b.side.Roles[0].Name)), as("iam:DeleteRolePermissionsBoundary", w.global("iam", "role"+w.workload()+"child")),
		as("iam:CreatePolicyVersion", w.global("iam", "policy/"+w.ours("Boundary"))), as("logs:DeleteLogGroup", w.arn("logs", "log-group:"+b.logGroup()+":*")), as("iam:CreateAccessKey", w.global("iam", "user/x")),
		as("cloudformation:UpdateStack", w.arn("cloudformation", "stack/"+w.ours("access")+"/x")), as("sts:AssumeRole", w.roleARN("somebody"))).against(HostileEngineer)
	b.claim("child-works", "It may do what it is for, and an instance's agent may write the log of a shell.", Allowed, permissionsLayer, as("s3:GetObject", w.bucket("shop/x")), as("ec2:StopInstances", w.arn("ec2", "instance/i-1")),
		as("logs:PutLogEvents", w.arn("logs", "log-group:"+b.logGroup()+":log-stream:x")), as("logs:CreateLogStream", w.arn("logs", "log-group:"+b.logGroup()+":log-stream:x")))
}

// boundary is the document of the permissions boundary.
func (w *world) boundary() *iam.Policy {
	for _, p := range w.in.Managed {
		if p.Name == w.ours("Boundary") {
			return p.Policy
		}
	}
	return nil
}

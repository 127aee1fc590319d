package stack

import (
	"slices"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
)

// revoked judges a call after the revoker wrote a grant into the policy
// Revocations, in the shape that its code has.
func revoked(t try, grants ...string) try {
	return listed(t, strings.Join(grants, " ")+" revoked", deniedGrants(grants...))
}

// listed judges a call after the revoker wrote statements into the policy
// Revocations.
func listed(t try, what string, statements ...iam.Statement) try {
	return try{t.what + ", " + what, func(w *world) finding {
		in := *w.in
		in.Roles = slices.Clone(in.Roles)
		name := w.ours("Revocations")
		for i, r := range in.Roles {
			in.Roles[i].Policies = slices.Clone(r.Policies)
			for j, p := range in.Roles[i].Policies {
				if p.Name == name {
					policy := *p.Policy
					policy.Statements = slices.Concat(policy.Statements, statements)
					in.Roles[i].Policies[j].Policy = &policy
				}
			}
		}
		changed := *w
		changed.in = &in
		return t.run(&changed)
	}}
}

// deniedGrants, deniedPeople and deniedEverybody are the statements that the
// revoker writes; a test compares them with what it does write.
func deniedGrants(grants ...string) iam.Statement {
	return revokerDeny("Revoked", when("StringEquals", "aws:PrincipalTag/"+brevet.TagGrant, grants...))
}

func deniedPeople(until string, people ...string) iam.Statement {
	return revokerDeny("Widened", when("StringEquals", "aws:SourceIdentity", people...), when("DateLessThanEquals", "aws:TokenIssueTime", until))
}

func deniedEverybody(until string) iam.Statement {
	return revokerDeny("Everybody", when("DateLessThanEquals", "aws:TokenIssueTime", until))
}

func revokerDeny(kind string, conditions ...iam.Condition) iam.Statement {
	s := deny(kind+"20261125", "*")
	s.Conditions = conditions
	return s
}

// revocation is about the revoker.
func (b *book) revocation() {
	var ended, others, none []try
	for _, t := range b.working() {
		ended = append(ended, revoked(t, oneGrant), revoked(t, otherGrant, oneGrant))
		others = append(others, revoked(t, otherGrant))
		none = append(none, t)
	}
	b.claim("revoked-grant", "With the revoker, a session of a revoked grant may do nothing, in whatever role.", Refused, permissionsLayer, ended...).
		with("Revoker", "true").against(StolenLaptop, HostileEngineer)
	b.claim("revoked-neighbours", "Sessions of other grants go on, also of the same person and role.", Allowed, permissionsLayer, others...).with("Revoker", "true")
	b.claim("revoked-nothing", "As long as nothing is revoked, the revoker's policy keeps nobody from anything.", Allowed, permissionsLayer, none...).with("Revoker", "true")
	b.claim("revoker-off", "Without the revoker its function, roles and policy do not exist.", Present, permissionsLayer, try{"nothing of it", func(w *world) finding {
		extra := len(w.in.Roles) - len(b.side.Roles)
		for _, r := range w.in.Roles {
			if r.Name == w.ours("Forward") {
				extra--
			}
		}
		left := slices.ContainsFunc(w.in.Managed, func(p NamedPolicy) bool { return p.Name == w.ours("Revocations") }) || slices.ContainsFunc(w.in.LogGroups, func(g LogGroup) bool { return g.Name == w.ours("Revoker") })
		return present(len(w.in.Functions) == 0 && extra <= 0 && !left, "Revoker=false", "there is a function, a log group, a policy or a further role")
	}}).with("Revoker", "false")
	b.revokeRole()
	b.revokerRole()
}

// revokeRole is what the broker is when it revokes.
func (b *book) revokeRole() {
	role := brevet.Role{Name: "Revoke", MFA: brevet.Rung24h}
	one := []brevet.Role{role}
	on := func(s *Scenario) *Scenario { return s.with("Revoker", "true") }
	var right []try
	for _, rung := range brevet.Rungs {
		right = append(right, entering("MFA "+string(rung), one, set("aws:RequestTag/"+brevet.TagMFA, string(rung)))...)
	}
	on(b.claim("revoke-role-right", "The broker gets into the role Revoke with what is issued for it.", Allowed, trustLayer, right...))
	on(b.claim("revoke-role-without-cidrs", "Without BrokerCidrs, the role Revoke too is open to the broker from anywhere.", Allowed, trustLayer, entering("from outside", one, set("aws:SourceIp", "198.51.100.9"))...)).with("BrokerCidrs", "")
	on(b.claim("revoke-role-frozen", "With Freeze, brevet does not get into the role Revoke either.", Refused, trustLayer, entering("a perfect entry", one)...)).with("Freeze", "true")
	var wrong []try
	for _, r := range b.side.Roles {
		wrong = append(wrong, entering("issued for "+string(r.Name), one, set("aws:RequestTag/"+brevet.TagRole, string(r.Name)))...)
	}
	wrong = append(wrong, entering("no source identity", one, set("sts:SourceIdentity"))...)
	wrong = append(wrong, entering("a foreign tag", one, setTag("team", "x"))...)
	wrong = append(wrong, entering("another contract", one, set("aws:RequestTag/"+brevet.TagContract, "999"))...)
	wrong = append(wrong, entering("no grant", one, setTag(brevet.TagGrant))...)
	wrong = append(wrong, entering("no MFA", one, setTag(brevet.TagMFA))...)
	wrong = append(wrong, entering("MFA of no rung", one, set("aws:RequestTag/"+brevet.TagMFA, "breakglass"))...)
	for _, action := range []string{"sts:AssumeRoleWithSAML", "sts:AssumeRoot"} {
		wrong = append(wrong, entering(action, one, func(_ *world, a *attempt) { a.action = action })...)
	}
	if b.side.Account.Broker == "" {
		wrong = append(wrong, entering("another audience", one, setClaim("aud", "x"))...)
		wrong = append(wrong, entering("another provider", one, issuedBy("https://issuer.example.com/c/x"))...)
		wrong = append(wrong, entering("no subject", one, setClaim("sub"))...)
		if b.side.offline() {
			wrong = append(wrong, entering("the offline issuer", one, issuedBy(b.side.Account.OfflineIssuer))...)
		}
	} else {
		wrong = append(wrong, entering("no external id", one, set("sts:ExternalId"))...)
		wrong = append(wrong, entering("another role", one, func(_ *world, a *attempt) { a.as(b.side.Account.Broker + "2") })...)
	}
	wrong = append(wrong, entering("nobody", one, func(_ *world, a *attempt) { a.caller = iam.Caller{Kind: iam.KindAnonymous} })...)
	on(b.claim("revoke-role-wrong", "What is issued for any other role does not open the role Revoke, nor does anybody else.", Refused, bothEntry, wrong...)).against(StolenLaptop, HostileEngineer)
	b.claim("revoke-role-from-elsewhere", "With BrokerCidrs, the role Revoke too is closed to other addresses.", Refused, trustLayer, entering("from outside", one, set("aws:SourceIp", "198.51.100.9"))...).
		with("Revoker", "true", "BrokerCidrs", "203.0.113.7/32").against(StolenKey)
	as := func(action string, resource func(*world) string) try {
		return doingAs(func(w *world) string { return w.roleARN(w.ours("Revoke")) }, "Revoke: "+action, action, func(w *world) []string { return []string{resource(w)} })
	}
	function := func(w *world) string { return w.arn("lambda", "function:"+w.ours("Revoker")) }
	policy := func(w *world) string { return w.global("iam", "policy/"+w.ours("Revocations")) }
	on(b.claim("revoke-role-calls", "In that role brevet may call the revoker.", Allowed, permissionsLayer, as("lambda:InvokeFunction", function)))
	on(b.claim("revoke-role-nothing-else", "In that role brevet may do nothing else: it writes no policy and calls no other function.", Refused, permissionsLayer,
		as("lambda:UpdateFunctionCode", function), as("lambda:InvokeFunction", func(w *world) string { return w.arn("lambda", "function:other") }), as("iam:CreatePolicyVersion", policy),
		as("iam:PutRolePolicy", func(w *world) string { return w.roleARN(w.ours("Admin")) }), as("lambda:GetFunction", function), as("ec2:DescribeInstances", func(*world) string { return "*" }),
		as("sts:AssumeRole", func(w *world) string { return w.roleARN(w.ours("Revoker")) }))).against(HostileBroker, StolenKey)
}

// revokerRole is what the function runs as.
func (b *book) revokerRole() {
	as := func(action string, resource func(*world) string) try {
		return doingAs(func(w *world) string { return w.roleARN(w.ours("Revoker")) }, "Revoker: "+action, action, func(w *world) []string { return []string{resource(w)} })
	}
	on := func(s *Scenario) *Scenario { return s.with("Revoker", "true") }
	policy := func(name string) func(*world) string {
		return func(w *world) string { return w.global("iam", "policy/"+w.ours(name)) }
	}
	var may, not []try
	for _, action := range actionsOf("iam: GetPolicy GetPolicyVersion ListPolicyVersions CreatePolicyVersion DeletePolicyVersion") {
		may = append(may, as(action, policy("Revocations")))
	}
	for _, action := range actionsOf("iam: CreatePolicyVersion SetDefaultPolicyVersion DeletePolicyVersion DeletePolicy") {
		not = append(not, as(action, policy("Boundary")), as(action, policy("Other")))
	}
	not = append(not, as("iam:AttachRolePolicy", func(w *world) string { return w.roleARN(w.ours("Admin")) }), as("iam:DetachRolePolicy", func(w *world) string { return w.roleARN(w.ours("Admin")) }),
		as("iam:DeletePolicy", policy("Revocations")), as("sts:AssumeRole", func(w *world) string { return w.roleARN(w.ours("Admin")) }), as("s3:GetObject", func(w *world) string { return w.bucket("x/y") }),
		as("logs:PutLogEvents", func(w *world) string { return w.arn("logs", "log-group:other:log-stream:x") }))
	log := func(w *world) string { return w.arn("logs", "log-group:"+w.ours("Revoker")+":log-stream:x") }
	may = append(may, as("logs:CreateLogStream", log), as("logs:PutLogEvents", log))
	not = append(not, as("logs:DeleteLogStream", log), as("logs:DeleteLogGroup", log))
	any := func(*world) string { return "*" }
	shell := func(w *world) string { return w.arn("ssm", "session/engineer=0123456789-0a") }
	may = append(may, as("ssm:DescribeSessions", any), as("ssm:TerminateSession", shell))
	not = append(not, as("ssm:ResumeSession", shell), as("ssm:StartSession", func(w *world) string { return w.arn("ec2", "instance/i-1") }),
		as("ssm:SendCommand", any), as("ssm:DescribeInstanceInformation", any), as("ssm:TerminateSession", func(w *world) string { return w.arn("ssm", "document/x") }))
	on(b.claim("revoker-writes-its-policy", "The revoker may write the policy Revocations and its own log, and end shells.", Allowed, permissionsLayer, may...))
	on(b.claim("revoker-writes-nothing-else", "The revoker may write no other policy, attach none, and open no shell.", Refused, permissionsLayer, not...)).against(HostileBroker, StolenKey)
	trusted := func(what string, c iam.Caller, action string) try {
		return try{what, func(w *world) finding {
			return w.enter(attempt{role: w.roleARN(w.ours("Revoker")), action: action, caller: c, context: iam.Context{"aws:SourceAccount": {string(w.side.Account.ID)}, "aws:SourceArn": {w.arn("lambda", "function:"+w.ours("Revoker"))}}})
		}}
	}
	on(b.claim("revoker-runs-as-itself", "Lambda gives the revoker its role.", Allowed, trustLayer, trusted("lambda", iam.Caller{Kind: iam.KindService, Service: "lambda.amazonaws.com"}, "sts:AssumeRole")))
	w := &world{side: b.side}
	on(b.claim("revoker-role-for-nobody-else", "Nobody else becomes that role.", Refused, trustLayer, trusted("ec2", iam.Caller{Kind: iam.KindService, Service: "ec2.amazonaws.com"}, "sts:AssumeRole"),
		trusted("a session of the account", w.caller(w.roleARN("somebody")), "sts:AssumeRole"), trusted("nobody", iam.Caller{Kind: iam.KindAnonymous}, "sts:AssumeRole"),
		trusted("lambda, another way", iam.Caller{Kind: iam.KindService, Service: "lambda.amazonaws.com"}, "sts:AssumeRoleWithWebIdentity"),
		trusted("brevet's provider", iam.Caller{Kind: iam.KindFederated, Federated: ProviderARN(b.side.Account)}, "sts:AssumeRoleWithWebIdentity"))).against(HostileBroker, StolenKey)
	on(b.claim("revoker-function", "The revoker runs one at a time, as its own role, on its own policy, and is bound to every role.", Present, permissionsLayer, try{"the function", func(w *world) finding {
		for _, f := range w.in.Functions {
			if f.Name == w.ours("Revoker") {
				role, _ := w.in.Role(f.Role)
				revoke, _ := w.in.Role(w.roleARN(w.ours("Revoke")))
				log := slices.ContainsFunc(w.in.LogGroups, func(g LogGroup) bool { return g.Name == w.ours("Revoker") })
				for _, p := range w.in.Managed {
					if p.Name == w.ours("Revocations") && slices.ContainsFunc(p.Policy.Statements, isAllow) {
						return finding{result: Absent, statement: p.Name, why: "the policy allows something"}
					}
				}
				ok := log && role.Max == time.Hour && revoke.Max == time.Hour && f.Concurrency == 1 && f.Role == w.roleARN(w.ours("Revoker")) && f.Environment["POLICY"] == policy("Revocations")(w) && strings.Contains(f.Code, "brevet-grant")
				return present(ok, f.Name, "its concurrency, role, policy, log or code is another")
			}
		}
		return finding{result: Absent, why: "there is no function " + w.ours("Revoker")}
	}}))
}

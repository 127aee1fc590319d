package stack

import (
	_ "embed"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
)

// revokerCode is the function that takes rights from running sessions.
//
//go:embed skeleton/revoker.py
var revokerCode string

// revokeRole is what brevet is when it calls the revoker. The errand is
// brevet's own, with nobody's second factor behind it, so that any rung will do.
var revokeRole = brevet.Role{Name: "Revoke", MFA: brevet.Rung24h}

// revocations is what the list of revoked grants begins as. A policy must
// say something, and no grant has this id.
func revocations() []clause {
	s := deny("Nobody", "*")
	s.Conditions = []iam.Condition{when("StringEquals", "aws:PrincipalTag/"+brevet.TagGrant, "none")}
	return []clause{{"The function adds a statement for each day. This one binds nobody.", s}}
}

// revokerPolicy is what the function may do.
func revokerPolicy(n names) *iam.Policy {
	return &iam.Policy{Version: iam.Version2012, Statements: []iam.Statement{
		{Sid: "OnePolicy", Effect: iam.EffectAllow, Action: each("iam", "CreatePolicyVersion", "DeletePolicyVersion", "GetPolicy", "GetPolicyVersion", "ListPolicyVersions"),
			Resource: []string{n.arn("iam", "", "policy/"+n.prefix+"Revocations")}},
		{Sid: "SeeShells", Effect: iam.EffectAllow, Action: []string{"ssm:DescribeSessions"}, Resource: everything},
		{Sid: "EndShells", Effect: iam.EffectAllow, Action: []string{"ssm:TerminateSession"}, Resource: []string{n.arn("ssm", n.region, "session/*")}},
		{Sid: "ItsLog", Effect: iam.EffectAllow, Action: each("logs", "CreateLogStream", "PutLogEvents"),
			Resource: []string{n.arn("logs", n.region, "log-group:"+n.prefix+"Revoker:*")}},
	}}
}

// revokePolicy is what brevet may do when it revokes.
func revokePolicy(n names) *iam.Policy {
	return &iam.Policy{Version: iam.Version2012, Statements: []iam.Statement{
		{Sid: "OneFunction", Effect: iam.EffectAllow, Action: []string{"lambda:InvokeFunction"}, Resource: []string{n.arn("lambda", n.region, "function:"+n.prefix+"Revoker")}},
	}}
}

package iam

import "strconv"

// Request is what is to be decided.
type Request struct {
	Caller          Caller
	Action          string // "s3:GetObject"
	Resource        string // ARN, or "*" for an action that has none
	ResourceAccount string // whose the resource is; "" for the caller's account
	Context         Context
}

// Input is a request with all the policies that apply to it.
type Input struct {
	Identity []*Policy   // of the caller: attached, inline and of its groups
	Resource *Policy     // of the resource: bucket policy, key policy, trust policy; nil: it has none
	Boundary *Policy     // the caller's permissions boundary; nil: none
	Session  []*Policy   // given when the session began; empty: none
	SCPs     [][]*Policy // of the caller's account, a list for each level from the root down; empty: no organization
	Request  Request
}

// Decision is how a request was decided. Only Allow lets it through.
type Decision string

// The decisions. An explicit deny cannot be outdone by any allow.
const (
	Allow        Decision = "Allow"
	ExplicitDeny Decision = "ExplicitDeny"
	ImplicitDeny Decision = "ImplicitDeny"
)

// Result is a decision and what decided: the statement, and the conditions
// under which it allows or denies. Of an implicit deny Policy names the policy
// that was needed and did not allow; Statement and Condition, where they are
// not empty, the statement that came closest and the condition that kept it
// from allowing.
type Result struct {
	Decision  Decision
	Policy    string // "identity[0]", "resource", "boundary", "session[0]", "scp[0][1]"; an implicit deny may leave the index out
	Statement string // its Sid, or "Statement[1]"
	Condition string // "StringEquals aws:RequestTag/brevet-mfa"; several with commas between
	Why       string // one sentence for people, without a full stop
}

// Evaluate decides a request as AWS does (reference_policies_evaluation-logic):
//
//  1. A Deny that applies, in whichever policy, denies.
//  2. Every level of service control policies must allow.
//  3. If the resource's policy allows the caller by name, or everyone, that
//     is enough within one account. If it allows the caller's role, boundary
//     and session policies must allow too. If it allows the account, that is
//     no more than leave for the account's own identity policies.
//  4. Else an identity policy must allow, the boundary if there is one, and a
//     session policy if there are any.
//
// Trust policies and key policies must allow by themselves: where one is
// given, identity policies alone are not enough. Across accounts both sides
// must allow. Whoever has no identity policies (a federated identity, a
// service, nobody) needs the resource's policy.
func Evaluate(in Input) Result {
	e := evaluation{in: &in}
	identity := e.scan("identity", -1, in.Identity, false)
	resource := e.scan("resource", -1, one(in.Resource), true)
	boundary := e.scan("boundary", -1, one(in.Boundary), false)
	session := e.scan("session", -1, in.Session, false)
	scps := make([]outcome, len(in.SCPs))
	for i, level := range in.SCPs {
		scps[i] = e.scan("scp", i, level, false)
	}
	for _, o := range append([]outcome{resource, identity, boundary, session}, scps...) {
		if o.deny.statement != nil {
			return o.deny.result(ExplicitDeny, e.in)
		}
	}
	if in.Request.Action == "" || in.Request.Resource == "" {
		return Result{Decision: ImplicitDeny, Why: "the request has no action or no resource"}
	}
	for i, o := range scps {
		if o.allow.statement == nil {
			return e.missing(o, "scp["+strconv.Itoa(i)+"]", "no service control policy of this level allows")
		}
	}
	return e.decide(identity, resource, boundary, session)
}

// decide is what remains when nothing denies.
func (e *evaluation) decide(identity, resource, boundary, session outcome) Result {
	in := e.in
	caller := in.Request.Caller
	abroad := in.Request.ResourceAccount != "" && caller.account() != in.Request.ResourceAccount
	switch {
	case caller.outside():
		if resource.grant < toCaller {
			return e.missing(resource, "resource", "the resource's policy does not allow")
		}
		return resource.allow.result(Allow, in)
	case resource.grant == toNobody && (abroad || e.explicit()):
		return e.missing(resource, "resource", "the resource's policy does not allow")
	case resource.grant == toCaller && !abroad:
		return resource.allow.result(Allow, in)
	case resource.grant == toRole && !abroad:
		identity.allow = resource.allow
	case caller.kind() == KindRoot && identity.allow.statement == nil:
		identity.allow = found{policy: "root", statement: &Statement{Sid: "root user"}}
	}
	switch {
	case identity.allow.statement == nil:
		return e.missing(closer(identity, resource), "identity", "no identity policy allows")
	case in.Boundary != nil && boundary.allow.statement == nil:
		return e.missing(boundary, "boundary", "the permissions boundary does not allow")
	case (len(in.Session) > 0 || caller.kind() == KindFederatedUser) && session.allow.statement == nil:
		return e.missing(session, "session", "no session policy allows")
	}
	return identity.allow.result(Allow, in)
}

// explicit reports whether the resource's policy is one that must allow by
// itself.
func (e *evaluation) explicit() bool {
	if e.in.Resource == nil {
		return false
	}
	for _, p := range []string{"sts:AssumeRole*", "sts:TagSession", "sts:SetSourceIdentity", "kms:*"} {
		if (pattern{text: p}).match(e.in.Request.Action, true) {
			return true
		}
	}
	return false
}

func one(p *Policy) []*Policy {
	if p == nil {
		return nil
	}
	return []*Policy{p}
}

// closer returns the outcome that has a near miss to tell of.
func closer(a, b outcome) outcome {
	if a.miss.statement == nil && b.miss.statement != nil {
		return b
	}
	return a
}

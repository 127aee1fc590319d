package sandbox

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
)

// allowed authorises one action on one resource for the caller of c: the
// role's permissions and, if it has one, the session policy must both allow
// it, and neither may deny it.
func (a *AWS) allowed(c *call, action, resource string) *fault {
	in, f := a.input(c, action, resource)
	if f != nil {
		return f
	}
	got := iam.Evaluate(in)
	if got.Decision == iam.Allow {
		return nil
	}
	text := "User: " + c.who.arn(c.account) + " is not authorized to perform: " + action + " on resource: " + resource
	rest := in
	rest.Session = nil
	without := iam.Evaluate(rest).Decision
	switch {
	case got.Decision == iam.ExplicitDeny && without == iam.ExplicitDeny:
		text += " with an explicit deny in an identity-based policy"
	case got.Decision == iam.ExplicitDeny:
		text += " with an explicit deny in a session policy"
	case without == iam.Allow:
		text += " because no session policy allows the " + action + " action"
	default:
		text += " because no identity-based policy allows the " + action + " action"
	}
	return faultf(accessDenied, "%s", text)
}

// input puts together what an evaluation for the caller of c needs.
func (a *AWS) input(c *call, action, resource string) (iam.Input, *fault) {
	policies, err := a.cfg.Permissions(c.account, c.role)
	if err != nil {
		a.cfg.Log.Error("simulated AWS: permissions", "role", c.account.RoleARN(c.role.Name), "err", err)
		return iam.Input{}, faultf(internalFailure, "The brevet sandbox cannot tell the permissions of the role.")
	}
	in := iam.Input{Identity: policies, Request: iam.Request{
		Caller:          c.who.caller(c.account),
		Action:          action,
		Resource:        resource,
		ResourceAccount: string(c.account.ID),
		Context:         iam.NewContext(c.sessionContext()),
	}}
	if c.who.Policy != "" {
		p, err := iam.Parse([]byte(c.who.Policy))
		if err != nil { // it was parsed when the session began
			return iam.Input{}, faultf(accessDenied, "The session policy cannot be read.")
		}
		in.Session = []*iam.Policy{p}
	}
	return in, nil
}

// denied refuses an action that the sandbox does not simulate if AWS
// certainly would: a policy denies it explicitly, or none has a word for it.
// What is allowed on some resources passes, as which is meant cannot be told.
func (a *AWS) denied(c *call, action string) *fault {
	f := a.allowed(c, action, "*")
	if f == nil {
		return nil
	}
	in, bad := a.input(c, action, "*")
	if bad != nil {
		return bad
	}
	if !mentions(in.Identity, action) {
		return f
	}
	return a.deniedOutright(c, action)
}

// deniedOutright refuses an action that a policy denies explicitly.
func (a *AWS) deniedOutright(c *call, action string) *fault {
	in, f := a.input(c, action, "*")
	if f != nil {
		return f
	}
	if iam.Evaluate(in).Decision == iam.ExplicitDeny {
		return a.allowed(c, action, "*")
	}
	return nil
}

// mentions reports whether a statement allows the action on anything.
func mentions(policies []*iam.Policy, action string) bool {
	return slices.ContainsFunc(policies, func(p *iam.Policy) bool {
		return slices.ContainsFunc(p.Statements, func(s iam.Statement) bool {
			return s.Effect == iam.EffectAllow && (len(s.NotAction) > 0 && !covers(s.NotAction, action) || covers(s.Action, action))
		})
	})
}

func covers(patterns []string, action string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(strings.ToLower(p), strings.ToLower(action)) // an action holds no "/"
		return err == nil && ok
	})
}

// sessionContext is what AWS knows about a call by an assumed role.
func (c *call) sessionContext() map[string][]string {
	s := c.who
	m := c.requestContext()
	m["aws:PrincipalArn"] = []string{c.account.RoleARN(s.Role)}
	m["aws:PrincipalAccount"] = []string{string(s.Account)}
	m["aws:PrincipalType"] = []string{"AssumedRole"}
	m["aws:userid"] = []string{s.userID()}
	m["aws:TokenIssueTime"] = []string{s.Issued.UTC().Format(time.RFC3339)}
	if s.Source != "" {
		m["aws:SourceIdentity"] = []string{s.Source}
	}
	if s.Provider != "" {
		m["aws:FederatedProvider"] = []string{s.Provider}
	}
	for k, v := range s.Tags {
		m["aws:PrincipalTag/"+k] = []string{v}
	}
	return m
}

// requestContext is what AWS knows about any request. The sandbox speaks
// plain HTTP on loopback and says SecureTransport all the same, as every
// request to AWS itself is.
func (c *call) requestContext() map[string][]string {
	m := map[string][]string{
		"aws:CurrentTime":     {c.now.UTC().Format(time.RFC3339Nano)},
		"aws:EpochTime":       {strconv.FormatInt(c.now.Unix(), 10)},
		"aws:SourceIp":        {c.addr()},
		"aws:SecureTransport": {"true"},
		"aws:RequestedRegion": {c.region},
	}
	if agent := c.req.UserAgent(); agent != "" {
		m["aws:UserAgent"] = []string{agent}
	}
	return m
}

// assumption is one wish to assume a role, by whatever road.
type assumption struct {
	action     string // "sts:AssumeRoleWithWebIdentity"
	arn        string // of the role, as it was asked for
	account    brevet.Account
	role       brevet.Role
	caller     iam.Caller
	identity   []*iam.Policy // the caller's own policies, if it has any
	session    []*iam.Policy
	name       string
	duration   time.Duration
	given      bool // duration was asked for
	policy     string
	source     string
	tags       map[string]string
	transitive []string
	context    map[string][]string // beyond what follows from the fields
}

// trusted evaluates the role's trust policy for the action of w and,
// separately, for the tags and the source identity if there are any: AWS
// refuses the whole call if one of them is not allowed.
func (a *AWS) trusted(c *call, w assumption) *fault {
	trust, err := a.cfg.Trust(w.account, w.role)
	if err != nil {
		a.cfg.Log.Error("simulated AWS: trust policy", "role", w.account.RoleARN(w.role.Name), "err", err)
		return c.refusal(w, w.action)
	}
	actions := []string{w.action}
	if len(w.tags) > 0 {
		actions = append(actions, "sts:TagSession")
	}
	if w.source != "" {
		actions = append(actions, "sts:SetSourceIdentity")
	}
	context := iam.NewContext(w.all(c))
	for _, action := range actions {
		got := iam.Evaluate(iam.Input{Identity: w.identity, Session: w.session, Resource: trust, Request: iam.Request{Caller: w.caller, Action: action,
			Resource: w.account.RoleARN(w.role.Name), ResourceAccount: string(w.account.ID), Context: context}})
		if got.Decision != iam.Allow {
			a.cfg.Log.Debug("simulated AWS: trust policy says no", "role", w.account.RoleARN(w.role.Name), "action", action, "why", got.Why)
			return c.refusal(w, action)
		}
	}
	return nil
}

// refusal words the refusal of an assumption as STS does: nothing about the
// reason, nor whether the role exists.
func (c *call) refusal(w assumption, action string) *fault {
	if c.who == nil {
		return faultf(accessDenied, "Not authorized to perform %s", action)
	}
	return faultf(accessDenied, "User: %s is not authorized to perform: %s on resource: %s", c.who.arn(c.account), action, clip(c.param("RoleArn")))
}

// all is the whole context of an assumption.
func (w assumption) all(c *call) map[string][]string {
	m := c.requestContext()
	m["sts:RoleSessionName"] = []string{w.name}
	if w.given {
		m["sts:DurationSeconds"] = []string{strconv.Itoa(int(w.duration.Seconds()))}
	}
	if w.source != "" {
		m["sts:SourceIdentity"] = []string{w.source}
	}
	var keys []string
	for k, v := range w.tags {
		m["aws:RequestTag/"+k] = []string{v}
		keys = append(keys, k)
	}
	if keys != nil {
		slices.Sort(keys)
		m["aws:TagKeys"] = keys
	}
	if len(w.transitive) > 0 {
		m["sts:TransitiveTagKeys"] = w.transitive
	}
	for k, v := range w.context {
		m[k] = v
	}
	return m
}

// caller is the session as policies' principals see it.
func (s *session) caller(a brevet.Account) iam.Caller {
	return iam.Caller{Kind: iam.KindAssumedRole, ARN: s.arn(a), Account: string(s.Account)}
}

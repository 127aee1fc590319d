package sandbox

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
)

// rights is what a caller's policies are, at the time of its call.
type rights struct {
	identity []*iam.Policy
	boundary *iam.Policy // nil: none
	session  []*iam.Policy
}

// allowed authorises one action on one resource for the caller of c: its
// permissions and, where there are any, its boundary and its session policy
// must all allow it, and none may deny it. More adds to what is known of the
// request.
func (a *AWS) allowed(c *call, action, resource string, more ...map[string][]string) *fault {
	in := c.input(action, resource, more...)
	got := iam.Evaluate(in)
	if got.Decision == iam.Allow {
		return nil
	}
	text := "User: " + c.who.arn(c.account) + " is not authorized to perform: " + action + " on resource: " + resource
	alone := func(in iam.Input) iam.Decision { return iam.Evaluate(in).Decision }
	identity, boundary := in, in
	identity.Session, identity.Boundary = nil, nil
	boundary.Session = nil
	switch {
	case alone(identity) == iam.ExplicitDeny:
		text += " with an explicit deny in an identity-based policy"
	case alone(boundary) == iam.ExplicitDeny:
		text += " with an explicit deny in a permissions boundary"
	case got.Decision == iam.ExplicitDeny:
		text += " with an explicit deny in a session policy"
	case alone(identity) != iam.Allow:
		text += " because no identity-based policy allows the " + action + " action"
	case alone(boundary) != iam.Allow:
		text += " because no permissions boundary allows the " + action + " action"
	default:
		text += " because no session policy allows the " + action + " action"
	}
	return faultf(accessDenied, "%s", text)
}

// input puts together what an evaluation for the caller of c needs.
func (c *call) input(action, resource string, more ...map[string][]string) iam.Input {
	context := c.sessionContext()
	for _, m := range more {
		maps.Copy(context, m)
	}
	return iam.Input{Identity: c.may.identity, Boundary: c.may.boundary, Session: c.may.session, Request: iam.Request{
		Caller:          c.who.caller(c.account),
		Action:          action,
		Resource:        resource,
		ResourceAccount: string(c.account.ID),
		Context:         iam.NewContext(context),
	}}
}

// denied refuses an action that the sandbox does not simulate if AWS
// certainly would: a policy denies it explicitly, or none has a word for it.
// What is allowed on some resources passes, as which is meant cannot be told.
func (a *AWS) denied(c *call, action string) *fault {
	f := a.allowed(c, action, "*")
	if f == nil {
		return nil
	}
	if !mentions(c.may.identity, action) {
		return f
	}
	return a.deniedOutright(c, action)
}

// deniedOutright refuses an action that a policy denies explicitly.
func (a *AWS) deniedOutright(c *call, action string) *fault {
	if iam.Evaluate(c.input(action, "*")).Decision == iam.ExplicitDeny {
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

// sessionContext is what AWS knows about a call by its caller.
func (c *call) sessionContext() map[string][]string {
	s := c.who
	m := c.requestContext()
	m["aws:PrincipalAccount"] = []string{string(s.Account)}
	m["aws:userid"] = []string{s.userID()}
	m["aws:ResourceAccount"] = []string{string(c.account.ID)}
	if s.User != "" {
		m["aws:PrincipalArn"] = []string{s.arn(c.account)}
		m["aws:PrincipalType"] = []string{"User"}
		m["aws:username"] = []string{s.User}
		return m
	}
	m["aws:PrincipalArn"] = []string{c.iamARN("role/" + s.Role)}
	m["aws:PrincipalType"] = []string{"AssumedRole"}
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
	role       *heldRole // nil: there is none of that name
	held       *holding  // of the account
	caller     iam.Caller
	rights     rights // the caller's own policies, if it has any
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
	actions := []string{w.action}
	if len(w.tags) > 0 {
		actions = append(actions, "sts:TagSession")
	}
	if w.source != "" {
		actions = append(actions, "sts:SetSourceIdentity")
	}
	context := iam.NewContext(w.all(c))
	for _, action := range actions {
		got := iam.Evaluate(iam.Input{Identity: w.rights.identity, Boundary: w.rights.boundary, Session: w.rights.session, Resource: w.role.trust, Request: iam.Request{Caller: w.caller, Action: action,
			Resource: w.role.arn, ResourceAccount: string(w.account.ID), Context: context}})
		if got.Decision != iam.Allow {
			a.cfg.Log.Debug("simulated AWS: trust policy says no", "role", w.role.arn, "action", action, "why", got.Why)
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
	if s.User != "" {
		return iam.Caller{Kind: iam.KindUser, ARN: s.arn(a), Account: string(s.Account)}
	}
	return iam.Caller{Kind: iam.KindAssumedRole, ARN: s.arn(a), Account: string(s.Account)}
}

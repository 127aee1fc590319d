package stack

import (
	"cmp"
	"strings"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
)

// call is a call of AWS by a session of a role.
type call struct {
	role      string // ARN
	action    string
	resources []string          // all are judged, as AWS does where a call has several
	tags      map[string]string // of the first resource
	context   iam.Context
	grant     string
	person    string // its source identity; "": who enters in every scenario
	began     string // when its credentials were issued; "": half an hour ago
	at        string // "": now
	end       string // of the grant, as its session policy has it; "": long after
	reads     bool   // CloudTrail calls it read-only
	generous  bool   // whatever the catalog may come to give the role
}

type callChange func(*call)

// doing is one call by a session of a role of ours.
func doing(role brevet.RoleName, action, resource string, changes ...callChange) try {
	return doingAs(func(w *world) string { return w.side.Account.RoleARN(role) }, string(role)+": "+action+" on "+resource, action, func(*world) []string { return []string{resource} }, changes...)
}

func doingAs(role func(*world) string, what, action string, resources func(*world) []string, changes ...callChange) try {
	return try{what, func(w *world) finding {
		c := call{role: role(w), action: action, resources: resources(w), grant: oneGrant}
		for _, change := range changes {
			change(&c)
		}
		return w.call(c)
	}}
}

// tagged gives the resource tags.
func tagged(pairs ...string) callChange {
	return func(c *call) {
		if c.tags == nil {
			c.tags = map[string]string{}
		}
		for i := 0; i < len(pairs); i += 2 {
			c.tags[pairs[i]] = pairs[i+1]
		}
	}
}

// knowing adds a condition key of the request.
func knowing(key string, values ...string) callChange {
	return func(c *call) {
		c.context = copied(c.context)
		c.context[key] = values
	}
}

func also(resources ...string) callChange {
	return func(c *call) { c.resources = append(c.resources, resources...) }
}

// generous gives the role every right, to see what holds even then.
func generous(c *call) { c.generous = true }

// moment sets when the call is made, and when the grant ends.
func moment(at, end string) callChange { return func(c *call) { c.at, c.end = at, end } }

// session is the policy that brevet gives every session: what the role
// allows, until the grant's end.
func sessionPolicy(end string) *iam.Policy {
	return &iam.Policy{Version: iam.Version2012, Statements: []iam.Statement{
		{Sid: "Role", Effect: iam.EffectAllow, Action: []string{"*"}, Resource: []string{"*"}},
		{Sid: "End", Effect: iam.EffectDeny, Action: []string{"*"}, Resource: []string{"*"},
			Conditions: []iam.Condition{{Operator: "DateGreaterThanEquals", Key: "aws:CurrentTime", Values: []string{end}}}}}}
}

// call judges a call on each of its resources; the first refusal decides.
func (w *world) call(c call) finding {
	role, ok := w.in.Role(c.role)
	out := finding{result: Refused, why: "the templates install no role " + c.role, event: w.callEvent(c, "")}
	if !ok {
		return out
	}
	if len(c.resources) == 0 {
		return finding{result: Absent, why: "the templates install none"}
	}
	for i, resource := range c.resources {
		resource = strings.Replace(resource, defaultWorkload, w.workload(), 1)
		f := w.decided(iam.Evaluate(w.input(c, role, resource, i == 0)), role, false)
		f.event = out.event
		if out = f; f.result == Refused {
			break
		}
	}
	return out
}

// input is what decides a call on one resource.
func (w *world) input(c call, role InstalledRole, resource string, first bool) iam.Input {
	in := iam.Input{Identity: role.Identity(), Boundary: role.Boundary, Resource: w.policyOf(resource)}
	end := c.end
	if end == "" {
		end = "2026-11-25T20:00:00Z"
	}
	in.Session = []*iam.Policy{sessionPolicy(end)}
	if c.generous {
		in.Identity = append(in.Identity, everythingAllowed[0])
	}
	if w.fallen[LayerPermissions] {
		in.Identity, in.Boundary, in.Resource = everythingAllowed, nil, nil
	}
	if w.fallen[LayerBroker] {
		in.Session = nil
	}
	in.Request = iam.Request{Caller: w.caller(role.ARN), Action: c.action, Resource: resource, Context: w.contextOf(c, role, first)}
	in.Request.Caller.Role = role.ARN
	return in
}

// contextOf is what AWS knows of a call.
func (w *world) contextOf(c call, role InstalledRole, first bool) iam.Context {
	acc := string(w.side.Account.ID)
	ctx := iam.Context{
		"aws:principalarn": {role.ARN}, "aws:principalaccount": {acc}, "aws:resourceaccount": {acc}, "aws:principaltype": {"AssumedRole"},
		"aws:userid": {"AROAEXAMPLE:" + sessionName}, "aws:sourceidentity": {oneHandle}, "aws:currenttime": {now}, "aws:sourceip": {anywhere},
		"aws:securetransport": {"true"}, "aws:requestedregion": {w.side.Account.Region}, "aws:viaawsservice": {"false"},
		"aws:principaltag/" + brevet.TagGrant: {c.grant}, "aws:principaltag/" + brevet.TagMFA: {"1h"},
		"aws:principaltag/" + brevet.TagRole: {string(role.Target(w.side.Account.Prefix))},
	}
	ctx["aws:tokenissuetime"] = []string{cmp.Or(c.began, earlier)}
	if c.person != "" {
		ctx["aws:sourceidentity"] = []string{c.person}
	}
	if c.at != "" {
		ctx["aws:currenttime"] = []string{c.at}
	}
	if first {
		for k, v := range c.tags {
			ctx["aws:resourcetag/"+strings.ToLower(k)] = []string{v}
			if service, _, ok := strings.Cut(c.action, ":"); ok {
				ctx[service+":resourcetag/"+strings.ToLower(k)] = []string{v}
			}
		}
	}
	for k, v := range c.context {
		ctx[strings.ToLower(k)] = v
	}
	return ctx
}

// policyOf returns the policy of a resource that the templates install.
func (w *world) policyOf(resource string) *iam.Policy {
	for _, b := range w.in.Buckets {
		if resource == b.ARN || strings.HasPrefix(resource, b.ARN+"/") {
			return b.Policy
		}
	}
	for _, k := range w.in.Keys {
		if resource == k.ARN {
			return k.Policy
		}
	}
	for _, t := range w.in.Topics {
		if resource == t.ARN {
			return t.Policy
		}
	}
	return nil
}

// served is a call by an AWS service on something that the templates install.
func served(service, action string, resource func(*world) string, changes ...callChange) try {
	return try{service + ": " + action, func(w *world) finding {
		r := resource(w)
		if r == "" {
			return finding{result: Absent, why: "the templates install none"}
		}
		c := call{}
		for _, change := range changes {
			change(&c)
		}
		policy := w.policyOf(r)
		if strings.HasPrefix(action, "logs:") {
			policy = w.logPolicy()
		}
		if w.fallen[LayerPermissions] {
			return finding{result: Allowed}
		}
		ctx := copied(c.context)
		if _, ok := ctx["aws:SecureTransport"]; !ok {
			ctx["aws:SecureTransport"] = []string{"true"}
		}
		got := iam.Evaluate(iam.Input{Resource: policy, Request: iam.Request{Caller: iam.Caller{Kind: iam.KindService, Service: service}, Action: action, Resource: r, Context: ctx}})
		f := finding{result: Refused, condition: got.Condition, why: got.Why, statement: strings.TrimSpace("resource policy " + got.Statement)}
		if got.Decision == iam.Allow {
			f.result = Allowed
		}
		return f
	}}
}

// logPolicy puts the policies of CloudWatch Logs together.
func (w *world) logPolicy() *iam.Policy {
	all := &iam.Policy{Version: iam.Version2012}
	for _, p := range w.in.LogPolicies {
		all.Statements = append(all.Statements, p.Policy.Statements...)
	}
	return all
}

package iam

import (
	"maps"
	"slices"
	"strings"
)

// Witness is a token or caller that a policy lets in and should not.
type Witness struct {
	Who      string              `json:"who"`                // what it is, in words
	Action   string              `json:"action"`             // what it does
	Resource string              `json:"resource,omitempty"` // to what; "" for the role of a trust policy
	Caller   string              `json:"caller,omitempty"`   // ARN or service; "" for a token or for nobody known
	Issuer   string              `json:"issuer,omitempty"`   // of the token or assertion
	Subject  string              `json:"sub,omitempty"`
	Audience string              `json:"aud,omitempty"`
	Keys     map[string][]string `json:"keys,omitempty"` // further condition keys of the request
}

// String returns the witness as one line.
func (w *Witness) String() string {
	out := []string{w.Who + ":"}
	add := func(name, value string) {
		if value != "" {
			out = append(out, name+"="+value)
		}
	}
	add("caller", w.Caller)
	add("iss", w.Issuer)
	add("sub", w.Subject)
	add("aud", w.Audience)
	for _, k := range slices.Sorted(maps.Keys(w.Keys)) {
		add(k, strings.Join(w.Keys[k], ","))
	}
	add("resource", w.Resource)
	return strings.Join(append(out, "may", w.Action), " ")
}

// try is a request for the search, with the words for it.
type try struct {
	who      string
	caller   Caller
	action   string
	resource string
	context  Context
	issuer   string // "" where no token is shown
}

// judged stands for the role whose trust policy is judged.
const judged = "arn:aws:iam::111122223333:role/judged"

// everything is the identity policy of an attacker in its own account.
var everything = &Policy{Version: Version2012, Statements: []Statement{{Effect: EffectAllow, Action: []string{"*"}, Resource: []string{"*"}}}}

// admits reports whether the policy lets the request through. Most are turned
// away by the policy's own statements, which is seen first.
func (p *Policy) admits(t try, account string) bool {
	e := evaluation{in: &Input{Request: Request{Caller: t.caller, Action: t.action, Resource: t.resource, Context: t.context}}}
	if o := e.scan("resource", -1, []*Policy{p}, true); o.allow.statement == nil {
		return false
	}
	return Evaluate(Input{Identity: []*Policy{everything}, Resource: p, Request: Request{Caller: t.caller, Action: t.action,
		Resource: t.resource, ResourceAccount: account, Context: t.context}}).Decision == Allow
}

// witness says what was tried, with those keys that the policy asks for.
func (t try) witness(p *Policy) *Witness {
	w := &Witness{Who: t.who, Action: t.action, Caller: t.caller.ARN, Issuer: t.issuer}
	if t.resource != judged {
		w.Resource = t.resource
	}
	if t.caller.Service != "" {
		w.Caller = t.caller.Service
	}
	for k, v := range t.context {
		switch {
		case len(v) == 0:
		case t.issuer != "" && k == t.issuer+":sub":
			w.Subject = strings.Join(v, ",")
		case t.issuer != "" && k == t.issuer+":aud":
			w.Audience = strings.Join(v, ",")
		case p.mentions(k):
			if w.Keys == nil {
				w.Keys = map[string][]string{}
			}
			w.Keys[k] = v
		}
	}
	return w
}

func (p *Policy) mentions(key string) bool {
	return slices.ContainsFunc(p.Statements, func(s Statement) bool { return len(s.about(key)) > 0 })
}

// alone is the policy with one of its Allow statements and every Deny.
func (p *Policy) alone(i int) *Policy {
	q := &Policy{Version: p.Version, ID: p.ID}
	for j, s := range p.Statements {
		if i == j || s.Effect == EffectDeny {
			q.Statements = append(q.Statements, s)
		}
	}
	return q
}

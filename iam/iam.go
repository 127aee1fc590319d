// Package iam reads, prints and evaluates AWS policy documents.
//
// A [Policy] is what AWS calls a JSON policy document. [Parse] is strict:
// what AWS would refuse, and what two readers could understand differently,
// is an error that names its place. [Evaluate] decides one [Request] against
// all the policies that apply to it, as AWS's documentation says that AWS
// does, and names the statement that decided.
//
// # Where the rules come from
//
// The rules are those of the IAM User Guide
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/NAME.html); a comment
// beside a rule gives NAME. Where the guide is silent or vague this package
// fails closed, which means that an Allow needs certainty and a Deny does
// not: an unknown operator, a value that is not of its operator's type, or an
// element that has no business in that kind of policy makes an Allow
// statement match nothing, and never makes a Deny statement miss.
//
// Choices that the guide leaves open:
//
//   - A wildcard of Resource runs across colons, as the guide says of one at
//     the end of a segment. In the Arn operators it does not.
//   - The value of a policy variable is literal: an asterisk in it is no
//     wildcard.
//   - An operator without ForAllValues or ForAnyValue on a key that has
//     several values holds if any value matches; negated, if none does.
//
// The package uses the standard library only and keeps no state; everything
// in it may be used by several goroutines at once, as long as nobody changes
// a Policy meanwhile.
package iam

import (
	"sort"
	"strings"
)

// Effect is what a statement does. The zero value is no effect.
type Effect string

// The effects. AWS compares them with regard to case.
const (
	EffectAllow Effect = "Allow"
	EffectDeny  Effect = "Deny"
)

// The versions of the policy language. In the older one, which also counts
// when a document names none, variables are plain text
// (reference_policies_elements_version).
const (
	Version2012 = "2012-10-17"
	Version2008 = "2008-10-17"
)

// Policy is a policy document.
type Policy struct {
	Version    string // Version2012, Version2008, or "" which means the latter
	ID         string // the element Id; only resource policies carry one
	Statements []Statement
}

// Statement is one statement of a policy. Of each pair Principal and
// NotPrincipal, Action and NotAction, Resource and NotResource at most one is
// set; trust policies have no resource, identity policies no principal.
type Statement struct {
	Sid          string
	Effect       Effect
	Principal    *Principals
	NotPrincipal *Principals
	Action       []string // service:Name with wildcards, regardless of case
	NotAction    []string
	Resource     []string // ARNs with wildcards and variables, or "*"
	NotResource  []string
	Conditions   []Condition // all must hold; sorted by Operator, then Key
}

// Principals says whom a statement of a resource policy or trust policy
// means (reference_policies_elements_principal).
type Principals struct {
	Everyone      bool     // "Principal": "*"; the rest is empty then
	AWS           []string // account numbers and ARNs of accounts, roles, users and sessions, or "*"
	Federated     []string // ARNs of identity providers in IAM, or the names of those that AWS knows
	Service       []string // such as events.amazonaws.com
	CanonicalUser []string // S3's way to name accounts; matches nobody here
}

// Condition is one line of a Condition element: the operator applied to one
// key. It holds if any of the values fits or, for a negated operator, none.
type Condition struct {
	Operator string // "StringEquals", "ForAllValues:StringLikeIfExists"
	Key      string // regardless of case
	Values   []string
}

// Context is what is known about a request: condition keys and their values.
// Keys are looked up regardless of case; none may be in it twice in
// different case. No value means that the key is absent.
type Context map[string][]string

// NewContext returns a context of its own with the keys in lower case, in
// which [Context.Get] is quickest. Values of keys that differ by case only
// are put together.
func NewContext(m map[string][]string) Context {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	c := make(Context, len(m))
	for _, k := range keys {
		low := strings.ToLower(k)
		c[low] = append(c[low], m[k]...)
	}
	return c
}

// Get returns the values of key, nil if it is absent.
func (c Context) Get(key string) []string {
	if v, ok := c[key]; ok {
		return v
	}
	if v, ok := c[strings.ToLower(key)]; ok {
		return v
	}
	for k, v := range c {
		if strings.EqualFold(k, key) {
			return v
		}
	}
	return nil
}

// one returns the value of a key that has exactly one, and is not null.
func (c Context) one(key string) (string, bool) {
	v := c.Get(key)
	if len(v) != 1 || v[0] == "" {
		return "", false
	}
	return v[0], true
}

package iam

import "strings"

// Kind is what sort of caller sends a request.
type Kind string

// The kinds of callers (reference_policies_elements_principal). A Caller
// without one is judged by which of its fields are set.
const (
	KindAssumedRole   Kind = "AssumedRole"   // a session of a role, however it began
	KindUser          Kind = "User"          // an IAM user
	KindRoot          Kind = "Root"          // the root user of an account
	KindFederatedUser Kind = "FederatedUser" // a session of GetFederationToken
	KindFederated     Kind = "Federated"     // somebody with a token or assertion of a provider, still without a session
	KindService       Kind = "Service"       // an AWS service
	KindAnonymous     Kind = "Anonymous"     // nobody known
)

// Caller is who sends a request.
type Caller struct {
	Kind      Kind
	ARN       string // arn:aws:sts::111122223333:assumed-role/NAME/SESSION, …:user/NAME, …:root
	Account   string // twelve digits; may be left out where ARN has them
	Role      string // ARN of whom the session is of: its role, needed only where that has a path, or the user who asked for a federated one
	Federated string // what vouches: the ARN of the identity provider, or its name
	Service   string // such as events.amazonaws.com
}

func (c Caller) kind() Kind {
	switch {
	case c.Kind != "":
		return c.Kind
	case c.ARN == "" && c.Federated != "":
		return KindFederated
	case c.ARN == "" && c.Service != "":
		return KindService
	case strings.Contains(c.ARN, ":assumed-role/"):
		return KindAssumedRole
	case strings.Contains(c.ARN, ":federated-user/"):
		return KindFederatedUser
	case strings.HasSuffix(c.ARN, ":root"):
		return KindRoot
	case strings.Contains(c.ARN, ":user/"):
		return KindUser
	}
	return KindAnonymous
}

// outside reports whether the caller has no identity policies: only the
// resource's policy can let it in.
func (c Caller) outside() bool {
	k := c.kind()
	return k == KindFederated || k == KindService || k == KindAnonymous
}

func (c Caller) account() string {
	if c.Account != "" || c.outside() {
		return c.Account
	}
	if parts := strings.SplitN(c.ARN, ":", 6); len(parts) == 6 {
		return parts[4]
	}
	return ""
}

// isRole reports whether arn is the role of the caller's session.
func (c Caller) isRole(arn string) bool {
	if c.Role != "" {
		return arn == c.Role
	}
	head, tail, ok := strings.Cut(c.ARN, ":assumed-role/")
	if !ok {
		return false
	}
	name, _, _ := strings.Cut(tail, "/")
	partition, account, ok := strings.Cut(strings.TrimPrefix(head, "arn:"), ":sts::")
	return ok && arn == "arn:"+partition+":iam::"+account+":role/"+name
}

// grant is how much a principal element says about a caller: what it allows
// is limited differently (reference_policies_evaluation-logic).
type grant byte

const (
	toNobody  grant = iota
	toAccount       // the caller's account: its identity policies must allow too
	toRole          // the role: boundary and session policies still limit it
	toCaller        // the caller itself, or everyone: nothing but a Deny limits it
)

// names returns how directly the principals mean the caller.
func (p *Principals) names(c Caller) grant {
	if p.Everyone {
		return toCaller
	}
	var best grant
	for _, s := range p.AWS {
		best = max(best, named(s, c))
	}
	if c.Federated != "" && c.kind() == KindFederated && contains(p.Federated, c.Federated) ||
		c.Service != "" && c.kind() == KindService && contains(p.Service, c.Service) {
		best = toCaller
	}
	return best
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s || v == "*" {
			return true
		}
	}
	return false
}

// named returns how directly one value of Principal.AWS means the caller.
func named(s string, c Caller) grant {
	if s == "*" {
		return toCaller
	}
	if c.outside() {
		return toNobody
	}
	switch {
	case s == c.ARN && c.ARN != "" && c.kind() != KindRoot:
		return toCaller
	case c.isRole(s):
		return toRole
	case isAccount(s, c.account()):
		if c.kind() == KindRoot {
			return toCaller
		}
		return toAccount
	}
	return toNobody
}

// isAccount reports whether s is the account, by number or ARN.
func isAccount(s, account string) bool {
	if account == "" {
		return false
	}
	if s == account {
		return true
	}
	rest, ok := strings.CutSuffix(s, ":iam::"+account+":root")
	return ok && strings.HasPrefix(rest, "arn:") && strings.Count(rest, ":") == 1
}

// exempt reports whether NotPrincipal leaves the caller out. Beside a Deny
// the caller's account must be named too, and for a session its role, because
// AWS may judge each of them (reference_policies_elements_notprincipal).
// Beside an Allow any of them is enough.
func (p *Principals) exempt(c Caller, allow bool) bool {
	if p.Everyone || c.outside() {
		return p.names(c) == toCaller
	}
	var account, self, role bool
	for _, s := range p.AWS {
		everyone := s == "*"
		account = account || everyone || isAccount(s, c.account())
		self = self || named(s, c) == toCaller
		role = role || everyone || c.isRole(s)
	}
	if allow {
		return account || self || role
	}
	if c.kind() == KindAssumedRole {
		self = role
	}
	return account && self
}

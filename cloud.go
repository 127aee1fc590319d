package brevet

import (
	"context"
	"fmt"
	"time"
)

// Issue is what a cloud is asked to make: one set of credentials.
type Issue struct {
	Session       SessionID
	Grant         GrantID
	Person        PersonID
	Handle        Handle
	Account       Account
	Role          RoleName
	MFA           Rung
	TTL           time.Duration // wished; a cloud with a minimum makes a longer one
	End           time.Time     // the grant's end: nothing may work from then on
	SessionPolicy string        // narrows the role; "" for all of it
	Errand        Errand        // "" for a person's session
	Source        Handle        // the source identity where it is not Handle
}

// SourceIdentity returns whose the session's calls are.
func (i Issue) SourceIdentity() Handle {
	if i.Source != "" {
		return i.Source
	}
	return i.Handle
}

// SessionName returns how the session is called in the cloud's records: the
// handle cut to 53 characters, "=", and the last ten of the grant's id.
func (i Issue) SessionName() string {
	h := string(i.Handle)
	if len(h) > 53 {
		h = h[:53]
	}
	g := string(i.Grant)
	return h + "=" + g[max(0, len(g)-10):]
}

// Credential is a set of short-lived credentials. It is never stored by the
// server, and no way of printing or encoding it gives anything away; only the
// fields do.
type Credential struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string
	Expires         time.Time // as the cloud said
}

// String names the access key and no secret.
func (c Credential) String() string { return "credential " + c.AccessKeyID }

// GoString is String, so that %#v leaks nothing either.
func (c Credential) GoString() string { return c.String() }

// Format writes String whatever the verb is.
func (c Credential) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(c.String())) }

// MarshalText is String, so that JSON and a structured log hold no secret.
func (c Credential) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Errand is what one of the broker's own sessions is for; "" for people's. A
// cloud narrows the session to that.
type Errand string

// The errands that need a session of their own kind.
const (
	ErrandRevoke Errand = "revoke" // to call the customer's revoker
	ErrandTry    Errand = "try"    // to see what is refused
)

// RevokeRole is the role in which the customer's revoker is called.
const RevokeRole RoleName = "Revoke"

// Kill asks for the sessions of grants to be cut off.
type Kill struct {
	Grants []GrantID // 1 to 100
	Shells bool      // only open shells are ended
	// Widen are the people whose every session may be cut, should there be no
	// room for these grants; nil: nobody's.
	Widen []Handle
}

// Killed is what the cloud holds after a Kill.
type Killed struct {
	Held      []GrantID // all that are denied, those asked for among them unless Full
	Full      bool      // there was no room, and nothing was added
	Cut       []Handle  // people all of whose sessions until now are denied
	Everybody bool      // everybody's are
	Shells    int       // that were ended
}

// Tried is one harmless call that a session made to see whether it is let.
type Tried struct {
	Action string // "iam:GetRole"
	Result TryResult
	Detail string // what the cloud said, fit to show
}

// TryResult is how such a call came out.
type TryResult string

// The results of a try.
const (
	TryAllowed TryResult = "allowed"
	TryDenied  TryResult = "denied" // the cloud itself said that the session may not
	TryUnknown TryResult = "unknown"
)

// Cloud mints sessions, and cuts them off. Its methods fail with kind
// [CloudRefused] when the cloud said no (nothing was done), [Unavailable] when
// it is not known whether something was done.
type Cloud interface {
	// Issue makes one set of credentials.
	Issue(ctx context.Context, i Issue) (Credential, error)
	// Revoke calls the revoker of an account; as is a session for
	// [ErrandRevoke].
	Revoke(ctx context.Context, as Credential, a Account, k Kill) (Killed, error)
	// Try makes calls that change nothing; as is a session for [ErrandTry] in
	// the role.
	Try(ctx context.Context, as Credential, a Account, role RoleName) []Tried
}

// Claims is what a web-identity token says beside its issuer, times and id.
// The issuer follows from the customer.
type Claims struct {
	Customer       CustomerID
	Audience       string
	Subject        string            // the person's id
	SourceIdentity string            // the person's handle
	Tags           map[string]string // session tags, one value each
}

// The session tags that every trust policy of a stack requires. Customers'
// stacks hold them for years: they are never renamed.
const (
	TagRole     = "brevet-role"
	TagGrant    = "brevet-grant"
	TagMFA      = "brevet-mfa"
	TagContract = "brevet-contract"
)

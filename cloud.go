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
	Subject       Principal     // who it is at the identity provider
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

// RevocationState says how far a revocation has come.
type RevocationState string

// The states of a revocation.
const (
	RevokeRequested RevocationState = "requested" // no new credential; the cloud has been told, or cannot be
	RevokeConfirmed RevocationState = "confirmed" // the cloud was seen to refuse
)

// Revocation is the answer of a cloud that was asked to end a grant's
// sessions. Until is the latest moment at which one could still be used.
type Revocation struct {
	State RevocationState
	Until time.Time
}

// Cloud mints and revokes sessions. Issue fails with kind [CloudRefused] when
// the cloud said no (nothing was made), [Unavailable] when it is not known
// whether something was made.
type Cloud interface {
	Issue(ctx context.Context, i Issue) (Credential, error)
	Revoke(ctx context.Context, g Grant) (Revocation, error)
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

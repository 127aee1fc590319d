package brevet

import "time"

// EventKind says what happened. The kinds are part of the log's format and
// never change their spelling.
type EventKind string

// The kinds of events.
const (
	LogOpened        EventKind = "log.opened"        // first entry of an epoch; Data names the epoch before
	CatalogProposed  EventKind = "catalog.proposed"  // a version was loaded; Data holds the diff
	CatalogConfirmed EventKind = "catalog.confirmed" // it rules from now on
	CatalogWithdrawn EventKind = "catalog.withdrawn" // it never will
	PersonCreated    EventKind = "person.created"
	PrincipalLinked  EventKind = "principal.linked"
	PersonEnded      EventKind = "person.ended"
	SignInOpened     EventKind = "signin.opened"
	SignInEnded      EventKind = "signin.ended"
	SignInFailed     EventKind = "signin.failed"
	GroupsRefreshed  EventKind = "groups.refreshed"
	RequestCreated   EventKind = "request.created"
	RequestDecided   EventKind = "request.decided" // a yes that was not the last one needed
	RequestApproved  EventKind = "request.approved"
	RequestDenied    EventKind = "request.denied"
	RequestWithdrawn EventKind = "request.withdrawn"
	RequestLapsed    EventKind = "request.lapsed"
	RequestReminded  EventKind = "request.reminded"  // it waits still; Data holds its step and how often
	RequestEscalated EventKind = "request.escalated" // a fallback may decide it from now on
	GrantOpened      EventKind = "grant.opened"      // its window is known or waits for first use
	GrantActivated   EventKind = "grant.activated"   // its clock runs
	GrantExtended    EventKind = "grant.extended"    // its end moved; Data names the entry before about the grant
	GrantEnded       EventKind = "grant.ended"       // by time or handed back
	GrantRevoked     EventKind = "grant.revoked"
	// The revocation of what was out under a grant that ended. Each says all of
	// it; see RevocationOf.
	RevocationRequested EventKind = "revocation.requested"
	RevocationTold      EventKind = "revocation.told"      // the cloud holds it
	RevocationFailed    EventKind = "revocation.failed"    // an attempt came to nothing; it is tried again
	RevocationConfirmed EventKind = "revocation.confirmed" // the cloud was seen to refuse
	RevocationOver      EventKind = "revocation.over"      // what was out died by itself before that was seen

	SessionIntended EventKind = "session.intended"
	SessionIssued   EventKind = "session.issued"
	SessionInDoubt  EventKind = "session.in_doubt"
	SessionEnded    EventKind = "session.ended"
	AccessRefused   EventKind = "access.refused" // a credential, a decision or another act was refused
	StackProbed     EventKind = "stack.probed"   // what a customer's side was seen to do; Data holds each check's result
	// CustomerOffboarded says that nobody enters the customer's accounts any
	// more, for good; Data says how many grants and requests that ended, and
	// until when credentials that were out before may live.
	CustomerOffboarded EventKind = "customer.offboarded"
	BreakGlassOpened   EventKind = "breakglass.opened"   // somebody helped themselves, and everybody is told
	BreakGlassReminded EventKind = "breakglass.reminded" // nobody has looked at it yet
	BreakGlassReviewed EventKind = "breakglass.reviewed" // what somebody else thinks of it; Data holds the verdict
	// A person's sheet of sealed one-time codes for emergencies. What the events
	// say is all that is kept of it; Data holds the salted hashes, or which code
	// of which sheet.
	CodesMade     EventKind = "codes.made"    // a new sheet; the one before is void
	CodesUsed     EventKind = "codes.used"    // one of them helped to break a glass
	CodesVoided   EventKind = "codes.voided"  // the sheet opens nothing any more
	CodesRefused  EventKind = "codes.refused" // somebody tried codes, and they opened nothing
	KeyRotated    EventKind = "key.rotated"
	GrantEnding   EventKind = "grant.ending"   // its end is near and it is in use: whoever wants to know is told
	ChannelTested EventKind = "channel.tested" // a message was asked for, to see whether it arrives; Data names the channel
	MessageLost   EventKind = "message.lost"   // a message never arrived; Data says by which channel and why
	DetailsErased EventKind = "details.erased"
	// AssignmentRemoved says that somebody is let in through IAM Identity Center
	// no more; AssignmentFailed that this was tried and failed; AssignmentFound
	// that somebody is let in whom nobody granted that.
	AssignmentRemoved EventKind = "assignment.removed"
	AssignmentFailed  EventKind = "assignment.failed"
	AssignmentFound   EventKind = "assignment.found"
)

// Actor is who did it: a person, a policy that approved, or the system.
type Actor struct {
	Person PersonID `json:"person,omitempty"`
	Handle Handle   `json:"handle,omitempty"`
	Policy string   `json:"policy,omitempty"` // the entitlement or policy that decided
	System string   `json:"system,omitempty"` // "clock", "boot", …
	Addr   string   `json:"addr,omitempty"`
}

// String names the actor for people.
func (a Actor) String() string {
	switch {
	case a.Handle != "":
		return string(a.Handle)
	case a.Person != "":
		return string(a.Person)
	case a.Policy != "":
		return "policy " + a.Policy
	}
	return a.System
}

// Event is an audit fact. Its JSON, with the fields in this order, is what
// the log's leaf commits to.
type Event struct {
	Kind     EventKind         `json:"kind"`
	Time     time.Time         `json:"time"`
	Customer CustomerID        `json:"customer,omitempty"` // empty: an event of the installation
	Actor    Actor             `json:"actor"`
	Person   PersonID          `json:"person,omitempty"` // whom it is about
	Request  RequestID         `json:"request,omitempty"`
	Grant    GrantID           `json:"grant,omitempty"`
	Session  SessionID         `json:"session,omitempty"`
	SignIn   SignInID          `json:"sign_in,omitempty"`
	Account  AccountID         `json:"account,omitempty"`
	Role     RoleName          `json:"role,omitempty"`
	Digest   string            `json:"digest,omitempty"` // what the event binds, in hex
	Reason   string            `json:"reason,omitempty"`
	Start    *time.Time        `json:"start,omitempty"`
	End      *time.Time        `json:"end,omitempty"`
	Data     map[string]string `json:"data,omitempty"`
}

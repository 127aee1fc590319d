package brevet

import "time"

// Activation says when the clock of a grant starts.
type Activation string

// The activations.
const (
	OnApproval Activation = "on-approval" // at approval, or at the start that was asked for
	OnUse      Activation = "on-use"      // at first use; with automatic approval nothing needs asking
)

// Entitlement says who may ask for which roles where, how long, approved by
// whom, and with which freshness of MFA.
type Entitlement struct {
	Name         string // unique within the catalog
	Customer     CustomerID
	Who          Subjects
	Accounts     []AccountID
	Roles        []RoleName
	Longest      time.Duration // the longest grant that may be asked for
	Approval     Approval
	MFA          Rung // beside the role's own; the tighter counts
	Activate     Activation
	GroupsWithin time.Duration // how old the facts about groups may be
	Reason       TextRule      // on what a request gives as its reason
	Ticket       TextRule      // on the ticket that a request names
	Ahead        time.Duration // how far in the future a start may be; 0: [DefaultAhead]

	Extend        *Approval     // what approves an extension; nil: as Approval
	ExtendLongest time.Duration // the longest that a grant may become by extensions; 0: Longest
	BreakGlass    *BreakGlass   // not nil: no approver, for emergencies only
}

// DefaultAhead is how far in the future a start may be where the entitlement
// does not say.
const DefaultAhead = 14 * 24 * time.Hour

// MaxBreakGlass bounds a grant in an emergency.
const MaxBreakGlass = time.Hour

// BreakGlass makes an entitlement one for emergencies: nobody approves, a
// grant lasts at most [MaxBreakGlass], it shouts, and somebody else reviews
// it afterwards. No ordinary request and no first use ever opens it.
type BreakGlass struct {
	Review Subjects // who reviews; nobody named: the holders of decide
	Codes  Subjects // whose sealed code must stand beside the requester's own when the identity provider is down; nobody named: codes open nothing
	Most   int      // how often one person may within 24 h, at least 1
}

// LongestExtended is how long a grant under the entitlement may become, its
// extensions counted.
func (e Entitlement) LongestExtended() time.Duration {
	if e.ExtendLongest > 0 {
		return e.ExtendLongest
	}
	return e.Longest
}

// Right is what a person may do in brevet itself. Rights are held per
// customer.
type Right string

// The rights.
const (
	RightView    Right = "view"    // see requests, grants and sessions of others
	RightDecide  Right = "decide"  // approve where an entitlement names nobody
	RightRevoke  Right = "revoke"  // end grants and people
	RightAudit   Right = "audit"   // read the log
	RightCatalog Right = "catalog" // propose and confirm changes of the catalog
	RightOperate Right = "operate" // run the service; reads and decides nothing
)

// Holding says who holds a right at a customer.
type Holding struct {
	Customer CustomerID
	Right    Right
	Who      Subjects
}

// AllRights lists every right, in the order of the documentation.
var AllRights = []Right{RightView, RightDecide, RightRevoke, RightAudit, RightCatalog, RightOperate}

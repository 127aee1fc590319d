package brevet

import "time"

// Probe is what a cloud is asked to try out in an account: the live half of
// the proof that the customer's side does what it promises.
type Probe struct {
	Customer Customer
	Account  Account
	Roles    []Role     // those that the account should have
	Foreign  CustomerID // another customer, whose issuer must be refused here; "" if there is none
	Issue    Issue      // the one session that should come to be
	Wait     time.Duration

	// Begin is called before each attempt to begin a session. It records the
	// intent, and returns the id of the session and how its outcome is
	// recorded: cred is nil if there is none.
	Begin func() (id SessionID, done func(cred *Credential, err error) error, err error)
}

// Check is one thing that a probe looked at.
type Check struct {
	Name     string        `json:"name"`
	Expected string        `json:"expected"`
	Result   CheckResult   `json:"result"`
	Detail   string        `json:"detail"`
	Took     time.Duration `json:"-"`
}

// CheckResult is how a check came out. Whatever is not seen to be right is
// never CheckOK.
type CheckResult string

// The results of a check.
const (
	CheckOK      CheckResult = "ok"
	CheckMiss    CheckResult = "miss"    // it is not as it should be
	CheckPending CheckResult = "pending" // it may still come
	CheckUnknown CheckResult = "unknown" // it could not be looked at
)

// ProbeRoles are the roles in which a probe looks round, the best first: they
// read and change nothing.
var ProbeRoles = []RoleName{"ReadOnly", "Security"}

package brevet

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// Role is what exists in the cloud: on AWS an IAM role that the customer's
// stack creates.
type Role struct {
	Name     RoleName        `json:"name"`
	About    string          `json:"about,omitempty"`    // one line for people
	Max      time.Duration   `json:"max"`                // longest session, 1 h to 12 h; the role's MaxSessionDuration
	MFA      Rung            `json:"mfa"`                // the oldest multi-factor proof its trust policy admits
	Policies []string        `json:"policies,omitempty"` // names of AWS managed policies, such as job-function/ViewOnlyAccess
	Inline   json.RawMessage `json:"inline,omitempty"`   // an IAM policy document, or nil

	// Emergency says that the role's trust policy admits [RungBreakGlass]
	// beside the rungs of MFA.
	Emergency bool `json:"emergency,omitempty"`

	// Offline says that the role's trust policy admits only tokens of the
	// customer's offline issuer. The broker never issues for it.
	Offline bool `json:"offline,omitempty"`
}

// Digest names exactly this definition: lower-case hex SHA-256 of its JSON. A
// decision binds it (law 4).
func (r Role) Digest() string {
	text, err := json.Marshal(r)
	if err != nil { // Inline was checked when the catalog was read
		panic("brevet: role " + string(r.Name) + ": " + err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Rung is a bound on the age of a multi-factor proof. Rungs travel as the
// session tag brevet-mfa, whose value is compared as a string in the
// customer's trust policy; their spelling never changes.
type Rung string

// The rungs, tightest first.
const (
	Rung5m  Rung = "5m"
	Rung15m Rung = "15m"
	Rung1h  Rung = "1h"
	Rung4h  Rung = "4h"
	Rung8h  Rung = "8h"
	Rung24h Rung = "24h"
)

// RungBreakGlass stands in the tag of a session that somebody opened in an
// emergency, where the role's trust policy admits it. It bounds no age, so it
// is none of [Rungs].
const RungBreakGlass Rung = "breakglass"

// Rungs lists every rung, tightest first.
var Rungs = []Rung{Rung5m, Rung15m, Rung1h, Rung4h, Rung8h, Rung24h}

var rungAge = map[Rung]time.Duration{
	Rung5m: 5 * time.Minute, Rung15m: 15 * time.Minute, Rung1h: time.Hour,
	Rung4h: 4 * time.Hour, Rung8h: 8 * time.Hour, Rung24h: 24 * time.Hour,
}

// ParseRung reads a rung. The error is of kind [Invalid].
func ParseRung(s string) (Rung, error) {
	if _, ok := rungAge[Rung(s)]; !ok {
		return "", Errorf(Invalid, "%q is not a bound on the age of MFA; one of 5m, 15m, 1h, 4h, 8h, 24h", clip(s, 20))
	}
	return Rung(s), nil
}

// Age returns the bound as a duration; 0 for what is not a rung.
func (r Rung) Age() time.Duration { return rungAge[r] }

// Met reports whether a proof given at mfa meets the rung at now. A zero
// proof never does, nor does one from more than 30 s in the future.
func (r Rung) Met(mfa, now time.Time) bool {
	age := now.Sub(mfa)
	return !mfa.IsZero() && r.Age() > 0 && age <= r.Age() && age >= -30*time.Second
}

// Tighter returns the tighter of the two; an empty rung bounds nothing.
func (r Rung) Tighter(o Rung) Rung {
	switch {
	case r == "":
		return o
	case o != "" && o.Age() < r.Age():
		return o
	}
	return r
}

// Within lists every rung that is at most r: what a trust policy with the
// bound r must admit.
func (r Rung) Within() []Rung {
	for i, o := range Rungs {
		if o == r {
			return Rungs[: i+1 : i+1]
		}
	}
	return nil
}

// RungOf returns the tightest rung that a proof given at mfa meets at now,
// and whether there is one.
func RungOf(mfa, now time.Time) (Rung, bool) {
	for _, r := range Rungs {
		if r.Met(mfa, now) {
			return r, true
		}
	}
	return "", false
}

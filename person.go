package brevet

import (
	"slices"
	"strings"
	"time"
)

// Handle is a person's name in the cloud's own records (SourceIdentity): 2 to
// 64 characters of [A-Za-z0-9_=,.@-], allocated once and never given to
// anybody else.
type Handle string

// ParseHandle checks s against the charset and length that AWS allows for a
// source identity; a handle never starts with "aws:".
func ParseHandle(s string) (Handle, error) {
	if len(s) < 2 || len(s) > 64 || strings.Trim(s, handleChars) != "" {
		return "", Errorf(Invalid, "%q is not a handle: 2 to 64 characters of A-Z a-z 0-9 _ = , . @ -", clip(s, 70))
	}
	return Handle(s), nil
}

const handleChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_=,.@-"

// HandleFrom makes a handle out of what a provider calls a person, such as a
// user name or mail address: what the charset does not hold is replaced by
// "-". It never fails; uniqueness is the store's business.
func HandleFrom(name string) Handle {
	h := strings.Map(func(r rune) rune {
		if r < 128 && strings.ContainsRune(handleChars, r) {
			return r
		}
		return '-'
	}, strings.TrimSpace(name))
	if len(h) > 60 { // room for a number that tells namesakes apart
		h = h[:60]
	}
	for len(h) < 2 {
		h += "-"
	}
	return Handle(h)
}

// Principal is an identity at a provider. It is the only key by which a
// person is recognised: never a mail address or a name.
type Principal struct {
	Issuer  string `json:"iss"`
	Subject string `json:"sub"`
}

// Person is a human with a stable id. Ended is zero until they are offboarded.
type Person struct {
	ID      PersonID
	Handle  Handle
	Name    string // what the provider calls them; for display only
	Created time.Time
	Ended   time.Time
	Leaf    int64 // index of the person's first event in the log
}

// Groups are the facts that a provider stated about a person's membership,
// and when it did.
type Groups struct {
	Names []string
	At    time.Time
}

// Fresh returns the names if they are at most age old at now, and nothing
// otherwise: what is too old counts as "not a member".
func (g Groups) Fresh(now time.Time, age time.Duration) []string {
	if g.At.IsZero() || now.Sub(g.At) > age {
		return nil
	}
	return g.Names
}

// Proof is how and when somebody authenticated, as the provider stated it.
type Proof struct {
	AuthTime time.Time // when they last typed anything at the provider; zero: not stated
	Methods  []string  // amr, RFC 8176
	Class    string    // acr
	MFA      time.Time // when an accepted multi-factor proof was given; zero: never
}

// Identity is what a provider says about somebody who has just signed in.
type Identity struct {
	Principal Principal
	Login     string // user name there; the handle is made from it on first sight
	Name      string
	Proof     Proof
	Groups    Groups
	Refresh   string // refresh token, a secret; "" if none was given
}

// SignIn is a person's session at brevet. The bearer token is kept only as
// its SHA-256.
type SignIn struct {
	ID        SignInID
	Hash      [32]byte
	Person    PersonID
	Principal Principal
	Provider  string // name of the provider in the server's config
	Proof     Proof
	Groups    Groups
	Refresh   []byte // sealed refresh token of the provider, or nil
	Device    string // what the client called itself; for display only
	Created   time.Time
	Used      time.Time // last use, kept to the minute
	Expires   time.Time // absolute limit
	Ended     time.Time // zero while it lives
	Leaf      int64     // index of the sign-in's event in the log

	// Only is set for a sign-in by sealed codes: it is good for the emergency
	// that this request opened, and for nothing else.
	Only RequestID
}

// Live reports whether the sign-in may be used at now; idle is the longest
// pause between two uses.
func (s SignIn) Live(now time.Time, idle time.Duration) bool {
	return s.Ended.IsZero() && now.Before(s.Expires) && now.Sub(s.Used) < idle
}

// Caller is who sent a request, with the proof of this one request. Every
// broker method that reads or changes state takes one as its first argument
// after the context.
type Caller struct {
	Person Person
	SignIn SignIn
	Addr   string  // the client's network address, without port
	Duty   *Roster // who is on duty, as far as it is known; nil: not known
	Held   []Held  // what they hold live now, by the log; nil: not known
	// Standing is what the log tells of how long the caller has been known.
	Standing Standing
}

// Held is a role that somebody holds a live grant for.
type Held struct {
	Account AccountID
	Role    RoleName
}

// MayDecide reports whether the caller is among those who may decide the step
// that r waits for at now, counting groups that are at most age old. That they
// have not decided yet, and did not ask themselves, is for Decide to see.
func (c Caller) MayDecide(r Request, now time.Time, age time.Duration) bool {
	if c.SignIn.Only != "" {
		return false
	}
	who := r.Deciders(now)
	groups := r.Rule.Counts(c.Standing, c.SignIn.Groups.Fresh(now, age), r.Created)
	return r.Rule.knows(c.Standing, r.Created) && who.Cover(c.Person.Handle, groups, c.Duty.Of(c.Person.Handle, who.Rotas, now)...)
}

// Member reports whether s covers the caller, counting groups only while they
// are at most age old, and rotas while what is known of them is fresh.
func (c Caller) Member(s Subjects, now time.Time, age time.Duration) bool {
	return c.SignIn.Only == "" && s.Cover(c.Person.Handle, c.SignIn.Groups.Fresh(now, age), c.Duty.Of(c.Person.Handle, s.Rotas, now)...)
}

// Subjects says who: members of any of the groups, the people named by their
// handles, or whoever is on duty.
type Subjects struct {
	Groups []string `json:"groups,omitempty"`
	People []Handle `json:"people,omitempty"`
	Rotas  []string `json:"rotas,omitempty"` // NAME for its primary layer, or NAME/secondary
}

// Empty reports whether s covers nobody.
func (s Subjects) Empty() bool { return len(s.Groups)+len(s.People)+len(s.Rotas) == 0 }

// Cover reports whether a person with this handle and these groups is meant,
// who is on duty by the rotas of duty now.
func (s Subjects) Cover(h Handle, groups []string, duty ...string) bool {
	if h != "" && slices.Contains(s.People, h) {
		return true
	}
	return slices.ContainsFunc(groups, func(g string) bool { return slices.Contains(s.Groups, g) }) ||
		slices.ContainsFunc(duty, func(d string) bool { return slices.Contains(s.Rotas, d) })
}

// String names the subjects for people: "lead, group leads, rota sre".
func (s Subjects) String() string {
	var parts []string
	for _, p := range s.People {
		parts = append(parts, string(p))
	}
	for _, g := range s.Groups {
		parts = append(parts, "group "+g)
	}
	for _, r := range s.Rotas {
		parts = append(parts, "rota "+r)
	}
	if parts == nil {
		return "nobody"
	}
	return strings.Join(parts, ", ")
}

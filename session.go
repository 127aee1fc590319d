package brevet

import "time"

// SessionState is where a session stands in its life cycle.
type SessionState string

// The states of a session. SessionOver is final.
const (
	Intended    SessionState = "intended" // the cloud is being asked
	Issued      SessionState = "issued"   // the credential left
	InDoubt     SessionState = "in doubt" // the cloud may have made it; it counts as live until Until
	SessionOver SessionState = "ended"
)

// AWS's bounds on a session. An identity token is honoured for five minutes
// beyond its expiry, so a session may begin that much later than intended.
const (
	MinSession = 15 * time.Minute // STS knows no shorter one
	MaxSession = 12 * time.Hour
	// ChainedSession bounds a session that one role begins in another
	// (STS API, AssumeRole, DurationSeconds).
	ChainedSession = time.Hour
	TokenLife      = time.Minute
	TokenLeeway    = 5 * time.Minute
	DefaultLease   = time.Hour // how long a credential lives when nobody says
)

// Session is one set of short-lived credentials under a grant.
type Session struct {
	ID        SessionID
	Grant     GrantID
	Person    PersonID
	Customer  CustomerID
	Account   AccountID
	Role      RoleName
	State     SessionState
	Console   bool // made for a browser
	MFA       Rung
	Created   time.Time
	Until     time.Time // the latest moment at which it could still be used
	AccessKey string    // its id, never its secret; joins CloudTrail to the log
	Expires   time.Time // what the client was told; never later than the grant's end
	Closed    time.Time
}

// Intend returns a session under g of at most ttl, and the event that must be
// on record before the cloud is asked (law 2).
func (g Grant) Intend(id SessionID, by Actor, mfa Rung, ttl time.Duration, now time.Time) (Session, []Event, error) {
	if !g.Live(now) {
		return Session{}, nil, Errorf(NoGrant, "grant %s gives no access now", g.ID).WithHint("brevet request asks for access")
	}
	until := now.Add(max(ttl, MinSession) + TokenLife + TokenLeeway)
	if until.After(g.End) { // the session policy denies everything from then on (law 5)
		until = g.End
	}
	s := Session{ID: id, Grant: g.ID, Person: g.Person, Customer: g.Customer, Account: g.Account, Role: g.Role,
		State: Intended, MFA: mfa, Created: now, Until: until}
	e := s.event(SessionIntended, g, by, now)
	e.End = &s.Until
	e.Data = map[string]string{"mfa": string(mfa)}
	return s, []Event{e}, nil
}

// Linger moves the latest moment at which the session could still be used
// beyond the grant's end: IAM Identity Center's own sessions know no end of a
// grant, so one that begins at the last moment lasts as long as the role
// allows. user is Identity Center's id of the person, which AWS's records name
// instead of an access key.
func (s Session) Linger(g Grant, longest time.Duration, user string, events []Event) (Session, []Event) {
	s.Until, s.AccessKey = g.End.Add(longest), user
	for i := range events {
		events[i].End = &s.Until
		events[i].Data["user"] = user
	}
	return s, events
}

func (s Session) event(k EventKind, g Grant, by Actor, now time.Time) Event {
	return Event{Kind: k, Time: now, Customer: s.Customer, Actor: by, Person: s.Person, Request: g.Request,
		Grant: s.Grant, Session: s.ID, Account: s.Account, Role: s.Role}
}

// Issue records the credential that the cloud made, before it leaves; expires
// is what the cloud said. The grant is judged again: if it ended meanwhile,
// or if the credential is over already by our clock, the session is in doubt,
// and the error says why; the events must be recorded all the same.
func (s Session) Issue(g Grant, by Actor, accessKey string, expires, now time.Time) (Session, []Event, error) {
	if s.State != Intended || s.Grant != g.ID {
		return s, nil, Errorf(Conflict, "session %s is %s already", s.ID, s.State)
	}
	s.AccessKey = accessKey
	if expires.After(g.End) {
		expires = g.End
	}
	if expires.After(now) && !s.Until.After(g.End) { // the cloud knows better than we guessed, in either direction
		s.Until = expires
	}
	if !g.Live(now) {
		s, events := s.Doubt(g, by, "the grant ended while the cloud was asked", now)
		return s, events, Errorf(NoGrant, "grant %s ended while the credential was made", g.ID)
	}
	if !expires.After(now) {
		s, events := s.Doubt(g, by, "the cloud says that the credential is over already", now)
		return s, events, Errorf(Clock, "the credential for session %s expired as it was made", s.ID).
			WithHint("compare the server's clock with the cloud's")
	}
	s.State, s.Expires = Issued, expires
	e := s.event(SessionIssued, g, by, now)
	e.End = &s.Expires
	e.Data = map[string]string{"access_key": accessKey, "mfa": string(s.MFA)}
	return s, []Event{e}, nil
}

// Doubt records that the cloud may have made a credential that did not leave.
// It returns a session that is not intended any more unchanged, and no event.
func (s Session) Doubt(g Grant, by Actor, why string, now time.Time) (Session, []Event) {
	if s.State != Intended {
		return s, nil
	}
	s.State = InDoubt
	e := s.event(SessionInDoubt, g, by, now)
	e.Reason, e.End = why, &s.Until
	if s.AccessKey != "" {
		e.Data = map[string]string{"access_key": s.AccessKey}
	}
	return s, []Event{e}
}

// Refuse ends an intended session that the cloud certainly did not make. It
// returns one that is not intended any more unchanged, and no event.
func (s Session) Refuse(g Grant, by Actor, why string, now time.Time) (Session, []Event) {
	if s.State != Intended {
		return s, nil
	}
	s.State, s.Closed = SessionOver, now
	e := s.event(SessionEnded, g, by, now)
	e.Reason = why
	return s, []Event{e}
}

// Expire ends a session whose credential cannot be used any more. It returns
// one that has ended, or could still be used, unchanged, and no event. An
// intended session is never expired: whether the cloud made it must be told
// first.
func (s Session) Expire(g Grant, by Actor, now time.Time) (Session, []Event) {
	if s.State == SessionOver || s.State == Intended || s.Live(now) {
		return s, nil
	}
	s.State, s.Closed = SessionOver, now
	e := s.event(SessionEnded, g, by, now)
	e.Reason = "time"
	return s, []Event{e}
}

// Live reports whether the session's credential could still be used at now.
func (s Session) Live(now time.Time) bool { return s.State != SessionOver && now.Before(s.Until) }

package brevet_test

import (
	"fmt"
	"time"

	"github.com/brevet-access/brevet"
)

// replay folds events into the state that they tell of, and looks at nothing
// else. What it says must be what the transitions returned: then the log is
// enough to know who had access when, and rows are not needed as evidence.
type replay struct {
	requests map[brevet.RequestID]toldRequest
	grants   map[brevet.GrantID]toldGrant
	sessions map[brevet.SessionID]toldSession
	decided  map[brevet.RequestID]string // digest of the decisions so far
}

func newReplay() *replay {
	return &replay{map[brevet.RequestID]toldRequest{}, map[brevet.GrantID]toldGrant{}, map[brevet.SessionID]toldSession{}, map[brevet.RequestID]string{}}
}

type toldRequest struct {
	state            brevet.RequestState
	created, decided time.Time
	person           brevet.PersonID
	customer         brevet.CustomerID
	account          brevet.AccountID
	role             brevet.RoleName
	digest, reason   string
	yes, no          int
	last             brevet.Actor // of the last decision
}

type toldGrant struct {
	state                      brevet.GrantState
	request                    brevet.RequestID
	person                     brevet.PersonID
	customer                   brevet.CustomerID
	account                    brevet.AccountID
	role                       brevet.RoleName
	created, start, end, close time.Time
}

type toldSession struct {
	state                          brevet.SessionState
	grant                          brevet.GrantID
	person                         brevet.PersonID
	customer                       brevet.CustomerID
	account                        brevet.AccountID
	role                           brevet.RoleName
	mfa                            brevet.Rung
	accessKey                      string
	created, until, expires, close time.Time
}

func (p *replay) fold(e brevet.Event) error {
	switch {
	case e.Session != "":
		return p.session(e)
	case e.Grant != "":
		return p.grant(e)
	case e.Request != "":
		return p.request(e)
	}
	return fmt.Errorf("event %s is about nothing", e.Kind)
}

func (p *replay) request(e brevet.Event) error {
	t, seen := p.requests[e.Request]
	if seen != (e.Kind != brevet.RequestCreated) || seen && t.state != brevet.Pending {
		return fmt.Errorf("%s of %s, which is %q", e.Kind, e.Request, t.state)
	}
	if seen && (t.person != e.Person || t.customer != e.Customer || t.account != e.Account || t.role != e.Role || t.digest != e.Digest) {
		return fmt.Errorf("%s of %s is about something else", e.Kind, e.Request)
	}
	switch e.Kind {
	case brevet.RequestCreated:
		t = toldRequest{state: brevet.Pending, created: e.Time, person: e.Person, customer: e.Customer,
			account: e.Account, role: e.Role, digest: e.Digest, reason: e.Reason}
	case brevet.RequestDecided:
		t.yes, t.last = t.yes+1, e.Actor
	case brevet.RequestApproved:
		t.yes, t.last, t.state, t.decided = t.yes+1, e.Actor, brevet.Approved, e.Time
	case brevet.RequestDenied:
		t.no, t.last, t.state, t.decided = t.no+1, e.Actor, brevet.Refused, e.Time
	case brevet.RequestWithdrawn:
		t.state, t.decided = brevet.Withdrawn, e.Time
	case brevet.RequestLapsed:
		t.state, t.decided = brevet.Lapsed, e.Time
	default:
		return fmt.Errorf("%s tells nothing of a request", e.Kind)
	}
	p.requests[e.Request], p.decided[e.Request] = t, e.Data["decisions"]
	return nil
}

func (p *replay) grant(e brevet.Event) error {
	t, seen := p.grants[e.Grant]
	if seen != (e.Kind != brevet.GrantOpened) || t.state == brevet.Ended || t.state == brevet.Revoked {
		return fmt.Errorf("%s of %s, which is %q", e.Kind, e.Grant, t.state)
	}
	switch e.Kind {
	case brevet.GrantOpened:
		if r := p.requests[e.Request]; r.state != brevet.Approved || r.digest != e.Digest {
			return fmt.Errorf("%s opened from request %s, which is %q", e.Grant, e.Request, r.state)
		}
		t = toldGrant{state: brevet.Scheduled, request: e.Request, person: e.Person, customer: e.Customer,
			account: e.Account, role: e.Role, created: e.Time}
		if e.Start != nil {
			t.start = *e.Start
		}
	case brevet.GrantActivated:
		t.state, t.start, t.end = brevet.Active, *e.Start, *e.End
	case brevet.GrantExtended:
		r := p.requests[e.Request]
		if t.state != brevet.Active || r.state != brevet.Approved || r.digest != e.Digest || !e.Time.Before(t.end) || !e.End.After(t.end) || !e.Start.Equal(t.start) {
			return fmt.Errorf("%s extended from %s to %s by request %s, which is %q", e.Grant, t.end, e.End, e.Request, r.state)
		}
		t.end = *e.End
	case brevet.GrantEnded:
		t.state, t.close = brevet.Ended, e.Time
	case brevet.GrantRevoked:
		t.state, t.close = brevet.Revoked, e.Time
	default:
		return fmt.Errorf("%s tells nothing of a grant", e.Kind)
	}
	p.grants[e.Grant] = t
	return nil
}

func (p *replay) session(e brevet.Event) error {
	t, seen := p.sessions[e.Session]
	if seen != (e.Kind != brevet.SessionIntended) || seen && t.state != brevet.Intended {
		return fmt.Errorf("%s of %s, which is %q", e.Kind, e.Session, t.state)
	}
	g := p.grants[e.Grant]
	live := g.state == brevet.Active && !e.Time.Before(g.start) && e.Time.Before(g.end)
	switch e.Kind {
	case brevet.SessionIntended:
		t = toldSession{state: brevet.Intended, grant: e.Grant, person: e.Person, customer: e.Customer, account: e.Account,
			role: e.Role, mfa: brevet.Rung(e.Data["mfa"]), created: e.Time, until: *e.End}
	case brevet.SessionIssued:
		t.state, t.until, t.expires, t.accessKey = brevet.Issued, *e.End, *e.End, e.Data["access_key"]
	case brevet.SessionInDoubt:
		t.state, t.until, t.accessKey = brevet.InDoubt, *e.End, e.Data["access_key"]
	case brevet.SessionEnded:
		t.state, t.close = brevet.SessionOver, e.Time
	default:
		return fmt.Errorf("%s tells nothing of a session", e.Kind)
	}
	if (t.state == brevet.Intended || t.state == brevet.Issued) && !live {
		return fmt.Errorf("%s of %s outside its grant's life", e.Kind, e.Session)
	}
	p.sessions[e.Session] = t
	return nil
}

// tellRequest takes the digest that the ask had when it was asked.
func tellRequest(r brevet.Request, digest string) toldRequest {
	t := toldRequest{state: r.State, created: r.Created, decided: r.Decided, person: r.Person, customer: r.Customer,
		account: r.Account, role: r.Role, digest: digest, reason: r.Reason}
	for _, d := range r.Decisions {
		if d.Approve {
			t.yes++
		} else {
			t.no++
		}
		t.last = brevet.Actor{Person: d.Person, Handle: d.Handle, Policy: d.Policy, Addr: d.Addr}
	}
	return t
}

func tellGrant(g brevet.Grant) toldGrant {
	return toldGrant{g.State, g.Request, g.Person, g.Customer, g.Account, g.Role, g.Created, g.Start, g.End, g.Closed}
}

func tellSession(s brevet.Session) toldSession {
	return toldSession{s.State, s.Grant, s.Person, s.Customer, s.Account, s.Role, s.MFA, s.AccessKey, s.Created, s.Until, s.Expires, s.Closed}
}

package brevet

import (
	"strconv"
	"time"
)

// GrantState is where a grant stands in its life cycle.
type GrantState string

// The states of a grant. Ended and Revoked are final.
const (
	Scheduled GrantState = "scheduled" // its clock does not run yet
	Active    GrantState = "active"
	Ended     GrantState = "ended" // its time was over, or it was handed back
	Revoked   GrantState = "revoked"
)

// Grant is the window that an approved request opens. Whether it gives
// access follows from its state and the time; no job has to run for it to end.
type Grant struct {
	ID       GrantID
	Request  RequestID
	Person   PersonID
	Customer CustomerID
	Account  AccountID
	Role     RoleName
	Duration time.Duration // as its request asked; extensions move End alone
	State    GrantState
	Created  time.Time
	Waits    time.Time // while scheduled: it ends unused at this time
	Start    time.Time // zero until its clock runs or its start is known
	End      time.Time // zero until its clock runs
	Closed   time.Time // when it was ended or revoked before its time, or seen to be over
	Leaf     int64     // index of the newest event about it: that it was activated, or extended
	Until    time.Time // the bound of its request, where alone the store keeps it; zero: none
}

// Live reports whether the grant gives access at now.
func (g Grant) Live(now time.Time) bool {
	return g.State == Active && !now.Before(g.Start) && now.Before(g.End)
}

// Left returns how long the grant gives access from now on; 0 if it does not.
func (g Grant) Left(now time.Time) time.Duration {
	if !g.Live(now) {
		return 0
	}
	return g.End.Sub(now)
}

func (g Grant) event(k EventKind, by Actor, now time.Time) Event {
	return Event{Kind: k, Time: now, Customer: g.Customer, Actor: by, Person: g.Person,
		Request: g.Request, Grant: g.ID, Account: g.Account, Role: g.Role}
}

// Activate starts the clock of a scheduled grant: now, or at the start that
// it was given, so that being late does not move its end. The caller sets
// Until to that of its request.
func (g Grant) Activate(by Actor, now time.Time) (Grant, []Event, error) {
	if g.State != Scheduled {
		return g, nil, Errorf(Conflict, "grant %s is %s already", g.ID, g.State)
	}
	if !g.Waits.IsZero() && !now.Before(g.Waits) {
		return g, nil, Errorf(Expired, "grant %s was not used in time", g.ID).WithHint("ask again with brevet request")
	}
	if g.Start.After(now) {
		return g, nil, Errorf(NoGrant, "grant %s starts at %s", g.ID, g.Start.UTC().Format(time.RFC3339))
	}
	if g.Start.IsZero() {
		g.Start = now
	}
	g.State, g.End = Active, Bound{Until: g.Until}.cut(g.Start.Add(g.Duration))
	e := g.event(GrantActivated, by, now)
	e.Start, e.End = &g.Start, &g.End
	return g, []Event{e}, nil
}

// PriorLeaf is the key under which a [GrantExtended] event names the index of
// the entry before it about the same grant, in decimal.
const PriorLeaf = "prior"

// Extend moves the end of a grant that lives by what r asks for: an approved
// request to extend this very grant. The grant stays the same, so nothing is
// cut: what is out keeps the end it was made with, what comes after gets the
// new one.
func (g Grant) Extend(r Request, by Actor, now time.Time) (Grant, []Event, error) {
	switch {
	case r.State != Approved:
		return g, nil, Errorf(Conflict, "request %s is %s, not approved", r.ID, r.State)
	case r.Extends != g.ID || r.Person != g.Person || r.Customer != g.Customer || r.Account != g.Account || r.Role != g.Role || r.Duration <= 0:
		return g, nil, Errorf(Conflict, "request %s does not extend grant %s", r.ID, g.ID)
	}
	if err := g.over(); err != nil {
		return g, nil, err
	}
	if !g.Live(now) {
		return g, nil, Errorf(Expired, "grant %s gives no access now, so there is nothing to extend", g.ID).WithHint("brevet request asks for access anew")
	}
	if until := r.Bound.Until; !until.IsZero() && !g.End.Before(until) {
		return g, nil, Errorf(Expired, "grant %s cannot go beyond %s", g.ID, until.UTC().Format(time.RFC3339))
	}
	prior := g.Leaf
	g.End = r.Bound.cut(g.End.Add(r.Duration))
	e := g.event(GrantExtended, by, now)
	e.Request, e.Digest, e.Reason, e.Start, e.End = r.ID, r.Digest(), r.Reason, &g.Start, &g.End
	e.Data = map[string]string{PriorLeaf: strconv.FormatInt(prior, 10), "by": FormatDuration(r.Duration)}
	return g, []Event{e}, nil
}

// over returns why the grant cannot be ended any more, or nil.
func (g Grant) over() error {
	if g.State == Ended || g.State == Revoked {
		return Errorf(Conflict, "grant %s is %s already", g.ID, g.State)
	}
	return nil
}

// Expire ends a grant whose time is over.
func (g Grant) Expire(by Actor, now time.Time) (Grant, []Event, error) {
	if err := g.over(); err != nil {
		return g, nil, err
	}
	if g.State == Active && now.Before(g.End) || g.State == Scheduled && now.Before(g.Waits) {
		return g, nil, Errorf(Conflict, "grant %s is not over yet", g.ID)
	}
	g.State, g.Closed = Ended, now
	e := g.event(GrantEnded, by, now)
	e.Reason = "time"
	return g, []Event{e}, nil
}

// Miss ends a scheduled grant that must not begin; why says what stands in
// the way.
func (g Grant) Miss(why string, by Actor, now time.Time) (Grant, []Event, error) {
	if g.State != Scheduled {
		return g, nil, Errorf(Conflict, "grant %s is %s already", g.ID, g.State)
	}
	g.State, g.Closed = Ended, now
	e := g.event(GrantEnded, by, now)
	e.Reason = why
	return g, []Event{e}, nil
}

// Drop hands the grant back at the wish of its holder.
func (g Grant) Drop(by Actor, now time.Time) (Grant, []Event, error) {
	if by.Person != g.Person {
		return g, nil, Errorf(Denied, "only its holder hands grant %s back", g.ID).WithHint("brevet revoke %s ends somebody else's", g.ID)
	}
	if err := g.over(); err != nil {
		return g, nil, err
	}
	g.State, g.Closed = Ended, now
	e := g.event(GrantEnded, by, now)
	e.Reason = "handed back"
	return g, []Event{e}, nil
}

// Revoke ends the grant at the wish of somebody who may.
func (g Grant) Revoke(by Actor, reason string, now time.Time) (Grant, []Event, error) {
	if err := g.over(); err != nil {
		return g, nil, err
	}
	g.State, g.Closed = Revoked, now
	e := g.event(GrantRevoked, by, now)
	e.Reason = reason
	return g, []Event{e}, nil
}

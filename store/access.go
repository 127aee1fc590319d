package store

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/brevet-access/brevet"
)

var requests = newTable("this request", "requests", "state = 'pending'",
	[]string{"state", "decided_at", "decisions", "leaf"},
	"id", "person_id", "customer_id", "account", "role", "role_digest", "entitlement", "rule", "activate", "mfa", "duration",
	"not_before", "reason", "ticket", "session_policy", "catalog_version", "state", "created_at", "lapses_at",
	"decided_at", "decisions", "leaf", "extends", "break_glass", "batch", "bound")

func requestArgs(r brevet.Request) []any {
	return []any{string(r.ID), string(r.Person), string(r.Customer), string(r.Account), string(r.Role), r.RoleDigest, r.Entitlement,
		text(r.Rule), string(r.Activate), string(r.MFA), int64(r.Duration), micros(r.NotBefore), r.Reason, r.Ticket, r.SessionPolicy,
		r.CatalogVersion, string(r.State), micros(r.Created), micros(r.Lapses), micros(r.Decided), text(r.Decisions), r.Leaf,
		string(r.Extends), flag(r.BreakGlass), string(r.Batch), text(r.Bound)}
}

func scanRequest(s scanner) (r brevet.Request, err error) {
	err = s.Scan(&r.ID, &r.Person, &r.Customer, &r.Account, &r.Role, &r.RoleDigest, &r.Entitlement,
		decoded(&r.Rule), &r.Activate, &r.MFA, &r.Duration, at(&r.NotBefore), &r.Reason, &r.Ticket, &r.SessionPolicy,
		&r.CatalogVersion, &r.State, at(&r.Created), at(&r.Lapses), at(&r.Decided), decoded(&r.Decisions), &r.Leaf,
		&r.Extends, &r.BreakGlass, &r.Batch, decoded(&r.Bound))
	return r, err
}

// AddRequest adds a request; [brevet.Conflict] if its id is taken.
func (tx *Tx) AddRequest(r brevet.Request) error { return requests.add(tx, requestArgs(r)) }

// PutRequest writes the state, the decisions with their time, and the leaf of
// a request that is pending in the database; [brevet.Conflict] if it is not
// any more. What was asked stays as it was added.
func (tx *Tx) PutRequest(r brevet.Request) error {
	return requests.put(tx, string(r.ID), string(r.State), micros(r.Decided), text(r.Decisions), r.Leaf)
}

// Request returns a request; [brevet.NotFound] if there is none.
func (tx *Tx) Request(id brevet.RequestID) (brevet.Request, error) {
	return one(tx, requests, scanRequest, requests.byID, string(id))
}

// RequestFilter says which requests are wanted. Zero fields ask for nothing;
// an empty list that is not nil matches nothing.
type RequestFilter struct {
	Person    brevet.PersonID
	Customers []brevet.CustomerID
	State     brevet.RequestState
	Batch     brevet.BatchID
	Extends   brevet.GrantID
	Before    time.Time // created before
	LapsedAt  time.Time // whose time to be answered is over at this moment
	Limit     int
}

// Requests returns requests, newest first.
func (tx *Tx) Requests(want RequestFilter) ([]brevet.Request, error) {
	f := &filter{}
	is(f, "person_id", want.Person)
	is(f, "state", want.State)
	is(f, "batch", want.Batch)
	is(f, "extends", want.Extends)
	among(f, "customer_id", want.Customers)
	if !want.Before.IsZero() {
		f.add("created_at < ?", micros(want.Before))
	}
	if !want.LapsedAt.IsZero() {
		f.add("lapses_at <= ?", micros(want.LapsedAt))
	}
	return list(tx, "requests", requests.columns, f, want.Limit, scanRequest)
}

var grants = newTable("this grant", "grants", "state NOT IN ('ended', 'revoked')",
	[]string{"state", "waits_at", "start_at", "end_at", "closed_at", "leaf"},
	"id", "request_id", "person_id", "customer_id", "account", "role", "duration", "state", "created_at",
	"waits_at", "start_at", "end_at", "closed_at", "leaf")

func grantArgs(g brevet.Grant) []any {
	return []any{string(g.ID), string(g.Request), string(g.Person), string(g.Customer), string(g.Account), string(g.Role),
		int64(g.Duration), string(g.State), micros(g.Created), micros(g.Waits), micros(g.Start), micros(g.End), micros(g.Closed), g.Leaf}
}

func scanGrant(s scanner) (g brevet.Grant, err error) {
	err = s.Scan(&g.ID, &g.Request, &g.Person, &g.Customer, &g.Account, &g.Role,
		&g.Duration, &g.State, at(&g.Created), at(&g.Waits), at(&g.Start), at(&g.End), at(&g.Closed), &g.Leaf)
	return g, err
}

// AddGrant adds a grant; [brevet.Conflict] if its id is taken.
func (tx *Tx) AddGrant(g brevet.Grant) error { return grants.add(tx, grantArgs(g)) }

// PutGrant writes the state, the times (not that of creation) and the leaf of
// a grant that has not ended in the database; [brevet.Conflict] if it has.
// Whose it is and for what stays as it was added.
func (tx *Tx) PutGrant(g brevet.Grant) error {
	return grants.put(tx, string(g.ID), string(g.State), micros(g.Waits), micros(g.Start), micros(g.End), micros(g.Closed), g.Leaf)
}

// Grant returns a grant as its row says; [brevet.NotFound] if there is none.
// Whether it gives access is for [Tx.GrantOver] and [Tx.Proven] to confirm.
func (tx *Tx) Grant(id brevet.GrantID) (brevet.Grant, error) {
	return one(tx, grants, scanGrant, grants.byID, string(id))
}

// GrantFilter says which grants are wanted. Zero fields ask for nothing; an
// empty list that is not nil matches nothing.
type GrantFilter struct {
	Person    brevet.PersonID
	Account   brevet.AccountID
	Role      brevet.RoleName
	Customers []brevet.CustomerID
	States    []brevet.GrantState
	Alive     time.Time  // active or scheduled, or with an end after this, whatever the state
	StartsAt  time.Time  // scheduled for a start at or before this
	Over      *time.Time // active with an end, or scheduled with a wait, at or before this
	Limit     int
}

// Grants returns grants, newest first.
func (tx *Tx) Grants(want GrantFilter) ([]brevet.Grant, error) {
	f := &filter{}
	is(f, "person_id", want.Person)
	is(f, "account", want.Account)
	is(f, "role", want.Role)
	among(f, "customer_id", want.Customers)
	among(f, "state", want.States)
	if !want.Alive.IsZero() {
		f.add("(state IN ('active', 'scheduled') OR end_at > ?)", micros(want.Alive))
	}
	if !want.StartsAt.IsZero() {
		f.add("state = 'scheduled' AND start_at <> 0 AND start_at <= ?", micros(want.StartsAt))
	}
	if want.Over != nil {
		f.add("(state = 'active' AND end_at <= ? OR state = 'scheduled' AND waits_at <> 0 AND waits_at <= ?)", micros(*want.Over))
	}
	return list(tx, "grants", grants.columns, f, want.Limit, scanGrant)
}

var activeGrants = `SELECT ` + grants.columns + ` FROM grants WHERE person_id = $1 AND state = 'active' AND account = $2 AND role = $3`

// ActiveGrants returns the person's grants of a role that are active as their
// rows say, newest first. It is [Tx.Grants] for whoever issues: SQLite sorts
// in a database of its own, even one row.
func (tx *Tx) ActiveGrants(p brevet.PersonID, a brevet.AccountID, r brevet.RoleName) ([]brevet.Grant, error) {
	found, err := read(tx, activeGrants, []any{string(p), string(a), string(r)}, math.MaxInt, scanGrant)
	slices.SortFunc(found, func(a, b brevet.Grant) int {
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(b.ID, a.ID))
	})
	return found, err
}

var sessions = newTable("this session", "sessions", "state <> 'ended'",
	[]string{"state", "until_at", "access_key", "expires_at", "closed_at"},
	"id", "grant_id", "person_id", "customer_id", "account", "role", "state", "console", "mfa", "created_at",
	"until_at", "access_key", "expires_at", "closed_at")

func sessionArgs(s brevet.Session) []any {
	return []any{string(s.ID), string(s.Grant), string(s.Person), string(s.Customer), string(s.Account), string(s.Role),
		string(s.State), flag(s.Console), string(s.MFA), micros(s.Created), micros(s.Until), s.AccessKey, micros(s.Expires), micros(s.Closed)}
}

func scanSession(r scanner) (s brevet.Session, err error) {
	err = r.Scan(&s.ID, &s.Grant, &s.Person, &s.Customer, &s.Account, &s.Role,
		&s.State, &s.Console, &s.MFA, at(&s.Created), at(&s.Until), &s.AccessKey, at(&s.Expires), at(&s.Closed))
	return s, err
}

// AddSession adds a session; [brevet.Conflict] if its id is taken.
func (tx *Tx) AddSession(s brevet.Session) error { return sessions.add(tx, sessionArgs(s)) }

// PutSession writes the state, the access key's id and the times (not that of
// creation) of a session that has not ended in the database;
// [brevet.Conflict] if it has. The rest stays as it was added.
func (tx *Tx) PutSession(s brevet.Session) error {
	return sessions.put(tx, string(s.ID), string(s.State), micros(s.Until), s.AccessKey, micros(s.Expires), micros(s.Closed))
}

// Session returns a session; [brevet.NotFound] if there is none.
func (tx *Tx) Session(id brevet.SessionID) (brevet.Session, error) {
	return one(tx, sessions, scanSession, sessions.byID, string(id))
}

// SessionFilter says which sessions are wanted. Zero fields ask for nothing.
type SessionFilter struct {
	Grant    brevet.GrantID
	Person   brevet.PersonID
	Customer brevet.CustomerID
	States   []brevet.SessionState
	LiveAt   time.Time // not ended, and usable beyond this moment
	OverAt   time.Time // not ended, and not usable from this moment on
	Limit    int
}

// Sessions returns sessions, newest first.
func (tx *Tx) Sessions(want SessionFilter) ([]brevet.Session, error) {
	f := &filter{}
	is(f, "grant_id", want.Grant)
	is(f, "person_id", want.Person)
	is(f, "customer_id", want.Customer)
	among(f, "state", want.States)
	if !want.LiveAt.IsZero() {
		f.add("until_at > ?", micros(want.LiveAt))
	}
	if !want.OverAt.IsZero() {
		f.add("until_at <= ?", micros(want.OverAt))
	}
	if !want.LiveAt.IsZero() || !want.OverAt.IsZero() || want.States != nil && !slices.Contains(want.States, brevet.SessionOver) {
		f.where = append(f.where, "state <> 'ended'") // what the index of those that live covers
	}
	return list(tx, "sessions", sessions.columns, f, want.Limit, scanSession)
}

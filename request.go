package brevet

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// RequestState is where a request stands in its life cycle.
type RequestState string

// The states of a request. All but Pending are final.
const (
	Pending   RequestState = "pending"
	Approved  RequestState = "approved"
	Refused   RequestState = "denied"
	Withdrawn RequestState = "withdrawn"
	Lapsed    RequestState = "lapsed"
)

// Ask is exactly what was asked for: everything that a decision binds (law
// 4). Its JSON, with the fields in this order, is what the digest covers.
type Ask struct {
	Person         PersonID      `json:"person"`
	Customer       CustomerID    `json:"customer"`
	Account        AccountID     `json:"account"`
	Role           RoleName      `json:"role"`
	RoleDigest     string        `json:"role_digest"`
	Entitlement    string        `json:"entitlement"`
	Rule           Approval      `json:"rule"` // frozen when it was asked
	Activate       Activation    `json:"activate"`
	MFA            Rung          `json:"mfa"` // how fresh the proof of whoever uses the grant must be
	Duration       time.Duration `json:"duration"`
	NotBefore      time.Time     `json:"not_before"` // zero: at once
	Reason         string        `json:"reason"`
	Ticket         string        `json:"ticket,omitempty"`
	SessionPolicy  string        `json:"session_policy,omitempty"` // narrows the role; "" for all of it
	CatalogVersion int64         `json:"catalog_version"`
	Extends        GrantID       `json:"extends,omitempty"`     // moves the end of this grant; "" asks for one of its own
	BreakGlass     bool          `json:"break_glass,omitempty"` // in an emergency, without an approver
	Batch          BatchID       `json:"batch,omitempty"`       // of the requests that were asked in one intent
	Bound          Bound         `json:"bound,omitzero"`        // what ends it earlier
}

// Digest returns the lower-case hex SHA-256 of the ask's JSON.
func (a Ask) Digest() string {
	text, err := json.Marshal(a)
	if err != nil {
		panic("brevet: ask: " + err.Error()) // plain fields only
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Request is an ask and what became of it.
type Request struct {
	ID RequestID
	Ask
	State     RequestState
	Created   time.Time
	Lapses    time.Time // pending no longer than this
	Decided   time.Time // when it left Pending; zero before
	Decisions []Decision
	Leaf      int64 // index of its newest event of asking or deciding in the log
}

// Decision is one approver's yes or no, or that of a policy.
type Decision struct {
	Person  PersonID  `json:"person,omitempty"`
	Handle  Handle    `json:"handle,omitempty"`
	Groups  []string  `json:"groups,omitempty"` // fresh facts about the approver, when they decided
	Duty    []string  `json:"duty,omitempty"`   // rotas of the rule by which they were on duty then
	Policy  string    `json:"policy,omitempty"` // set when a policy decides; Person is empty then
	Approve bool      `json:"approve"`
	Comment string    `json:"comment,omitempty"`
	Digest  string    `json:"digest"` // of the ask that was decided on
	Step    int       `json:"step"`   // set by Decide
	At      time.Time `json:"at"`
	Addr    string    `json:"-"`
	// Standing is what was known of the approver before; Decide keeps those
	// Groups of which it lets the approver decide.
	Standing Standing `json:"-"`
}

func (d Decision) actor() Actor {
	return Actor{Person: d.Person, Handle: d.Handle, Policy: d.Policy, Addr: d.Addr}
}

// NewRequest returns a pending request for ask, which lapses after wait
// unless it is decided, and the event that says so.
func NewRequest(id RequestID, ask Ask, by Actor, now time.Time, wait time.Duration) (Request, []Event) {
	r := Request{ID: id, Ask: ask, State: Pending, Created: now, Lapses: ask.Bound.cut(now.Add(wait))}
	e := r.event(RequestCreated, by, now)
	e.Reason = ask.Reason
	e.Data["duration"], e.Data["entitlement"], e.Data["approval"] = FormatDuration(ask.Duration), ask.Entitlement, ask.Rule.String()
	if ask.Extends != "" {
		e.Data["extends"] = string(ask.Extends)
	}
	if !ask.Bound.Until.IsZero() {
		e.Data["until"] = ask.Bound.Until.UTC().Format(time.RFC3339Nano)
	}
	if len(ask.Bound.Duty) > 0 {
		e.Data["duty"] = strings.Join(ask.Bound.Duty, " ")
	}
	return r, []Event{e}
}

func (r Request) event(k EventKind, by Actor, now time.Time) Event {
	return Event{Kind: k, Time: now, Customer: r.Customer, Actor: by, Person: r.Person,
		Request: r.ID, Account: r.Account, Role: r.Role, Digest: r.Digest(), Data: map[string]string{"decisions": r.DecisionsDigest(), "lapses": r.Lapses.UTC().Format(time.RFC3339Nano), "created": r.Created.UTC().Format(time.RFC3339Nano)}}
}

// DecisionsDigest returns the lower-case hex SHA-256 of the decisions' JSON.
// Events of asking and deciding carry it under "decisions", so that a
// decision which no event knows is noticed.
func (r Request) DecisionsDigest() string {
	if r.Decisions == nil {
		r.Decisions = []Decision{}
	}
	text, err := json.Marshal(r.Decisions)
	if err != nil {
		panic("brevet: decisions: " + err.Error()) // plain fields only
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// open returns why the request cannot change any more, or nil.
func (r Request) open(now time.Time) error {
	if r.State != Pending {
		return Errorf(Conflict, "request %s is %s already", r.ID, r.State)
	}
	if !now.Before(r.Lapses) {
		return Errorf(Expired, "request %s lapsed unanswered at %s", r.ID, r.Lapses.UTC().Format(time.RFC3339)).
			WithHint("ask again with brevet request")
	}
	return nil
}

// Step returns the index of the step that waits for a decision; the number of
// steps when none does.
func (r Request) Step() int {
	step := 0
	for _, d := range r.Decisions {
		step = max(step, d.Step)
	}
	if step < len(r.Rule.Steps) && r.yes(step) >= max(1, r.Rule.Steps[step].Quorum) {
		step++
	}
	return step
}

// Given returns how many said yes already in the step that r waits for.
func (r Request) Given() int { return r.yes(r.Step()) }

func (r Request) yes(step int) int {
	n := 0
	for _, d := range r.Decisions {
		if d.Approve && d.Step == step {
			n++
		}
	}
	return n
}

// Since returns when the request began to wait for the step that it waits for
// now: when it was made, or when the step before was met.
func (r Request) Since() time.Time {
	since, step := r.Created, r.Step()
	for _, d := range r.Decisions {
		if d.Step < step && d.At.After(since) {
			since = d.At
		}
	}
	return since
}

// Deciders returns who may decide the step that the request waits for at now;
// nobody if it waits for none.
func (r Request) Deciders(now time.Time) Subjects {
	step := r.Step()
	if step >= len(r.Rule.Steps) {
		return Subjects{}
	}
	return r.Rule.Steps[step].Deciders(now.Sub(r.Since()))
}

// Decide records one decision. A no ends the request; the last yes that the
// rule needs approves it. A decision of the requester (law 3), of somebody
// whom the step does not name, a second one of the same person, one one of
// somebody whose membership began after the request was made, one on another
// digest (law 4), or one by a policy that the rule does not leave it
// to is refused, and the request stays as it was.
func (r Request) Decide(d Decision, now time.Time) (Request, []Event, error) {
	if err := r.open(now); err != nil {
		return r, nil, err
	}
	if d.Digest != r.Digest() {
		return r, nil, Errorf(Conflict, "the decision is about something else than request %s asks now", r.ID)
	}
	d.At = now
	if d.Policy != "" {
		if !r.Rule.Automatic || d.Person != "" {
			return r, nil, Errorf(Denied, "request %s is decided by %s, not by policy", r.ID, r.Rule)
		}
	} else {
		all := d.Groups
		d.Groups = r.Rule.Counts(d.Standing, all, r.Created)
		if err := r.mayDecide(d, all, now); err != nil {
			return r, nil, err
		}
	}
	d.Step = r.Step()
	r.Decisions = append(slices.Clip(r.Decisions), d)
	kind := RequestDecided
	switch {
	case !d.Approve:
		kind, r.State, r.Decided = RequestDenied, Refused, now
	case d.Policy != "" || r.Step() >= len(r.Rule.Steps):
		kind, r.State, r.Decided = RequestApproved, Approved, now
	}
	e := r.event(kind, d.actor(), now)
	e.Reason = d.Comment
	if len(d.Duty) > 0 {
		e.Data["duty"] = strings.Join(d.Duty, " ")
	}
	return r, []Event{e}, nil
}

// mayDecide judges d, whose groups are those that count; all are those that
// were stated.
func (r Request) mayDecide(d Decision, all []string, now time.Time) error {
	who := r.Deciders(now)
	switch {
	case d.Person == "":
		return Errorf(Denied, "an identity that belongs to no person decides nothing")
	case d.Person == r.Person:
		return Errorf(Denied, "nobody approves their own request").WithHint("it waits for %s", r.Rule)
	case r.Rule.Automatic:
		return Errorf(Denied, "request %s is decided by policy", r.ID)
	case r.Step() >= len(r.Rule.Steps):
		return Errorf(Denied, "request %s names nobody who could decide", r.ID)
	case who.Cover(d.Handle, d.Groups, d.Duty...) && r.Rule.knows(d.Standing, r.Created):
	case who.Cover(d.Handle, all, d.Duty...):
		return r.tooNew(d, all)
	default:
		return Errorf(Denied, "request %s waits for %s", r.ID, who).
			WithUnmet(Unmet{Condition: "be one of " + who.String(), Have: "you are " + string(d.Handle), Remedy: r.early(d, all, now)})
	}
	for _, other := range r.Decisions {
		if other.Person == d.Person {
			return Errorf(Conflict, "you have decided on request %s already", r.ID)
		}
	}
	return nil
}

// early tells somebody who may decide later when that is.
func (r Request) early(d Decision, all []string, now time.Time) string {
	for _, f := range r.Rule.Steps[r.Step()].Else {
		if f.By.Cover(d.Handle, all, d.Duty...) {
			return "you may decide in " + FormatDuration(r.Since().Add(f.After).Sub(now).Round(time.Second)) + ", if they do not"
		}
	}
	return "ask one of them to decide"
}

// tooNew explains that somebody is an approver, and was not when the request
// was made.
func (r Request) tooNew(d Decision, all []string) error {
	u := Unmet{Condition: "have been known as an approver when the request was made, at " + r.Created.UTC().Format(time.RFC3339), Have: "you were not heard of before"}
	if r.Rule.Member > 0 {
		u.Condition = "have been an approver for " + FormatDuration(r.Rule.Member) + " when the request was made, at " + r.Created.UTC().Format(time.RFC3339)
	}
	for _, g := range all {
		if at, ok := d.Standing.joined(g); ok && r.Deciders(r.Lapses).Cover("", []string{g}) {
			u.Have = "you were first seen in group " + g + " at " + at.UTC().Format(time.RFC3339)
		}
	}
	u.Remedy = "somebody else decides, or it is asked for again"
	return Errorf(Denied, "you became an approver after request %s was made", r.ID).WithHint("%s", u.Remedy).WithUnmet(u)
}

// Meets reports whether the decisions on the request are enough for rule, too:
// for a rule that is not the one under which it was asked.
func (r Request) Meets(rule Approval) bool {
	if rule.Automatic {
		return true
	}
	step, yes, since := 0, 0, r.Created
	for _, d := range r.Decisions {
		if step == len(rule.Steps) {
			break
		}
		if d.Approve && d.Person != "" && rule.Steps[step].Deciders(d.At.Sub(since)).Cover(d.Handle, d.Groups, d.Duty...) {
			yes++
		}
		if yes >= max(1, rule.Steps[step].Quorum) {
			step, yes, since = step+1, 0, d.At
		}
	}
	return len(rule.Steps) > 0 && step == len(rule.Steps)
}

// Withdraw ends a pending request at the wish of its requester.
func (r Request) Withdraw(by Actor, now time.Time) (Request, []Event, error) {
	if by.Person != r.Person {
		return r, nil, Errorf(Denied, "only the requester withdraws request %s", r.ID).WithHint("an approver can deny it")
	}
	if err := r.open(now); err != nil {
		return r, nil, err
	}
	r.State, r.Decided = Withdrawn, now
	return r, []Event{r.event(RequestWithdrawn, by, now)}, nil
}

// Lapse ends a pending request whose time is over, or whose requester may not
// ask any more; why says which.
func (r Request) Lapse(why string, by Actor, now time.Time) (Request, []Event, error) {
	if r.State != Pending {
		return r, nil, Errorf(Conflict, "request %s is %s already", r.ID, r.State)
	}
	r.State, r.Decided = Lapsed, now
	e := r.event(RequestLapsed, by, now)
	e.Reason = why
	return r, []Event{e}, nil
}

// Open turns an approved request into the grant that it asked for. With
// [OnUse] the grant waits for its first use, at most a day; otherwise its
// clock starts now. A start that was asked for and is still to come rules in
// both cases: the window is what was decided on (law 4). The caller sets
// Request.Leaf to the index under which the approval was recorded.
func (r Request) Open(id GrantID, by Actor, now time.Time) (Grant, []Event, error) {
	if r.State != Approved {
		return Grant{}, nil, Errorf(Conflict, "request %s is %s, not approved", r.ID, r.State)
	}
	if r.Extends != "" {
		return Grant{}, nil, Errorf(Conflict, "request %s extends grant %s and opens none", r.ID, r.Extends)
	}
	if until := r.Bound.Until; !until.IsZero() && !now.Before(until) {
		return Grant{}, nil, Errorf(Expired, "request %s was bound to end at %s", r.ID, until.UTC().Format(time.RFC3339)).WithHint("ask again with brevet request")
	}
	g := Grant{ID: id, Request: r.ID, Person: r.Person, Customer: r.Customer, Account: r.Account, Role: r.Role,
		Duration: r.Duration, State: Scheduled, Created: now, Until: r.Bound.Until}
	e := g.event(GrantOpened, by, now)
	e.Digest = r.Digest()
	switch {
	case r.NotBefore.After(now):
		g.Start, g.Waits = r.NotBefore, r.EndOf(r.NotBefore)
		e.Start = &g.Start
		e.Data = map[string]string{"waits": g.Waits.UTC().Format(time.RFC3339Nano)}
		return g, []Event{e}, nil
	case r.Activate == OnUse:
		g.Waits = r.Bound.cut(now.Add(24 * time.Hour))
		e.Data = map[string]string{"waits": g.Waits.UTC().Format(time.RFC3339Nano)}
		return g, []Event{e}, nil
	}
	g, events, err := g.Activate(by, now)
	return g, append([]Event{e}, events...), err
}

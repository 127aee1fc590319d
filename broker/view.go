package broker

import (
	"fmt"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/policy"
	"github.com/brevet-access/brevet/store"
)

// TargetView is something that the caller may ask for.
type TargetView struct {
	Account      brevet.Account
	Role         brevet.Role
	Answer       policy.Answer
	Target       string
	CustomerName string
	Endpoint     string
}

// RequestView is a request as one caller sees it.
type RequestView struct {
	brevet.Request
	Target       string
	CustomerName string
	Requester    brevet.Handle
	WaitsFor     string // who can decide now; "" once decided
	Mine         bool
	CanDecide    bool
	Scope        []string // what a session policy leaves of the role, in words; nil: all of it
	Grant        *GrantView
}

// GrantView is a grant as one caller sees it.
type GrantView struct {
	brevet.Grant
	Target       string
	CustomerName string
	Holder       brevet.Handle
	Reason       string
	Approved     string // who, or which policy
	Live         bool
	Sessions     int // credentials that could still be used
}

// targetName names an account and role as people write it; by number once the
// account has left the catalog.
func (b *Broker) targetName(id brevet.AccountID, role brevet.RoleName) string {
	name := string(id)
	if a, ok := b.Catalog().AccountByID(id); ok {
		name = a.Name
	}
	return brevet.Target{Account: name, Role: role}.String()
}

func (b *Broker) customerName(id brevet.CustomerID) string {
	if c, ok := b.Catalog().CustomerByID(id); ok {
		return c.Name
	}
	return string(id)
}

func (b *Broker) requestView(tx *store.Tx, c brevet.Caller, r brevet.Request, now time.Time) (RequestView, error) {
	v := RequestView{Request: r, Target: b.targetName(r.Account, r.Role), CustomerName: b.customerName(r.Customer), Mine: r.Person == c.Person.ID,
		Scope: scopeWords(r.SessionPolicy)}
	p, err := tx.Person(r.Person)
	if err != nil {
		return v, err
	}
	v.Requester = p.Handle
	if r.State == brevet.Pending && now.Before(r.Lapses) && r.Step() < len(r.Rule.Steps) {
		v.WaitsFor = waitsFor(r, now)
		v.CanDecide = !v.Mine && b.covered(c, r, now) && !decided(c, r)
	}
	if r.State != brevet.Approved {
		return v, nil
	}
	if r.Extends != "" {
		g, err := tx.Grant(r.Extends)
		if err != nil {
			return v, err
		}
		gv, err := b.grantView(tx, g, now)
		v.Grant = &gv
		return v, err
	}
	grants, err := tx.Grants(store.GrantFilter{Person: r.Person, Account: r.Account, Role: r.Role, Limit: 100})
	if err != nil {
		return v, err
	}
	for _, g := range grants {
		if g.Request == r.ID {
			gv, err := b.grantView(tx, g, now)
			v.Grant = &gv
			return v, err
		}
	}
	return v, nil
}

// waitsFor names who can decide now, and who may before long.
func waitsFor(r brevet.Request, now time.Time) string {
	step := r.Rule.Steps[r.Step()]
	who := brevet.Step{By: r.Deciders(now), Quorum: step.Quorum}
	for _, f := range step.Else {
		if later := f.After - now.Sub(r.Since()); later > 0 {
			who.Else = append(who.Else, brevet.Fallback{By: f.By, After: later.Round(time.Minute)})
		}
	}
	if given := r.Given(); given > 0 {
		who.Quorum = 1
		return fmt.Sprintf("%d more of %s (%d of %d given)", step.Quorum-given, who, given, step.Quorum)
	}
	return who.String()
}

// covered reports whether the step that r waits for names the caller.
func (b *Broker) covered(c brevet.Caller, r brevet.Request, now time.Time) bool {
	return c.MayDecide(r, now, b.groupsWithin(r)) && b.ruling.Load().engaged(c, r, now) == nil
}

func decided(c brevet.Caller, r brevet.Request) bool {
	for _, d := range r.Decisions {
		if d.Person == c.Person.ID {
			return true
		}
	}
	return false
}

func (b *Broker) grantView(tx *store.Tx, g brevet.Grant, now time.Time) (GrantView, error) {
	v := GrantView{Grant: g, Target: b.targetName(g.Account, g.Role), CustomerName: b.customerName(g.Customer),
		Live: g.Live(now) && !tx.GrantOver(g.ID)}
	p, err := tx.Person(g.Person)
	if err != nil {
		return v, err
	}
	v.Holder = p.Handle
	if g.Request == "" { // opened offline: nobody was asked
		err := b.offlineView(tx, g, now, &v)
		return v, err
	}
	r, err := tx.Request(g.Request)
	if err != nil {
		return v, err
	}
	v.Reason = r.Reason
	if n := len(r.Decisions); n > 0 {
		v.Approved = string(r.Decisions[n-1].Handle)
		if r.Decisions[n-1].Policy != "" {
			v.Approved = "policy " + r.Decisions[n-1].Policy
		}
	}
	live, err := tx.Sessions(store.SessionFilter{Grant: g.ID, LiveAt: now, Limit: 1000})
	v.Sessions = len(live)
	return v, err
}

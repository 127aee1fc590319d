package broker

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// Brief is what somebody who decides should know of a request beside what it
// asks: who asks, what stands out about it, and what is usual.
type Brief struct {
	RequestView
	Now     time.Time
	Account brevet.Account // as the catalog has it now; zero if it left
	Role    brevet.Role    // likewise
	Name    string         // what the provider calls the requester
	Groups  []string       // the requester's, of those that the customer's rules name (law 13)
	MFA     time.Time      // the requester's newest multi-factor proof; zero: none is known
	Fresh   brevet.Rung    // how fresh the approver's own proof must be
	Stale   error          // why the caller's is not; nil if it is
	Moot    string         // why a yes would not help any more; "" if it would
	Risks   []Risk         // what stands out, the gravest first
	Usual   Usual
}

// Risk is one thing that stands out about a request, as a sentence.
type Risk struct {
	Grave bool
	Text  string
}

// Brief returns what the caller should know before deciding. It is there for
// whoever may see the request, and changes nothing.
func (b *Broker) Brief(ctx context.Context, c brevet.Caller, id brevet.RequestID) (Brief, error) {
	c = b.current(ctx, c, 15*time.Minute)
	out := Brief{Now: b.now()}
	rules := b.ruling.Load()
	err := b.look(ctx, func(tx *store.Tx) (err error) {
		r, err := tx.Request(id)
		if err != nil {
			return unseen(err, "request", string(id))
		}
		if !b.mayView(c, r, out.Now) {
			return unseen(brevet.NotFound, "request", string(id))
		}
		if out.RequestView, err = b.requestView(tx, c, r, out.Now); err != nil {
			return err
		}
		who, err := b.readRequester(tx, r)
		if err != nil {
			return err
		}
		b.describe(&out, rules, who, c)
		if out.Usual, err = b.readUsual(tx, r, out.Now); err != nil {
			return err
		}
		out.Risks = risks(&out, who)
		return nil
	})
	return out, err
}

// describe adds what the catalog and the sign-ins say.
func (b *Broker) describe(out *Brief, rules *ruling, who, c brevet.Caller) {
	r := out.Request
	if a, ok := rules.AccountByID(r.Account); ok && a.Customer == r.Customer {
		out.Account = a
		out.Role, _ = rules.Role(r.Account, r.Role)
	}
	out.Name, out.MFA = who.Person.Name, who.SignIn.Proof.MFA
	for _, g := range who.SignIn.Groups.Names {
		if rules.Policy.Names(r.Customer, g) {
			out.Groups = append(out.Groups, g)
		}
	}
	out.Fresh = r.MFA
	if r.State != brevet.Pending {
		return
	}
	answer, why, err := rules.stands(r, who, out.Now)
	if err == nil { // else the requester's groups are asked for when it is decided
		out.Moot, out.Fresh = why, answer.MFA.Tighter(r.MFA)
	}
	if out.CanDecide {
		out.Stale = stepUp(c, out.Fresh, out.Now, "to approve this")
	}
}

// readRequester returns who asked as a caller, with the freshest groups that
// are on record. Without a sign-in that lives it is the person alone.
func (b *Broker) readRequester(tx *store.Tx, r brevet.Request) (c brevet.Caller, err error) {
	if c.Person, err = tx.Person(r.Person); err != nil {
		return c, err
	}
	signIns, err := tx.SignIns(r.Person)
	if err != nil {
		return c, err
	}
	for _, s := range signIns {
		if s.Only == "" && s.Live(b.now(), b.Absolute) && !tx.SignInOver(s.ID) && s.Groups.At.After(c.SignIn.Groups.At) && proveSignIn(tx, s) == nil {
			c.SignIn = s
		}
	}
	return b.ruling.Load().withHeld(tx, c, b.now())
}

// unseen is the one answer to the id of what is not there and of what the
// caller may not see (law 13); any other error stays.
func unseen(err error, what, id string) error {
	if errors.Is(err, brevet.NotFound) {
		return brevet.Errorf(brevet.NotFound, "there is no %s %s that you may see", what, id)
	}
	return err
}

// GrantBrief is a grant with its sessions and what the caller may do about
// it.
type GrantBrief struct {
	GrantView
	Now       time.Time
	All       []brevet.Session // newest first, at most 50
	MayRevoke bool
	MayDrop   bool
}

// GrantBrief returns a grant of the caller's own, or one of a customer for
// whom the caller holds the right to view or to revoke.
func (b *Broker) GrantBrief(ctx context.Context, c brevet.Caller, id brevet.GrantID) (GrantBrief, error) {
	c = b.current(ctx, c, 15*time.Minute)
	out := GrantBrief{Now: b.now()}
	err := b.look(ctx, func(tx *store.Tx) error {
		g, err := tx.Grant(id)
		if err != nil {
			return unseen(err, "grant", string(id))
		}
		revoke := b.holds(c, g.Customer, brevet.RightRevoke)
		if g.Person != c.Person.ID && !revoke && !b.holds(c, g.Customer, brevet.RightView) {
			return unseen(brevet.NotFound, "grant", string(id))
		}
		if out.GrantView, err = b.grantView(tx, g, out.Now); err != nil {
			return err
		}
		open := slices.Contains([]brevet.GrantState{brevet.Active, brevet.Scheduled}, g.State) && !tx.GrantOver(g.ID)
		out.MayDrop = open && g.Person == c.Person.ID
		out.MayRevoke = open && revoke && !out.MayDrop
		out.All, err = tx.Sessions(store.SessionFilter{Grant: id, Limit: 50})
		return err
	})
	return out, err
}

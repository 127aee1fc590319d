package broker

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/policy"
	"github.com/brevet-access/brevet/store"
)

// Offboard is the end of a customer in the making.
type Offboard struct {
	Customer string // by name or id
	Reason   string
	Key      string
}

// Offboarded says what became of it.
type Offboarded struct {
	Customer brevet.Customer
	Offboarding
	Proof Proof
}

// Proof says for how many of the customer's roles brevet was asked afterwards
// to make what lets somebody in, and refused. Admitted names those for which it
// did not. It says nothing about what the customer's stack still trusts.
type Proof struct {
	Refused  int
	Admitted []string
}

// Offboard ends a customer for good, whatever the catalog says: from its
// commit on nobody asks for, decides on, activates or is issued anything in
// its accounts, its pending requests are cancelled and its live grants revoked.
// The cloud is not told: nothing leads there any more, and the answer says when
// what is out dies. Then brevet is asked to enter each role once more, which must
// fail. The caller holds the right to revoke there.
func (b *Broker) Offboard(ctx context.Context, c brevet.Caller, in Offboard) (Offboarded, error) {
	reason, err := brevet.CleanText("reason", in.Reason, brevet.MaxReason)
	if err != nil {
		return Offboarded{}, err
	}
	in.Reason = reason
	c = b.current(ctx, c, policy.PrivilegedWithin)
	k, err := b.mayOffboard(ctx, c, in.Customer)
	if err != nil {
		return Offboarded{}, err
	}
	out := Offboarded{Customer: k}
	act := func(rows bool) error {
		return b.DB.Update(ctx, func(tx *store.Tx) (err error) {
			out.Offboarding, err = b.offboardIn(tx, c, k, in, rows)
			return err
		})
	}
	err = act(true)
	if kind := brevet.KindOf(err); kind == brevet.Internal || kind == brevet.Unavailable { // nobody keeps a customer by spoiling a row
		b.Log.ErrorContext(ctx, "grants and requests of a customer cannot be ended; it is offboarded without them", "customer", k.ID, "err", err)
		err = act(false)
	}
	if err != nil {
		return Offboarded{}, err
	}
	b.changes.notify()
	out.Proof = b.proveLeft(ctx, k.ID)
	return out, nil
}

// mayOffboard finds the customer and checks that the caller may end it.
func (b *Broker) mayOffboard(ctx context.Context, c brevet.Caller, name string) (brevet.Customer, error) {
	k, ok := b.Catalog().Customer(name)
	if !ok || !b.knows(c, k.ID) {
		return k, brevet.Errorf(brevet.NotFound, "there is no customer %s that you may see", brevet.Printable(name)).WithHint("brevet customer list shows what there is")
	}
	if !b.holds(c, k.ID, brevet.RightRevoke) {
		no := brevet.Errorf(brevet.Denied, "you may not offboard %s", k.Name).
			WithUnmet(brevet.Unmet{Condition: "hold the right to revoke at " + k.Name, Have: "you do not", Remedy: "ask " + b.policy().Holders(k.ID, brevet.RightRevoke).String()})
		return k, b.refused(ctx, c, brevet.Account{Customer: k.ID}, "", "offboard", no)
	}
	return k, stepUp(c, brevet.Rung1h, b.now(), "to offboard a customer for good")
}

// offboardIn is the act itself. Without rows it does what needs none: that the
// customer left stops all of its grants and requests by itself.
func (b *Broker) offboardIn(tx *store.Tx, c brevet.Caller, k brevet.Customer, in Offboard, rows bool) (out Offboarding, err error) {
	if err := proveSignIn(tx, c.SignIn); err != nil {
		return out, err
	}
	if err := provePerson(tx, c.Person); err != nil {
		return out, err
	}
	before, err := offboarding(tx, k.ID)
	if err != nil {
		return out, err
	}
	fresh := true
	if in.Key != "" {
		if _, fresh, err = tx.Claim(string(c.Person.ID), in.Key, in.digest(k.ID), string(k.ID)); err != nil {
			return out, err
		}
	}
	switch {
	case before != nil && fresh:
		return out, brevet.Errorf(brevet.Conflict, "customer %s was offboarded already, %s by %s: %s", k.Name, before.At.Format(time.DateTime), before.By, before.Reason)
	case before != nil:
		return *before, nil
	}
	var ended []brevet.Grant
	var pending []brevet.Request
	if rows {
		if ended, pending, err = b.standing(tx, k.ID); err != nil {
			return out, err
		}
		if err := b.count(tx, k.ID, &out); err != nil {
			return out, err
		}
	}
	out.At, out.By, out.Reason, out.Grants, out.Requests = tx.Now(), actor(c).String(), in.Reason, len(ended), len(pending)
	if _, err := tx.Record(out.event(c, k)); err != nil {
		return out, err
	}
	return out, endAll(tx, actor(c), in.Reason, ended, pending)
}

// digest names what an idempotency key was used for.
func (in Offboard) digest(id brevet.CustomerID) string {
	return digest([]any{"offboard", id, in.Reason})
}

// count counts the customer's credentials that are out: those that rows tell
// of, and of those that only the log knows one a grant.
func (b *Broker) count(tx *store.Tx, id brevet.CustomerID, o *Offboarding) error {
	live, err := tx.Sessions(store.SessionFilter{Customer: id, LiveAt: tx.Now()})
	o.Sessions = len(live)
	for _, s := range live {
		if s.Until.After(o.Until) {
			o.Until = s.Until
		}
	}
	out, _ := b.provenAt(tx, tx.OutAt(""), store.GrantFilter{Customers: []brevet.CustomerID{id}})
	for _, e := range out {
		if slices.ContainsFunc(live, func(s brevet.Session) bool { return s.Grant == e.Grant }) {
			continue // the row knows the exact moment, the log that of the intent
		}
		o.Sessions++
		if until, _ := tx.OutUntil(e.Grant); until.After(o.Until) {
			o.Until = until
		}
	}
	return err
}

func (o *Offboarding) event(c brevet.Caller, k brevet.Customer) brevet.Event {
	e := brevet.Event{Kind: brevet.CustomerOffboarded, Time: o.At, Customer: k.ID, Actor: actor(c), Reason: o.Reason,
		Data: map[string]string{"name": k.Name, "grants": strconv.Itoa(o.Grants), "requests": strconv.Itoa(o.Requests), "sessions": strconv.Itoa(o.Sessions)}}
	if !o.Until.IsZero() {
		e.End = &o.Until
	}
	return e
}

// standing returns the customer's grants and requests that have not ended.
func (b *Broker) standing(tx *store.Tx, id brevet.CustomerID) (grants []brevet.Grant, pending []brevet.Request, err error) {
	whose := []brevet.CustomerID{id}
	f := store.GrantFilter{Customers: whose, States: []brevet.GrantState{brevet.Active, brevet.Scheduled}}
	rows, err := tx.Grants(f)
	if err != nil {
		return nil, nil, err
	}
	grants = b.heldByLog(tx, f, rows)
	pending, err = tx.Requests(store.RequestFilter{Customers: whose, State: brevet.Pending})
	return grants, pending, err
}

// endAll revokes the grants and cancels the requests.
func endAll(tx *store.Tx, by brevet.Actor, reason string, grants []brevet.Grant, pending []brevet.Request) error {
	for _, g := range grants {
		g, events, err := g.Revoke(by, reason, tx.Now())
		if err != nil {
			return err
		}
		if _, err := record(tx, events); err != nil {
			return err
		}
		if err := putEnded(tx, g); err != nil {
			return err
		}
	}
	for _, r := range pending {
		r, events, err := r.Lapse("the customer was offboarded", by, tx.Now())
		if err != nil {
			return err
		}
		if r.Leaf, err = record(tx, events); err != nil {
			return err
		}
		if err := tx.PutRequest(r); err != nil {
			return err
		}
	}
	return nil
}

// sweepLeft ends what an offboarding had to leave: grants and requests whose
// rows could not be read or written. They gave no access in the meantime.
func (b *Broker) sweepLeft(ctx context.Context) error {
	var errs []error
	for _, k := range b.Catalog().Customers {
		if !b.DB.CustomerOver(k.ID) || b.revoking.cleared(string(k.ID)) {
			continue
		}
		err := b.DB.Update(ctx, func(tx *store.Tx) error {
			grants, pending, err := b.standing(tx, k.ID)
			if err != nil {
				return err
			}
			return endAll(tx, clock, "the customer was offboarded", grants, pending)
		})
		if err == nil { // nothing begins there any more
			b.revoking.clear(string(k.ID))
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// proveLeft asks brevet to enter each of the customer's roles.
func (b *Broker) proveLeft(ctx context.Context, id brevet.CustomerID) (p Proof) {
	rules := b.ruling.Load()
	for _, a := range rules.Accounts {
		if a.Customer != id {
			continue
		}
		for _, r := range rules.RolesIn(a.ID) {
			if r.Offline { // brevet never could
				continue
			}
			if b.Prove(ctx, a, r.Name) == nil {
				p.Admitted = append(p.Admitted, brevet.Target{Account: a.Name, Role: r.Name}.String())
				continue
			}
			p.Refused++
		}
	}
	return p
}

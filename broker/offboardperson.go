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

// OffboardPerson is the end of a person in the making.
type OffboardPerson struct {
	Person string // by handle or id
	Reason string
	Key    string
}

// PersonOffboarded says what became of it.
type PersonOffboarded struct {
	Person    brevet.PersonID
	Handle    brevet.Handle
	At        time.Time
	By        string
	Reason    string
	SignIns   int // that were ended
	Grants    int // that were ended
	Requests  int // pending ones that were cancelled
	Decisions int // requests of others on which their yes counts no more
	Act       RevokedAll
}

// OffboardPerson ends a person for good, in one act (law 8): they sign in no
// more and no session of theirs at the broker counts; their requests are
// cancelled, their decisions on what is pending too; their grants end, and what
// is out under them is cut off in every cloud. The caller holds the right to
// revoke at every customer with which the person has had to do.
func (b *Broker) OffboardPerson(ctx context.Context, c brevet.Caller, in OffboardPerson) (PersonOffboarded, error) {
	reason, err := brevet.CleanText("reason", in.Reason, brevet.MaxReason)
	if err != nil {
		return PersonOffboarded{}, err
	}
	in.Reason = reason
	c = b.current(ctx, c, policy.PrivilegedWithin)
	if err := stepUp(c, brevet.Rung1h, b.now(), "to offboard a person for good"); err != nil {
		return PersonOffboarded{}, err
	}
	var out PersonOffboarded
	var refusal error
	act := func(rows bool) error {
		return b.DB.Update(ctx, func(tx *store.Tx) error {
			out, refusal = PersonOffboarded{}, nil
			err := b.offboardPersonIn(tx, c, in, rows, &out)
			if errors.Is(err, brevet.Denied) {
				refusal = err
			}
			return err
		})
	}
	err = act(true)
	if k := brevet.KindOf(err); k == brevet.Internal || k == brevet.Unavailable { // nobody stays by spoiling a row
		b.Log.ErrorContext(ctx, "grants and requests of a person cannot be ended; they are offboarded without them", "person", in.Person, "err", err)
		err = act(false)
	}
	if refusal != nil {
		return PersonOffboarded{}, b.refused(ctx, c, brevet.Account{}, "", "offboard", refusal)
	}
	if err != nil {
		return PersonOffboarded{}, err
	}
	b.carryOn(out.Act.ID)
	b.changes.notify()
	out.Act, err = b.Revocation(ctx, c, out.Act.ID, 0)
	return out, err
}

// offboardPersonIn is the act itself. Without rows it does what needs none:
// that the person has ended stops all of theirs by itself, and sweeps end the
// rest.
func (b *Broker) offboardPersonIn(tx *store.Tx, c brevet.Caller, in OffboardPerson, rows bool, out *PersonOffboarded) error {
	if err := proveSignIn(tx, c.SignIn); err != nil {
		return err
	}
	if err := provePerson(tx, c.Person); err != nil {
		return err
	}
	id, err := personNamed(tx, in.Person)
	if err != nil {
		return err
	}
	i, known := tx.Latest(string(id))
	own, err := systemPeople(tx)
	switch {
	case err != nil && rows:
		return err
	case !known:
		return brevet.Errorf(brevet.NotFound, "there is nobody called %s", brevet.Printable(in.Person))
	case own[id]:
		return brevet.Errorf(brevet.Invalid, "%s is brevet itself, on its own errands", brevet.Printable(in.Person))
	}
	out.Person, out.At, out.By, out.Reason = id, tx.Now(), actor(c).String(), in.Reason
	out.Act.ID = brevet.NewID[brevet.RevocationID](tx.Now())
	if in.Key != "" {
		prior, fresh, err := tx.Claim(string(c.Person.ID), in.Key, digest([]any{"offboard person", id, in.Reason}), string(out.Act.ID))
		if err != nil {
			return err
		}
		if !fresh {
			out.Act.ID = brevet.RevocationID(prior)
			return ended(tx, i, out)
		}
	}
	if tx.PersonOver(id) {
		_ = ended(tx, i, out)
		return brevet.Errorf(brevet.Conflict, "%s was offboarded already, %s by %s: %s", brevet.Printable(in.Person), out.At.Format(time.DateTime), out.By, out.Reason)
	}
	if p, err := tx.Person(id); err == nil {
		out.Handle = p.Handle
	}
	if err := b.mayOffboardPerson(tx, c, id, rows); err != nil {
		return err
	}
	if rows {
		if err := b.endTheirs(tx, id, in.Reason, actor(c), out); err != nil {
			return err
		}
	}
	e := brevet.Event{Kind: brevet.PersonEnded, Actor: actor(c), Person: id, Reason: in.Reason, Data: map[string]string{"act": string(out.Act.ID), "handle": string(out.Handle),
		"sign_ins": strconv.Itoa(out.SignIns), "grants": strconv.Itoa(out.Grants), "requests": strconv.Itoa(out.Requests), "decisions": strconv.Itoa(out.Decisions)}}
	leaf, err := tx.Record(e)
	if err != nil || !rows {
		return err
	}
	p, err := tx.Person(id)
	if err == nil && p.Ended.IsZero() {
		p.Ended, p.Leaf = tx.Now(), leaf
		err = tx.PutPerson(p)
	}
	if err != nil && !errors.Is(err, brevet.NotFound) {
		return err
	}
	return tx.Enqueue(revokeJob{out.Act.ID})
}

// ended reads from the log how a person ended.
func ended(tx *store.Tx, index int64, out *PersonOffboarded) error {
	e, err := tx.Proven(index)
	if err != nil {
		return err
	}
	out.At, out.By, out.Reason, out.Handle = e.Time, e.Actor.String(), e.Reason, brevet.Handle(e.Data["handle"])
	for key, n := range map[string]*int{"sign_ins": &out.SignIns, "grants": &out.Grants, "requests": &out.Requests, "decisions": &out.Decisions} {
		*n, _ = strconv.Atoi(e.Data[key])
	}
	return nil
}

// mayOffboardPerson checks that the caller may revoke wherever the person has
// ever asked, and somewhere at all; without rows, which would say that, at
// every customer there is.
func (b *Broker) mayOffboardPerson(tx *store.Tx, c brevet.Caller, id brevet.PersonID, rows bool) error {
	var where, all []brevet.CustomerID
	for _, k := range b.Catalog().Customers {
		all = append(all, k.ID)
	}
	if rows {
		asked, err := tx.Requests(store.RequestFilter{Person: id})
		if err != nil {
			return err
		}
		all = nil
		for _, r := range asked {
			all = append(all, r.Customer)
		}
	}
	for _, k := range all {
		if !slices.Contains(where, k) && !tx.CustomerOver(k) {
			where = append(where, k)
		}
	}
	may := 0
	for _, k := range where {
		if b.holds(c, k, brevet.RightRevoke) {
			may++
		}
	}
	somewhere := slices.ContainsFunc(b.Catalog().Customers, func(k brevet.Customer) bool { return b.holds(c, k.ID, brevet.RightRevoke) })
	if may == len(where) && somewhere {
		return nil
	}
	return brevet.Errorf(brevet.Denied, "you may not offboard this person").
		WithUnmet(brevet.Unmet{Condition: "hold the right to revoke at every customer where they have asked for access", Have: strconv.Itoa(may) + " of " + strconv.Itoa(len(where)), Remedy: "ask whoever holds it at all of them"})
}

// endTheirs ends what the person has: sign-ins, grants, requests, decisions.
func (b *Broker) endTheirs(tx *store.Tx, id brevet.PersonID, reason string, by brevet.Actor, out *PersonOffboarded) error {
	live, err := tx.SignIns(id)
	if err != nil {
		return err
	}
	for _, s := range live {
		if !s.Ended.IsZero() || tx.SignInOver(s.ID) {
			continue
		}
		s.Ended, s.Refresh = tx.Now(), nil
		if _, err := tx.Record(brevet.Event{Kind: brevet.SignInEnded, Actor: by, Person: id, SignIn: s.ID, Reason: "offboarded"}); err != nil {
			return err
		}
		if err := tx.PutSignIn(s); err != nil {
			return err
		}
		out.SignIns++
	}
	grants, pending, err := b.standingAnywhere(tx, store.GrantFilter{Person: id}, store.RequestFilter{Person: id, State: brevet.Pending})
	if err != nil {
		return err
	}
	for _, g := range grants {
		if err := b.cutOff(tx, g, out.Act.ID, reason, by); err != nil {
			return err
		}
		out.Grants++
	}
	for _, r := range pending {
		if err := cancel(tx, r, "the requester was offboarded", by); err != nil {
			return err
		}
		out.Requests++
	}
	return b.voidDecisions(tx, id, by, out)
}

// voidDecisions cancels what is pending on the strength of the person's yes:
// whoever asked asks again, and others decide.
func (b *Broker) voidDecisions(tx *store.Tx, id brevet.PersonID, by brevet.Actor, out *PersonOffboarded) error {
	pending, err := tx.Requests(store.RequestFilter{State: brevet.Pending})
	if err != nil {
		return err
	}
	for _, r := range pending {
		if !slices.ContainsFunc(r.Decisions, func(d brevet.Decision) bool { return d.Person == id }) {
			continue
		}
		if err := cancel(tx, r, "one of its approvers was offboarded; ask again", by); err != nil {
			return err
		}
		out.Decisions++
	}
	return nil
}

// sweepEnded ends what an offboarding had to leave: what rows could not be
// read or written then. It gave no access in the meantime.
func (b *Broker) sweepEnded(ctx context.Context) error {
	var errs []error
	for _, id := range b.DB.EndedPeople() {
		if b.revoking.cleared(string(id)) {
			continue
		}
		err := b.DB.Update(ctx, func(tx *store.Tx) error {
			out := PersonOffboarded{Act: RevokedAll{ID: brevet.NewID[brevet.RevocationID](tx.Now())}}
			if err := b.endTheirs(tx, id, "the person was offboarded", clock, &out); err != nil || out.Grants == 0 {
				return err
			}
			return tx.Enqueue(revokeJob{out.Act.ID})
		})
		if err == nil {
			b.revoking.clear(string(id))
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

package broker

import (
	"context"
	"errors"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/policy"
	"github.com/brevet-access/brevet/store"
)

// Decide is one person's yes or no in the making. Digest, where given, is
// that of the request as it was shown.
type Decide struct {
	ID      brevet.RequestID
	Approve bool
	Comment string
	Digest  string
	Key     string
}

// groupsWithin is how old facts about an approver's groups may be: what the
// entitlement says, and 15 min for what the catalog does not know any more.
func (b *Broker) groupsWithin(r brevet.Request) time.Duration {
	if e, ok := b.policy().Find(r.Entitlement); ok {
		return e.GroupsWithin
	}
	return 15 * time.Minute
}

// Decide approves or denies a request. The approver's groups are fresh and
// their multi-factor proof is as fresh as the role demands; the requester
// must still be entitled, under the same definition of the role, or the
// request lapses.
func (b *Broker) Decide(ctx context.Context, c brevet.Caller, in Decide) (RequestView, error) {
	if in.Comment != "" {
		var err error
		if in.Comment, err = brevet.CleanText("comment", in.Comment, brevet.MaxComment); err != nil {
			return RequestView{}, err
		}
	}
	c = b.current(ctx, c, 15*time.Minute)
	return again(ctx, b, func() (RequestView, error) { return b.decideOnce(ctx, c, in) })
}

func (b *Broker) decideOnce(ctx context.Context, c brevet.Caller, in Decide) (RequestView, error) {
	rules := b.ruling.Load()
	first, err := b.viewRequest(ctx, c, in.ID)
	if err != nil {
		return RequestView{}, err
	}
	c = b.current(ctx, c, b.groupsWithin(first.Request))
	requester, err := b.requester(ctx, first.Request)
	if err != nil {
		return RequestView{}, err
	}
	var v RequestView
	var no error
	err = b.DB.Update(ctx, func(tx *store.Tx) error {
		if err := rules.rules(tx); err != nil {
			return err
		}
		v, no, err = b.decideIn(tx, c, requester, rules, in)
		return err
	})
	if err == nil && no == nil {
		b.changes.notify()
		return v, nil
	}
	if err == nil { // the refusal itself is on record, as a lapse
		b.changes.notify()
		return v, no
	}
	if errors.Is(err, brevet.Denied) || errors.Is(err, brevet.StepUp) {
		account, _ := b.Catalog().AccountByID(first.Account)
		account.Customer = first.Customer
		return v, b.refused(ctx, c, account, first.Role, "decision on "+string(in.ID), err)
	}
	return v, err
}

// decideIn returns an error that undoes the transaction, or a refusal that
// stands although the transaction is committed: the request lapsed.
func (b *Broker) decideIn(tx *store.Tx, c, requester brevet.Caller, rules *ruling, in Decide) (v RequestView, no, err error) {
	if err := proveSignIn(tx, c.SignIn); err != nil {
		return v, nil, err
	}
	r, err := tx.Request(in.ID)
	if err != nil {
		return v, nil, err
	}
	if err := b.stays(tx, r.Customer); err != nil {
		return v, nil, err
	}
	now := tx.Now()
	if r.State == brevet.Pending {
		if err := proveRequest(tx, r); err != nil {
			return v, nil, err
		}
	}
	if in.Digest == "" {
		in.Digest = r.Digest()
	}
	known, err := standingOf(tx, c.SignIn)
	if err != nil {
		return v, nil, err
	}
	d := brevet.Decision{Standing: known, Person: c.Person.ID, Handle: c.Person.Handle, Groups: c.SignIn.Groups.Fresh(now, b.groupsWithin(r)),
		Duty: c.Duty.Of(c.Person.Handle, r.Deciders(now).Rotas, now), Approve: in.Approve, Comment: in.Comment, Digest: in.Digest, Addr: c.Addr}
	decided, events, err := r.Decide(d, now)
	if err != nil {
		return b.decidedBefore(tx, c, r, in, err)
	}
	if err := rules.engaged(c, r, now); err != nil {
		return v, nil, err
	}
	if in.Approve {
		if requester, err = rules.withHeld(tx, requester, now); err != nil {
			return v, nil, err
		}
		answer, why, err := b.standsFor(tx, rules, decided, requester, now)
		if err != nil {
			return v, nil, err
		}
		if why != "" {
			return b.lapse(tx, r, why)
		}
		if err := stepUp(c, answer.MFA.Tighter(r.MFA), now, "to approve this"); err != nil {
			return v, nil, err
		}
	}
	if in.Key != "" {
		if _, _, err := tx.Claim(string(c.Person.ID), in.Key, in.digest(), string(in.ID)); err != nil {
			return v, nil, err
		}
	}
	if decided.Leaf, err = record(tx, events); err != nil {
		return v, nil, err
	}
	if err := tx.PutRequest(decided); err != nil {
		return v, nil, err
	}
	if decided.State == brevet.Approved {
		if _, err := b.take(tx, decided, actor(c)); err != nil {
			return v, nil, err
		}
	}
	v, err = b.requestView(tx, c, decided, now)
	return v, nil, err
}

// digest names what an idempotency key was used for.
func (in Decide) digest() string { return digest([]any{"decide", in.ID, in.Approve, in.Comment}) }

// decidedBefore answers a decision that came a second time under its key with
// what became of it, and any other with no.
func (b *Broker) decidedBefore(tx *store.Tx, c brevet.Caller, r brevet.Request, in Decide, no error) (v RequestView, _, err error) {
	if in.Key == "" || !errors.Is(no, brevet.Conflict) {
		return v, nil, no
	}
	_, fresh, err := tx.Claim(string(c.Person.ID), in.Key, in.digest(), string(in.ID))
	if err != nil {
		return v, nil, err
	}
	if fresh {
		return v, nil, no
	}
	v, err = b.requestView(tx, c, r, tx.Now())
	return v, nil, err
}

func (b *Broker) lapse(tx *store.Tx, r brevet.Request, why string) (v RequestView, no, err error) {
	lapsed, events, err := r.Lapse(why, clock, tx.Now())
	if err != nil {
		return v, nil, err
	}
	if lapsed.Leaf, err = record(tx, events); err != nil {
		return v, nil, err
	}
	return v, brevet.Errorf(brevet.Conflict, "request %s lapsed: %s", r.ID, why).WithHint("it can be asked for again"), tx.PutRequest(lapsed)
}

// requester returns who asked as a caller, with the freshest groups that the
// broker can get: the requester's own sign-ins are asked.
func (b *Broker) requester(ctx context.Context, r brevet.Request) (brevet.Caller, error) {
	var c brevet.Caller
	err := b.DB.View(ctx, func(tx *store.Tx) (err error) {
		if c, err = b.readRequester(tx, r); err != nil {
			return err
		}
		return provePerson(tx, c.Person)
	})
	if err != nil || c.SignIn.ID == "" {
		return c, err
	}
	return b.current(ctx, c, b.groupsWithin(r)), nil
}

// stands holds a request against the catalog in force (law 4): the requester
// could still ask for this, under the same definition of the role, and the
// decisions on it are enough under the rule that is in force now. why says
// what changed; the error says that the requester's groups are not known.
func (rules *ruling) stands(r brevet.Request, requester brevet.Caller, now time.Time) (a policy.Answer, why string, err error) {
	account, why := rules.same(r)
	if why != "" {
		return a, why, nil
	}
	q := query(requester, account, r.Role, now)
	q.Duration, q.Reason, q.BreakGlass = r.Duration, r.Reason, r.BreakGlass
	decide := rules.decide
	if !r.Rule.Automatic { // people approved it; who wrote the rules has no part in that
		decide = rules.Policy.Decide
	}
	a = decide(q)
	enough := r.State != brevet.Approved || r.Meets(a.Approval)
	if say := askedInVain(requester.Duty, r.Bound.Duty, now); say != "" && !(a.Allowed && enough) {
		return a, "", brevet.Errorf(brevet.Unavailable, "%s", say).WithHint("try again")
	}
	if !a.Allowed {
		q.Groups.At = now // would they be entitled, if their groups were known to be what they were?
		if decide(q).Allowed {
			return a, "", groupsUnknown()
		}
		return a, "its requester is not entitled to it any more", nil
	}
	if unmet := textsUnmet(r, a.Entitlement); len(unmet) > 0 && !r.BreakGlass {
		return a, "it needs " + unmet[0].Condition + " now", nil
	}
	if !enough {
		return a, "it needs another approval now: " + a.Approval.String(), nil
	}
	return a, "", nil
}

// same returns the account that r asks for, as it is now; why says that it,
// or the role, is not what was asked for any more.
func (rules *ruling) same(r brevet.Request) (account brevet.Account, why string) {
	account, ok := rules.AccountByID(r.Account)
	if !ok || account.Customer != r.Customer {
		return account, "the account has left the catalog"
	}
	role, ok := rules.Role(r.Account, r.Role)
	if !ok {
		return account, "the role has left the catalog"
	}
	if role.Digest() != r.RoleDigest {
		return account, "the role was redefined since it was asked for"
	}
	return account, ""
}

func groupsUnknown() error {
	return brevet.Errorf(brevet.Unavailable, "the requester's groups could not be confirmed").
		WithHint("try again; if it lasts, the requester signs in again with brevet login")
}

// stepUp judges the caller's multi-factor proof (law 6).
func stepUp(c brevet.Caller, need brevet.Rung, now time.Time, forWhat string) error {
	mfa := c.SignIn.Proof.MFA
	if need.Met(mfa, now) {
		return nil
	}
	have := "none was given"
	if !mfa.IsZero() {
		have = "it is " + brevet.FormatDuration(max(0, now.Sub(mfa)).Truncate(time.Second)) + " old"
	}
	return brevet.Errorf(brevet.StepUp, "%s needs MFA at most %s old; %s", forWhat, need, have).
		WithHint("brevet login --mfa").
		WithUnmet(brevet.Unmet{Condition: "MFA at most " + string(need) + " old", Have: have, Remedy: "brevet login --mfa"})
}

// Withdraw takes a pending request of the caller's own back.
func (b *Broker) Withdraw(ctx context.Context, c brevet.Caller, id brevet.RequestID, key string) (RequestView, error) {
	var v RequestView
	err := b.DB.Update(ctx, func(tx *store.Tx) error {
		r, err := tx.Request(id)
		if err != nil {
			return unseen(err, "request", string(id))
		}
		if !b.mayView(c, r, tx.Now()) {
			return unseen(brevet.NotFound, "request", string(id))
		}
		fresh, err := claim(tx, c, key, "withdraw", string(id))
		if err != nil {
			return err
		}
		if fresh {
			var events []brevet.Event
			if r, events, err = r.Withdraw(actor(c), tx.Now()); err != nil {
				return err
			}
			if _, err := record(tx, events); err != nil {
				return err
			}
			if err := tx.PutRequest(r); err != nil {
				return err
			}
		}
		v, err = b.requestView(tx, c, r, tx.Now())
		return err
	})
	if err == nil {
		b.changes.notify()
	}
	return v, err
}

// claim reports whether this intent is new; without a key every one is.
func claim(tx *store.Tx, c brevet.Caller, key, verb, id string) (fresh bool, err error) {
	if key == "" {
		return true, nil
	}
	_, fresh, err = tx.Claim(string(c.Person.ID), key, digest([]any{verb, id}), id)
	return fresh, err
}

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
	if set := b.Catalog().Policy; set != nil {
		if e, ok := set.Find(r.Entitlement); ok {
			return e.GroupsWithin
		}
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
		v, no, err = b.decideIn(tx, c, requester, in)
		return err
	})
	if err != nil {
		return v, err
	}
	b.changes.notify()
	if errors.Is(no, brevet.Denied) || errors.Is(no, brevet.StepUp) {
		account, _ := b.Catalog().AccountByID(first.Account)
		account.Customer = first.Customer
		return v, b.refused(ctx, c, account, first.Role, "decision on "+string(in.ID), no)
	}
	return v, no
}

// decideIn returns a refusal that is to be recorded apart from the error that
// undoes the transaction.
func (b *Broker) decideIn(tx *store.Tx, c, requester brevet.Caller, in Decide) (v RequestView, no, err error) {
	if err := proveSignIn(tx, c.SignIn); err != nil {
		return v, nil, err
	}
	r, err := tx.Request(in.ID)
	if err != nil {
		return v, nil, err
	}
	now := tx.Now()
	if in.Key != "" {
		_, fresh, err := tx.Claim(string(c.Person.ID), in.Key, digest([]any{"decide", in.ID, in.Approve, in.Comment}), string(in.ID))
		if err != nil {
			return v, nil, err
		}
		if !fresh {
			v, err = b.requestView(tx, c, r, now)
			return v, nil, err
		}
	}
	if r.State == brevet.Pending {
		if err := proveRequest(tx, r); err != nil {
			return v, nil, err
		}
	}
	if in.Digest == "" {
		in.Digest = r.Digest()
	}
	d := brevet.Decision{Person: c.Person.ID, Handle: c.Person.Handle, Groups: c.SignIn.Groups.Fresh(now, b.groupsWithin(r)),
		Approve: in.Approve, Comment: in.Comment, Digest: in.Digest, Addr: c.Addr}
	decided, events, no := r.Decide(d, now)
	if no != nil {
		return v, no, nil
	}
	if in.Approve {
		answer, why := b.stillStands(r, requester, now)
		if why != "" {
			lapsed, events, err := r.Lapse(why, clock, now)
			if err != nil {
				return v, nil, err
			}
			if _, err = record(tx, events); err != nil {
				return v, nil, err
			}
			return v, brevet.Errorf(brevet.Conflict, "request %s lapsed: %s", r.ID, why), tx.PutRequest(lapsed)
		}
		if err := stepUp(c, answer.MFA, now, "to approve this"); err != nil {
			return v, err, nil
		}
	}
	if decided.Leaf, err = record(tx, events); err != nil {
		return v, nil, err
	}
	if err := tx.PutRequest(decided); err != nil {
		return v, nil, err
	}
	if decided.State == brevet.Approved {
		if _, err := b.open(tx, decided, actor(c)); err != nil {
			return v, nil, err
		}
	}
	v, err = b.requestView(tx, c, decided, now)
	return v, nil, err
}

// requester returns who asked as a caller, with the freshest groups that the
// broker can get: the requester's own sign-ins are asked.
func (b *Broker) requester(ctx context.Context, r brevet.Request) (brevet.Caller, error) {
	var c brevet.Caller
	err := b.DB.View(ctx, func(tx *store.Tx) (err error) {
		if c.Person, err = tx.Person(r.Person); err != nil {
			return err
		}
		signIns, err := tx.SignIns(r.Person)
		if err != nil {
			return err
		}
		for _, s := range signIns {
			if s.Live(b.now(), b.Absolute) && !tx.SignInOver(s.ID) && s.Groups.At.After(c.SignIn.Groups.At) && proveSignIn(tx, s) == nil {
				c.SignIn = s
			}
		}
		return nil
	})
	if err != nil || c.SignIn.ID == "" {
		return c, err
	}
	return b.current(ctx, c, b.groupsWithin(r)), nil
}

// stillStands asks whether the requester could still ask for this, under the
// definition of the role that they asked for; why says what changed.
func (b *Broker) stillStands(r brevet.Request, requester brevet.Caller, now time.Time) (_ policy.Answer, why string) {
	cat := b.Catalog()
	account, ok := cat.AccountByID(r.Account)
	if !ok || account.Customer != r.Customer {
		return policy.Answer{}, "the account has left the catalog"
	}
	role, ok := cat.Role(r.Account, r.Role)
	if !ok {
		return policy.Answer{}, "the role has left the catalog"
	}
	if role.Digest() != r.RoleDigest {
		return policy.Answer{}, "the role was redefined since it was asked for"
	}
	q := query(requester, account, r.Role, now)
	q.Duration, q.Reason = r.Duration, r.Reason
	a := cat.Policy.Decide(q)
	if !a.Allowed {
		return a, "its requester is not entitled any more, or their groups could not be confirmed"
	}
	return a, ""
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
			return err
		}
		if !b.mayView(c, r, tx.Now()) {
			return brevet.Errorf(brevet.NotFound, "there is no request %s that you may see", id)
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

package broker

import (
	"context"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/policy"
	"github.com/brevet-access/brevet/store"
)

// mostPending is how many requests of one person may wait at a time.
const mostPending = 50

// Ask is a request in the making. Key is the client's idempotency key: the
// same key and content is answered with the first request.
type Ask struct {
	Target    string
	Duration  time.Duration // 0: the longest allowed, at most 1 h
	Reason    string
	Ticket    string
	NotBefore time.Time // when it shall start; zero: at once
	Only      []string  // narrows the role to this, as [iam.ParsePieces] reads it
	Key       string
}

// List bounds an answer that may be long.
type List struct {
	Scope string // "mine" (also ""), "decide", "all"
	State string // "" for every state
	Live  bool   // grants: only those that give access now
	Limit int    // 0: 100; at most 1000
}

func (l List) limit() int {
	if l.Limit <= 0 {
		return 100
	}
	return min(l.Limit, 1000)
}

// resolve finds what target names. A target of a customer with whom the
// caller has nothing to do is answered as if it did not exist (law 13).
func (b *Broker) resolve(c brevet.Caller, target string) (brevet.Account, brevet.Role, error) {
	t, err := brevet.ParseTarget(target)
	if err != nil {
		return brevet.Account{}, brevet.Role{}, err
	}
	none := brevet.Errorf(brevet.NotFound, "there is no target %s that you could ask for", t).WithHint("brevet ls shows what there is")
	account, role, err := b.Catalog().Resolve(t)
	if account.ID == "" || !b.knows(c, account.Customer) {
		return brevet.Account{}, brevet.Role{}, none
	}
	if err != nil {
		return brevet.Account{}, brevet.Role{}, brevet.Errorf(brevet.NotFound, "%s has no role %s", account.Name, t.Role).WithHint("brevet ls shows what there is")
	}
	return account, role, nil
}

// knows reports whether the caller has any business with the customer. Stale
// groups count here: this decides what is shown, never what is allowed.
func (b *Broker) knows(c brevet.Caller, customer brevet.CustomerID) bool {
	return b.policy().Concerns(query(c, brevet.Account{}, "", b.now()), customer)
}

// Targets lists what the caller may ask for, sorted by target.
func (b *Broker) Targets(ctx context.Context, c brevet.Caller) ([]TargetView, error) {
	c = b.current(ctx, c, 15*time.Minute)
	set := b.policy()
	if set == nil {
		return nil, b.Ready(ctx)
	}
	var out []TargetView
	c = b.holding(ctx, b.ruling.Load(), c)
	for _, o := range set.Options(query(c, brevet.Account{}, "", b.now())) {
		if b.DB.CustomerOver(o.Account.Customer) {
			continue
		}
		out = append(out, TargetView{Account: o.Account, Role: o.Role, Answer: o.Answer, Endpoint: b.Endpoint,
			Target: brevet.Target{Account: o.Account.Name, Role: o.Role.Name}.String(), CustomerName: b.customerName(o.Account.Customer)})
	}
	return out, nil
}

// judge asks policy whether the caller may ask for this, refreshing their
// groups first if they are older than policy allows. It returns the catalog
// that it asked.
func (b *Broker) judge(ctx context.Context, c brevet.Caller, account brevet.Account, role brevet.RoleName, d time.Duration, reason string) (brevet.Caller, policy.Answer, *ruling) {
	rules := b.ruling.Load()
	c = b.holding(ctx, rules, b.attend(ctx, c))
	if b.DB.CustomerOver(account.Customer) { // judged again where it is recorded
		return c, policy.Answer{Unmet: []brevet.Unmet{b.notOffboarded(account.Customer)}}, rules
	}
	ask := func() policy.Answer {
		q := query(c, account, role, b.now())
		q.Duration, q.Reason = d, reason
		return rules.decide(q)
	}
	a := ask()
	if within := a.Entitlement.GroupsWithin; a.Allowed && b.now().Sub(c.SignIn.Groups.At) <= within {
		return c, a, rules
	}
	fresh := b.current(ctx, c, min(15*time.Minute, max(a.Entitlement.GroupsWithin, 0)+15*time.Minute))
	if fresh.SignIn.Leaf != c.SignIn.Leaf {
		c = fresh
		a = ask()
	}
	return c, a, rules
}

// denied turns a refusal of policy into an error that explains itself.
func denied(target string, a policy.Answer) error {
	return brevet.Errorf(brevet.Denied, "you may not have %s", target).
		WithHint("brevet why %s explains", target).WithUnmet(a.Unmet...)
}

// Ask records a request. Where policy approves it, the answer is approved and
// has a grant; else it is pending.
func (b *Broker) Ask(ctx context.Context, c brevet.Caller, in Ask) (RequestView, error) {
	batch, err := b.AskAll(ctx, c, []string{in.Target}, in)
	if err != nil {
		return RequestView{}, err
	}
	return batch.Requests[0], nil
}

func (b *Broker) ask(c brevet.Caller, account brevet.Account, role brevet.Role, a policy.Answer, rules *ruling, in Ask) brevet.Ask {
	activate := a.Entitlement.Activate
	if a.Approval.Automatic {
		activate = brevet.OnApproval // asked for by hand: the clock starts now
	}
	return brevet.Ask{Person: c.Person.ID, Customer: account.Customer, Account: account.ID, Role: role.Name, RoleDigest: role.Digest(),
		Entitlement: a.Entitlement.Name, Rule: a.Approval, Activate: activate, MFA: a.MFA, Duration: in.Duration,
		NotBefore: in.NotBefore, Reason: in.Reason, Ticket: in.Ticket, CatalogVersion: rules.version, Bound: bound(a)}
}

// place writes a request and, where policy approves it, its grant; the
// policy's name stands for the approver.
func (b *Broker) place(tx *store.Tx, c brevet.Caller, id brevet.RequestID, ask brevet.Ask, policy string) (r brevet.Request, g brevet.Grant, err error) {
	return b.placeFor(tx, c, id, ask, policy, ask.Rule.Wait())
}

// mayAct checks that the caller is who they are by the log, and that the
// customer is not gone.
func (b *Broker) mayAct(tx *store.Tx, c brevet.Caller, customer brevet.CustomerID) error {
	if err := proveSignIn(tx, c.SignIn); err != nil {
		return err
	}
	if err := provePerson(tx, c.Person); err != nil {
		return err
	}
	return b.stays(tx, customer)
}

// placeFor is place for a request that waits that long at most.
func (b *Broker) placeFor(tx *store.Tx, c brevet.Caller, id brevet.RequestID, ask brevet.Ask, policy string, wait time.Duration) (r brevet.Request, g brevet.Grant, err error) {
	if err := b.mayAct(tx, c, ask.Customer); err != nil {
		return r, g, err
	}
	now := tx.Now()
	waiting, err := tx.Requests(store.RequestFilter{Person: c.Person.ID, State: brevet.Pending, Limit: mostPending})
	if err != nil {
		return r, g, err
	}
	if len(waiting) == mostPending {
		return r, g, brevet.Errorf(brevet.Conflict, "%d of your requests wait for an answer already", mostPending).WithHint("brevet withdraw takes one back")
	}
	r, events := brevet.NewRequest(id, ask, actor(c), now, wait)
	if ask.Rule.Automatic {
		var more []brevet.Event
		d := brevet.Decision{Policy: policy, Approve: true, Digest: r.Digest(), Addr: c.Addr}
		if r, more, err = r.Decide(d, now); err != nil {
			return r, g, err
		}
		events = append(events, more...)
	}
	if r.Leaf, err = record(tx, events); err != nil {
		return r, g, err
	}
	if err := tx.AddRequest(r); err != nil || r.State != brevet.Approved {
		return r, g, err
	}
	g, err = b.take(tx, r, brevet.Actor{Policy: policy})
	return r, g, err
}

// take carries out what was approved: a grant opens, or one that lives gets
// its new end.
func (b *Broker) take(tx *store.Tx, r brevet.Request, by brevet.Actor) (brevet.Grant, error) {
	if r.Extends != "" {
		return b.extend(tx, r, by)
	}
	return b.open(tx, r, by)
}

// open writes the grant of an approved request.
func (b *Broker) open(tx *store.Tx, r brevet.Request, by brevet.Actor) (brevet.Grant, error) {
	if err := b.stays(tx, r.Customer); err != nil {
		return brevet.Grant{}, err
	}
	now := tx.Now()
	g, events, err := r.Open(brevet.NewID[brevet.GrantID](now), by, now)
	if err != nil {
		return g, err
	}
	if g.Leaf, err = record(tx, events); err != nil {
		return g, err
	}
	return g, tx.AddGrant(g)
}

// Request returns one request. With wait > 0 it is held while the request is
// pending, at most that long.
func (b *Broker) Request(ctx context.Context, c brevet.Caller, id brevet.RequestID, wait time.Duration) (RequestView, error) {
	c = b.current(ctx, c, 15*time.Minute)
	if wait <= 0 {
		return b.viewRequest(ctx, c, id)
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		changed := b.changes.wait()
		v, err := b.viewRequest(context.WithoutCancel(ctx), c, id)
		if err != nil || v.State != brevet.Pending || !b.now().Before(v.Lapses) {
			return v, err
		}
		if !b.changes.pause(ctx, changed) {
			return v, nil
		}
	}
}

func (b *Broker) viewRequest(ctx context.Context, c brevet.Caller, id brevet.RequestID) (v RequestView, err error) {
	err = b.DB.View(ctx, func(tx *store.Tx) error {
		r, err := tx.Request(id)
		if err != nil {
			return unseen(err, "request", string(id))
		}
		if !b.mayView(c, r, b.now()) {
			return unseen(brevet.NotFound, "request", string(id))
		}
		v, err = b.requestView(tx, c, r, b.now())
		return err
	})
	return v, err
}

// mayView: one's own requests, those one can or could decide, and those of
// customers for whom one holds the right to view.
func (b *Broker) mayView(c brevet.Caller, r brevet.Request, now time.Time) bool {
	if r.Person == c.Person.ID || decided(c, r) {
		return true
	}
	for _, s := range r.Rule.Steps {
		if c.Member(s.Everybody(), now, b.groupsWithin(r)) {
			return true
		}
	}
	return b.holds(c, r.Customer, brevet.RightView)
}

func (b *Broker) holds(c brevet.Caller, customer brevet.CustomerID, right brevet.Right) bool {
	return b.policy().Holds(query(c, brevet.Account{}, "", b.now()), customer, right)
}

// Requests lists requests, newest first: the caller's own, those that wait
// for the caller's decision, or all that the caller may see.
func (b *Broker) Requests(ctx context.Context, c brevet.Caller, l List) ([]RequestView, error) {
	f := store.RequestFilter{State: brevet.RequestState(l.State)}
	switch l.Scope {
	case "", "mine":
		f.Person = c.Person.ID
	case "decide":
		f.State = brevet.Pending
		c = b.current(ctx, c, 15*time.Minute)
	case "all":
		c = b.current(ctx, c, 15*time.Minute)
	default:
		return nil, brevet.Errorf(brevet.Invalid, "scope: %q is not one of mine, decide, all", brevet.Printable(l.Scope))
	}
	var out []RequestView
	err := b.DB.View(ctx, func(tx *store.Tx) error {
		now := b.now()
		return eachRequest(tx, f, func(r brevet.Request) (bool, error) {
			if !b.mayView(c, r, now) {
				return true, nil
			}
			v, err := b.requestView(tx, c, r, now)
			if err != nil {
				return false, err
			}
			if l.Scope != "decide" || v.CanDecide {
				out = append(out, v)
			}
			return len(out) < l.limit(), nil
		})
	})
	return out, err
}

// eachRequest calls visit for what f finds, newest first, until that says no:
// page by page, so that what is not for the caller crowds nothing out.
func eachRequest(tx *store.Tx, f store.RequestFilter, visit func(brevet.Request) (more bool, err error)) error {
	f.Limit = 500
	seen := map[brevet.RequestID]bool{} // of the page before: times are not unique
	for {
		page, err := tx.Requests(f)
		if err != nil {
			return err
		}
		fresh := 0
		for _, r := range page {
			if seen[r.ID] {
				continue
			}
			seen[r.ID] = true
			fresh++
			if more, err := visit(r); !more || err != nil {
				return err
			}
		}
		if len(page) < f.Limit || fresh == 0 {
			return nil
		}
		f.Before = page[len(page)-1].Created.Add(time.Microsecond)
	}
}

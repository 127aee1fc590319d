package broker

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/policy"
	"github.com/brevet-access/brevet/store"
)

// RevokeAll says what to revoke: one of its first four fields.
type RevokeAll struct {
	Grant      brevet.GrantID
	Person     string // handle or id
	Account    string // name or number
	Everything bool
	Reason     string
	Key        string
}

// RevokedAll is an act of revoking and how far it has come.
type RevokedAll struct {
	ID       brevet.RevocationID
	Now      time.Time
	Grants   []RevocationView // newest first
	Requests int              // pending ones that were cancelled; only told by the act itself
}

// RevocationView is a revocation as a caller sees it.
type RevocationView struct {
	brevet.Revocation
	Target       string
	CustomerName string
}

// Settled reports whether waiting for the act is of no more use.
func (v RevokedAll) Settled() bool {
	for _, r := range v.Grants {
		if !r.Settled() {
			return false
		}
	}
	return true
}

// revokeJob carries an act out, in whatever process finds it.
type revokeJob struct {
	Act brevet.RevocationID `json:"act"`
}

// Kind names the job for River.
func (revokeJob) Kind() string { return "revoke" }

// Jobs returns what the broker does for the jobs that it enqueues.
func (b *Broker) Jobs() *store.Jobs {
	jobs := store.NewJobs()
	store.AddJob(jobs, b.revokeJob)
	return jobs
}

// revokeJob sees to it that this process carries the act out, until nothing of
// it is under way.
func (b *Broker) revokeJob(ctx context.Context, job revokeJob) (again time.Duration, err error) {
	var left []brevet.GrantID
	for _, r := range b.openRevocations(ctx) {
		if r.ID == job.Act && !r.Settled() {
			left = append(left, r.Grant)
		}
	}
	if left == nil {
		return 0, nil
	}
	b.revoking.adopt(left...)
	b.revoking.poke()
	return othersTell, nil
}

// RevokeAll ends grants at once, of one person, in one account, or all that
// the caller may end, and has the clouds cut off what is out under them. The
// caller holds the right to revoke where it counts; their own grants anybody
// ends. Pending requests are cancelled with the grants that they would open.
func (b *Broker) RevokeAll(ctx context.Context, c brevet.Caller, in RevokeAll) (RevokedAll, error) {
	reason, err := brevet.CleanText("reason", in.Reason, brevet.MaxReason)
	if err != nil {
		return RevokedAll{}, err
	}
	in.Reason = reason
	c = b.current(ctx, c, policy.PrivilegedWithin)
	where, err := b.whereRevokes(ctx, c, in)
	if err != nil {
		return RevokedAll{}, err
	}
	var out RevokedAll
	err = b.DB.Update(ctx, func(tx *store.Tx) error {
		out = RevokedAll{}
		if err := proveSignIn(tx, c.SignIn); err != nil {
			return err
		}
		if err := provePerson(tx, c.Person); err != nil {
			return err
		}
		out.ID = brevet.NewID[brevet.RevocationID](tx.Now())
		if in.Key != "" {
			prior, fresh, err := tx.Claim(string(c.Person.ID), in.Key, digest([]any{"revoke all", in.Grant, in.Person, in.Account, in.Everything, in.Reason}), string(out.ID))
			if err != nil {
				return err
			}
			if !fresh {
				out.ID = brevet.RevocationID(prior)
				return nil
			}
		}
		return b.revokeAllIn(tx, c, in, where, &out)
	})
	if err != nil {
		return RevokedAll{}, err
	}
	requests := out.Requests
	b.carryOn(out.ID)
	b.changes.notify()
	out, err = b.Revocation(ctx, c, out.ID, 0)
	out.Requests = requests
	return out, err
}

// carryOn has this process carry an act out.
func (b *Broker) carryOn(act brevet.RevocationID) {
	for _, r := range b.openRevocations(context.Background()) {
		if r.ID == act {
			b.revoking.adopt(r.Grant)
		}
	}
	b.revoking.poke()
}

// whereRevokes returns the customers whose grants the caller may revoke. It
// is a refusal if that cannot be what was meant.
func (b *Broker) whereRevokes(ctx context.Context, c brevet.Caller, in RevokeAll) (where []brevet.CustomerID, err error) {
	n := 0
	for _, given := range []bool{in.Grant != "", in.Person != "", in.Account != "", in.Everything} {
		if given {
			n++
		}
	}
	if n != 1 {
		return nil, brevet.Errorf(brevet.Invalid, "say what to revoke: one grant, one person, one account, or everything")
	}
	where = []brevet.CustomerID{}
	for _, k := range b.Catalog().Customers {
		if b.holds(c, k.ID, brevet.RightRevoke) {
			where = append(where, k.ID)
		}
	}
	account := brevet.Account{}
	if in.Account != "" {
		a, ok := b.Catalog().Account(in.Account)
		if !ok || !b.knows(c, a.Customer) {
			return nil, brevet.Errorf(brevet.NotFound, "there is no account %s that you may see", brevet.Printable(in.Account))
		}
		account = a
		if !b.holds(c, a.Customer, brevet.RightRevoke) {
			return nil, b.refused(ctx, c, account, "", "revoke", b.mayNotRevoke(a.Customer))
		}
		return []brevet.CustomerID{a.Customer}, nil
	}
	if in.Everything && len(where) == 0 {
		no := brevet.Errorf(brevet.Denied, "you may not revoke the grants of anybody else").
			WithUnmet(brevet.Unmet{Condition: "hold the right to revoke", Have: "you do not", Remedy: "ask whoever runs the server"})
		return nil, b.refused(ctx, c, account, "", "revoke", no)
	}
	if in.Everything {
		return where, stepUp(c, brevet.Rung1h, b.now(), "to revoke everything")
	}
	return where, nil
}

func (b *Broker) mayNotRevoke(id brevet.CustomerID) error {
	return brevet.Errorf(brevet.Denied, "you may not revoke grants of %s", b.customerName(id)).
		WithUnmet(brevet.Unmet{Condition: "hold the right to revoke", Have: "you do not", Remedy: "ask " + b.policy().Holders(id, brevet.RightRevoke).String()})
}

// revokeAllIn is the act itself.
func (b *Broker) revokeAllIn(tx *store.Tx, c brevet.Caller, in RevokeAll, where []brevet.CustomerID, out *RevokedAll) error {
	grants, pending, err := b.meant(tx, c, in, where)
	if err != nil {
		return err
	}
	for _, g := range grants {
		if err := b.cutOff(tx, g, out.ID, in.Reason, actor(c)); err != nil {
			return err
		}
	}
	for _, r := range pending {
		if err := cancel(tx, r, in.Reason, actor(c)); err != nil {
			return err
		}
		out.Requests++
	}
	if len(grants) == 0 && in.Grant == "" {
		return nil
	}
	return tx.Enqueue(revokeJob{out.ID})
}

// meant returns the grants and the pending requests that are meant.
func (b *Broker) meant(tx *store.Tx, c brevet.Caller, in RevokeAll, where []brevet.CustomerID) (grants []brevet.Grant, pending []brevet.Request, err error) {
	if in.Grant != "" {
		g, err := grantByLog(tx, in.Grant)
		if err != nil {
			return nil, nil, unseen(err, "grant", string(in.Grant))
		}
		if g.Person != c.Person.ID && !b.holds(c, g.Customer, brevet.RightRevoke) {
			if !b.holds(c, g.Customer, brevet.RightView) {
				return nil, nil, unseen(brevet.NotFound, "grant", string(in.Grant))
			}
			return nil, nil, b.mayNotRevoke(g.Customer)
		}
		if tx.GrantOver(g.ID) {
			until, err := outstanding(tx, g, tx.Now())
			if _, known := tx.Latest(store.RevocationKey(g.ID)); err == nil && (until.IsZero() || known) {
				err = brevet.Errorf(brevet.Conflict, "grant %s is over already, and nothing is out under it that could be cut off", g.ID)
			}
			return []brevet.Grant{g}, nil, err
		}
		return []brevet.Grant{g}, nil, nil
	}
	g, r := store.GrantFilter{Customers: where}, store.RequestFilter{Customers: where, State: brevet.Pending}
	if in.Person != "" {
		p, err := personNamed(tx, in.Person)
		if err != nil {
			return nil, nil, err
		}
		g.Person, r.Person = p, p
		if p == c.Person.ID {
			g.Customers, r.Customers = nil, nil
		}
	}
	if in.Account != "" {
		a, _ := b.Catalog().Account(in.Account)
		g.Account = a.ID
	}
	grants, pending, err = b.standingAnywhere(tx, g, r)
	return grants, slices.DeleteFunc(pending, func(r brevet.Request) bool { return g.Account != "" && r.Account != g.Account }), err
}

// cutOff ends a grant, if it has not ended, and begins the revocation of what
// is out under it.
func (b *Broker) cutOff(tx *store.Tx, g brevet.Grant, act brevet.RevocationID, reason string, by brevet.Actor) error {
	now := tx.Now()
	over := tx.GrantOver(g.ID)
	ran := g.State == brevet.Active || over || !g.Start.IsZero() && !now.Before(g.Start)
	if !over {
		if g.State != brevet.Scheduled { // by the log it lives, whatever the row says
			g.State = brevet.Active
		}
		next, events, err := g.Revoke(by, reason, now)
		if err != nil {
			return err
		}
		if _, err := record(tx, events); err != nil {
			return err
		}
		if err := putEnded(tx, next); err != nil {
			return err
		}
		g = next
	}
	if !ran {
		return nil
	}
	return b.kill(tx, g, act, reason, by)
}

// kill begins the revocation of what may be out under a grant that has ended.
func (b *Broker) kill(tx *store.Tx, g brevet.Grant, act brevet.RevocationID, reason string, by brevet.Actor) error {
	now := tx.Now()
	until, err := outstanding(tx, g, now)
	if err != nil {
		return err
	}
	if until.IsZero() && !now.Before(g.End) {
		return nil
	}
	p, err := tx.Person(g.Person)
	if err != nil && !errors.Is(err, brevet.NotFound) {
		return err
	}
	r, events := g.Kill(act, p.Handle, reason, until, by, now)
	return putRevocation(tx, r, events)
}

// killShells begins the end of shells that may have been opened under grants
// that are over.
func (b *Broker) killShells(tx *store.Tx, g brevet.Grant, by brevet.Actor) error {
	a, ok := b.Catalog().AccountByID(g.Account)
	role, known := b.Catalog().Role(g.Account, g.Role)
	if !ok || !known || a.Center != nil || !b.Shells(a, role) || b.revoking.withoutRevoker(a.ID, tx.Now()) {
		return nil
	}
	if until, _ := tx.OutUntil(g.ID); until.IsZero() {
		used, err := tx.Sessions(store.SessionFilter{Grant: g.ID, Limit: 1})
		if err != nil || len(used) == 0 {
			return err
		}
	}
	p, err := tx.Person(g.Person)
	if err != nil {
		return err
	}
	r, events := g.KillShells(brevet.NewID[brevet.RevocationID](tx.Now()), p.Handle, longestShell, by, tx.Now())
	if err := putRevocation(tx, r, events); err != nil {
		return err
	}
	return tx.Enqueue(revokeJob{r.ID})
}

// longestShell is how long a shell lives by itself, where the customer has not
// set ShellMaxMinutes.
const longestShell = time.Hour

// cancel ends a pending request.
func cancel(tx *store.Tx, r brevet.Request, why string, by brevet.Actor) error {
	r, events, err := r.Lapse(why, by, tx.Now())
	if err != nil {
		return err
	}
	if r.Leaf, err = record(tx, events); err != nil {
		return err
	}
	return tx.PutRequest(r)
}

// personNamed finds a person by handle or id.
func personNamed(tx *store.Tx, who string) (brevet.PersonID, error) {
	if id, err := brevet.ParseID[brevet.PersonID](who); err == nil {
		return id, nil
	}
	h, err := brevet.ParseHandle(who)
	if err != nil {
		return "", brevet.Errorf(brevet.Invalid, "%q is neither a handle nor an id of a person", brevet.Printable(who))
	}
	p, err := tx.PersonByHandle(h)
	if err == nil {
		err = provePerson(tx, p)
		if brevet.KindOf(err) == brevet.Unauthenticated { // ended, which is no reason to look no further
			err = nil
		}
	}
	if errors.Is(err, brevet.NotFound) || errors.Is(err, brevet.Internal) { // nobody hides behind a row
		return tx.PersonInLog(h)
	}
	return p.ID, err
}

// Revocation returns how far an act of revoking has come: those parts of it
// that the caller may see. With wait above zero it is held while it is under
// way, at most that long.
func (b *Broker) Revocation(ctx context.Context, c brevet.Caller, id brevet.RevocationID, wait time.Duration) (RevokedAll, error) {
	ctx, cancel := context.WithTimeout(ctx, max(wait, time.Millisecond))
	defer cancel()
	for {
		changed := b.changes.wait()
		out, err := b.revocations(context.WithoutCancel(ctx), c, store.RevocationFilter{Act: id})
		out.ID = id
		if err != nil || wait <= 0 || out.Settled() || !b.changes.pause(ctx, changed) {
			return out, err
		}
	}
}

// Revocations lists what the caller may see, newest first.
func (b *Broker) Revocations(ctx context.Context, c brevet.Caller, limit int) (RevokedAll, error) {
	f := store.RevocationFilter{Customers: []brevet.CustomerID{}, Limit: List{Limit: limit}.limit()}
	for _, k := range b.Catalog().Customers {
		if b.seesRevocations(c, k.ID) {
			f.Customers = append(f.Customers, k.ID)
		}
	}
	return b.revocations(ctx, c, f)
}

func (b *Broker) seesRevocations(c brevet.Caller, id brevet.CustomerID) bool {
	return b.holds(c, id, brevet.RightRevoke) || b.holds(c, id, brevet.RightView)
}

func (b *Broker) revocations(ctx context.Context, c brevet.Caller, f store.RevocationFilter) (out RevokedAll, err error) {
	c = b.current(ctx, c, policy.PrivilegedWithin)
	err = b.look(ctx, func(tx *store.Tx) error {
		out = RevokedAll{Now: tx.Now()}
		rows, err := tx.Revocations(f)
		if err != nil {
			return err
		}
		for _, row := range rows {
			r, err := revocationNow(tx, row.Grant)
			if err != nil {
				return err
			}
			if r.Person != c.Person.ID && !b.seesRevocations(c, r.Customer) {
				continue
			}
			out.Grants = append(out.Grants, RevocationView{r, b.targetName(r.Account, r.Role), b.customerName(r.Customer)})
		}
		return nil
	})
	return out, err
}

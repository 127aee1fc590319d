package broker

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/policy"
	"github.com/brevet-access/brevet/store"
)

// mostExtensions bounds how often one grant is extended: each is proven again
// at every issue.
const mostExtensions = 24

// Extend asks for more time of a grant that lives.
type Extend struct {
	Grant    brevet.GrantID
	Duration time.Duration
	Reason   string
	Ticket   string
	Key      string
}

// Extend records a request that, once approved, moves the end of the caller's
// own grant by a duration. It is approved by the rule for extensions of the
// entitlement that the grant was given under; what the grant may become in
// all is bounded there, too. It can be decided while the grant lives.
func (b *Broker) Extend(ctx context.Context, c brevet.Caller, in Extend) (RequestView, error) {
	var err error
	if in.Reason, err = brevet.CleanText("reason", in.Reason, brevet.MaxReason); err != nil {
		return RequestView{}, err
	}
	if in.Ticket != "" {
		if in.Ticket, err = brevet.CleanText("ticket", in.Ticket, brevet.MaxName); err != nil {
			return RequestView{}, err
		}
	}
	if in.Duration < time.Minute {
		return RequestView{}, brevet.Errorf(brevet.Invalid, "duration: at least 1m").WithHint("say how much longer: --for 1h")
	}
	v, err := again(ctx, b, func() (RequestView, error) { return b.extendOnce(ctx, c, in) })
	if err == nil {
		b.changes.notify()
	}
	return v, err
}

func (b *Broker) extendOnce(ctx context.Context, c brevet.Caller, in Extend) (v RequestView, err error) {
	rules := b.ruling.Load()
	var g brevet.Grant
	var first brevet.Request
	err = b.look(ctx, func(tx *store.Tx) (err error) {
		g, first, err = b.extensible(tx, c, in.Grant, b.now())
		return err
	})
	if err != nil {
		return v, err
	}
	c = b.current(ctx, c, b.groupsWithin(first))
	asked := false
	if asked, err = b.checkExtension(ctx, c, rules, in); err == nil {
		err = b.DB.Update(ctx, func(tx *store.Tx) error {
			if err := rules.rules(tx); err != nil {
				return err
			}
			r, err := b.extendIn(tx, c, rules, in, asked)
			if err != nil {
				return err
			}
			v, err = b.requestView(tx, c, r, tx.Now())
			return err
		})
	}
	if brevet.KindOf(err) == brevet.Denied {
		account, _ := b.Catalog().AccountByID(g.Account)
		account.Customer = g.Customer
		err = b.refused(ctx, c, account, g.Role, "extension of "+string(g.ID), err)
	}
	return v, err
}

// extensible returns the caller's own grant, proven and alive, and the
// request that opened it.
func (b *Broker) extensible(tx *store.Tx, c brevet.Caller, id brevet.GrantID, now time.Time) (g brevet.Grant, first brevet.Request, err error) {
	if g, err = tx.Grant(id); err != nil || g.Person != c.Person.ID {
		if err == nil || brevet.KindOf(err) == brevet.NotFound {
			err = brevet.Errorf(brevet.NotFound, "you hold no grant %s", id).WithHint("brevet grants --live lists yours")
		}
		return g, first, err
	}
	if tx.GrantOver(g.ID) || !g.Live(now) {
		return g, first, notExtensible(g)
	}
	if err := b.stays(tx, g.Customer); err != nil {
		return g, first, err
	}
	if first, err = tx.Request(g.Request); err != nil {
		return g, first, err
	}
	if _, err := proveGrant(tx, g, first); err != nil {
		return g, first, err
	}
	if first.BreakGlass {
		return g, first, brevet.Errorf(brevet.Denied, "grant %s was opened in an emergency and is not extended", g.ID).
			WithHint("brevet request asks in the ordinary way").
			WithUnmet(brevet.Unmet{Condition: "a grant that somebody or a policy approved", Have: "it broke the glass", Remedy: "brevet request " + b.targetName(g.Account, g.Role)})
	}
	return g, first, nil
}

func notExtensible(g brevet.Grant) error {
	if g.State == brevet.Scheduled {
		return brevet.Errorf(brevet.Conflict, "grant %s has not begun", g.ID).WithHint("brevet extend is for what gives access now")
	}
	return brevet.Errorf(brevet.Expired, "grant %s has ended, so there is nothing to extend", g.ID).WithHint("brevet request asks for access anew")
}

// checkExtension asks the checks of the entitlement about an extension that
// nothing else stands in the way of, outside any transaction, and says whether
// that was done. What else there is to refuse, or was answered before, is told
// when it is to be recorded.
func (b *Broker) checkExtension(ctx context.Context, c brevet.Caller, rules *ruling, in Extend) (asked bool, err error) {
	var p prepared
	err = b.look(ctx, func(tx *store.Tx) (err error) {
		p, _, err = b.judgeExtension(tx, c, rules, in, b.now())
		return err
	})
	if err != nil {
		return false, nil
	}
	err = b.checkText(ctx, p.entitlement, p.target, c.Person.Handle, p.ask)
	if brevet.KindOf(err) == brevet.Denied {
		err = brevet.AsError(err).WithHint("brevet extend %s … asks again", in.Grant)
	}
	return true, err
}

// extendIn records the request and, where policy approves it, what it moves.
// asked says whether the checks said yes to it.
func (b *Broker) extendIn(tx *store.Tx, c brevet.Caller, rules *ruling, in Extend, asked bool) (r brevet.Request, err error) {
	now := tx.Now()
	g, _, err := b.extensible(tx, c, in.Grant, now)
	if err != nil {
		return r, err
	}
	if err := b.mayAct(tx, c, g.Customer); err != nil {
		return r, err
	}
	id := brevet.NewID[brevet.RequestID](now)
	if in.Key != "" { // asked twice, it is answered alike, however long the grant is by now
		prior, fresh, err := tx.Claim(string(c.Person.ID), in.Key, in.digest(), string(id))
		if err != nil {
			return r, err
		}
		if !fresh {
			return tx.Request(brevet.RequestID(prior))
		}
	}
	p, left, err := b.judgeExtension(tx, c, rules, in, now)
	if err != nil {
		return r, err
	}
	if !asked { // what stood in the way a moment ago is gone
		return r, errMoved
	}
	r, _, err = b.placeFor(tx, c, id, p.ask, p.policy, min(p.ask.Rule.Wait(), left))
	return r, err
}

// judgeExtension says what would be asked for, or why not, and how much longer
// the grant lives.
func (b *Broker) judgeExtension(tx *store.Tx, c brevet.Caller, rules *ruling, in Extend, now time.Time) (p prepared, left time.Duration, err error) {
	g, first, err := b.extensible(tx, c, in.Grant, now)
	if err != nil {
		return p, 0, err
	}
	waiting, err := b.extensions(tx, g.ID, brevet.Pending)
	if err != nil {
		return p, 0, err
	}
	if len(waiting) > 0 {
		return p, 0, brevet.Errorf(brevet.Conflict, "an extension of grant %s waits for an answer already: %s", g.ID, waiting[0].ID).
			WithHint("brevet withdraw %s takes it back", waiting[0].ID)
	}
	first.Duration, first.Reason = in.Duration, in.Reason
	a, why, err := rules.extends(c, g, first, now)
	switch {
	case err != nil:
		return p, 0, err
	case len(a.Unmet) > 0:
		return p, 0, brevet.Errorf(brevet.Denied, "grant %s cannot be extended by %s", g.ID, brevet.FormatDuration(in.Duration)).WithUnmet(a.Unmet...)
	case why != "":
		return p, 0, brevet.Errorf(brevet.Denied, "grant %s cannot be extended: %s", g.ID, why)
	}
	first.Ticket = in.Ticket
	if unmet := textsUnmet(first, a.Entitlement); len(unmet) > 0 {
		return p, 0, brevet.Errorf(brevet.Invalid, "an extension needs %s", unmet[0].Condition).WithUnmet(unmet...)
	}
	p = prepared{caller: c, target: b.targetName(g.Account, g.Role), entitlement: a.Entitlement, policy: a.Policy}
	p.ask = brevet.Ask{Person: c.Person.ID, Customer: g.Customer, Account: g.Account, Role: g.Role, RoleDigest: first.RoleDigest,
		Entitlement: first.Entitlement, Rule: a.Approval, Activate: brevet.OnApproval, MFA: a.MFA, Duration: in.Duration,
		Reason: in.Reason, Ticket: in.Ticket, SessionPolicy: first.SessionPolicy, CatalogVersion: rules.version, Extends: g.ID, Bound: bound(a)}
	return p, g.End.Sub(now), nil
}

// standsFor is [ruling.stands] for a request that somebody is about to
// approve; for an extension, of the grant as it is now.
func (b *Broker) standsFor(tx *store.Tx, rules *ruling, r brevet.Request, requester brevet.Caller, now time.Time) (a policy.Answer, why string, err error) {
	if r.Extends == "" {
		return rules.stands(r, requester, now)
	}
	g, first, err := b.extensible(tx, requester, r.Extends, now)
	if k := brevet.KindOf(err); k == brevet.Expired || k == brevet.NotFound {
		return a, "the grant that it would extend has ended", nil
	}
	if err != nil {
		return a, "", err
	}
	if first.RoleDigest != r.RoleDigest || first.Entitlement != r.Entitlement {
		return a, "the grant is under other rules than the extension", nil
	}
	if a, why, err = rules.extends(requester, g, r, now); err != nil || why != "" {
		return a, why, err
	}
	if r.State == brevet.Approved && !r.Meets(a.Approval) {
		return a, "it needs another approval now: " + a.Approval.String(), nil
	}
	return a, "", nil
}

// digest names what an idempotency key was used for.
func (in Extend) digest() string {
	return digest([]any{"extend", in.Grant, in.Duration, in.Reason, in.Ticket})
}

// extensions returns the requests to extend a grant that are in a state, by
// their rows, newest first.
func (b *Broker) extensions(tx *store.Tx, id brevet.GrantID, state brevet.RequestState) ([]brevet.Request, error) {
	list, err := tx.Requests(store.RequestFilter{Extends: id, State: state, Limit: mostExtensions + 1})
	now := tx.Now()
	return slices.DeleteFunc(list, func(r brevet.Request) bool { return r.State == brevet.Pending && !now.Before(r.Lapses) }), err
}

// extends asks policy whether the caller's grant may become longer by what r
// asks for. why says what stands in the way; then the answer has the unmet
// conditions.
func (rules *ruling) extends(c brevet.Caller, g brevet.Grant, r brevet.Request, now time.Time) (a policy.Answer, why string, err error) {
	return rules.longer(c, r, g.End.Add(r.Duration).Sub(g.Start), now)
}

// longer asks policy about a grant like r's that lasts total in all.
func (rules *ruling) longer(c brevet.Caller, r brevet.Request, total time.Duration, now time.Time) (a policy.Answer, why string, err error) {
	account, why := rules.same(r)
	if why != "" {
		return a, why, nil
	}
	q := query(c, account, r.Role, now)
	q.Duration, q.Reason, q.Extends = total, r.Reason, r.Entitlement
	decide := rules.decide
	if r.Extends != "" && !r.Rule.Automatic { // people approved it; who wrote the rules has no part in that
		decide = rules.Policy.Decide
	}
	if a = decide(q); a.Allowed {
		return a, "", nil
	}
	q.Groups.At = now
	if decide(q).Allowed {
		return a, "", groupsUnknown()
	}
	why = "its holder is not entitled to that"
	if len(a.Unmet) > 0 {
		why = a.Unmet[0].Condition + "; " + a.Unmet[0].Have
	}
	return a, why, nil
}

// extend moves the end of the grant that an approved request asks to extend.
func (b *Broker) extend(tx *store.Tx, r brevet.Request, by brevet.Actor) (brevet.Grant, error) {
	if err := b.stays(tx, r.Customer); err != nil {
		return brevet.Grant{}, err
	}
	g, err := tx.Grant(r.Extends)
	if err != nil {
		return g, err
	}
	first, err := tx.Request(g.Request)
	if err != nil {
		return g, err
	}
	chain, err := proveGrant(tx, g, first)
	if err != nil {
		return g, err
	}
	if len(chain.ends) >= mostExtensions {
		return g, brevet.Errorf(brevet.Conflict, "grant %s was extended %d times already", g.ID, mostExtensions).WithHint("ask anew with brevet request")
	}
	g, events, err := g.Extend(r, by, tx.Now())
	if err != nil {
		return g, err
	}
	if g.Leaf, err = record(tx, events); err != nil {
		return g, err
	}
	return g, tx.PutGrant(g)
}

// past is what the log says about a grant beside where it stands now.
type past struct {
	ends       []time.Time      // where it ended before each extension, the latest first
	extensions []brevet.Request // those that moved it, likewise
}

// proveWindow follows the grant from its newest event back to its activation:
// each event that moved its end names the one before and was approved by a
// request of its own. It returns what the activation must say.
func proveWindow(tx *store.Tx, g brevet.Grant) (w past, activated brevet.Event, err error) {
	leaf, end := g.Leaf, g.End
	for {
		e, err := tx.Proven(leaf)
		if err != nil {
			return w, e, err
		}
		if e.Grant != g.ID || e.Start == nil || !e.Start.Equal(g.Start) || e.End == nil || !e.End.Equal(end) {
			return w, e, disagree("grant", string(g.ID))
		}
		if e.Kind == brevet.GrantActivated {
			return w, e, nil
		}
		prior, err := strconv.ParseInt(e.Data[brevet.PriorLeaf], 10, 64)
		if e.Kind != brevet.GrantExtended || err != nil || prior < 0 || prior >= leaf || len(w.ends) == mostExtensions {
			return w, e, disagree("grant", string(g.ID))
		}
		r, err := proveExtension(tx, g, e)
		if err != nil {
			return w, e, err
		}
		before, err := tx.Proven(prior)
		if err != nil {
			return w, e, err
		}
		if before.End == nil || !r.EndOf(*before.End).Equal(end) {
			return w, e, disagree("grant", string(g.ID))
		}
		leaf, end = prior, *before.End
		w.ends, w.extensions = append(w.ends, end), append(w.extensions, r)
	}
}

// proveExtension matches an extension with the request behind it: the log
// holds the approval of exactly this, by this person, for this grant.
func proveExtension(tx *store.Tx, g brevet.Grant, e brevet.Event) (brevet.Request, error) {
	r, err := tx.Request(e.Request)
	if err != nil {
		if brevet.KindOf(err) == brevet.NotFound {
			err = disagree("extension of grant", string(g.ID))
		}
		return r, err
	}
	if err := proveApproval(tx, r); err != nil {
		return r, err
	}
	if r.Extends != g.ID || r.BreakGlass || e.Digest != r.Digest() || r.Person != g.Person || r.Customer != g.Customer || r.Account != g.Account || r.Role != g.Role || r.Duration <= 0 {
		return r, disagree("extension of grant", string(g.ID))
	}
	return r, nil
}

// keepsExtensions holds the extensions of a grant against the catalog in
// force, as [ruling.stands] holds the request that opened it (law 4).
func (rules *ruling) keepsExtensions(c brevet.Caller, g brevet.Grant, w past, now time.Time) (why string, err error) {
	for i, r := range w.extensions {
		total := g.End.Sub(g.Start)
		if i > 0 {
			total = w.ends[i-1].Sub(g.Start)
		}
		a, why, err := rules.longer(c, r, total, now)
		switch {
		case err != nil || why != "":
			return why, err
		case !r.Meets(a.Approval):
			return "an extension needs another approval now: " + a.Approval.String(), nil
		}
	}
	return "", nil
}

// cutShort reports whether a session was made when its grant ended sooner,
// and got no more than that: a new one would last longer.
func (w past) cutShort(s brevet.Session) bool {
	return slices.ContainsFunc(w.ends, s.Expires.Equal)
}

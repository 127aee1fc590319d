package broker

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/catalog"
	"github.com/brevet-access/brevet/store"
)

// mostTargets is how many targets one intent may name.
const mostTargets = 20

// Batch is what was asked in one intent: a request for each target, sorted by
// target. ID is empty where there was only one.
type Batch struct {
	ID       brevet.BatchID
	Requests []RequestView
}

// prepared is a request that was judged and is not on record yet.
type prepared struct {
	caller      brevet.Caller
	target      string
	entitlement brevet.Entitlement
	ask         brevet.Ask
	policy      string // what approves; "" for people
}

// AskAll records a request like in for each of the targets, in one
// transaction, or none: all are judged first, and what stands in the way of
// any of them is said of all of them at once.
func (b *Broker) AskAll(ctx context.Context, c brevet.Caller, targets []string, in Ask) (Batch, error) {
	if err := b.checkAsk(&in); err != nil {
		return Batch{}, err
	}
	targets, err := distinct(targets)
	if err != nil {
		return Batch{}, err
	}
	v, err := again(ctx, b, func() (Batch, error) { return b.askOnce(ctx, c, targets, in) })
	if err == nil {
		b.changes.notify()
	}
	return v, err
}

// checkAsk checks what can be told without knowing who asks for what.
func (b *Broker) checkAsk(in *Ask) (err error) {
	if in.Reason != "" { // whether one is needed, the entitlement says
		if in.Reason, err = brevet.CleanText("reason", in.Reason, brevet.MaxReason); err != nil {
			return err
		}
	}
	if in.Ticket != "" {
		if in.Ticket, err = brevet.CleanText("ticket", in.Ticket, brevet.MaxName); err != nil {
			return err
		}
	}
	if in.Duration != 0 && in.Duration < time.Minute {
		return brevet.Errorf(brevet.Invalid, "duration: %s is too short; at least 1m", brevet.FormatDuration(in.Duration))
	}
	if in.NotBefore.IsZero() {
		return nil
	}
	if in.NotBefore = brevet.Instant(in.NotBefore); !in.NotBefore.After(b.now()) {
		return brevet.Errorf(brevet.Invalid, "start: %s is over already", in.NotBefore.Format(time.RFC3339)).WithHint("leave the start out to begin at once")
	}
	return nil
}

// distinct returns the targets in the order in which they were named; naming
// one twice is a mistake.
func distinct(targets []string) ([]string, error) {
	if len(targets) == 0 || len(targets) > mostTargets {
		return nil, brevet.Errorf(brevet.Invalid, "targets: name 1 to %d", mostTargets)
	}
	var out []string
	for _, s := range targets {
		t, err := brevet.ParseTarget(s)
		if err != nil {
			return nil, err
		}
		if slices.Contains(out, t.String()) {
			return nil, brevet.Errorf(brevet.Invalid, "targets: %s stands there twice", t)
		}
		out = append(out, t.String())
	}
	return out, nil
}

func (b *Broker) askOnce(ctx context.Context, c brevet.Caller, targets []string, in Ask) (v Batch, err error) {
	ready, rules, err := b.prepareAll(ctx, c, targets, in)
	if err != nil {
		return v, err
	}
	if err := b.checkTexts(ctx, ready); err != nil {
		return v, err
	}
	err = b.DB.Update(ctx, func(tx *store.Tx) error {
		if err := rules.rules(tx); err != nil {
			return err
		}
		v, err = b.placeAll(tx, ready, targets, in)
		return err
	})
	return v, err
}

// placeAll records what was prepared, once for a key.
func (b *Broker) placeAll(tx *store.Tx, ready []prepared, targets []string, in Ask) (v Batch, err error) {
	c := ready[0].caller
	id := string(brevet.NewID[brevet.RequestID](tx.Now()))
	if len(ready) > 1 {
		v.ID = brevet.NewID[brevet.BatchID](tx.Now())
		id = string(v.ID)
	}
	if in.Key != "" {
		prior, fresh, err := tx.Claim(string(c.Person.ID), in.Key, in.digest(targets), id)
		if err != nil {
			return v, err
		}
		if !fresh {
			return b.asked(tx, c, prior)
		}
	}
	for i, p := range ready {
		if i > 0 || v.ID != "" {
			id = string(brevet.NewID[brevet.RequestID](tx.Now()))
		}
		p.ask.Batch = v.ID
		r, _, err := b.place(tx, p.caller, brevet.RequestID(id), p.ask, p.policy)
		if err != nil {
			return v, err
		}
		view, err := b.requestView(tx, c, r, tx.Now())
		if err != nil {
			return v, err
		}
		v.Requests = append(v.Requests, view)
	}
	v.sort()
	return v, nil
}

func (v *Batch) sort() {
	slices.SortFunc(v.Requests, func(a, b RequestView) int { return cmp.Compare(a.Target, b.Target) })
}

// digest names what an idempotency key was used for. The catalog's version
// may change between two tries of one intent; it does not count.
func (in Ask) digest(targets []string) string {
	return digest([]any{"request", targets, in.Duration, in.Reason, in.Ticket, in.NotBefore, in.Only})
}

// asked returns what was recorded under an id: a batch or a request.
func (b *Broker) asked(tx *store.Tx, c brevet.Caller, id string) (v Batch, err error) {
	var requests []brevet.Request
	if batch, no := brevet.ParseID[brevet.BatchID](id); no == nil {
		v.ID = batch
		if requests, err = tx.Requests(store.RequestFilter{Batch: batch, Limit: mostTargets}); err != nil {
			return v, err
		}
	} else {
		r, err := tx.Request(brevet.RequestID(id))
		if err != nil {
			return v, err
		}
		requests = []brevet.Request{r}
	}
	for _, r := range requests {
		view, err := b.requestView(tx, c, r, tx.Now())
		if err != nil {
			return v, err
		}
		v.Requests = append(v.Requests, view)
	}
	v.sort()
	return v, nil
}

// Batch returns the requests of one intent, as far as the caller may see
// them, sorted by target.
func (b *Broker) Batch(ctx context.Context, c brevet.Caller, id brevet.BatchID) (v Batch, err error) {
	c = b.current(ctx, c, 15*time.Minute)
	err = b.DB.View(ctx, func(tx *store.Tx) error {
		all, err := b.asked(tx, c, string(id))
		if err != nil {
			return err
		}
		v = Batch{ID: id, Requests: slices.DeleteFunc(all.Requests, func(r RequestView) bool { return !b.mayView(c, r.Request, tx.Now()) })}
		if len(v.Requests) == 0 {
			return brevet.Errorf(brevet.NotFound, "there is no batch %s that you may see", id)
		}
		return nil
	})
	return v, err
}

// prepareAll judges a request for each target. The error names all that stand
// in the way.
func (b *Broker) prepareAll(ctx context.Context, c brevet.Caller, targets []string, in Ask) (ready []prepared, rules *ruling, err error) {
	before := b.ruling.Load()
	var no []error
	for _, target := range targets {
		one := in
		one.Target = target
		p, seen, err := b.prepare(ctx, c, one)
		switch {
		case err != nil && brevet.KindOf(err) == brevet.Internal:
			return nil, nil, err
		case err != nil:
			no = append(no, err)
			continue
		case seen != before:
			return nil, nil, errMoved
		}
		ready = append(ready, p)
	}
	return ready, before, together(targets, no)
}

// together makes one error of those about some of the targets.
func together(targets []string, no []error) error {
	if len(no) == 0 {
		return nil
	}
	if len(targets) == 1 {
		return no[0]
	}
	first := brevet.AsError(no[0])
	out := brevet.Errorf(first.Kind, "nothing was asked for: %d of %d targets stand in the way", len(no), len(targets)).WithHint("leave them out, or meet what they need")
	for _, err := range no {
		e := brevet.AsError(err)
		out.Unmet = append(out.Unmet, brevet.Unmet{Condition: "all targets", Have: e.Message, Remedy: e.Hint})
		out.Unmet = append(out.Unmet, e.Unmet...)
	}
	return out
}

// prepare judges one request; what policy refuses goes on record.
func (b *Broker) prepare(ctx context.Context, c brevet.Caller, in Ask) (p prepared, rules *ruling, err error) {
	account, role, err := b.resolve(c, in.Target)
	if err != nil {
		return p, nil, err
	}
	c, a, rules := b.judge(ctx, c, account, role.Name, in.Duration, in.Reason)
	if a.Allowed && in.Duration == 0 { // judged at the longest so far
		in.Duration = min(time.Hour, a.Longest)
		c, a, rules = b.judge(ctx, c, account, role.Name, in.Duration, in.Reason)
	}
	if !a.Allowed {
		return p, nil, b.refused(ctx, c, account, role.Name, "request", denied(in.Target, a))
	}
	if err := meets(in, a.Entitlement, b.now()); err != nil {
		return p, nil, err
	}
	p = prepared{caller: c, target: in.Target, entitlement: a.Entitlement, policy: a.Policy, ask: b.ask(c, account, role, a, rules, in)}
	p.ask.SessionPolicy, err = b.narrow(in.Only, account, role)
	return p, rules, err
}

// meets holds what was asked against the entitlement's rules on it.
func meets(in Ask, e brevet.Entitlement, now time.Time) error {
	unmet := texts(e, in.Reason, in.Ticket)
	if len(unmet) > 0 {
		return brevet.Errorf(brevet.Invalid, "%s needs %s", in.Target, unmet[0].Condition).WithHint("%s", unmet[0].Remedy).WithUnmet(unmet...)
	}
	ahead := cmp.Or(e.Ahead, brevet.DefaultAhead)
	if in.NotBefore.Sub(now) > ahead {
		return brevet.Errorf(brevet.Invalid, "start: %s is more than %s ahead, which is as far as entitlement %s lets you plan", in.NotBefore.Format(time.RFC3339),
			brevet.FormatDuration(ahead), e.Name).WithHint("ask for an earlier start, or ask again later")
	}
	return nil
}

func texts(e brevet.Entitlement, reason, ticket string) []brevet.Unmet {
	return append(catalog.TextUnmet(e.Reason, "reason", reason), catalog.TextUnmet(e.Ticket, "ticket", ticket)...)
}

// textsUnmet holds a request against the rules that are in force now. What
// opened by itself was not asked for a reason, and an extension has the ticket
// of what it extends.
func textsUnmet(r brevet.Request, e brevet.Entitlement) []brevet.Unmet {
	switch {
	case r.Extends != "":
		return nil
	case r.Rule.Automatic && r.Activate == brevet.OnUse:
		return catalog.TextUnmet(e.Ticket, "ticket", r.Ticket)
	}
	return texts(e, r.Reason, r.Ticket)
}

package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// boundsEvery is how often grants are held against shifts and engagements
// although neither changed.
const boundsEvery = time.Minute

// bounded remembers what the grants were held against last.
type bounded struct {
	mu   sync.Mutex
	seen string
	at   time.Time
}

// fresh reports whether there is nothing new to hold grants against.
func (d *bounded) fresh(seen string, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seen == seen && now.Sub(d.at) < boundsEvery && !now.Before(d.at)
}

func (d *bounded) done(seen string, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen, d.at = seen, now
}

// out is a grant or a request that has lost what let its person in.
type out struct {
	grant   brevet.Grant // its zero value: the request alone
	request brevet.Request
	by      brevet.Actor
	why     string
}

// sweepBounds revokes grants of people whom an override took off duty, or
// whose engagement has ended or was shortened, and lets their requests lapse.
// A grant ends with its shift or engagement by itself: this is for what
// changed since. A rota that cannot be asked takes nobody off duty; under its
// grants nothing new is issued meanwhile.
func (b *Broker) sweepBounds(ctx context.Context) error {
	rules := b.ruling.Load()
	if len(rules.Rotas)+len(rules.Engagements) == 0 {
		return nil
	}
	now, duty := b.now(), b.duty.roster.Load()
	seen := rules.signature(duty, now)
	if b.bounded.fresh(seen, now) {
		return nil
	}
	var all []out
	err := b.look(ctx, func(tx *store.Tx) (err error) {
		all, err = rules.outside(tx, duty, now)
		return err
	})
	for _, o := range all {
		err = errors.Join(err, b.putOut(ctx, o))
	}
	if all != nil {
		b.changes.notify()
	}
	if err == nil {
		b.bounded.done(seen, now)
	}
	return err
}

// signature says in a text what grants are held against: the catalog, and who
// is on duty now.
func (r *ruling) signature(duty *brevet.Roster, now time.Time) string {
	var s strings.Builder
	fmt.Fprint(&s, r.version)
	for _, name := range duty.Names() {
		state, _ := duty.State(name)
		fmt.Fprint(&s, "\n", name, state.Known(now), duty.On(name, now), duty.On(name+"/"+string(brevet.Secondary), now))
	}
	for _, e := range r.Engagements {
		fmt.Fprint(&s, e.Live(now))
	}
	return s.String()
}

// outside finds the grants and requests that have lost what let their people
// in. That a grant is over only the log says; and one that cannot be judged
// keeps no other from being found.
func (r *ruling) outside(tx *store.Tx, duty *brevet.Roster, now time.Time) (all []out, err error) {
	grants, err := tx.Grants(store.GrantFilter{Alive: now})
	if err != nil {
		return nil, err
	}
	pending, err := tx.Requests(store.RequestFilter{State: brevet.Pending})
	if err != nil {
		return nil, err
	}
	people := map[brevet.PersonID]brevet.Caller{}
	var errs []error
	judge := func(g brevet.Grant, request brevet.Request, err error) {
		var o out
		is := false
		if err == nil {
			o, is, err = r.lost(tx, people, g, request, duty, now)
		}
		if is {
			all = append(all, o)
		}
		errs = append(errs, err)
	}
	for _, g := range grants {
		if tx.GrantOver(g.ID) {
			continue
		}
		request, err := tx.Request(g.Request)
		judge(g, request, err)
	}
	for _, request := range pending {
		judge(brevet.Grant{}, request, nil)
	}
	return all, errors.Join(errs...)
}

// lost judges one grant, or one pending request.
func (r *ruling) lost(tx *store.Tx, people map[brevet.PersonID]brevet.Caller, g brevet.Grant, request brevet.Request, duty *brevet.Roster, now time.Time) (o out, is bool, err error) {
	o = out{grant: g, request: request}
	c, ok := people[request.Person]
	if !ok {
		if c, err = lastKnown(tx, request.Person); err != nil {
			return o, false, err
		}
		people[request.Person] = c
	}
	if names := request.Bound.Duty; len(names) > 0 && askedInVain(duty, names, now) == "" && len(duty.Of(c.Person.Handle, names, now)) == 0 {
		o.by = brevet.Actor{System: "rota"}
		o.why = "off duty: " + duty.Say(names[0], now)
		return o, true, nil
	}
	until, unmet := r.Policy.Engaged(query(c, brevet.Account{}, "", now), request.Account)
	o.by = brevet.Actor{System: "engagement"}
	switch end := latest(g); {
	case unmet != nil:
		o.why = "outside an engagement: " + unmet[0].Have
		return o, true, nil
	case !until.IsZero() && end.After(until):
		o.why = "it would outlive the engagement, which ends " + until.UTC().Format(time.RFC3339)
		return o, true, nil
	}
	return o, false, nil
}

// latest returns when the grant is over at the latest, as its row says.
func latest(g brevet.Grant) time.Time {
	if g.State == brevet.Scheduled {
		return g.Waits
	}
	return g.End
}

// lastKnown returns a person with the groups that a provider stated last,
// however long ago: they are for taking away.
func lastKnown(tx *store.Tx, id brevet.PersonID) (c brevet.Caller, err error) {
	if c.Person, err = tx.Person(id); err != nil {
		return c, err
	}
	signIns, err := tx.SignIns(id)
	for _, s := range signIns {
		if s.Only == "" && s.Groups.At.After(c.SignIn.Groups.At) {
			c.SignIn = s
		}
	}
	return c, err
}

// putOut revokes the grant and has what is out under it cut off, or lets the
// request lapse.
func (b *Broker) putOut(ctx context.Context, o out) error {
	if o.grant.ID == "" {
		return b.DB.Update(ctx, func(tx *store.Tx) error {
			r, err := tx.Request(o.request.ID)
			if err != nil || r.State != brevet.Pending {
				return err
			}
			_, _, err = b.lapse(tx, r, o.why)
			return err
		})
	}
	var act brevet.RevocationID
	err := b.DB.Update(ctx, func(tx *store.Tx) error {
		g, err := tx.Grant(o.grant.ID)
		if err != nil || tx.GrantOver(g.ID) {
			return err
		}
		act = brevet.NewID[brevet.RevocationID](tx.Now())
		if err := b.cutOff(tx, g, act, o.why, o.by); err != nil {
			return err
		}
		return tx.Enqueue(revokeJob{act})
	})
	if err == nil && act != "" {
		b.carryOn(act)
	}
	return err
}

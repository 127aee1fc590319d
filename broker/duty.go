package broker

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/policy"
)

const (
	dutyPatience = 10 * time.Second // how long a source may take
	dutyFresh    = 20 * time.Second // facts this young are not asked for again beforehand
	dutyPause    = 10 * time.Second // how long a source that failed is left alone
)

// duty is what is known of who is on duty. Sources are asked outside of
// transactions, and what they said is forgotten after [brevet.DutyWithin].
type duty struct {
	roster atomic.Pointer[brevet.Roster]
	mu     sync.Mutex
	states map[string]brevet.RotaState
	tried  map[string]time.Time // when each source failed last
	asking singleflight.Group
}

// attend returns the caller with what is known of the rotas that may put them
// on duty. Where that is too old the source is asked; where it does not
// answer nobody is on duty, and the roster says why.
func (b *Broker) attend(ctx context.Context, c brevet.Caller) brevet.Caller {
	now := b.now()
	var ask []brevet.Rota
	for _, r := range b.Catalog().RotasOf(c.Person.Handle) {
		if s, ok := b.duty.roster.Load().State(r.Name); !ok || !s.Known(now) {
			ask = append(ask, r)
		}
	}
	b.askRotas(ctx, ask)
	c.Duty = b.duty.roster.Load()
	return c
}

// FollowDuty asks every rota of the catalog again whose facts are not fresh,
// and reads those in files: they cost nothing.
func (b *Broker) FollowDuty(ctx context.Context) {
	now := b.now()
	var ask []brevet.Rota
	for _, r := range b.Catalog().Rotas {
		if s, ok := b.duty.roster.Load().State(r.Name); !ok || s.Why != "" || now.Sub(s.At) >= dutyFresh || r.Source.Kind == brevet.RotaYAML {
			ask = append(ask, r)
		}
	}
	b.askRotas(ctx, ask)
}

// forgetRotas drops what is known of rotas that the catalog in force has no
// more, or has otherwise.
func (b *Broker) forgetRotas() {
	d := &b.duty
	d.mu.Lock()
	defer d.mu.Unlock()
	before := len(d.states)
	maps.DeleteFunc(d.states, func(_ string, s brevet.RotaState) bool { return !b.isRota(s.Rota) })
	if len(d.states) != before {
		d.publish()
	}
}

// isRota reports whether the catalog in force has just this rota.
func (b *Broker) isRota(r brevet.Rota) bool {
	return slices.ContainsFunc(b.Catalog().Rotas, func(o brevet.Rota) bool { return o.Name == r.Name && sameRota(o, r) })
}

// askRotas asks the rotas side by side.
func (b *Broker) askRotas(ctx context.Context, rotas []brevet.Rota) {
	var all sync.WaitGroup
	for _, r := range rotas {
		all.Go(func() { b.askRota(ctx, r) })
	}
	all.Wait()
}

// askRota asks one rota, once for all who want to know.
func (b *Broker) askRota(ctx context.Context, r brevet.Rota) {
	_, _, _ = b.duty.asking.Do(r.Name, func() (any, error) {
		now := b.now()
		if b.Shifts == nil || b.duty.failedLately(r, now) {
			return nil, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dutyPatience)
		defer cancel()
		shifts, err := b.Shifts(ctx, r, now) // as of before it was asked
		b.takeShifts(r, shifts, now, err)
		if err != nil {
			b.Log.WarnContext(ctx, "a rota could not be asked; by it nobody is on duty", "rota", r.Name, "err", brevet.AsError(err).Message)
		}
		return nil, nil
	})
}

func (d *duty) failedLately(r brevet.Rota, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	at, failed := d.tried[r.Name]
	return failed && now.Sub(at) < dutyPause && !now.Before(at) && sameRota(r, d.states[r.Name].Rota)
}

// takeShifts keeps what a source said, or that it did not answer: facts from before
// count on while they are young enough.
func (b *Broker) takeShifts(r brevet.Rota, shifts []brevet.Shift, at time.Time, err error) {
	d := &b.duty
	d.mu.Lock()
	defer d.mu.Unlock()
	if !b.isRota(r) { // another catalog rules meanwhile
		return
	}
	if d.states == nil {
		d.states, d.tried = map[string]brevet.RotaState{}, map[string]time.Time{}
	}
	if err == nil {
		d.states[r.Name] = brevet.RotaState{Rota: r, Shifts: shifts, At: at}
		delete(d.tried, r.Name)
	} else {
		s := d.states[r.Name]
		if !sameRota(s.Rota, r) {
			s = brevet.RotaState{Rota: r}
		}
		s.Why = brevet.AsError(err).Message
		d.states[r.Name], d.tried[r.Name] = s, at
	}
	d.publish()
}

// publish makes what is known visible.
func (d *duty) publish() {
	d.roster.Store(brevet.NewRoster(slices.Collect(maps.Values(d.states))...))
}

// sameRota reports whether two versions of a rota name the same source and
// people.
func sameRota(a, b brevet.Rota) bool { return digest(a) == digest(b) }

// bound makes an ask end with the shift or engagement by which it may be
// asked.
func bound(a policy.Answer) brevet.Bound {
	a.Bound.Until = instant(a.Bound.Until)
	return a.Bound
}

// askedInVain says which of the rotas could not be asked, "" if all could.
func askedInVain(duty *brevet.Roster, names []string, now time.Time) string {
	for _, n := range names {
		rota, _ := brevet.SplitRota(n)
		if s, ok := duty.State(rota); !ok || !s.Known(now) {
			return duty.Say(n, now)
		}
	}
	return ""
}

// engaged refuses a decision of somebody whom engagements bind, where none of
// theirs is live.
func (r *ruling) engaged(c brevet.Caller, request brevet.Request, now time.Time) error {
	_, unmet := r.Policy.Engaged(query(c, brevet.Account{}, "", now), request.Account)
	if unmet == nil {
		return nil
	}
	return brevet.Errorf(brevet.Denied, "you may not decide on request %s", request.ID).WithUnmet(unmet...)
}

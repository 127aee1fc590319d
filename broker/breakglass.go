package broker

import (
	"context"
	"strconv"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/policy"
	"github.com/brevet-access/brevet/store"
)

const (
	glassPatience = 30 * time.Second // how long everybody is shouted at before the answer leaves
	glassWindow   = 24 * time.Hour   // in which one person may break the glass so often
	mostGlasses   = 1000             // how far back emergencies are looked for
)

// BreakGlass asks to help oneself in an emergency.
type BreakGlass struct {
	Target   string
	Duration time.Duration // 0: the longest allowed, at most 1 h
	Reason   string
	Key      string
}

// Glass is an emergency as one caller sees it, and how far the word has
// spread: Channels are to be told, Tried were within 30 s, Arrived took it.
type Glass struct {
	RequestView
	Review                   string // who looks at it afterwards
	Channels, Tried, Arrived int
}

// BreakGlass opens a grant that nobody approves. The grant, the event that
// says so and a letter for every channel are one transaction: without the
// alarm there is no grant. Then every channel is tried at once, for at most
// 30 s; one that is dead or hangs holds nothing up, and its letter stays.
func (b *Broker) BreakGlass(ctx context.Context, c brevet.Caller, in BreakGlass) (Glass, error) {
	var err error
	if in.Reason, err = brevet.CleanText("reason", in.Reason, brevet.MaxReason); err != nil {
		return Glass{}, err
	}
	if err := checkGlassFor(in.Duration); err != nil {
		return Glass{}, err
	}
	v, err := again(ctx, b, func() (Glass, error) { return b.breakGlassOnce(ctx, c, in) })
	if err != nil {
		return v, err
	}
	b.changes.notify()
	v.Arrived, v.Tried = b.Shout(context.WithoutCancel(ctx), string(v.ID), glassPatience)
	return v, nil
}

// checkGlassFor checks how long an emergency is to last; 0 is the longest
// allowed.
func checkGlassFor(d time.Duration) error {
	if d != 0 && d < time.Minute {
		return brevet.Errorf(brevet.Invalid, "duration: %s is too short; at least 1m", brevet.FormatDuration(d))
	}
	return nil
}

// judgeGlass asks policy whether the caller may break the glass for this,
// with groups as fresh as can be had.
func (b *Broker) judgeGlass(ctx context.Context, c brevet.Caller, account brevet.Account, role brevet.RoleName, d time.Duration, reason string) (brevet.Caller, policy.Answer, *ruling) {
	rules := b.ruling.Load()
	if b.DB.CustomerOver(account.Customer) {
		return c, policy.Answer{Unmet: []brevet.Unmet{b.notOffboarded(account.Customer)}}, rules
	}
	c = b.current(ctx, c, 15*time.Minute)
	q := query(c, account, role, b.now())
	q.Duration, q.Reason, q.BreakGlass = d, reason, true
	return c, rules.decide(q), rules
}

func (b *Broker) breakGlassOnce(ctx context.Context, c brevet.Caller, in BreakGlass) (v Glass, err error) {
	before := b.ruling.Load()
	account, role, err := b.resolve(c, in.Target)
	if err != nil {
		return v, err
	}
	c, a, rules := b.judgeGlass(ctx, c, account, role.Name, in.Duration, in.Reason)
	target := brevet.Target{Account: account.Name, Role: role.Name}.String()
	if !a.Allowed {
		no := brevet.Errorf(brevet.Denied, "you may not break the glass for %s", target).WithHint("brevet why %s explains", target).WithUnmet(a.Unmet...)
		return v, b.refused(ctx, c, account, role.Name, "break-glass", no)
	}
	if rules != before {
		return v, errMoved
	}
	if err := stepUp(c, a.MFA, b.now(), target); err != nil {
		return v, b.refused(ctx, c, account, role.Name, "break-glass", sealedInstead(err, account, role, a, target))
	}
	if in.Duration == 0 {
		in.Duration = a.Longest
	}
	ask := b.ask(c, account, role, a, rules, Ask{Duration: in.Duration, Reason: in.Reason})
	ask.Activate, ask.BreakGlass = brevet.OnApproval, true
	err = b.DB.Update(ctx, func(tx *store.Tx) error {
		if err := rules.rules(tx); err != nil {
			return err
		}
		v, err = b.breakGlassIn(tx, c, ask, a, in)
		return err
	})
	if brevet.KindOf(err) == brevet.Denied {
		err = b.refused(ctx, c, account, role.Name, "break-glass", err)
	}
	return v, err
}

// admitsGlass reports whether the role's trust policy lets a session in by
// the word that it is an emergency. In an account that people enter through IAM
// Identity Center, AWS asks the identity provider and no such word.
func admitsGlass(a brevet.Account, r brevet.Role) bool { return r.Emergency && a.Center == nil }

func (b *Broker) breakGlassIn(tx *store.Tx, c brevet.Caller, ask brevet.Ask, a policy.Answer, in BreakGlass) (v Glass, err error) {
	now := tx.Now()
	if err := b.mayAct(tx, c, ask.Customer); err != nil {
		return v, err
	}
	id := brevet.NewID[brevet.RequestID](now)
	if in.Key != "" {
		prior, fresh, err := tx.Claim(string(c.Person.ID), in.Key, digest([]any{"break-glass", in.Target, in.Duration, in.Reason}), string(id))
		if err != nil {
			return v, err
		}
		if !fresh {
			return b.glassView(tx, c, brevet.RequestID(prior), a)
		}
	}
	if err := b.mayBreakGlass(tx, c, a.Entitlement, now); err != nil {
		return v, err
	}
	if err := b.openGlass(tx, c, id, ask, a, brevet.Person{}); err != nil {
		return v, err
	}
	return b.glassView(tx, c, id, a)
}

// openGlass writes the request of an emergency, the grant and the alarm. second
// is whose sealed code stands beside the caller's own; zero if none had to.
func (b *Broker) openGlass(tx *store.Tx, c brevet.Caller, id brevet.RequestID, ask brevet.Ask, a policy.Answer, second brevet.Person) error {
	_, g, err := b.placeFor(tx, c, id, ask, a.Policy, ask.Rule.Wait())
	if err != nil {
		return err
	}
	e := g.Glass(ask.Reason, a.Entitlement.BreakGlass.Review.String(), actor(c), tx.Now())
	e.Data["entitlement"] = ask.Entitlement
	if second.ID != "" {
		e.Data[brevet.GlassSecond], e.Data[brevet.GlassSecondHandle] = string(second.ID), string(second.Handle)
	}
	for key, thing := range map[string]string{brevet.PriorGlass: store.AnyGlass, brevet.PriorGlassOwn: store.GlassOf(g.Person)} {
		if i, ok := tx.Latest(thing); ok {
			e.Data[key] = strconv.FormatInt(i, 10)
		}
	}
	return post(tx, e)
}

func (b *Broker) glassView(tx *store.Tx, c brevet.Caller, id brevet.RequestID, a policy.Answer) (v Glass, err error) {
	r, err := tx.Request(id)
	if err != nil {
		return v, err
	}
	if v.RequestView, err = b.requestView(tx, c, r, tx.Now()); err != nil {
		return v, err
	}
	v.Review = a.Entitlement.BreakGlass.Review.String()
	for i := range b.Channels {
		if b.Channels[i].serves(r.Customer) {
			v.Channels++
		}
	}
	return v, nil
}

// mayBreakGlass counts the caller's emergencies in the log: so many in 24 h,
// and no more than that which nobody has reviewed, however old.
func (b *Broker) mayBreakGlass(tx *store.Tx, c brevet.Caller, e brevet.Entitlement, now time.Time) error {
	lately, unseen := 0, 0
	var oldest brevet.Event
	err := emergencies(tx, store.GlassOf(c.Person.ID), brevet.PriorGlassOwn, func(e brevet.Event) bool {
		if now.Sub(e.Time) < glassWindow {
			lately++
		}
		if _, seen := tx.Latest(store.ReviewKey(e.Grant)); !seen {
			unseen++
			oldest = e
		}
		return true
	})
	if err != nil {
		return err
	}
	most := e.BreakGlass.Most
	if unseen >= most {
		return brevet.Errorf(brevet.Denied, "%d of your emergencies wait for a review, and no more may", unseen).
			WithHint("%s reviews: brevet review %s --ok --comment \"…\"", oldest.Data["review"], oldest.Grant).
			WithUnmet(brevet.Unmet{Condition: "fewer than " + strconv.Itoa(most) + " emergencies that nobody has looked at", Have: strconv.Itoa(unseen), Remedy: "ask " + oldest.Data["review"] + " for a review"})
	}
	if lately >= most {
		return brevet.Errorf(brevet.Denied, "you broke the glass %d times in the last 24 h, which is as often as you may", lately).
			WithHint("ask in the ordinary way with brevet request").
			WithUnmet(brevet.Unmet{Condition: "at most " + strconv.Itoa(most) + " emergencies in 24 h (entitlement " + e.Name + ")", Have: strconv.Itoa(lately), Remedy: "brevet request"})
	}
	return nil
}

// emergencies visits the events that opened emergencies, newest first, as
// the log proves them: those of a key of [store.Tx.Latest], whose events name
// the one before under prior.
func emergencies(tx *store.Tx, key, prior string, visit func(brevet.Event) (more bool)) error {
	i, ok := tx.Latest(key)
	for n := 0; ok && n < mostGlasses; n++ {
		e, err := tx.Proven(i)
		if err != nil {
			return err
		}
		if e.Kind != brevet.BreakGlassOpened {
			return disagree("emergency", strconv.FormatInt(i, 10))
		}
		if !visit(e) {
			return nil
		}
		before, err := strconv.ParseInt(e.Data[prior], 10, 64)
		ok = err == nil && before >= 0 && before < i
		i = before
	}
	return nil
}

// proveGlass checks that the log tells of the emergency in which the grant
// was opened: what nobody was alarmed about issues nothing.
func proveGlass(tx *store.Tx, g brevet.Grant) (brevet.Event, error) {
	i, ok := tx.Latest(store.GlassKey(g.ID))
	if !ok {
		return brevet.Event{}, disagree("emergency of grant", string(g.ID))
	}
	e, err := tx.Proven(i)
	if err != nil {
		return e, err
	}
	if e.Kind != brevet.BreakGlassOpened || e.Grant != g.ID || e.Request != g.Request || e.Person != g.Person || e.Customer != g.Customer || e.Account != g.Account || e.Role != g.Role {
		return e, disagree("emergency of grant", string(g.ID))
	}
	return e, nil
}

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

// Bounds on one issue.
const (
	cloudPatience = 20 * time.Second // how long the cloud may take, retries included
	renewBefore   = 5 * time.Minute  // a credential this close to its end is replaced
)

// Want asks for a credential. Have names the session of the one in hand.
type Want struct {
	Target       string
	MinRemaining time.Duration
	Have         brevet.SessionID
	Grant        brevet.GrantID // under this one and no other; "": the best
}

// Issued is a credential, or with Keep the word that the one in hand stands.
type Issued struct {
	Keep       bool
	Credential brevet.Credential
	Session    brevet.Session
	Grant      brevet.Grant
	Account    brevet.Account
	Target     string
	Endpoint   string
	Expires    time.Time // never later than the grant's end
	Now        time.Time
}

// Console is a sign-in URL of the cloud's web console: a secret.
type Console struct {
	URL     string
	Grant   brevet.GrantID
	Session brevet.SessionID
	Expires time.Time
}

// order is one issue on its way.
type order struct {
	caller  brevet.Caller
	target  string
	account brevet.Account
	role    brevet.Role
	answer  policy.Answer
	rules   *ruling
	no      error          // why nothing can be opened in the ordinary way; nil if it can
	words   []brevet.Unmet // guardrails that stand in the way unless a request says what they want
	min     time.Duration  // how long the credential must live at least
	console bool
	only    brevet.GrantID // no other grant will do; "": any
	grant   brevet.Grant
	request brevet.Request
	past    past
	session brevet.Session
	ttl     time.Duration
	user    string    // at IAM Identity Center, where that lets them in
	plain   bool      // not by the word that it is an emergency: the cloud refused that
	bound   time.Time // the shift or engagement that lets the caller in ends here; zero: none
}

// window is the order's grant, cut where what lets the caller in ends earlier
// by now.
func (o *order) window() brevet.Grant {
	g := o.grant
	if !o.bound.IsZero() && o.bound.Before(g.End) {
		g.End = o.bound
	}
	return g
}

// may reports whether the order may be met under g: another may have been
// named, and a sign-in by sealed codes is good for one alone.
func (o *order) may(g brevet.Grant) bool {
	only := o.caller.SignIn.Only
	return (o.only == "" || g.ID == o.only) && (only == "" || g.Request == only)
}

// Credential issues a credential under the caller's live grant that ends
// last, opening one first where policy lets first use do so. In one round
// trip it also tells a client whether the credential in hand still stands.
func (b *Broker) Credential(ctx context.Context, c brevet.Caller, w Want) (Issued, error) {
	return again(ctx, b, func() (Issued, error) { return b.credential(ctx, c, w) })
}

func (b *Broker) credential(ctx context.Context, c brevet.Caller, w Want) (Issued, error) {
	o, err := b.order(ctx, c, w.Target)
	if err != nil {
		return Issued{}, err
	}
	if o.account.Center != nil {
		return Issued{}, byPortal(o)
	}
	o.min, o.only = w.MinRemaining, w.Grant
	if w.Have != "" {
		kept, ok, err := b.keep(ctx, o, w.Have)
		if err != nil || ok {
			return kept, err
		}
	}
	cred, err := b.issue(ctx, o)
	if err != nil {
		return Issued{}, err
	}
	return b.issued(o, cred), nil
}

func (b *Broker) issued(o *order, cred brevet.Credential) Issued {
	return Issued{Credential: cred, Session: o.session, Grant: o.grant, Account: o.account, Target: o.target, Endpoint: b.Endpoint,
		Expires: o.session.Expires, Now: b.now()}
}

// Console issues a session for the rest of the grant and turns it into a
// sign-in URL.
func (b *Broker) Console(ctx context.Context, c brevet.Caller, target, destination string) (Console, error) {
	return again(ctx, b, func() (Console, error) { return b.console(ctx, c, target, destination) })
}

func (b *Broker) console(ctx context.Context, c brevet.Caller, target, destination string) (Console, error) {
	o, err := b.order(ctx, c, target)
	if err != nil {
		return Console{}, err
	}
	o.console = true
	if o.account.Center != nil {
		if err := b.findUser(ctx, o); err != nil {
			return Console{}, err
		}
	}
	cred, err := b.issue(ctx, o)
	if err != nil {
		return Console{}, err
	}
	url := ""
	if o.account.Center != nil {
		url = portal(o.account, o.role.Name, destination)
	} else if url, err = b.Config.Console(ctx, cred, o.account.Region, destination); err != nil {
		return Console{}, err
	}
	return Console{URL: url, Grant: o.grant.ID, Session: o.session.ID, Expires: o.session.Expires}, nil
}

// order resolves the target and asks whether the caller is entitled to it
// under the catalog in force.
func (b *Broker) order(ctx context.Context, c brevet.Caller, target string) (*order, error) {
	before := b.ruling.Load()
	account, role, err := b.resolve(c, target)
	if err != nil {
		return nil, err
	}
	c, a, rules := b.judge(ctx, c, account, role.Name, 0, "") // by sealed codes, policy allows nothing in the ordinary way
	if rules != before {
		return nil, errMoved
	}
	o := &order{caller: c, account: account, role: role, answer: a, rules: rules, target: brevet.Target{Account: account.Name, Role: role.Name}.String()}
	if a.Allowed {
		return o, nil
	}
	if o.asksForWords(a, b.now()) {
		return o, nil
	}
	o.no = denied(o.target, a)
	if _, glass, _ := b.judgeGlass(ctx, c, account, role.Name, 0, ""); !glass.Allowed {
		return nil, b.refused(ctx, c, account, role.Name, "credential", o.no)
	} else {
		o.answer = glass // of a grant that is there; none is opened
	}
	return o, nil
}

// keep reports whether the session in hand needs no successor: its grant
// lives by the log, it lasts long enough or as long as the grant, and MFA is as
// fresh as for an issue - if not, the issue that follows says so.
func (b *Broker) keep(ctx context.Context, o *order, have brevet.SessionID) (kept Issued, ok bool, err error) {
	err = b.look(ctx, func(tx *store.Tx) error {
		s, err := tx.Session(have)
		if errors.Is(err, brevet.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		now := b.now()
		if s.State != brevet.Issued || s.Console || s.Person != o.caller.Person.ID || s.Account != o.account.ID || s.Role != o.role.Name || !now.Before(s.Expires) {
			return nil
		}
		if err := b.choose(tx, o, now); err != nil || o.grant.ID != s.Grant {
			return err
		}
		left := s.Expires.Sub(now)
		end := o.window().End
		ok = left >= o.min && (left > renewBefore || !s.Expires.Before(end)) && !(o.past.cutShort(s) && s.Expires.Before(end))
		if _, err := b.rung(tx, o, now); err != nil {
			ok = false
		}
		o.session = s
		return nil
	})
	if err != nil || !ok {
		return Issued{}, false, err
	}
	kept = b.issued(o, brevet.Credential{})
	kept.Keep = true
	return kept, true, nil
}

// best returns the live grant that a credential is issued under; its zero
// value if there is none. Overlapping grants compose (law 7): of those that
// give the whole role it is the one that ends last. One that was narrowed comes
// after them, so that asking for less takes nothing away from who holds more;
// of several of these it is the one that was asked for last. A grant that was
// named goes before all others. Where policy lets the caller have no more than
// an emergency, no other grant counts.
func (b *Broker) best(tx *store.Tx, o *order, now time.Time) (brevet.Grant, error) {
	grants, err := tx.ActiveGrants(o.caller.Person.ID, o.account.ID, o.role.Name)
	if err != nil {
		return brevet.Grant{}, err
	}
	grants = slices.DeleteFunc(grants, func(g brevet.Grant) bool { return !g.Live(now) || !o.may(g) })
	if len(grants) <= 1 {
		return append(grants, brevet.Grant{})[0], nil
	}
	var best, other brevet.Grant // other is one that does not count
	narrow := true               // best was narrowed, or is none
	for _, g := range grants {
		r, err := tx.Request(g.Request)
		if err != nil {
			return brevet.Grant{}, err
		}
		if counts, err := o.counts(tx, r, now); err != nil {
			return brevet.Grant{}, err
		} else if !counts {
			other = g
			continue
		}
		less := r.SessionPolicy != ""
		later := g.End.After(best.End)
		if less {
			later = g.Created.After(best.Created)
		}
		if best.ID == "" || narrow && !less || narrow == less && later {
			best, narrow = g, less
		}
	}
	if best.ID == "" {
		best = other // which says why it does not
	}
	return best, nil
}

// prove matches the order's grant with the log, and with the catalog: what
// was approved must still be what would be issued (law 4).
func (b *Broker) prove(tx *store.Tx, o *order, now time.Time) (err error) {
	if err := b.stays(tx, o.account.Customer); err != nil {
		return err
	}
	if o.request, err = tx.Request(o.grant.Request); err != nil {
		return err
	}
	o.past = past{}
	if o.grant.State == brevet.Scheduled {
		err = proveScheduled(tx, o.grant, o.request)
	} else {
		o.past, err = proveGrant(tx, o.grant, o.request)
	}
	if err != nil {
		return err
	}
	if o.request.BreakGlass {
		if _, err := proveGlass(tx, o.grant); err != nil {
			return err
		}
	}
	if o.caller, err = o.rules.withHeld(tx, o.caller, now); err != nil {
		return err
	}
	if o.no != nil && !o.request.BreakGlass { // only an emergency may still be used
		return o.no
	}
	a, why, err := o.rules.stands(o.request, o.caller, now)
	if err == nil && why == "" {
		why, err = o.rules.keepsExtensions(o.caller, o.grant, o.past, now)
	}
	if err != nil {
		return err
	}
	if why != "" {
		return brevet.Errorf(brevet.Denied, "your grant for %s does not stand any more: %s", o.target, why).
			WithHint("brevet request %s asks for it as it is now", o.target).
			WithUnmet(brevet.Unmet{Condition: "a grant that the catalog in force would give", Have: why, Remedy: "brevet request " + o.target})
	}
	if o.words != nil {
		o.answer.MFA = a.MFA // what is judged by its own words needs no other proof
	}
	o.answer.MFA, o.bound = o.answer.MFA.Tighter(a.MFA).Tighter(o.request.MFA), a.Bound.Until
	return nil
}

// issue is intent, effect, outcome.
func (b *Broker) issue(ctx context.Context, o *order) (brevet.Credential, error) {
	err := b.intend(ctx, o)
	if err == error(errBegin) {
		if err = b.beginGrant(ctx, o.grant.ID); err == nil {
			o.grant = brevet.Grant{}
			err = b.intend(ctx, o)
		}
	}
	if err != nil {
		if errors.Is(err, brevet.StepUp) || errors.Is(err, brevet.Denied) {
			err = b.refused(ctx, o.caller, o.account, o.role.Name, "credential", err)
		}
		return brevet.Credential{}, err
	}
	// The client may hang up; what the cloud did must be recorded all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cloudPatience)
	defer cancel()
	cred, err := b.make(ctx, o)
	if errors.Is(err, brevet.CloudRefused) && o.session.MFA == brevet.RungBreakGlass && o.caller.SignIn.Only == "" {
		// The stack may be older than the catalog; the proof is good by itself.
		_ = b.failed(context.WithoutCancel(ctx), o, err)
		o.plain = true
		if err := b.intend(ctx, o); err != nil {
			return brevet.Credential{}, err
		}
		cred, err = b.make(ctx, o)
	}
	if err != nil {
		return brevet.Credential{}, b.failed(context.WithoutCancel(ctx), o, err)
	}
	if err := b.outcome(context.WithoutCancel(ctx), o, cred); err != nil {
		return brevet.Credential{}, err
	}
	return cred, nil
}

// make has the cloud make what the order asks for.
func (b *Broker) make(ctx context.Context, o *order) (brevet.Credential, error) {
	if o.account.Center != nil {
		return b.admit(ctx, o)
	}
	return b.Clouds["aws"].Issue(ctx, brevet.Issue{Session: o.session.ID, Grant: o.grant.ID, Person: o.caller.Person.ID, Handle: o.caller.Person.Handle,
		Account: o.account, Role: o.role.Name, MFA: o.session.MFA, TTL: o.ttl, End: o.window().End, SessionPolicy: o.request.SessionPolicy})
}

// intend re-checks everything and records the intent. What the log proves
// about a grant's beginning cannot change, so it may be read and proven beside
// the writer; what may have ended since is asked again under the head's lock.
func (b *Broker) intend(ctx context.Context, o *order) error {
	if b.DB.ReadsAside() {
		if err := b.look(ctx, func(tx *store.Tx) error { return b.choose(tx, o, b.now()) }); err != nil {
			return err
		}
	}
	if o.toBegin() {
		return errBegin
	}
	grant, request := o.grant, o.request
	return b.DB.Update(ctx, func(tx *store.Tx) error {
		o.grant, o.request = grant, request // the closure may be run again
		if tx.SignInOver(o.caller.SignIn.ID) || tx.PersonOver(o.caller.Person.ID) {
			return signInOver()
		}
		if err := o.rules.rules(tx); err != nil {
			return err
		}
		if err := b.stays(tx, o.account.Customer); err != nil {
			return err
		}
		now := tx.Now()
		if o.grant.ID == "" || tx.GrantOver(o.grant.ID) || !o.grant.Live(now) {
			if err := b.choose(tx, o, now); err != nil {
				return err
			}
		}
		if o.toBegin() {
			return errBegin
		}
		rung, err := b.rung(tx, o, now)
		if err != nil {
			return err
		}
		if !o.grant.Live(now) {
			if err := b.firstUse(tx, o, now); err != nil {
				return err
			}
		}
		if o.ttl, err = b.lease(o, now); err != nil {
			return err
		}
		s, events, err := o.window().Intend(brevet.NewID[brevet.SessionID](now), actor(o.caller), rung, o.ttl, now)
		if err != nil {
			return err
		}
		s.Console = o.console
		if o.account.Center != nil {
			if err := noteAssignment(tx, o); err != nil {
				return err
			}
			s, events = s.Linger(o.window(), o.role.Max, o.user, events)
		}
		o.session = s
		if _, err := record(tx, events); err != nil {
			return err
		}
		return tx.AddSession(s)
	})
}

// choose finds and proves the caller's live grant that ends last, or else one
// that waits for its first use; the order has none if there is neither.
func (b *Broker) choose(tx *store.Tx, o *order, now time.Time) (err error) {
	if o.grant, err = b.best(tx, o, now); err != nil {
		return err
	}
	if o.grant.ID == "" {
		waiting, err := b.scheduled(tx, o, now)
		if err != nil || len(waiting) == 0 {
			return err
		}
		o.grant = waiting[0]
	}
	return b.prove(tx, o, now)
}

// rung judges MFA at this issue (law 6): by what the catalog demands now and,
// once there is a grant, by what it was approved for.
func (b *Broker) rung(tx *store.Tx, o *order, now time.Time) (brevet.Rung, error) {
	if o.grant.ID == "" && o.no != nil {
		return "", o.no
	}
	if o.grant.ID == "" {
		if err := b.mayOpen(tx, o, now); err != nil {
			return "", err // asking comes before stepping up
		}
	}
	if o.caller.SignIn.Only != "" {
		return o.sealedRung()
	}
	if err := stepUp(o.caller, o.answer.MFA, now, o.target); err != nil {
		return "", err
	}
	if o.request.BreakGlass && admitsGlass(o.account, o.role) && !o.plain {
		return brevet.RungBreakGlass, nil
	}
	rung, _ := brevet.RungOf(o.caller.SignIn.Proof.MFA, now)
	return rung, nil
}

// firstUseReason is that of what opens by itself: nobody was asked for one.
const firstUseReason = "opened at first use"

// opensOnUse: what demands a ticket must be asked for, so that there is one.
func (b *Broker) opensOnUse(o *order) bool {
	return o.words == nil && o.answer.Approval.Automatic && o.answer.Entitlement.Activate == brevet.OnUse && !o.answer.Entitlement.Ticket.Required && o.only == ""
}

// toBegin reports whether the order's grant waits for a start that was asked
// for.
func (o *order) toBegin() bool {
	return o.grant.State == brevet.Scheduled && !o.grant.Start.IsZero()
}

// lease decides how long the credential lives.
func (b *Broker) lease(o *order, now time.Time) (time.Duration, error) {
	left := o.window().Left(now)
	if o.min > left {
		return 0, brevet.Errorf(brevet.Expired, "your grant for %s ends in %s, less than the %s you need", o.target,
			brevet.FormatDuration(left.Truncate(time.Second)), brevet.FormatDuration(o.min)).WithHint("brevet request %s asks for more time", o.target)
	}
	longest := min(o.role.Max, o.account.LongestSession())
	if o.min > longest {
		return 0, brevet.Errorf(brevet.Invalid, "min-remaining: sessions of %s live at most %s", o.target, brevet.FormatDuration(longest))
	}
	ttl := max(brevet.DefaultLease, o.min+renewBefore)
	if o.console {
		ttl = left
	}
	return min(ttl, left, longest), nil
}

// scheduled returns grants that wait for their first use.
func (b *Broker) scheduled(tx *store.Tx, o *order, now time.Time) ([]brevet.Grant, error) {
	grants, err := tx.Grants(store.GrantFilter{Person: o.caller.Person.ID, Account: o.account.ID, Role: o.role.Name,
		States: []brevet.GrantState{brevet.Scheduled}, Limit: 100})
	return slices.DeleteFunc(grants, func(g brevet.Grant) bool {
		return g.Start.After(now) || !now.Before(g.Waits) || tx.GrantOver(g.ID) || !o.may(g)
	}), err
}

// firstUse starts the clock of the grant that waits for it, or of one that
// policy opens now.
func (b *Broker) firstUse(tx *store.Tx, o *order, now time.Time) (err error) {
	if o.grant.ID == "" {
		ask := b.ask(o.caller, o.account, o.role, o.answer, o.rules, Ask{Duration: o.answer.Longest, Reason: firstUseReason})
		ask.Activate = brevet.OnUse
		if _, o.grant, err = b.place(tx, o.caller, brevet.NewID[brevet.RequestID](now), ask, o.answer.Policy); err != nil {
			return err
		}
	}
	if o.grant.Request == o.request.ID {
		o.grant.Until = o.request.Bound.Until
	}
	g, events, err := o.grant.Activate(actor(o.caller), now)
	if err != nil {
		return err
	}
	if g.Leaf, err = record(tx, events); err != nil {
		return err
	}
	o.grant = g
	if err := tx.PutGrant(g); err != nil {
		return err
	}
	return b.prove(tx, o, now)
}

// stored returns the order's session as it is on record. While an answer of
// the cloud can still be in time nobody else changes it; after that a sweep
// may have.
func (b *Broker) stored(tx *store.Tx, o *order) (brevet.Session, error) {
	if tx.Now().Sub(o.session.Created) < 2*cloudPatience {
		return o.session, nil
	}
	return tx.Session(o.session.ID)
}

// failed records what became of an intent that the cloud did not meet.
func (b *Broker) failed(ctx context.Context, o *order, cause error) error {
	err := b.DB.Update(ctx, func(tx *store.Tx) error {
		stored, err := b.stored(tx, o)
		if err != nil {
			return err
		}
		s, events := stored.Doubt(o.grant, clock, "the answer of the cloud is not known", tx.Now())
		if k := brevet.KindOf(cause); k == brevet.CloudRefused || k == brevet.Invalid || k == brevet.NoGrant || k == brevet.Denied { // certainly not made
			s, events = stored.Refuse(o.grant, clock, brevet.AsError(cause).Message, tx.Now())
		}
		if _, err := record(tx, events); err != nil {
			return err
		}
		return tx.PutSession(s)
	})
	if err != nil {
		b.Log.ErrorContext(ctx, "the outcome of an issue is not recorded; the session counts as in doubt", "session", o.session.ID, "err", err)
	}
	return cause
}

// outcome records the credential before it leaves; an error means that it
// must not.
func (b *Broker) outcome(ctx context.Context, o *order, cred brevet.Credential) error {
	var no error
	err := b.DB.Update(ctx, func(tx *store.Tx) error {
		g := o.window()
		if tx.GrantOver(g.ID) || tx.PersonOver(g.Person) || tx.CustomerOver(o.account.Customer) { // by the log, whatever the row says
			g.State = brevet.Revoked
		}
		stored, err := b.stored(tx, o)
		if err != nil {
			return err
		}
		s, events, issueErr := stored.Issue(g, actor(o.caller), cred.AccessKeyID, brevet.Instant(cred.Expires), tx.Now())
		no = issueErr
		if errors.Is(issueErr, brevet.Conflict) {
			return issueErr
		}
		if _, err := record(tx, events); err != nil {
			return err
		}
		if err := tx.PutSession(s); err != nil {
			return err
		}
		if no == nil {
			o.session = s
		}
		return nil
	})
	if err != nil {
		b.Log.ErrorContext(ctx, "a credential was dropped because its outcome could not be recorded", "session", o.session.ID, "err", err)
		return err
	}
	return no
}

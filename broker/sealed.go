package broker

import (
	"context"
	"errors"
	"strings"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/policy"
	"github.com/brevet-access/brevet/store"
)

// SealedGlass asks to break the glass with two sealed codes instead of a
// sign-in: the identity provider is down.
type SealedGlass struct {
	BreakGlass
	As, With       string // handles: whose emergency it is, and of the second person
	Code, WithCode string // theirs
	Device         string // what the client calls itself
	Addr           string
}

// attempt is a pair of codes on its way to be judged.
type attempt struct {
	own, second     brevet.Person
	sheet, other    sheet
	slot, otherSlot int // below zero: not right
}

func (a attempt) right() bool { return a.slot >= 0 && a.otherSlot >= 0 && a.own.ID != a.second.ID }

// BreakGlassSealed opens an emergency for somebody who cannot sign in: their
// own sealed code says that it is they, and that of a second person, whom the
// entitlement names, that they are not alone. Both codes are used up in the
// transaction that opens the grant; what is refused uses up none. The token is
// of a sign-in that is good for this grant alone, and no longer.
//
// Who is not known, has no sheet or gives a wrong code is answered alike, after
// the same work.
func (b *Broker) BreakGlassSealed(ctx context.Context, in SealedGlass) (v Glass, token string, c brevet.Caller, err error) {
	if err := in.check(); err != nil {
		return v, "", c, err
	}
	try, err := b.guess(ctx, in)
	if err != nil {
		return v, "", c, err
	}
	token = clientToken + secret()
	v, err = again(ctx, b, func() (v Glass, err error) {
		v, c, err = b.openSealed(ctx, in, try, token)
		return v, err
	})
	if err != nil {
		return v, "", brevet.Caller{}, err
	}
	b.changes.notify()
	v.Arrived, v.Tried = b.Shout(context.WithoutCancel(ctx), string(v.ID), glassPatience)
	return v, token, c, nil
}

// guess judges both codes, unless too many were wrong lately; what is not right
// is on record before it is told.
func (b *Broker) guess(ctx context.Context, in SealedGlass) (try attempt, err error) {
	g := guess{in.Addr, brevet.Handle(in.As), brevet.Handle(in.With)}
	full := func(first bool, no error) error {
		if !first {
			return no
		}
		return b.codesRefused(ctx, in, "too many were wrong", no, store.RefusalFull)
	}
	now := b.now()
	if first, err := b.guesses.take(g, b.DB.RefusedCodes(now), now); err != nil {
		return try, full(first, err)
	}
	defer b.guesses.giveBack(g)
	if err := b.findSheets(ctx, in, &try); err != nil {
		return try, err
	}
	if first, err := b.guesses.stands(g, b.DB.RefusedCodes(now), now); err != nil { // another replica may have refused some
		return try, full(first, err)
	}
	if err := try.judge(in); err != nil {
		return try, err
	}
	if !try.right() {
		return try, b.codesRefused(ctx, in, try.wrong(), codesWrong())
	}
	return try, nil
}

// check refuses what cannot be right, whoever asks, and makes the codes plain.
func (in *SealedGlass) check() (err error) {
	if in.Reason, err = brevet.CleanText("reason", in.Reason, brevet.MaxReason); err != nil {
		return err
	}
	if err := checkGlassFor(in.Duration); err != nil {
		return err
	}
	if _, err := brevet.ParseTarget(in.Target); err != nil {
		return err
	}
	if in.Device != "" && !brevet.ValidName(in.Device) {
		return brevet.Errorf(brevet.Invalid, "device: at most 63 letters, digits and . _ -")
	}
	for _, h := range []string{in.As, in.With} {
		if _, err := brevet.ParseHandle(h); err != nil {
			return err
		}
	}
	if strings.EqualFold(in.As, in.With) {
		return brevet.Errorf(brevet.Invalid, "the two codes must be of two people").WithHint("who else holds a sheet: brevet codes ls")
	}
	for _, code := range []*string{&in.Code, &in.WithCode} {
		if *code, err = brevet.ParseSealedCode(*code); err != nil {
			return err
		}
	}
	return nil
}

// wrong says which of the codes is not right, for the log alone.
func (a attempt) wrong() string {
	switch {
	case a.slot < 0 && a.otherSlot < 0:
		return "neither code is right"
	case a.slot < 0:
		return "the code of the requester is not right"
	case a.otherSlot < 0:
		return "the code of the second person is not right"
	}
	return "both codes are of one person"
}

// findSheets finds the sheets of whom the codes are said to be of. It reads
// under the head's lock: a sheet that another replica made counts.
func (b *Broker) findSheets(ctx context.Context, in SealedGlass, a *attempt) error {
	return b.DB.Update(ctx, func(tx *store.Tx) (err error) {
		if a.own, a.sheet, err = holderOf(tx, brevet.Handle(in.As)); err != nil {
			return err
		}
		a.second, a.other, err = holderOf(tx, brevet.Handle(in.With))
		return err
	})
}

// judge compares both codes with the sheets.
func (a *attempt) judge(in SealedGlass) (err error) {
	if a.slot, err = a.sheet.try(in.Code); err != nil {
		return err
	}
	a.otherSlot, err = a.other.try(in.WithCode)
	return err
}

func (s sheet) try(code string) (slot int, err error) {
	h, err := hashCode(code, s.salt, s.rounds)
	if err != nil {
		return -1, err
	}
	return s.find(h), nil
}

// holderOf returns a person and their sheet, as the log proves both. For whom
// nobody knows, and who was offboarded, it is a sheet on which every code is used.
func holderOf(tx *store.Tx, h brevet.Handle) (brevet.Person, sheet, error) {
	p, err := tx.PersonByHandle(h)
	if errors.Is(err, brevet.NotFound) {
		return brevet.Person{}, noSheet(), nil
	}
	if err != nil {
		return p, noSheet(), err
	}
	if err := provePerson(tx, p); errors.Is(err, brevet.Unauthenticated) {
		return brevet.Person{}, noSheet(), nil
	} else if err != nil {
		return p, noSheet(), err
	}
	s, err := sheetOf(tx, p.ID)
	return p, s, err
}

// codesRefused puts on record that codes opened nothing, and returns no. Who it
// was is not known: only whom they said that they are.
func (b *Broker) codesRefused(ctx context.Context, in SealedGlass, why string, no error, more ...string) error {
	data := map[string]string{"as": in.As, "with": in.With, "target": in.Target}
	for _, key := range more {
		data[key] = "yes"
	}
	err := b.DB.Update(ctx, func(tx *store.Tx) error {
		return post(tx, brevet.Event{Kind: brevet.CodesRefused, Actor: brevet.Actor{System: "sealed codes", Addr: in.Addr}, Reason: why, Data: data})
	})
	if err != nil {
		return err
	}
	return no
}

// openSealed judges what two right codes ask for, and opens it.
func (b *Broker) openSealed(ctx context.Context, in SealedGlass, try attempt, token string) (v Glass, c brevet.Caller, err error) {
	before := b.ruling.Load()
	if c, err = b.sealedCaller(ctx, in, try, token); err != nil {
		return v, c, err
	}
	account, role, err := b.resolve(c, in.Target)
	if err != nil {
		return v, c, err
	}
	c, a, rules := b.judgeGlass(ctx, c, account, role.Name, in.Duration, in.Reason)
	if no := b.mayOpenSealed(ctx, account, role, a, try); no != nil {
		return v, c, b.refused(ctx, c, account, role.Name, "break-glass", no)
	}
	if rules != before {
		return v, c, errMoved
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
		c.SignIn.Created, c.SignIn.Used, c.SignIn.Expires = tx.Now(), tx.Now(), tx.Now().Add(in.Duration)
		v, err = b.openSealedIn(tx, &c, ask, a, try)
		return err
	})
	if brevet.KindOf(err) == brevet.Denied {
		err = b.refused(ctx, c, account, role.Name, "break-glass", err)
	}
	return v, c, err
}

// sealedCaller is the requester with what was last known of their groups. No
// proof stands in their sign-in, and all it is good for is one request.
func (b *Broker) sealedCaller(ctx context.Context, in SealedGlass, try attempt, token string) (brevet.Caller, error) {
	now := b.now()
	c := brevet.Caller{Person: try.own, Addr: in.Addr, SignIn: brevet.SignIn{ID: brevet.NewID[brevet.SignInID](now), Hash: hash(token), Person: try.own.ID,
		Device: in.Device, Created: now, Only: brevet.NewID[brevet.RequestID](now)}}
	err := b.look(ctx, func(tx *store.Tx) (err error) {
		c.SignIn.Groups, c.Standing, err = lastStated(tx, c.Person.ID)
		return err
	})
	return c, err
}

// mayOpenSealed says why two right codes do not open the role, or nil.
func (b *Broker) mayOpenSealed(ctx context.Context, account brevet.Account, role brevet.Role, a policy.Answer, try attempt) error {
	target := brevet.Target{Account: account.Name, Role: role.Name}.String()
	no := brevet.Errorf(brevet.Denied, "you may not break the glass for %s with sealed codes", target)
	switch {
	case !a.Allowed:
		return no.WithHint("no code is used up").WithUnmet(a.Unmet...)
	case account.Center != nil:
		return no.WithHint("AWS itself asks the identity provider there").
			WithUnmet(brevet.Unmet{Condition: "an account that brevet makes the credentials for", Have: account.Name + " is entered through IAM Identity Center", Remedy: "wait for the provider, or enter with the account's own emergency access"})
	case !admitsGlass(account, role):
		return no.WithHint("no code is used up").
			WithUnmet(brevet.Unmet{Condition: "a role that admits the word that it is an emergency (emergency: true)", Have: string(role.Name) + " admits only a proof at most " + string(role.MFA) + " old, and codes are none", Remedy: "brevet login --mfa, once the provider answers"})
	}
	ok, err := b.lends(ctx, try.second, a.Entitlement.BreakGlass.Codes)
	if err != nil || ok {
		return err
	}
	return no.WithHint("no code is used up").
		WithUnmet(brevet.Unmet{Condition: "a second code of " + a.Entitlement.BreakGlass.Codes.String() + " (entitlement " + a.Entitlement.Name + ")", Have: "that of " + string(try.second.Handle), Remedy: "ask one of them for theirs"})
}

// lends reports whether a person is among those whose code counts as the
// second, by what was last known of their groups.
func (b *Broker) lends(ctx context.Context, p brevet.Person, who brevet.Subjects) (bool, error) {
	var known brevet.Groups
	err := b.look(ctx, func(tx *store.Tx) (err error) {
		known, _, err = lastStated(tx, p.ID)
		return err
	})
	now := b.now()
	duty := b.attend(ctx, brevet.Caller{Person: p}).Duty
	return err == nil && who.Cover(p.Handle, known.Fresh(now, brevet.CodesWithin), duty.Of(p.Handle, who.Rotas, now)...), err
}

// openSealedIn uses both codes up, opens the sign-in and with it the emergency:
// all or nothing.
func (b *Broker) openSealedIn(tx *store.Tx, c *brevet.Caller, ask brevet.Ask, a policy.Answer, try attempt) (v Glass, err error) {
	for _, p := range []brevet.Person{try.own, try.second} {
		if provePerson(tx, p) != nil { // offboarded since
			return v, codesWrong()
		}
	}
	if err := b.mayBreakGlass(tx, *c, a.Entitlement, tx.Now()); err != nil {
		return v, err
	}
	used := brevet.Event{Customer: ask.Customer, Actor: actor(*c), Request: c.SignIn.Only, Account: ask.Account, Role: ask.Role, Reason: ask.Reason}
	if err := try.sheet.use(tx, try.slot, used); err != nil {
		return v, err
	}
	if err := try.other.use(tx, try.otherSlot, used); err != nil {
		return v, err
	}
	e := signInEvent(brevet.SignInOpened, c.SignIn, c.Person, c.Addr)
	e.Request = c.SignIn.Only
	e.Data["second"] = string(try.second.Handle)
	e.Data[statedKnown] = writeTime(c.Standing.Known)
	if c.SignIn.Leaf, err = tx.Record(e); err != nil {
		return v, err
	}
	if err := tx.AddSignIn(c.SignIn); err != nil {
		return v, err
	}
	if err := b.openGlass(tx, *c, c.SignIn.Only, ask, a, try.second); err != nil {
		return v, err
	}
	return b.glassView(tx, *c, c.SignIn.Only, a)
}

// sealedRung is the rung of a session under a sign-in by sealed codes: the
// codes of two people stand in for a proof, where the role admits that and the
// grant is the one that they opened, and nowhere else (law 6).
func (o *order) sealedRung() (brevet.Rung, error) {
	if o.request.ID == "" || o.request.ID != o.caller.SignIn.Only || !o.request.BreakGlass || !admitsGlass(o.account, o.role) {
		return "", brevet.Errorf(brevet.Denied, "sealed codes do not open %s any more", o.target).
			WithUnmet(brevet.Unmet{Condition: "a role that admits the word that it is an emergency (emergency: true)", Have: "it does not, by the catalog in force", Remedy: "brevet login --mfa, once the provider answers"})
	}
	return brevet.RungBreakGlass, nil
}

// sealedOnly answers and records what a sign-in by sealed codes is not good for.
func (b *Broker) sealedOnly(ctx context.Context, c brevet.Caller) error {
	no := brevet.Errorf(brevet.Denied, "you are here by sealed codes, for one emergency and nothing else").
		WithHint("brevet login, once the identity provider answers")
	return b.refused(ctx, c, brevet.Account{}, "", "sign-in by sealed codes", no)
}

// sealedInstead adds to a demand for a fresher proof that sealed codes are a
// way where the provider is down.
func sealedInstead(no error, account brevet.Account, role brevet.Role, a policy.Answer, target string) error {
	if !admitsGlass(account, role) || a.Entitlement.BreakGlass.Codes.Empty() {
		return no
	}
	return brevet.AsError(no).WithHint("brevet login --mfa; with the identity provider down: brevet break-glass %s --codes", target)
}

package broker

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/policy"
	"github.com/brevet-access/brevet/store"
)

// What tokens begin with. A client's opens the API, a browser's the pages, and
// neither the other: a page that leaks its cookie leaks no bearer token.
const (
	clientToken  = "brv_"
	browserToken = "brw_"
)

// WhoIs returns the caller behind a bearer token. The sign-in and the person
// are matched with the log, so an edited row authenticates nobody.
func (b *Broker) WhoIs(ctx context.Context, bearer, addr string) (brevet.Caller, error) {
	c, err := b.whoIs(ctx, clientToken, bearer, addr)
	if err == nil && c.SignIn.Only != "" {
		return brevet.Caller{}, b.sealedOnly(ctx, c)
	}
	return c, err
}

// WhoIsSealed is WhoIs for what a sign-in by sealed codes may do, too.
func (b *Broker) WhoIsSealed(ctx context.Context, bearer, addr string) (brevet.Caller, error) {
	return b.whoIs(ctx, clientToken, bearer, addr)
}

// WhoIsBrowser is WhoIs for the token in a browser's cookie.
func (b *Broker) WhoIsBrowser(ctx context.Context, token, addr string) (brevet.Caller, error) {
	return b.whoIs(ctx, browserToken, token, addr)
}

func (b *Broker) whoIs(ctx context.Context, kind, bearer, addr string) (brevet.Caller, error) {
	if !strings.HasPrefix(bearer, kind) || len(bearer) > 100 {
		return brevet.Caller{}, brevet.Errorf(brevet.Unauthenticated, "you are not signed in").WithHint("brevet login")
	}
	now := b.now()
	c, ok := b.known.get(hash(bearer), now)
	if ok && (!c.SignIn.Live(now, b.Idle) || b.DB.SignInOver(c.SignIn.ID) || b.DB.PersonOver(c.Person.ID)) {
		return brevet.Caller{}, signInOver()
	}
	if !ok {
		var err error
		if c, err = b.readCaller(ctx, hash(bearer), now); err != nil {
			return brevet.Caller{}, err
		}
		b.known.put(c, now)
	}
	c.Addr = addr
	return c, b.touch(ctx, &c.SignIn, now)
}

// readCaller reads the sign-in with this hash and its person, and proves both.
func (b *Broker) readCaller(ctx context.Context, h [32]byte, now time.Time) (c brevet.Caller, err error) {
	err = b.look(ctx, func(tx *store.Tx) error {
		c.SignIn, err = tx.SignInByHash(h)
		if errors.Is(err, brevet.NotFound) {
			return signInOver()
		}
		if err != nil {
			return err
		}
		if !c.SignIn.Live(now, b.Idle) {
			return signInOver()
		}
		if err := proveSignIn(tx, c.SignIn); err != nil {
			return err
		}
		if c.Standing, err = standingOf(tx, c.SignIn); err != nil {
			return err
		}
		if c.Person, err = tx.Person(c.SignIn.Person); err != nil {
			return err
		}
		return provePerson(tx, c.Person)
	})
	return c, err
}

// touch keeps the time of the last use, at most once a minute.
func (b *Broker) touch(ctx context.Context, s *brevet.SignIn, now time.Time) error {
	if now.Sub(s.Used) < time.Minute {
		return nil
	}
	defer b.known.forget(*s)
	return b.DB.Update(ctx, func(tx *store.Tx) error {
		row, err := tx.SignInByHash(s.Hash)
		if err != nil {
			return err
		}
		if err := proveSignIn(tx, row); err != nil {
			return err
		}
		row.Used = now
		*s = row
		return tx.PutSignIn(row)
	})
}

// current returns the caller with groups that are at most within old, asking
// the provider again where it can be asked. Where it cannot, the caller is
// returned as it was: policy then counts the groups as stale.
func (b *Broker) current(ctx context.Context, c brevet.Caller, within time.Duration) brevet.Caller {
	c = b.attend(ctx, c)
	if b.now().Sub(c.SignIn.Groups.At) <= within || len(c.SignIn.Refresh) == 0 {
		return c
	}
	p, err := b.provider(c.SignIn.Provider)
	if err != nil || p.Refresh == nil {
		return c
	}
	got, err, _ := b.refresh.Do(string(c.SignIn.ID), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		return b.refreshGroups(ctx, c, p)
	})
	if err != nil {
		b.Log.WarnContext(ctx, "groups not refreshed", "person", c.Person.ID, "provider", p.Name, "err", brevet.AsError(err).Message)
		return c
	}
	fresh := got.(brevet.Caller)
	c.SignIn, c.Standing = fresh.SignIn, fresh.Standing
	return c
}

// refreshGroups returns the caller's sign-in and standing as they are now.
// Fresh returns the caller with groups that are fresh enough for rights,
// where the provider can be asked. Who calls several methods for one request
// begins with it: a caller whose groups were renewed behind its back is of
// yesterday.
func (b *Broker) Fresh(ctx context.Context, c brevet.Caller) brevet.Caller {
	return b.current(ctx, c, policy.PrivilegedWithin)
}

func (b *Broker) refreshGroups(ctx context.Context, c brevet.Caller, p Provider) (out brevet.Caller, err error) {
	token, err := b.Unseal(refreshLabel(c.SignIn), c.SignIn.Refresh)
	if err != nil {
		return out, err
	}
	groups, next, err := p.Refresh(ctx, string(token))
	if err != nil {
		return out, err
	}
	var sealed []byte
	if next != "" {
		if sealed, err = b.Seal(refreshLabel(c.SignIn), []byte(next)); err != nil {
			return out, err
		}
	}
	var s brevet.SignIn
	defer b.known.forget(c.SignIn)
	err = b.DB.Update(ctx, func(tx *store.Tx) error {
		if s, err = tx.SignInByHash(c.SignIn.Hash); err != nil {
			return err
		}
		if err := proveSignIn(tx, s); err != nil {
			return err
		}
		s.Groups = brevet.Groups{Names: groups.Names, At: instant(groups.At)}
		if sealed != nil {
			s.Refresh = sealed
		}
		e := signInEvent(brevet.GroupsRefreshed, s, c.Person, c.Addr)
		if err := state(tx, &e, s.Groups.Names, tx.Now()); err != nil {
			return err
		}
		if s.Leaf, err = tx.Record(e); err != nil {
			return err
		}
		out = brevet.Caller{SignIn: s, Standing: standingIn(e)}
		return tx.PutSignIn(s)
	})
	return out, err
}

// Whoami is the caller as the server sees them now.
type Whoami struct {
	brevet.Caller
	Rungs  []RungState
	Rights []string // CUSTOMER:RIGHT
	Now    time.Time
}

// RungState says until when the caller's multi-factor proof counts for a
// bound, and which of their roles demand it. Until is zero if it does not.
type RungState struct {
	Rung  brevet.Rung
	Until time.Time
	Roles []string
}

// Whoami returns the caller, how long their proof still counts for each bound
// that a role of theirs demands, tightest first, and their rights.
func (b *Broker) Whoami(ctx context.Context, c brevet.Caller) (Whoami, error) {
	c = b.current(ctx, c, brevet.Rung8h.Age())
	now := b.now()
	w := Whoami{Caller: c, Now: now}
	rules := b.ruling.Load()
	if rules.Policy == nil {
		return w, nil
	}
	q := query(c, brevet.Account{}, "", now)
	roles := map[brevet.Rung][]string{}
	for _, o := range rules.Policy.Options(q) {
		if name := string(o.Role.Name); !slices.Contains(roles[o.Answer.MFA], name) {
			roles[o.Answer.MFA] = append(roles[o.Answer.MFA], name)
		}
	}
	for _, r := range brevet.Rungs {
		if roles[r] == nil {
			continue
		}
		state := RungState{Rung: r, Roles: roles[r]}
		if r.Met(c.SignIn.Proof.MFA, now) {
			state.Until = c.SignIn.Proof.MFA.Add(r.Age())
		}
		w.Rungs = append(w.Rungs, state)
	}
	for _, customer := range rules.Customers {
		for _, right := range brevet.AllRights {
			if rules.Policy.Holds(q, customer.ID, right) {
				w.Rights = append(w.Rights, customer.Name+":"+string(right))
			}
		}
	}
	return w, nil
}

// Logout ends the caller's sign-in. Grants go on: they belong to the person.
func (b *Broker) Logout(ctx context.Context, c brevet.Caller) error {
	return b.DB.Update(ctx, func(tx *store.Tx) error {
		s, err := tx.SignInByHash(c.SignIn.Hash)
		if err != nil {
			return err
		}
		if !s.Ended.IsZero() {
			return nil
		}
		s.Ended, s.Refresh = tx.Now(), nil
		if _, err := tx.Record(brevet.Event{Kind: brevet.SignInEnded, Actor: actor(c), Person: c.Person.ID, SignIn: s.ID, Reason: "signed out"}); err != nil {
			return err
		}
		return tx.PutSignIn(s)
	})
}

package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// A decision that is made on a chat's button is the decision of a person to
// whom the chat's own id of the user was linked, by that person, signed in
// with a fresh multi-factor proof. It is judged by every law that a decision
// on the page is. What a chat cannot show is a multi-factor proof of the
// click: in its place stands that of the person's own live sign-in here, and
// where that is not as fresh as the role demands, there is no decision.

// linkLife is how long a code that links lives.
const linkLife = 5 * time.Minute

// link is what a code stands for.
type link struct {
	Person brevet.PersonID
	SignIn brevet.SignInID
}

// LinkCode returns a code, once usable, by which whoever types it into a chat
// becomes the caller there. The caller's proof is at most an hour old.
func (b *Broker) LinkCode(ctx context.Context, c brevet.Caller) (code string, expires time.Time, err error) {
	if err := stepUp(c, brevet.Rung1h, b.now(), "to link a chat"); err != nil {
		return "", time.Time{}, b.refused(ctx, c, brevet.Account{}, "", "link", err)
	}
	code = rand.Text()
	return code, b.now().Add(linkLife), b.putLogin(ctx, "chat", code, link{c.Person.ID, c.SignIn.ID}, linkLife)
}

// Link links a chat's user to the person who asked for the code, while the
// sign-in lives that asked for it.
func (b *Broker) Link(ctx context.Context, code string, who brevet.Principal, addr string) (brevet.Handle, error) {
	var l link
	if err := b.takeLogin(ctx, "chat", code, &l); errors.Is(err, brevet.Expired) {
		return "", brevet.Errorf(brevet.Expired, "that code is not right, is too old, or was used already").WithHint("brevet notify link gives another")
	} else if err != nil {
		return "", err
	}
	var p brevet.Person
	err := b.DB.Update(ctx, func(tx *store.Tx) (err error) {
		if tx.SignInOver(l.SignIn) {
			return signInOver()
		}
		if p, err = tx.Person(l.Person); err != nil {
			return err
		}
		if err := provePerson(tx, p); err != nil {
			return err
		}
		if owner, err := tx.PersonByPrincipal(who); err == nil && owner.ID == p.ID {
			return provePrincipal(tx, p, who)
		}
		if _, known := tx.Latest(store.PrincipalKey(who)); known { // by the log, whatever the rows say
			return brevet.Errorf(brevet.Conflict, "this identity is linked to a person already")
		}
		if err := tx.LinkPrincipal(p.ID, who); err != nil {
			return err
		}
		_, err = tx.Record(brevet.Event{Kind: brevet.PrincipalLinked, Actor: brevet.Actor{Person: p.ID, Handle: p.Handle, Addr: addr}, Person: p.ID, SignIn: l.SignIn,
			Data: map[string]string{"issuer": who.Issuer, "subject": who.Subject}})
		return err
	})
	return p.Handle, err
}

// Once reports whether a signed call of a chat is new: each is taken once,
// also beside other replicas and after a restart.
func (b *Broker) Once(ctx context.Context, chat, signature string) (fresh bool, err error) {
	err = b.DB.Update(ctx, func(tx *store.Tx) error {
		_, fresh, err = tx.Claim("chat "+chat, signature, "", "")
		return err
	})
	return fresh && err == nil, err
}

// DecideAs decides for a chat's user, by a channel that serves the request's
// customer. Comment says where it was decided.
func (b *Broker) DecideAs(ctx context.Context, channel string, who brevet.Principal, in Decide, addr string) (RequestView, error) {
	if in.Digest == "" {
		return RequestView{}, brevet.Errorf(brevet.Invalid, "the decision does not say what it is about")
	}
	c, err := b.linked(ctx, who, addr)
	if err != nil {
		return RequestView{}, err
	}
	c = b.current(ctx, c, 15*time.Minute)
	r, err := b.viewRequest(ctx, c, in.ID)
	if err != nil {
		return RequestView{}, err
	}
	for i := range b.Channels {
		if ch := &b.Channels[i]; ch.Name == channel && ch.serves(r.Customer) {
			in.Comment = "in " + ch.Kind + ", as " + who.Subject
			return b.Decide(ctx, c, in)
		}
	}
	return RequestView{}, brevet.Errorf(brevet.NotFound, "there is no request %s that you may see", in.ID)
}

// linked returns the person to whom a chat's user is linked as a caller, with
// the sign-in of theirs that holds the freshest multi-factor proof.
func (b *Broker) linked(ctx context.Context, who brevet.Principal, addr string) (c brevet.Caller, err error) {
	err = b.look(ctx, func(tx *store.Tx) error {
		c = brevet.Caller{Addr: addr}
		if c.Person, err = tx.PersonByPrincipal(who); errors.Is(err, brevet.NotFound) {
			return brevet.Errorf(brevet.Unauthenticated, "your identity here is not linked to a person").WithHint("brevet notify link, and type what it says here")
		} else if err != nil {
			return err
		}
		if err := provePerson(tx, c.Person); err != nil {
			return err
		}
		if err := provePrincipal(tx, c.Person, who); err != nil {
			return err
		}
		signIns, err := tx.SignIns(c.Person.ID)
		if err != nil {
			return err
		}
		for _, s := range signIns {
			better := c.SignIn.ID == "" || s.Proof.MFA.After(c.SignIn.Proof.MFA)
			if better && s.Only == "" && s.Live(b.now(), b.Idle) && !tx.SignInOver(s.ID) && proveSignIn(tx, s) == nil {
				c.SignIn = s
			}
		}
		if c.SignIn.ID == "" {
			return brevet.Errorf(brevet.Unauthenticated, "you are not signed in anywhere, so there is no proof that this is you").WithHint("brevet login --mfa, or decide on the page")
		}
		return nil
	})
	return c, err
}

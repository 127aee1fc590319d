package broker

import (
	"context"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// revoker is the principal that calls customers' revokers. No identity
// provider has an issuer of that name, so nobody can sign in as it.
var revoker = brevet.Principal{Issuer: "brevet", Subject: "revoke"}

// systemPrincipals are those whose grants are the broker's own errands.
var systemPrincipals = []brevet.Principal{prober, revoker}

// systemPeople returns the people that stand for them; what they hold is
// revoked with nobody else's.
func systemPeople(tx *store.Tx) (map[brevet.PersonID]bool, error) {
	out := map[brevet.PersonID]bool{}
	for _, who := range systemPrincipals {
		p, err := tx.PersonByPrincipal(who)
		if brevet.KindOf(err) == brevet.NotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		out[p.ID] = true
	}
	return out, nil
}

// openOwn opens an errand at nobody's wish: what is on record demands it.
func (b *Broker) openOwn(ctx context.Context, who brevet.Principal, rules *ruling, account brevet.Account, role brevet.Role, what string) (e errand, err error) {
	err = b.DB.Update(ctx, func(tx *store.Tx) error {
		if err := rules.rules(tx); err != nil {
			return err
		}
		if err := b.stays(tx, account.Customer); err != nil {
			return err
		}
		e.system = who.Subject
		if e.person, err = systemPerson(tx, who, brevet.Handle("brevet-"+who.Subject)); err != nil {
			return err
		}
		return b.grantErrand(tx, &e, rules, account, role, what)
	})
	return e, err
}

// enter begins a session of an errand, on record. Tag is the grant whose
// sessions it stands for; "" its own.
func (b *Broker) enter(ctx context.Context, e errand, i brevet.Issue, tag brevet.GrantID) (brevet.Credential, error) {
	id, done, err := b.begin(ctx, e, i.MFA)
	if err != nil {
		return brevet.Credential{}, err
	}
	i.Session, i.Grant, i.Person, i.Handle = id, e.grant.ID, e.person.ID, e.person.Handle
	i.TTL, i.End = brevet.MinSession, e.grant.End
	if tag != "" {
		i.Grant = tag
	}
	ctx, cancel := context.WithTimeout(ctx, cloudPatience)
	defer cancel()
	cred, err := b.Clouds["aws"].Issue(ctx, i)
	var made *brevet.Credential
	if err == nil {
		made = &cred
	}
	if failed := done(made, err); failed != nil {
		return brevet.Credential{}, failed
	}
	return cred, err
}

// closeOwn hands the errand's grant back.
func (b *Broker) closeOwn(ctx context.Context, e errand) {
	err := b.DB.Update(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		g, err := tx.Grant(e.grant.ID)
		if err != nil {
			return err
		}
		g, events, err := g.Drop(e.actor(), tx.Now())
		if err != nil {
			return nil // it is over already
		}
		if _, err := record(tx, events); err != nil {
			return err
		}
		return tx.PutGrant(g)
	})
	if err != nil {
		b.Log.WarnContext(ctx, "an errand is not handed back; it ends by itself", "grant", e.grant.ID, "err", err)
	}
}

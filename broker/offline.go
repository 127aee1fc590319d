package broker

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/glass"
	"github.com/brevet-access/brevet/store"
)

// clockSkew is how far the clock of a machine that was on its own may be ahead.
const clockSkew = 5 * time.Minute

// Imported is an emergency from a record, and how far the word has spread.
type Imported struct {
	ReviewView
	Again                    bool      // it was on record already, and nothing was done
	Alive                    time.Time // when what is out dies by itself; zero: nothing is out
	Access                   string    // id of the access key; "" where none is known
	Shared                   []string  // who gave their shares
	Key                      string    // id of the offline key that was used
	Channels, Tried, Arrived int
}

// Import takes the record of an emergency that was opened while the broker was
// out of reach, into the log and before everybody's eyes. The record must be
// signed by one of the customer's offline keys. It gives nobody anything: the
// log says at once that its grant is over; it can be reviewed and revoked as
// any other. The same record again is answered with what became of it.
func (b *Broker) Import(ctx context.Context, c brevet.Caller, text []byte) (out Imported, err error) {
	c = b.current(ctx, c, 15*time.Minute)
	r, err := b.record(c, text)
	if err != nil {
		return out, err
	}
	err = b.DB.Update(ctx, func(tx *store.Tx) error {
		out = Imported{Shared: r.Intent.Shared, Key: r.Intent.Key}
		if err := proveSignIn(tx, c.SignIn); err != nil {
			return err
		}
		if err := provePerson(tx, c.Person); err != nil {
			return err
		}
		var err error
		if out.Again, err = imported(tx, r); err != nil {
			return err
		}
		if !out.Again {
			if err := b.importIn(tx, c, r); err != nil {
				return err
			}
		}
		return b.importView(tx, c, r, &out)
	})
	if err != nil {
		return Imported{}, err
	}
	b.changes.notify()
	for i := range b.Channels {
		if b.Channels[i].serves(r.Intent.Customer) {
			out.Channels++
		}
	}
	out.Arrived, out.Tried = b.Shout(context.WithoutCancel(ctx), string(r.Intent.Grant), glassPatience)
	return out, nil
}

// record reads a record and checks whatever can be checked without the
// database: the signature by a key of the customer, that the customer is one
// of the caller's, its account and role, and the times.
func (b *Broker) record(c brevet.Caller, text []byte) (r glass.Record, err error) {
	id, err := glass.CustomerOf(text)
	if err != nil {
		return r, err
	}
	unseen := brevet.Errorf(brevet.NotFound, "the record is of no customer that you may see")
	if _, ok := b.Catalog().CustomerByID(id); !ok || !b.knows(c, id) && !b.holdsAny(c, id) {
		return r, unseen
	}
	keys, err := b.offlineKeys(id)
	if err != nil {
		return r, err
	}
	if r, err = glass.ParseRecord(text, keys); err != nil {
		return r, err
	}
	in := r.Intent
	if in.Customer != id {
		return r, unseen
	}
	if in.Person != c.Person.ID && !b.mayImport(c, id) {
		return r, brevet.Errorf(brevet.Denied, "this is the record of somebody else's emergency").
			WithUnmet(brevet.Unmet{Condition: "be who used the key, or hold the right to view, decide, revoke or audit at " + b.customerName(id), Have: "you are " + string(c.Person.Handle),
				Remedy: "give the record to one of " + b.policy().Holders(id, brevet.RightDecide).String()})
	}
	a, ok := b.Catalog().AccountByID(in.Account)
	if !ok || a.Customer != id {
		return r, brevet.Errorf(brevet.Conflict, "account %s of the record is none of %s", in.Account, b.customerName(id))
	}
	if role, ok := b.Catalog().Role(in.Account, in.Role); ok && !role.Offline {
		return r, brevet.Errorf(brevet.Conflict, "role %s does not trust the offline key, so the record cannot be true", in.Role)
	}
	if in.Start.After(b.now().Add(clockSkew)) {
		return r, brevet.Errorf(brevet.Clock, "the record is of %s, which is still to come", in.Start.UTC().Format(time.RFC3339)).WithHint("compare the clocks of the server and of the machine that wrote it")
	}
	return r, nil
}

// offlineKeys returns the public keys whose records count for a customer.
func (b *Broker) offlineKeys(id brevet.CustomerID) (glass.KeySet, error) {
	if b.OfflineKeys == nil {
		return glass.KeySet{}, nil
	}
	return b.OfflineKeys(id)
}

func (b *Broker) mayImport(c brevet.Caller, id brevet.CustomerID) bool {
	return slices.ContainsFunc([]brevet.Right{brevet.RightView, brevet.RightDecide, brevet.RightRevoke, brevet.RightAudit},
		func(r brevet.Right) bool { return b.holds(c, id, r) })
}

// imported reports whether the log tells of this very record already. Another one
// under the same name, or a grant that was not opened offline, is a conflict.
func imported(tx *store.Tx, r glass.Record) (bool, error) {
	taken := brevet.Errorf(brevet.Conflict, "grant %s is on record already, as another one", r.Intent.Grant)
	i, ok := tx.Latest(store.GlassKey(r.Intent.Grant))
	if !ok {
		if _, ok := tx.Latest(string(r.Intent.Grant)); ok {
			return false, taken
		}
		if _, err := tx.Grant(r.Intent.Grant); !errors.Is(err, brevet.NotFound) {
			return false, errors.Join(taken, err)
		}
		return false, nil
	}
	e, err := tx.Proven(i)
	if err != nil {
		return false, err
	}
	if e.Data[brevet.OfflineKey] == "" || e.Digest != r.Digest || e.Customer != r.Intent.Customer {
		return false, taken
	}
	return true, nil
}

// importIn writes the emergency: its alarm, that its grant is over, and the
// session that may be out.
func (b *Broker) importIn(tx *store.Tx, c brevet.Caller, r glass.Record) error {
	in, now := r.Intent, tx.Now()
	p, err := tx.Person(in.Person)
	if err == nil && p.Handle != in.Handle {
		err = brevet.NotFound
	}
	if err == nil {
		if err = provePerson(tx, p); errors.Is(err, brevet.Unauthenticated) { // ended since, which undoes nothing
			err = nil
		}
	}
	if errors.Is(err, brevet.NotFound) {
		return brevet.Errorf(brevet.Conflict, "the record is of %s (%s), whom this server does not know", in.Handle, in.Person).
			WithHint("a server that was restored knows nobody who signed in since its backup")
	}
	if err != nil {
		return err
	}
	g := brevet.Grant{ID: in.Grant, Person: in.Person, Customer: in.Customer, Account: in.Account, Role: in.Role, Duration: in.End.Sub(in.Start),
		State: brevet.Ended, Created: now, Start: brevet.Instant(in.Start), End: brevet.Instant(in.End), Closed: now}
	data := map[string]string{brevet.OfflineKey: in.Key, "handle": string(in.Handle), "shared": strings.Join(in.Shared, ","), "issuer": in.Issuer, "bundle": in.Bundle, "call": in.Call}
	s, more := offlineSession(g, r, data, actor(c), now)
	for key, thing := range map[string]string{brevet.PriorGlass: store.AnyGlass, brevet.PriorGlassOwn: store.GlassOf(g.Person)} {
		if i, ok := tx.Latest(thing); ok {
			data[key] = strconv.FormatInt(i, 10)
		}
	}
	events := g.Imported(in.Reason, b.policy().Holders(in.Customer, brevet.RightDecide).String(), r.Digest, data, actor(c), now)
	if g.Leaf, err = record(tx, events); err != nil {
		return err
	}
	if err := tx.AddGrant(g); err != nil || s.ID == "" {
		return err
	}
	if _, err := record(tx, more); err != nil {
		return err
	}
	return tx.AddSession(s)
}

// offlineSession returns what the record says of a session, and puts it into
// data; one without an id where the cloud made none.
func offlineSession(g brevet.Grant, r glass.Record, data map[string]string, by brevet.Actor, now time.Time) (s brevet.Session, events []brevet.Event) {
	s = brevet.Session{Grant: g.ID, Person: g.Person, Customer: g.Customer, Account: g.Account, Role: g.Role, State: brevet.InDoubt,
		MFA: brevet.RungBreakGlass, Created: now, Until: g.End}
	e := brevet.Event{Kind: brevet.SessionInDoubt, Time: now, Customer: g.Customer, Actor: by, Person: g.Person, Grant: g.ID, Account: g.Account, Role: g.Role,
		Reason: "the record does not say what became of it", Start: &g.Start, Data: map[string]string{"mfa": string(s.MFA)}}
	switch o := r.Outcome; {
	case o == nil:
		data["outcome"] = "not on record"
	case o.Refused != "":
		data["outcome"] = "refused: " + o.Refused
		return brevet.Session{}, nil
	case o.AccessKey == "":
		data["outcome"], e.Reason = "in doubt: "+o.Doubt, o.Doubt
	default:
		s.State, s.AccessKey, s.Expires = brevet.Issued, o.AccessKey, brevet.Instant(o.Expires)
		if s.Expires.After(g.End) {
			s.Expires = g.End
		}
		s.Until = s.Expires
		e.Kind, e.Reason = brevet.SessionIssued, ""
		e.Data["access_key"], data["access_key"] = s.AccessKey, s.AccessKey
		data["expires"] = s.Expires.UTC().Format(time.RFC3339)
	}
	s.ID = brevet.NewID[brevet.SessionID](now)
	e.Session, e.End = s.ID, &s.Until
	return s, []brevet.Event{e}
}

// importView tells the caller of what is on record now.
func (b *Broker) importView(tx *store.Tx, c brevet.Caller, r glass.Record, out *Imported) error {
	i, ok := tx.Latest(store.GlassKey(r.Intent.Grant))
	if !ok {
		return disagree("emergency of grant", string(r.Intent.Grant))
	}
	e, err := tx.Proven(i)
	if err != nil {
		return err
	}
	if out.ReviewView, err = b.reviewView(tx, c, e); err != nil {
		return err
	}
	out.Access = e.Data["access_key"]
	out.Alive, err = outstanding(tx, brevet.Grant{ID: e.Grant}, tx.Now())
	return err
}

// offlineView tells of a grant that was opened offline what its alarm says.
func (b *Broker) offlineView(tx *store.Tx, g brevet.Grant, now time.Time, v *GrantView) error {
	i, ok := tx.Latest(store.GlassKey(g.ID))
	if !ok {
		return disagree("emergency of grant", string(g.ID))
	}
	e, err := tx.Proven(i)
	if err != nil {
		return err
	}
	v.Reason, v.Approved = e.Reason, strings.ReplaceAll(e.Data["shared"], ",", ", ")
	live, err := tx.Sessions(store.SessionFilter{Grant: g.ID, LiveAt: now, Limit: 1000})
	v.Sessions = len(live)
	return err
}

// openedOffline reports whether the log says that the grant was opened while
// the broker was out of reach: it is over from the first, and yet something may
// be out under it.
func openedOffline(tx *store.Tx, id brevet.GrantID) (bool, error) {
	i, ok := tx.Latest(store.GlassKey(id))
	if !ok {
		return false, nil
	}
	e, err := tx.Proven(i)
	return e.Data[brevet.OfflineKey] != "", err
}

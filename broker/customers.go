package broker

import (
	"context"
	"strconv"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/policy"
	"github.com/brevet-access/brevet/store"
)

// CustomerView is a customer as one caller sees it.
type CustomerView struct {
	brevet.Customer
	Entry      string // how its accounts are entered, as the catalog says
	Accounts   []brevet.Account
	Offboarded *Offboarding // nil while it is a customer
}

// Offboarding is how a customer left, as the log says.
type Offboarding struct {
	At       time.Time
	By       string
	Reason   string
	Grants   int       // that were ended
	Requests int       // that were cancelled
	Sessions int       // credentials that were out
	Until    time.Time // when the last of those dies by itself; zero if none was out
}

// Customers lists the customers at which the caller holds any right, in the
// order of the catalog.
func (b *Broker) Customers(ctx context.Context, c brevet.Caller) ([]CustomerView, error) {
	c = b.current(ctx, c, policy.PrivilegedWithin)
	rules := b.ruling.Load()
	var out []CustomerView
	err := b.look(ctx, func(tx *store.Tx) error {
		out = nil
		for _, k := range rules.Customers {
			if !b.holdsAny(c, k.ID) {
				continue
			}
			v := CustomerView{Customer: k, Entry: rules.Entry(k.ID)}
			for _, a := range rules.Accounts {
				if a.Customer == k.ID {
					v.Accounts = append(v.Accounts, a)
				}
			}
			var err error
			if v.Offboarded, err = offboarding(tx, k.ID); err != nil {
				return err
			}
			out = append(out, v)
		}
		return nil
	})
	return out, err
}

func (b *Broker) holdsAny(c brevet.Caller, customer brevet.CustomerID) bool {
	for _, right := range brevet.AllRights {
		if b.holds(c, customer, right) {
			return true
		}
	}
	return false
}

// offboarding reads from the log how the customer left; nil if it has not.
func offboarding(tx *store.Tx, id brevet.CustomerID) (*Offboarding, error) {
	i, ok := tx.Latest(string(id))
	if !ok || !tx.CustomerOver(id) {
		return nil, nil
	}
	e, err := tx.Proven(i)
	if err != nil {
		return nil, err
	}
	out := &Offboarding{At: e.Time, By: e.Actor.String(), Reason: e.Reason}
	for key, n := range map[string]*int{"grants": &out.Grants, "requests": &out.Requests, "sessions": &out.Sessions} {
		*n, _ = strconv.Atoi(e.Data[key]) // absent once the details were erased
	}
	if e.End != nil {
		out.Until = *e.End
	}
	return out, nil
}

// stays reports why nobody enters the customer's accounts any more, or nil.
// It asks the log alone (law 11).
func (b *Broker) stays(tx *store.Tx, id brevet.CustomerID) error {
	if tx.CustomerOver(id) {
		return b.left(id)
	}
	return nil
}

func (b *Broker) left(id brevet.CustomerID) error {
	return brevet.Errorf(brevet.Denied, "customer %s was offboarded: nobody enters its accounts any more", b.customerName(id)).
		WithHint("brevet customer list shows when and why").WithUnmet(b.notOffboarded(id))
}

func (b *Broker) notOffboarded(id brevet.CustomerID) brevet.Unmet {
	return brevet.Unmet{Condition: "a customer that was not offboarded", Have: b.customerName(id) + " was",
		Remedy: "none: who left comes back only as a new customer, with an issuer and keys of its own"}
}

// gate is the one door to a cloud: nothing leads into the accounts of a
// customer that the log says is offboarded.
type gate struct {
	brevet.Cloud
	b *Broker
}

// Issue is that of [brevet.Cloud].
func (g gate) Issue(ctx context.Context, i brevet.Issue) (brevet.Credential, error) {
	if err := g.b.MayMint(i.Account.Customer); err != nil {
		return brevet.Credential{}, err
	}
	return g.Cloud.Issue(ctx, i)
}

// MayMint reports why nothing is made that leads into the customer's accounts,
// or nil. Package service asks before the keys sign, so that no road leads past
// the log.
func (b *Broker) MayMint(id brevet.CustomerID) error {
	if b.DB.CustomerOver(id) {
		return b.left(id)
	}
	return nil
}

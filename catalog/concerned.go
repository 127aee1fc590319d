package catalog

import (
	"reflect"
	"slices"

	"github.com/brevet-access/brevet"
)

// Concerned returns the customers of either catalog for whom something
// changes from old to new: what is said at the top of the file, of roles and
// in Cedar concerns all of old. A customer that is new concerns nobody who is
// there already.
func Concerned(old, new *Catalog) []brevet.Customer {
	same := func(a, b *Catalog) bool {
		return a.Issuer == b.Issuer && a.Broker == b.Broker && a.Guardrails == b.Guardrails && a.Automatic == b.Automatic &&
			slices.Equal(a.Egress, b.Egress) && reflect.DeepEqual(a.Roles, b.Roles)
	}
	if !same(old, new) || !reflect.DeepEqual(rest(old), rest(new)) {
		return old.Customers
	}
	var out []brevet.Customer
	for _, k := range old.Customers {
		if !reflect.DeepEqual(old.of(k), new.of(k)) {
			out = append(out, k)
		}
	}
	return out
}

// part is all that a catalog says of one customer.
type part struct {
	customer     brevet.Customer
	entry        entry
	accounts     []brevet.Account
	roles        [][]brevet.Role
	entitlements []brevet.Entitlement
	holdings     []brevet.Holding
}

func (c *Catalog) of(k brevet.Customer) (p part) {
	p.customer, _ = c.CustomerByID(k.ID)
	p.entry = c.entries[k.ID]
	for _, a := range c.Accounts {
		if a.Customer == k.ID {
			p.accounts, p.roles = append(p.accounts, a), append(p.roles, c.rolesIn[a.ID])
		}
	}
	for _, e := range c.Entitlements {
		if e.Customer == k.ID {
			p.entitlements = append(p.entitlements, e)
		}
	}
	for _, h := range c.Holdings {
		if h.Customer == k.ID {
			p.holdings = append(p.holdings, h)
		}
	}
	return p
}

// rest is what a catalog says beside what [Concerned] looks at: of what is not
// known here the change concerns everybody.
func rest(c *Catalog) Catalog {
	out := *c
	out.Issuer, out.Broker, out.Egress, out.Guardrails, out.Automatic, out.Roles = "", "", nil, "", "", nil
	out.Customers, out.Accounts, out.Entitlements, out.Holdings = nil, nil, nil, nil
	out.Text, out.Digest, out.accounts, out.customers, out.rolesIn, out.entries, out.places = nil, "", nil, nil, nil, nil, places{}
	return out
}

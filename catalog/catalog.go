package catalog

import (
	_ "embed"
	"slices"

	"github.com/brevet-access/brevet"
)

// Catalog is one version of what may be asked for. It never changes; the zero
// Catalog holds nothing.
type Catalog struct {
	Issuer       string   // https://ISSUER-HOST, under which every customer has its own
	Broker       string   // ARN of the AWS role by which customers with entry assume-role are entered; "" if there is none
	Egress       []string // CIDR blocks from which brevet calls the cloud; empty: not known
	Customers    []brevet.Customer
	Accounts     []brevet.Account     // in the order of the text
	Roles        []brevet.Role        // likewise
	Entitlements []brevet.Entitlement // likewise; accounts resolved
	Holdings     []brevet.Holding
	Rotas        []brevet.Rota       // in the order of the text
	Engagements  []brevet.Engagement // likewise; accounts resolved
	Guardrails   string              // Cedar, not compiled yet
	Automatic    string              // likewise
	Text         []byte              // as it was parsed
	Digest       string              // lower-case hex SHA-256 of Text

	accounts  map[string]int // by name and by number
	customers map[string]int // by name and by id
	rolesIn   map[brevet.AccountID][]brevet.Role
	entries   map[brevet.CustomerID]entry
	rotasOf   map[brevet.Handle][]brevet.Rota
	places    places
}

// Sandbox is the catalog of `brevetd dev`. It has neither customer ids nor
// audiences: [Complete] adds them.
//
//go:embed sandbox.yaml
var Sandbox []byte

// Account returns the account of that name or number.
func (c *Catalog) Account(nameOrNumber string) (brevet.Account, bool) {
	i, ok := c.accounts[nameOrNumber]
	if !ok {
		return brevet.Account{}, false
	}
	return c.Accounts[i], true
}

// AccountByID returns the account of that number.
func (c *Catalog) AccountByID(id brevet.AccountID) (brevet.Account, bool) {
	a, ok := c.Account(string(id))
	return a, ok && a.ID == id
}

// Customer returns the customer of that name or id.
func (c *Catalog) Customer(nameOrID string) (brevet.Customer, bool) {
	i, ok := c.customers[nameOrID]
	if !ok {
		return brevet.Customer{}, false
	}
	return c.Customers[i], true
}

// CustomerByID returns the customer of that id.
func (c *Catalog) CustomerByID(id brevet.CustomerID) (brevet.Customer, bool) {
	found, ok := c.Customer(string(id))
	return found, ok && found.ID == id
}

// Role returns the role of that name in the account.
func (c *Catalog) Role(account brevet.AccountID, name brevet.RoleName) (brevet.Role, bool) {
	roles := c.rolesIn[account]
	i := slices.IndexFunc(roles, func(r brevet.Role) bool { return r.Name == name })
	if i < 0 {
		return brevet.Role{}, false
	}
	return roles[i], true
}

// RolesIn returns the account's roles in the order of the text.
func (c *Catalog) RolesIn(account brevet.AccountID) []brevet.Role {
	return slices.Clone(c.rolesIn[account])
}

// Resolve returns the account and role that a target names. If the account is
// known and the role is not, the account is returned beside the error, which
// is of kind [brevet.NotFound].
func (c *Catalog) Resolve(t brevet.Target) (brevet.Account, brevet.Role, error) {
	account, ok := c.Account(t.Account)
	if !ok {
		return account, brevet.Role{}, brevet.Errorf(brevet.NotFound, "there is no account %s", t.Account).WithHint("brevet ls shows what there is")
	}
	role, ok := c.Role(account.ID, t.Role)
	if !ok {
		return account, role, brevet.Errorf(brevet.NotFound, "account %s has no role %s", account.Name, t.Role).WithHint("brevet ls shows what there is")
	}
	return account, role, nil
}

// index fills what the lookups use.
func (c *Catalog) index() {
	c.accounts, c.customers = map[string]int{}, map[string]int{}
	for i, a := range c.Accounts {
		c.accounts[a.Name], c.accounts[string(a.ID)] = i, i
	}
	for i, k := range c.Customers {
		c.customers[k.Name], c.customers[string(k.ID)] = i, i
	}
	c.rotasOf = indexRotas(c.Rotas)
}

// Holders returns who holds the right at the customer.
func (c *Catalog) Holders(customer brevet.CustomerID, right brevet.Right) brevet.Subjects {
	for _, h := range c.Holdings {
		if h.Customer == customer && h.Right == right {
			return h.Who
		}
	}
	return brevet.Subjects{}
}

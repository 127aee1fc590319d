package broker

import (
	"errors"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/catalog"
	"github.com/brevet-access/brevet/policy"
)

// ReadCatalog reads a catalog and compiles its policy: what a server is to
// work with passes here. The error is that of [catalog.Parse].
func ReadCatalog(name string, text []byte) (*catalog.Catalog, *policy.Set, error) {
	c, err := catalog.Parse(name, text)
	if err != nil {
		return nil, nil, err
	}
	set, err := Compile(c)
	if err != nil {
		return nil, nil, err
	}
	return c, set, nil
}

// Compile compiles what the catalog says into policy. The error is of kind
// [brevet.Invalid] and has one line for everything that is wrong, as
// FILE:LINE: path.to.field: message.
func Compile(c *catalog.Catalog) (*policy.Set, error) {
	roles := make(map[brevet.AccountID][]brevet.Role, len(c.Accounts))
	for _, a := range c.Accounts {
		roles[a.ID] = c.RolesIn(a.ID)
	}
	set, err := policy.Compile(policy.Rules{Customers: c.Customers, Accounts: c.Accounts, Roles: roles, Entitlements: c.Entitlements,
		Holdings: c.Holdings, Rotas: c.Rotas, Engagements: c.Engagements, Guardrails: c.Guardrails, Automatic: c.Automatic})
	if err != nil {
		return nil, blame(c, err)
	}
	return set, nil
}

// blame turns what policy found wrong into problems with a line.
func blame(c *catalog.Catalog, err error) error {
	var found policy.Problems
	if !errors.As(err, &found) {
		return c.Blame(catalog.Fault{Message: brevet.AsError(err).Message})
	}
	var faults []catalog.Fault
	for _, one := range found {
		faults = append(faults, catalog.Fault{Where: one.Where, Line: one.Line, Column: one.Column, Message: one.Message})
	}
	return c.Blame(faults...)
}

package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/catalog"
	"github.com/brevet-access/brevet/stack"
)

func (c *cli) stack() *cobra.Command {
	return family("stack", "Write and check what a customer deploys", c.stackCloudFormation(), c.stackTerraform(), c.stackProve(), c.stackDiff(), c.stackProbe())
}

// sideFlags say whose account is meant, and by which catalog.
type sideFlags struct{ customer, account, catalog string }

func (f *sideFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.customer, "customer", "", "the `NAME` of the customer")
	cmd.Flags().StringVar(&f.account, "account", "", "the `ACCOUNT`, by name or number")
	cmd.Flags().StringVar(&f.catalog, "catalog", "", "a catalog `FILE`; without it the server's catalog counts")
}

// side finds the account in the catalog.
func (c *cli) side(ctx context.Context, f sideFlags) (stack.Side, error) {
	for _, given := range [][2]string{{"--customer", f.customer}, {"--account", f.account}} {
		if given[1] == "" {
			return stack.Side{}, brevet.Errorf(brevet.Invalid, "%s is needed", given[0])
		}
	}
	cat, err := c.readCatalog(ctx, f.catalog)
	if err != nil {
		return stack.Side{}, err
	}
	customer, ok := cat.Customer(f.customer)
	if !ok {
		return stack.Side{}, brevet.Errorf(brevet.NotFound, "the catalog has no customer %s", f.customer)
	}
	account, ok := cat.Account(f.account)
	if !ok || account.Customer != customer.ID {
		return stack.Side{}, brevet.Errorf(brevet.NotFound, "customer %s has no account %s", customer.Name, f.account)
	}
	return stack.Side{Customer: customer, Account: account, Roles: cat.RolesIn(account.ID), Egress: cat.Egress}, nil
}

// readCatalog reads a file, or what rules at the server.
func (c *cli) readCatalog(ctx context.Context, file string) (*catalog.Catalog, error) {
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, brevet.Errorf(brevet.Invalid, "cannot read %s: %s", file, rootCause(err))
		}
		cat, err := catalog.Parse(file, text)
		if err != nil {
			if _, other := catalog.ParseIncomplete(file, text); other == nil {
				err = brevet.AsError(err).WithHint("brevet catalog complete %s writes the ids and audiences that are missing", file)
			}
		}
		return cat, err
	}
	s, err := c.session()
	if err != nil {
		return nil, err
	}
	ctx, cancel := brief(ctx)
	defer cancel()
	got, err := s.Client.Catalog(ctx)
	if err != nil {
		return nil, err
	}
	return catalog.Parse("catalog", []byte(got.Text))
}

package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/stack"
)

func checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check CATALOG",
		Short: "check a catalog: every error with its line",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := os.ReadFile(args[0])
			if err != nil {
				return brevet.Errorf(brevet.Invalid, "catalog: %s", err)
			}
			c, _, err := broker.ReadCatalog(args[0], text)
			if err != nil {
				return err
			}
			if err := c.CheckContracts(stack.NewestContract); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is sound: %d customers, %d accounts, %d roles\n", args[0], len(c.Customers), len(c.Accounts), len(c.Roles))
			return nil
		},
	}
}

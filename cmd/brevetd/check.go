package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/service"
	"github.com/brevet-access/brevet/stack"
)

func checkCommand() *cobra.Command {
	var config string
	c := &cobra.Command{
		Use:   "check [CATALOG]",
		Short: "check a catalog: every error with its line; with --config brevet.yaml and its channels, too",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if config != "" {
				cfg, err := service.LoadConfig(config)
				if err != nil {
					return err
				}
				if err := service.CheckChannels(cfg); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s is sound: %d providers, %d channels\n", config, len(cfg.Providers), len(cfg.Channels))
				if len(args) == 0 {
					args = []string{cfg.Catalog}
				}
			}
			if len(args) == 0 {
				return brevet.Errorf(brevet.Invalid, "name a CATALOG, or --config FILE")
			}
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
	c.Flags().StringVar(&config, "config", "", "the server's configuration `FILE`; its catalog is checked where none is named")
	return c
}

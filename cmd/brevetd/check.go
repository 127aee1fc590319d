package main

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/catalog"
	"github.com/brevet-access/brevet/policy"
	"github.com/brevet-access/brevet/service"
	"github.com/brevet-access/brevet/stack"
)

func checkCommand() *cobra.Command {
	var standing bool
	var config, file, env string
	c := &cobra.Command{
		Use:   "check [CATALOG]",
		Short: "Check a catalog, and brevet.yaml",
		Long: `Check a catalog: it says everything that is wrong, with its line. With --config
it checks brevet.yaml, its channels and the catalog that it names.

With --standing it lists everybody who reaches production without a second
person: by an entitlement that approves by itself, or by a rule of automatic
approval. A guardrail counts if it closes a way whatever is asked and when, so
nothing is missing. What is for emergencies is listed apart: it shouts. The
exit code is 0 if nobody does. A catalog that has no ids and audiences yet, such
as an example, is answered, too: they have no part in it.`,
		Example: "  brevetd check catalog.yaml\n  brevetd check --config brevet.yaml --standing",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				file = cmp.Or(file, args[0])
			}
			if config != "" {
				served, err := checkConfig(cmd.OutOrStdout(), config)
				if err != nil {
					return err
				}
				file = cmp.Or(file, served)
			}
			if file == "" {
				return brevet.Errorf(brevet.Invalid, "name a CATALOG, or --config FILE")
			}
			set, err := checkCatalog(cmd.OutOrStdout(), file, standing)
			if err != nil || !standing {
				return err
			}
			return tellStanding(cmd.OutOrStdout(), env, set.Standing(env))
		},
	}
	c.Flags().StringVar(&config, "config", "", "the server's configuration `FILE`; its catalog is checked where none is named")
	c.Flags().BoolVar(&standing, "standing", false, "list who reaches production without a second person")
	c.Flags().StringVar(&file, "catalog", "", "the catalog `FILE`")
	c.Flags().StringVar(&env, "env", "prod", "the `ENVIRONMENT` that counts as production")
	return c
}

// checkConfig checks brevet.yaml and returns the catalog that it names.
func checkConfig(w io.Writer, file string) (served string, err error) {
	cfg, err := service.LoadConfig(file)
	if err != nil {
		return "", err
	}
	if err := service.CheckChannels(cfg); err != nil {
		return "", err
	}
	fmt.Fprintf(w, "%s is sound: %d providers, %d channels\n", file, len(cfg.Providers), len(cfg.Channels))
	return cfg.Catalog, nil
}

// checkCatalog checks a catalog. With template one whose only fault is that
// ids and audiences are missing passes, with a word about it.
func checkCatalog(w io.Writer, file string, template bool) (*policy.Set, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, brevet.Errorf(brevet.Invalid, "catalog: %s", err)
	}
	c, set, err := broker.ReadCatalog(file, text)
	if err != nil && template {
		if full, changed, no := catalog.Complete(text, rand.Reader, time.Now()); no == nil && changed {
			if c2, set2, no := broker.ReadCatalog(file, full); no == nil {
				c, set, err = c2, set2, nil
				fmt.Fprintln(w, "note: ids and audiences are missing, so no server takes this catalog yet; who reaches what does not depend on them")
			}
		}
	}
	if err != nil {
		return nil, err
	}
	if err := c.CheckContracts(stack.NewestContract); err != nil {
		return nil, err
	}
	fmt.Fprintf(w, "%s is sound: %d customers, %d accounts, %d roles\n", file, len(c.Customers), len(c.Accounts), len(c.Roles))
	for _, warning := range c.Warnings() {
		fmt.Fprintf(w, "warning: %s\n", warning)
	}
	return set, nil
}

// tellStanding lists the ways in on which no second person has a say; the
// error says how many there are.
func tellStanding(w io.Writer, env string, paths []policy.Path) error {
	open := 0
	for _, p := range paths {
		how := "must be asked for, and is approved by itself"
		switch {
		case p.Shouts:
			how = "in an emergency: it shouts, and is reviewed"
		case p.OnUse:
			how = "opens on first use"
		}
		if !p.Shouts {
			open++
		}
		fmt.Fprintf(w, "%s reaches %s by %s; %s\n", p.Who, p.Target, p.By, how)
	}
	if open > 0 {
		return brevet.Errorf(brevet.Denied, "%d ways lead into %s without a second person", open, env)
	}
	fmt.Fprintf(w, "nobody reaches %s without a second person\n", env)
	return nil
}

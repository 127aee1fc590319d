package main

import (
	"context"
	"crypto/rand"
	"os"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/catalog"
	"github.com/brevet-access/brevet/manual"
)

func (c *cli) catalog() *cobra.Command {
	return family("catalog", "Show or change what may be asked for", c.catalogShow(), c.catalogComplete(), c.catalogPlan(), c.catalogApply(),
		c.catalogVersions(), c.catalogApprove(), c.catalogWithdraw())
}

func (c *cli) catalogShow() *cobra.Command {
	return c.flagJSON(c.command("show", "Print the catalog that is in force", manual.Exactly(),
		func(ctx context.Context, s *session, _ []string) error {
			ctx, cancel := brief(ctx)
			defer cancel()
			got, err := s.Client.Catalog(ctx)
			if err != nil {
				return err
			}
			return c.print(got, func() {
				c.say("version %d, digest %s", got.Version, got.Digest)
				c.tellText(got.Text)
			})
		}))
}

// completed is the answer of catalog complete as JSON.
type completed struct {
	File    string `json:"file"`
	Changed bool   `json:"changed"`
}

func (c *cli) catalogComplete() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "complete FILE",
		Short: "Write what is missing in a catalog file and made by chance",
		Long: `Write into a catalog file what people do not think up: the id of each customer,
the audience of each account, the external id of each customer with entry:
assume-role, where they are missing. Everything else stays, comments too.
Stacks and servers hold these values for years: keep the file.`,
		Example: "  brevet catalog complete catalog.yaml",
		Args:    manual.Exactly("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			file := args[0]
			text, err := os.ReadFile(file)
			if err != nil {
				return brevet.Errorf(brevet.Invalid, "cannot read %s: %s", file, rootCause(err))
			}
			if _, err := catalog.ParseIncomplete(file, text); err != nil {
				return err
			}
			out, changed, err := catalog.Complete(text, rand.Reader, c.now())
			if err == nil && changed {
				err = replace(file, out, 0o644)
			}
			if err != nil {
				return err
			}
			return c.print(completed{file, changed}, func() {
				if changed {
					c.say("%s has all its ids and audiences now", file)
					return
				}
				c.say("nothing was missing in %s", file)
			})
		},
	}
	return c.flagJSON(cmd)
}

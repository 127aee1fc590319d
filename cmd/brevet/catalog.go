package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
)

func (c *cli) catalog() *cobra.Command {
	return family("catalog", "Show or propose what may be asked for", c.catalogShow(), c.catalogApply())
}

func (c *cli) catalogShow() *cobra.Command {
	return c.flagJSON(c.command("show", "Print the catalog that is in force", exactly(),
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

func (c *cli) catalogApply() *cobra.Command {
	var base int64
	cmd := c.flagJSON(c.command("apply FILE", "Propose a catalog", exactly("FILE"),
		func(ctx context.Context, s *session, args []string) error {
			text, err := os.ReadFile(args[0])
			if err != nil {
				return brevet.Errorf(brevet.Invalid, "cannot read %s: %s", args[0], rootCause(err))
			}
			ctx, cancel := brief(ctx)
			defer cancel()
			got, err := s.Apply(ctx, api.Apply{Text: string(text), Base: base})
			if err != nil {
				return err
			}
			return c.print(got, func() { c.showApplied(got) })
		}))
	cmd.Flags().Int64Var(&base, "base", 0, "the `VERSION` that FILE was made from; refused if another rules by now")
	return cmd
}

func (c *cli) showApplied(a api.Applied) {
	for _, change := range a.Changes {
		c.tell("%s", change)
	}
	switch {
	case len(a.Changes) == 0:
		c.tell("Nothing changed; version %d is in force.", a.Version)
	case a.Rules:
		c.tell("Version %d is in force.", a.Version)
	default:
		c.tell("Version %d is proposed; a second person has to confirm it.", a.Version)
	}
}

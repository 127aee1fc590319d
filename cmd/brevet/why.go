package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
)

func (c *cli) why() *cobra.Command {
	cmd := c.flagJSON(c.command("why TARGET", "Explain what stands between you and a target", exactly("TARGET"),
		func(ctx context.Context, s *session, args []string) error {
			target, err := brevet.ParseTarget(args[0])
			if err != nil {
				return err
			}
			ctx, cancel := brief(ctx)
			defer cancel()
			w, err := s.Why(ctx, target.String())
			if err != nil {
				return err
			}
			return c.print(w, func() { c.showWhy(w) })
		}))
	cmd.ValidArgsFunction = c.completeTarget
	return cmd
}

func (c *cli) showWhy(w api.Why) {
	c.tell("%s", sentence(w.Summary))
	for _, u := range w.Unmet {
		c.tell("  needs: %s (%s)", u.Condition, u.Have)
		if u.Remedy != "" {
			c.tell("         %s", u.Remedy)
		}
	}
	for _, f := range w.Facts {
		c.tell("  - %s", f)
	}
	if w.Next != "" {
		c.tell("next: %s", w.Next)
	}
}

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/manual"
)

func (c *cli) withdraw() *cobra.Command {
	cmd := c.flagJSON(c.command("withdraw REQUEST", "Take your own request back", manual.Exactly("REQUEST"),
		func(ctx context.Context, s *session, args []string) error {
			id, err := brevet.ParseID[brevet.RequestID](args[0])
			if err != nil {
				return err
			}
			ctx, cancel := brief(ctx)
			defer cancel()
			r, err := s.Withdraw(ctx, string(id))
			if err != nil {
				return err
			}
			return c.print(r, func() { c.tell("Withdrawn: %s.", r.Target) })
		}))
	cmd.ValidArgsFunction = c.completeRequest("mine")
	return cmd
}

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
)

func (c *cli) revoke() *cobra.Command {
	var in api.Revoke
	cmd := c.command("revoke GRANT --reason TEXT", "End somebody's grant", exactly("GRANT"),
		func(ctx context.Context, s *session, args []string) error {
			id, err := brevet.ParseID[brevet.GrantID](args[0])
			if err != nil {
				return err
			}
			if in.Reason, err = brevet.CleanText("reason", in.Reason, brevet.MaxReason); err != nil {
				return err
			}
			ctx, cancel := brief(ctx)
			defer cancel()
			r, err := s.Revoke(ctx, string(id), in)
			if err != nil {
				return err
			}
			if err := s.vault.PurgeGrant(s.server, string(id)); err != nil {
				return err
			}
			return c.print(r, func() {
				c.tell("Revoked: %s of %s. %s", r.Grant.Target, r.Grant.Person, outstanding(r, s))
			})
		})
	cmd.Flags().StringVar(&in.Reason, "reason", "", "one line for the log")
	return c.flagJSON(cmd)
}

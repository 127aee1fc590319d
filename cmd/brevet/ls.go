package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet/manual"
)

func (c *cli) ls() *cobra.Command {
	return c.flagJSON(c.command("ls", "List what you may ask for", manual.Exactly(),
		func(ctx context.Context, s *session, _ []string) error {
			ctx, cancel := brief(ctx)
			defer cancel()
			targets, err := s.Targets(ctx)
			if err != nil {
				return err
			}
			return c.print(targets, func() {
				if len(targets) == 0 {
					c.say("There is nothing that you may ask for.")
					return
				}
				t := &table{head: []string{"TARGET", "LONGEST", "MFA", "APPROVAL", "ABOUT"}, free: true}
				for _, x := range targets {
					approval := x.Approval
					if x.OnUse && x.Automatic {
						approval = "opens on first use"
					}
					t.add(x.Target, spoken(x.Longest), spoken(x.MFA), approval, x.About)
				}
				t.print(c)
			})
		}))
}

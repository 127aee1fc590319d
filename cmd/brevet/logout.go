package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
)

func (c *cli) logout() *cobra.Command {
	return &cobra.Command{
		Use: "logout", Short: "End the sign-in and forget what is cached for it", Args: usage(exactly()),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := c.session()
			if errors.Is(err, brevet.Unauthenticated) {
				c.say("Not signed in at %s.", c.opened.server)
				return c.opened.home.Forget(c.opened.server)
			}
			if err != nil {
				return err
			}
			if err := s.home.Forget(s.server); err != nil {
				return err
			}
			ctx, cancel := brief(cmd.Context())
			defer cancel()
			err = s.Logout(ctx)
			if err != nil && !errors.Is(err, brevet.Unauthenticated) {
				c.say("Forgotten here, but the server does not know yet.")
				return err
			}
			c.say("Signed out at %s.", s.server)
			return nil
		},
	}
}

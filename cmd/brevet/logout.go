package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/manual"
)

// loggedOut is the answer of logout as JSON.
type loggedOut struct {
	Server string `json:"server"`
	Was    bool   `json:"was_signed_in"`
}

func (c *cli) logout() *cobra.Command {
	return c.flagJSON(&cobra.Command{
		Use: "logout", Short: "End the sign-in and forget what is cached for it", Args: manual.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := c.session()
			if errors.Is(err, brevet.Unauthenticated) {
				return c.forgetServer()
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
			return c.print(loggedOut{s.server, true}, func() { c.say("Signed out at %s.", s.server) })
		},
	})
}

// forgetServer forgets what is cached without a sign-in.
func (c *cli) forgetServer() error {
	server := c.opened.server
	if err := c.opened.home.Forget(server); err != nil {
		return err
	}
	return c.print(loggedOut{Server: server}, func() { c.say("Not signed in at %s.", server) })
}

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/manual"
)

func (c *cli) offboard() *cobra.Command {
	var in api.Offboard
	var wait bool
	cmd := c.command("offboard WHO --reason TEXT", "End a person for good: sign-ins, requests, grants, sessions", manual.Exactly("WHO"),
		func(ctx context.Context, s *session, args []string) (err error) {
			if in.Reason, err = reasonGiven(in.Reason, "left the company"); err != nil {
				return err
			}
			short, cancel := brief(ctx)
			defer cancel()
			v, err := s.OffboardPerson(short, args[0], in)
			if err != nil {
				return err
			}
			if wait {
				if v.Act, err = c.follow(ctx, s, v.Act); err != nil {
					return err
				}
			}
			if err := c.print(v, func() { c.showGone(v, wait) }); err != nil || !wait {
				return err
			}
			return unconfirmed(v.Act)
		})
	cmd.Long = `End a person for good, in one act. From the server's answer on they sign in no
more and get no credential; their requests are cancelled, and those of others
that stand on their yes; their grants end, and what is out under them is cut off
in every account, which is followed until AWS was seen to refuse. It needs the
right revoke at every customer where they have asked for access. There is no way
back: who returns is a new person, under a new handle.`
	f := cmd.Flags()
	f.StringVar(&in.Reason, "reason", "", "why: a line of `TEXT` for the log")
	f.BoolVar(&wait, "wait", false, "wait until AWS was seen to refuse in every account")
	return c.flagJSON(cmd)
}

func (c *cli) showGone(v api.PersonOffboarded, waited bool) {
	c.tell("Offboarded: %s. %s, %s and %s ended; %s of others to be decided anew.", v.Person, many(v.SignIns, "sign-in"), many(v.Grants, "grant"), many(v.Requests, "request"), many(v.Decisions, "request"))
	if len(v.Act.Grants) == 0 {
		c.tell("No credential is out.")
		return
	}
	c.showRevoked(v.Act, waited)
}

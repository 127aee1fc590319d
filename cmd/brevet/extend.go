package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/manual"
)

func (c *cli) extend() *cobra.Command {
	var in api.Extend
	var wait bool
	cmd := c.command("extend GRANT --for TIME --reason TEXT", "Move the end of a grant; a TARGET names your only one there", manual.Exactly("GRANT"),
		func(ctx context.Context, s *session, args []string) error {
			if err := checkExtend(&in); err != nil {
				return err
			}
			r, err := c.askLonger(ctx, s, args[0], in)
			if err == nil && wait && r.State == string(brevet.Pending) {
				r, err = c.await(ctx, s, r)
			}
			if err != nil {
				return err
			}
			return c.print(r, func() { c.showExtended(s, r) })
		})
	cmd.Example = "  brevet extend acme-prod/Admin --for 1h --reason \"the restore takes longer\""
	cmd.ValidArgsFunction = c.completeGrant("mine")
	cmd.Flags().StringVar(&in.Duration, "for", "", "by this `TIME`, as 1h")
	cmd.Flags().StringVar(&in.Reason, "reason", "", "why: a line of `TEXT` for the approver and the log")
	cmd.Flags().StringVar(&in.Ticket, "ticket", "", "the `NUMBER` of a ticket")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait for the decision")
	return c.flagJSON(cmd)
}

// checkExtend refuses here what the server would refuse.
func checkExtend(in *api.Extend) error {
	if in.Duration == "" {
		return brevet.Errorf(brevet.Invalid, "how much longer is not said").WithHint("for example: --for 1h")
	}
	ask := api.NewRequest{Duration: in.Duration, Reason: in.Reason}
	err := checkAsk(&ask)
	in.Reason = ask.Reason
	return err
}

// askLonger finds the grant and asks for more time of it.
func (c *cli) askLonger(ctx context.Context, s *session, arg string, in api.Extend) (api.Request, error) {
	ctx, cancel := brief(ctx)
	defer cancel()
	id, err := s.grantOf(ctx, arg)
	if err != nil {
		return api.Request{}, err
	}
	return s.Extend(ctx, id, in)
}

// showExtended says what became of a request for more time.
func (c *cli) showExtended(s *session, r api.Request) {
	now := s.now()
	switch {
	case r.State == string(brevet.Pending):
		c.tell("Asked. %s waits for %s, until %s, when the grant ends.", r.ID, r.WaitsFor, at(r.Lapses, now))
	case r.State == string(brevet.Approved) && r.Grant != nil:
		c.tell("Extended: %s now ends %s. What is running keeps the credential it has; the next one lasts longer.", r.Target, at(r.Grant.End, now))
	default:
		c.tell("Request %s is %s.", r.ID, r.State)
	}
}

package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/manual"
)

func (c *cli) approve() *cobra.Command { return c.decision("approve", "Say yes to a request", true) }

func (c *cli) deny() *cobra.Command { return c.decision("deny", "Say no to a request", false) }

// decision returns approve or deny. The request is read first, and the
// decision binds exactly what was read and is shown (law 4).
func (c *cli) decision(verb, short string, yes bool) *cobra.Command {
	var comment string
	var all bool
	cmd := c.command(verb+" REQUEST", short, manual.Exactly("REQUEST"),
		func(ctx context.Context, s *session, args []string) error {
			if all || strings.HasPrefix(args[0], "bt_") {
				return c.decideTogether(ctx, s, args[0], api.Decide{Approve: yes, Comment: comment})
			}
			id, err := brevet.ParseID[brevet.RequestID](args[0])
			if err != nil {
				return err
			}
			ctx, cancel := brief(ctx)
			defer cancel()
			r, err := s.Request(ctx, string(id), 0)
			if err != nil {
				return err
			}
			r, err = s.Decide(ctx, string(id), api.Decide{Approve: yes, Comment: comment, Digest: r.Digest})
			if err != nil {
				return err
			}
			return c.print(r, func() { c.showDecided(s, r) })
		})
	cmd.Flags().StringVar(&comment, "comment", "", "a line of `TEXT` for the requester and the log")
	cmd.Flags().BoolVar(&all, "all", false, "all that was asked together with it")
	cmd.ValidArgsFunction = c.completeRequest("decide")
	return c.flagJSON(cmd)
}

func (c *cli) showDecided(s *session, r api.Request) {
	what := r.Person + ", " + r.Target + " for " + spoken(r.Duration) + ": " + r.Reason
	switch brevet.RequestState(r.State) {
	case brevet.Pending:
		c.tell("Your yes is on record; it still waits for %s.", r.WaitsFor)
	case brevet.Approved:
		end := ""
		if r.Grant != nil {
			end = " " + window(*r.Grant, s.now())
		}
		c.tell("Approved.%s", end)
	default:
		c.tell("%s", sentence(r.State))
	}
	c.tell("  %s", what)
	c.showScope(r)
}

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/client"
)

func (c *cli) requests() *cobra.Command {
	var all, decide bool
	l := client.List{Scope: "mine"}
	cmd := c.command("requests", "List requests: your own, or those that wait for you", exactly(),
		func(ctx context.Context, s *session, _ []string) error {
			switch {
			case all:
				l.Scope = "all"
			case decide:
				l.Scope = "decide"
			}
			ctx, cancel := brief(ctx)
			defer cancel()
			list, err := s.Requests(ctx, l)
			if err != nil {
				return err
			}
			return c.print(list, func() { c.showRequests(list, l.Scope != "mine") })
		})
	cmd.Flags().BoolVar(&all, "all", false, "everybody's that you may see")
	cmd.Flags().BoolVar(&decide, "decide", false, "those that wait for your decision")
	cmd.Flags().StringVar(&l.State, "state", "", "only pending, approved, denied, withdrawn or lapsed")
	cmd.Flags().IntVar(&l.Limit, "limit", 0, "at most this many")
	cmd.MarkFlagsMutuallyExclusive("all", "decide")
	return c.flagJSON(cmd)
}

func (c *cli) showRequests(list []api.Request, others bool) {
	if len(list) == 0 {
		c.say("None.")
		return
	}
	t := &table{head: []string{"REQUEST", "TARGET", "STATE", "REASON"}, flex: 3}
	if others {
		t = &table{head: []string{"REQUEST", "WHO", "TARGET", "STATE", "REASON"}, flex: 4}
	}
	for _, r := range list {
		if others {
			t.add(r.ID, r.Person, r.Target, r.State, r.Reason)
		} else {
			t.add(r.ID, r.Target, r.State, r.Reason)
		}
	}
	t.print(c)
}

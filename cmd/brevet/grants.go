package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/client"
	"github.com/brevet-access/brevet/manual"
)

func (c *cli) grants() *cobra.Command {
	var all bool
	l := client.List{Scope: "mine"}
	cmd := c.command("grants", "List grants: your own, or everybody's", manual.Exactly(),
		func(ctx context.Context, s *session, _ []string) error {
			if all {
				l.Scope = "all"
			}
			ctx, cancel := brief(ctx)
			defer cancel()
			list, err := s.Grants(ctx, l)
			if err != nil {
				return err
			}
			return c.print(list, func() { c.showGrants(s, list, all) })
		})
	cmd.Flags().BoolVar(&all, "all", false, "everybody's that you may see")
	cmd.Flags().BoolVar(&l.Live, "live", false, "only those that give access now")
	cmd.Flags().IntVar(&l.Limit, "limit", 0, "show at most `N`")
	return c.flagJSON(cmd)
}

func (c *cli) showGrants(s *session, list []api.Grant, all bool) {
	switch {
	case len(list) == 0 && all:
		c.say("None.")
		return
	case len(list) == 0:
		c.say("None of yours; --all shows those of others.")
		return
	}
	now := s.now()
	t := &table{head: []string{"GRANT", "WHO", "TARGET", "STATE", "LEFT", "ENDS"}}
	for _, g := range list {
		rest, ends := "-", at(g.End, now)
		switch {
		case g.Live:
			rest = remaining(g.End, now)
		case !g.Closed.IsZero():
			ends = at(g.Closed, now)
		}
		t.add(g.ID, g.Person, g.Target, g.State, rest, ends)
	}
	t.print(c)
}

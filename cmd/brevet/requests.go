package main

import (
	"context"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/client"
	"github.com/brevet-access/brevet/manual"
)

func (c *cli) requests() *cobra.Command {
	var all, decide bool
	l := client.List{Scope: "mine"}
	cmd := c.command("requests", "List requests: your own, or those that wait for you", manual.Exactly(),
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
			return c.print(list, func() { c.showRequests(list, l.Scope) })
		})
	cmd.Flags().BoolVar(&all, "all", false, "everybody's that you may see")
	cmd.Flags().BoolVar(&decide, "decide", false, "those that wait for your decision")
	cmd.Flags().StringVar(&l.State, "state", "", "only those in this `STATE`: pending, approved, denied, withdrawn or lapsed")
	choices(cmd, "state", "pending", "approved", "denied", "withdrawn", "lapsed")
	cmd.Flags().IntVar(&l.Limit, "limit", 0, "show at most `N`")
	cmd.MarkFlagsMutuallyExclusive("all", "decide")
	return c.flagJSON(cmd)
}

// showRequests lists requests: one's own without the person, and those that
// wait for a decision without their state, which is pending.
func (c *cli) showRequests(list []api.Request, scope string) {
	if len(list) == 0 {
		c.say("None.")
		return
	}
	fit := func(cells ...string) []string {
		switch scope {
		case "mine":
			return slices.Delete(cells, 1, 2)
		case "decide":
			return slices.Delete(cells, 4, 5)
		}
		return cells
	}
	t := &table{head: fit("REQUEST", "WHO", "TARGET", "FOR", "STATE", "REASON"), free: true}
	for _, r := range list {
		t.add(fit(r.ID, r.Person, r.Target, spoken(r.Duration), r.State, denial(r)+r.Reason)...)
	}
	t.print(c)
	c.showBatches(list)
}

// showBatches says which of the requests were asked together.
func (c *cli) showBatches(list []api.Request) {
	targets := map[string][]string{}
	for _, r := range list {
		if r.Batch != "" {
			targets[r.Batch] = append(targets[r.Batch], r.Target)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(targets)) {
		c.say("%s, asked together:", id)
		for _, target := range slices.Sorted(slices.Values(targets[id])) {
			c.say("  %s", target)
		}
	}
}

// denial says who denied a request, and their comment; "" for one that was
// not denied.
func denial(r api.Request) string {
	if r.State != string(brevet.Refused) || len(r.Decisions) == 0 {
		return ""
	}
	no := r.Decisions[len(r.Decisions)-1]
	text := "denied by " + no.By
	if no.Comment != "" {
		text += ": " + no.Comment
	}
	return text + "; asked for: "
}

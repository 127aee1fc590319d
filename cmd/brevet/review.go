package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/manual"
)

func (c *cli) review() *cobra.Command {
	var in api.Verdict
	var no bool
	cmd := c.command("review GRANT --ok|--not-ok --comment TEXT", "Say what to think of somebody else's emergency", manual.Exactly("GRANT"),
		func(ctx context.Context, s *session, args []string) error {
			id, err := brevet.ParseID[brevet.GrantID](args[0])
			if err != nil {
				return err
			}
			if in.OK == no {
				return brevet.Errorf(brevet.Invalid, "say what you think of it").WithHint("--ok, or --not-ok, and why: --comment \"…\"")
			}
			if in.Comment, err = brevet.CleanText("comment", in.Comment, brevet.MaxComment); err != nil {
				return err
			}
			ctx, cancel := brief(ctx)
			defer cancel()
			r, err := s.Review(ctx, string(id), in)
			if err != nil {
				return err
			}
			return c.print(r, func() {
				c.tell("Reviewed: %s of %s is %s.", r.Target, r.Person, r.Verdict)
				if r.Offline != "" {
					c.tell("%s", wantsRotation(r.Offline))
				}
			})
		})
	cmd.Flags().BoolVar(&in.OK, "ok", false, "it was right to break the glass")
	cmd.Flags().BoolVar(&no, "not-ok", false, "it was not")
	cmd.Flags().StringVar(&in.Comment, "comment", "", "why: a line of `TEXT` for the log")
	cmd.AddCommand(c.reviews())
	return c.flagJSON(cmd)
}

func (c *cli) reviews() *cobra.Command {
	var all bool
	cmd := c.command("ls", "List emergencies that nobody has reviewed", manual.Exactly(), func(ctx context.Context, s *session, _ []string) error {
		ctx, cancel := brief(ctx)
		defer cancel()
		list, err := s.Reviews(ctx, all)
		if err != nil {
			return err
		}
		return c.print(list, func() { c.showReviews(s, list) })
	})
	cmd.Flags().BoolVar(&all, "all", false, "those that were reviewed, too, and all that you may see")
	return c.flagJSON(cmd)
}

func (c *cli) showReviews(s *session, list []api.Review) {
	if len(list) == 0 {
		c.say("None.")
		return
	}
	c.tableOfReviews(s, list).print(c)
}

// tableOfReviews lists emergencies with what came of their review.
func (c *cli) tableOfReviews(s *session, list []api.Review) *table {
	now := s.now()
	t := &table{head: []string{"EMERGENCY", "WHO", "OPENED", "GRANT", "REVIEW", "REASON"}, free: true}
	for _, r := range list {
		state := "waits for " + r.WaitsFor
		switch {
		case !r.Reviewed.IsZero():
			state = r.Verdict + " (" + r.By + ")"
		case r.CanReview:
			state = "waits for you"
		}
		t.add(r.Target, r.Person, at(r.Opened, now), r.Grant, state, r.Reason)
	}
	return t
}

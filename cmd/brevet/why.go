package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/manual"
)

func (c *cli) why() *cobra.Command {
	cmd := c.flagJSON(c.command("why TARGET", "Explain what stands between you and a target", manual.Exactly("TARGET"),
		func(ctx context.Context, s *session, args []string) error {
			target, err := brevet.ParseTarget(args[0])
			if err != nil {
				return err
			}
			ctx, cancel := brief(ctx)
			defer cancel()
			w, err := s.Why(ctx, target.String())
			if err != nil {
				return err
			}
			return c.print(w, func() { c.showWhy(w) })
		}))
	cmd.ValidArgsFunction = c.completeTarget
	return cmd
}

func (c *cli) showWhy(w api.Why) {
	c.tell("%s", sentence(speak(w.Summary)))
	needs(c.tell, w.Unmet, w.Summary, w.Next)
	for _, f := range w.Facts {
		if c.wraps() {
			c.tellWrapped("  - ", "    ", speak(f))
		} else {
			c.tell("  - %s", speak(f))
		}
	}
	if w.Next != "" {
		c.tell("next: %s", w.Next)
	}
}

// needs writes what is not met and the way to meet it. What summary and next
// say, which stand before and after it, is not said again.
func needs(write func(string, ...any), unmet []brevet.Unmet, summary, next string) {
	for _, u := range unmet {
		if u.Have == "" || u.Have == summary {
			write("  needs: %s", speak(u.Condition))
		} else {
			write("  needs: %s (%s)", speak(u.Condition), speak(u.Have))
		}
		if u.Remedy != "" && u.Remedy != next {
			write("         %s", u.Remedy)
		}
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/manual"
)

// glassLimit is how long to wait for the answer: for 30 s of it the server
// tells everybody.
const glassLimit = 50 * time.Second

func (c *cli) breakGlass() *cobra.Command {
	var in api.BreakGlass
	cmd := c.command("break-glass TARGET --reason TEXT", "Get access in an emergency; everybody is told", manual.Exactly("TARGET"),
		func(ctx context.Context, s *session, args []string) error {
			if err := checkGlass(&in, args[0]); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(ctx, glassLimit)
			defer cancel()
			s.HTTP.Timeout = glassLimit
			g, err := s.BreakGlass(ctx, in)
			if err != nil {
				return orOffline(err)
			}
			return c.print(g, func() { c.showGlass(s, g) })
		})
	cmd.Example = `  brevet break-glass acme-prod/Admin --reason "db-7 is down"
  brevet break-glass acme-prod/Admin --reason "db-7 is down" \
      --codes --as engineer --with lead
  brevet break-glass acme-prod/BreakGlass --reason "brevet is down, and db-7" \
      --offline --as engineer --bundle bundle.json`
	cmd.ValidArgsFunction = c.completeTarget
	cmd.Flags().StringVar(&in.Duration, "for", "", "for this `TIME`, as 30m; at most 1h")
	cmd.Flags().StringVar(&in.Reason, "reason", "", "why: a line of `TEXT` for everybody who is told, and the log")
	c.flagCodes(cmd, &in)
	c.flagOffline(cmd, &in)
	cmd.AddCommand(c.shareGlass(), c.importGlass())
	return c.flagJSON(cmd)
}

// orOffline names the way in that needs no server, where no server answered.
func orOffline(err error) error {
	if _, none := errors.AsType[*url.Error](err); none {
		return brevet.AsError(err).WithHint("with brevet down: --offline, for a role that opens so (docs/break-glass.md)")
	}
	return err
}

// checkGlass checks what is asked for before anybody is bothered with it.
func checkGlass(in *api.BreakGlass, target string) error {
	t, err := brevet.ParseTarget(target)
	if err != nil {
		return err
	}
	in.Target = t.String()
	ask := api.NewRequest{Duration: in.Duration, Reason: in.Reason}
	if err := checkAsk(&ask); err != nil {
		return err
	}
	if in.Reason, err = brevet.CleanText("reason", in.Reason, brevet.MaxReason); err != nil {
		return brevet.Errorf(brevet.Invalid, "a reason is needed").WithHint("say what burns: --reason \"db-7 is down\"")
	}
	return nil
}

func (c *cli) showGlass(s *session, g api.Glass) {
	if g.Request.Grant == nil {
		c.tell("Request %s is %s.", g.Request.ID, g.Request.State)
		return
	}
	c.tell("The glass is broken: %s until %s.", g.Request.Target, at(g.Request.Grant.End, s.now()))
	c.tell("%s It is on record, and %s reviews it.", spread(g), g.Review)
	c.say("hint: brevet exec %s -- …, and brevet drop %s when done", g.Request.Target, g.Request.Target)
}

// spread says how far the word has spread.
func spread(g api.Glass) string {
	switch {
	case g.Channels == 0:
		return "No channel is set up on this server, so nobody was told."
	case g.Arrived >= g.Channels:
		return fmt.Sprintf("Told by all channels: %d.", g.Channels)
	}
	return fmt.Sprintf("Told by %d of %d channels; the others are tried on.", g.Arrived, g.Channels)
}

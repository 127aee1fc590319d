package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/manual"
)

func (c *cli) console() *cobra.Command {
	var printOnly bool
	var in api.ConsoleRequest
	cmd := c.commandAt("console TARGET", "Open the web console, for the rest of the grant", manual.Exactly("TARGET"),
		func(ctx context.Context, s *session, args []string) error {
			target, err := brevet.ParseTarget(args[0])
			if err != nil {
				return err
			}
			in.Target = target.String()
			short, cancel := brief(ctx)
			defer cancel()
			got, err := s.Console(short, in)
			if err != nil {
				if ended(err) {
					return s.forget(in.Target, err)
				}
				return err
			}
			if c.json {
				return c.print(got, nil)
			}
			return c.openConsole(ctx, s, got, printOnly)
		})
	cmd.ValidArgsFunction = c.completeTarget
	cmd.Flags().BoolVar(&printOnly, "print", false, "print the URL (a secret for 15 minutes) and open nothing")
	cmd.Flags().StringVar(&in.Destination, "destination", "", "the `PAGE` of the console to open")
	return c.flagJSON(cmd)
}

// forget purges what is cached for target after an answer that ends it.
func (s *session) forget(target string, err error) error {
	old, ok := s.vault.Credential(s.server, target)
	if !ok {
		return err
	}
	if perr := s.vault.PurgeGrant(s.server, old.Grant); perr != nil {
		return perr
	}
	return err
}

func (c *cli) openConsole(ctx context.Context, s *session, got api.Console, printOnly bool) error {
	open := opener(printOnly)
	if open == nil {
		c.tell("%s", got.URL)
		return nil
	}
	select {
	case err := <-open(got.URL):
		if err != nil {
			c.say("No browser could be opened (%s).", err.Error())
			c.tell("%s", got.URL)
			return nil
		}
	case <-time.After(2 * time.Second): // it runs on
	case <-ctx.Done():
		return ctx.Err()
	}
	c.say("The console is open until %s.", at(got.Expires, s.now()))
	return nil
}

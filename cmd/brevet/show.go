package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/manual"
)

// show returns the command that says everything about a request, or about all
// of one intent.
func (c *cli) show() *cobra.Command {
	cmd := c.flagJSON(c.command("show REQUEST", "Show all about a request, or a batch (bt_…)", manual.Exactly("REQUEST"),
		func(ctx context.Context, s *session, args []string) error {
			ctx, cancel := brief(ctx)
			defer cancel()
			if strings.HasPrefix(args[0], "bt_") {
				b, err := s.Batch(ctx, args[0])
				if err != nil {
					return err
				}
				return c.print(b, func() {
					for i, r := range b.Requests {
						if i > 0 {
							c.tell("")
						}
						c.showRequest(s, r)
					}
				})
			}
			id, err := brevet.ParseID[brevet.RequestID](args[0])
			if err != nil {
				return err
			}
			r, err := s.Request(ctx, string(id), 0)
			if err != nil {
				return err
			}
			var b api.Batch
			if r.Batch != "" && !c.json {
				if b, err = s.Batch(ctx, r.Batch); err != nil {
					return err
				}
			}
			return c.print(r, func() {
				c.showRequest(s, r)
				c.showOthers(r, b)
			})
		}))
	cmd.ValidArgsFunction = c.completeRequest("")
	return cmd
}

// showRequest writes what an approver should know, one fact a line.
func (c *cli) showRequest(s *session, r api.Request) {
	now := s.now()
	c.tell("%s  %s", r.ID, r.State)
	c.tell("  %s asks for %s for %s, %s", r.Person, r.Target, spoken(r.Duration), begins(r, now))
	if r.Reason != "" {
		c.tell("  reason: %s", r.Reason)
	}
	if r.Ticket != "" {
		c.tell("  ticket: %s", r.Ticket)
	}
	if r.WaitsFor != "" {
		c.tell("  waits for %s, until %s at most", r.WaitsFor, at(r.Lapses, now))
	}
	for _, d := range r.Decisions {
		word := "denied"
		if d.Approve {
			word = "approved"
		}
		if d.Comment != "" {
			word += ": " + d.Comment
		}
		c.tell("  %s, %s: %s", d.By, at(d.At, now), word)
	}
	if r.Grant != nil {
		c.tell("  grant %s, %s. %s", r.Grant.ID, r.Grant.State, window(*r.Grant, now))
	}
	if r.SessionPolicy == "" {
		c.tell("  all that the role %s may", r.Target[strings.IndexByte(r.Target, '/')+1:])
		return
	}
	c.showScope(r)
	c.tell("  %s", r.SessionPolicy)
}

// showOthers lists what was asked together with r.
func (c *cli) showOthers(r api.Request, b api.Batch) {
	if r.Batch == "" {
		return
	}
	c.tell("  asked together with: (brevet show %s)", r.Batch)
	for _, other := range b.Requests {
		if other.ID != r.ID {
			c.tell("    %s  %s  %s", other.ID, other.State, other.Target)
		}
	}
}

// decideTogether decides every request of one intent that the caller may
// decide, each bound to what was read of it (law 4), and says which not.
func (c *cli) decideTogether(ctx context.Context, s *session, id string, in api.Decide) error {
	ctx, cancel := brief(ctx)
	defer cancel()
	if !strings.HasPrefix(id, "bt_") {
		r, err := s.Request(ctx, id, 0)
		if err != nil {
			return err
		}
		if id = r.Batch; id == "" {
			return brevet.Errorf(brevet.Invalid, "request %s was asked alone", r.ID).WithHint("leave out --all")
		}
	}
	b, err := s.Batch(ctx, id)
	if err != nil {
		return err
	}
	var no error // the first that could not be decided
	for i, r := range b.Requests {
		if r.State != string(brevet.Pending) {
			c.say("%s  %s is %s already", r.ID, r.Target, r.State)
			continue
		}
		one := in
		one.Digest = r.Digest
		done, err := s.Decide(ctx, r.ID, one)
		if err != nil {
			if no == nil {
				no = err
			}
			c.say("not decided: %s  %s: %s", r.ID, r.Target, err)
			continue
		}
		b.Requests[i] = done
		if !c.json {
			c.showDecided(s, done)
		}
	}
	if err := c.print(b, func() {}); err != nil {
		return err
	}
	return no
}

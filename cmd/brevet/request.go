package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
)

func (c *cli) request() *cobra.Command {
	var in asking
	cmd := c.command("request TARGET... --reason TEXT", "Ask for access", atLeast("TARGET"),
		func(ctx context.Context, s *session, args []string) error {
			asked, err := in.read(c, args, s.now())
			if err != nil {
				return err
			}
			if len(args) > 1 {
				return c.requestTogether(ctx, s, asked, in.wait)
			}
			r, err := c.ask(ctx, s, api.NewRequest{Target: asked.Targets[0], Duration: asked.Duration, Reason: asked.Reason, Ticket: asked.Ticket, Narrowed: asked.Narrowed}, in.wait)
			if err != nil {
				return err
			}
			c.forget(s, r)
			return c.print(r, func() { c.showAsked(s, r, in.wait) })
		})
	cmd.Long = requestHelp
	cmd.ValidArgsFunction = c.completeWith(true, askable)
	f := cmd.Flags()
	f.StringVar(&in.duration, "for", "", "for this `TIME`, as 1h")
	f.StringVar(&in.reason, "reason", "", "why: a line of `TEXT` for the approver and the log")
	f.StringVar(&in.ticket, "ticket", "", "the `NUMBER` of a ticket")
	f.StringVar(&in.at, "at", "", "start at this `TIME`: \"2026-12-01 08:00\", local, or RFC 3339")
	f.StringVar(&in.in, "in", "", "start after this `TIME`, as 2h")
	f.StringArrayVar(&in.only, "only", nil, "no more of the role than these `ACTIONS`, as s3:ListBucket,s3:GetObject@BUCKET")
	f.StringVar(&in.denied, "denied", "", "no more than this AccessDenied `MESSAGE` names; - reads it, @FILE too")
	f.BoolVar(&in.wait, "wait", false, "wait for the decision")
	cmd.MarkFlagsMutuallyExclusive("at", "in")
	cmd.MarkFlagsMutuallyExclusive("only", "denied")
	return c.flagJSON(cmd)
}

// checkAsk refuses here what the server would refuse.
func checkAsk(in *api.NewRequest) (err error) {
	if in.Duration != "" {
		if _, err := brevet.ParseDuration(in.Duration); err != nil {
			return err
		}
	}
	if in.Reason == "" {
		return brevet.Errorf(brevet.Invalid, "a reason is needed").WithHint("say why: --reason \"restore db-7\"")
	}
	in.Reason, err = brevet.CleanText("reason", in.Reason, brevet.MaxReason)
	return err
}

// ask sends the request and, with wait, stays until it is decided. A request
// that was not approved in the end is an error.
func (c *cli) ask(ctx context.Context, s *session, in api.NewRequest, wait bool) (api.Request, error) {
	short, cancel := brief(ctx)
	r, err := s.Ask(short, in)
	cancel()
	if err != nil || !wait || r.State != string(brevet.Pending) {
		return r, err
	}
	return c.await(ctx, s, r)
}

// await stays with a pending request until it is decided. It rides out a
// server that is away for a while: the request lives there.
func (c *cli) await(ctx context.Context, s *session, r api.Request) (api.Request, error) {
	c.showPage(r)
	fmt.Fprintf(c.err, "waiting for %s … ", brevet.Printable(r.WaitsFor))
	misses := 0
	for r.State == string(brevet.Pending) {
		poll, cancel := context.WithTimeout(ctx, 2*patience)
		next, err := s.Request(poll, r.ID, patience)
		cancel()
		switch {
		case err == nil:
			r, misses = next, 0
		case brevet.KindOf(err) != brevet.Unavailable || misses == 20:
			c.say("")
			if ctx.Err() != nil {
				c.say("It is still open: brevet requests shows it, brevet withdraw %s takes it back.", r.ID)
			}
			return r, err
		default:
			misses++
			if err := brevet.Pause(ctx, time.Duration(misses)*time.Second); err != nil {
				return r, err
			}
		}
	}
	if r.State != string(brevet.Approved) {
		c.say("")
	}
	return r, refused(r)
}

// refused returns why a request that was decided gives no access; nil if it
// does.
func refused(r api.Request) error {
	switch brevet.RequestState(r.State) {
	case brevet.Refused:
		no := r.Decisions[max(0, len(r.Decisions)-1):]
		if len(no) == 0 {
			return brevet.Errorf(brevet.Denied, "request %s was denied", r.ID)
		}
		e := brevet.Errorf(brevet.Denied, "%s denied it", no[0].By)
		if no[0].Comment != "" {
			e.Message += ": " + no[0].Comment
		}
		return e.WithHint("brevet why %s shows what would help", r.Target)
	case brevet.Lapsed:
		return brevet.Errorf(brevet.Expired, "request %s lapsed unanswered", r.ID).WithHint("ask again with brevet request")
	case brevet.Withdrawn:
		return brevet.Errorf(brevet.Conflict, "request %s was withdrawn", r.ID)
	}
	return nil
}

// showAsked says what became of a request that was just made.
func (c *cli) showAsked(s *session, r api.Request, waited bool) {
	now := s.now()
	switch {
	case r.State == string(brevet.Pending):
		c.tell("Asked. %s waits for %s, until %s at most.", r.ID, r.WaitsFor, at(r.Lapses, now))
		c.showPage(r)
	case r.Grant == nil:
		c.tell("Request %s is %s.", r.ID, r.State)
	default:
		how := "approved by policy"
		if len(r.Decisions) > 0 && r.Decisions[len(r.Decisions)-1].By != "" && r.Approval != "automatic" {
			how = "approved by " + r.Decisions[len(r.Decisions)-1].By
		}
		if waited && r.Decided.Sub(r.Created) >= time.Second {
			how = "approved after " + human(r.Decided.Sub(r.Created))
		}
		if !waited {
			how = sentence(how)
			how = how[:len(how)-1]
		}
		c.tell("%s. %s", how, window(*r.Grant, now))
	}
	c.showScope(r)
}

// showScope says what a request leaves of the role.
func (c *cli) showScope(r api.Request) {
	for _, line := range r.Scope {
		c.tell("  only %s", line)
	}
}

// showPage says where a pending request is decided.
func (c *cli) showPage(r api.Request) {
	if r.URL != "" && r.State == string(brevet.Pending) {
		c.say("Approval page: %s", r.URL)
	}
}

// window says when a grant gives access: "Ends 03:12."
func window(g api.Grant, now time.Time) string {
	switch {
	case !g.End.IsZero():
		return "Ends " + at(g.End, now) + "."
	case !g.Start.IsZero():
		return "Starts " + at(g.Start, now) + "."
	}
	return "Its clock starts at first use."
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/iam"
)

const requestHelp = `Ask for access to a target, or to several at once: all of them, or none.

--only narrows the role to actions on resources, with commas between; a
resource counts for the actions before it, and bare names become ARNs:

    --only s3:ListBucket,s3:GetObject@BUCKET
    --only dynamodb:Query@orders,logs:FilterLogEvents@/app/orders

--denied reads the same out of an AccessDenied message of AWS. Both can only
take away from the role: AWS takes the intersection. Who approves sees them.`

// asking is what the flags of brevet request say.
type asking struct {
	duration, reason, ticket, at, in, denied string
	only                                     []string
	wait                                     bool
}

// maxDenied bounds what is read as a message of AWS, in bytes.
const maxDenied = 64 << 10

// read checks here what the server would refuse.
func (in *asking) read(c *cli, targets []string, now time.Time) (out api.NewBatch, err error) {
	for _, arg := range targets {
		t, err := brevet.ParseTarget(arg)
		if err != nil {
			return out, err
		}
		out.Targets = append(out.Targets, t.String())
	}
	if in.duration != "" {
		if _, err := brevet.ParseDuration(in.duration); err != nil {
			return out, err
		}
	}
	out.Duration, out.Ticket = in.duration, in.ticket
	if in.reason != "" { // whether one is needed, the entitlement says
		if out.Reason, err = brevet.CleanText("reason", in.reason, brevet.MaxReason); err != nil {
			return out, err
		}
	}
	if out.NotBefore, err = startOf(in.at, in.in, now); err != nil {
		return out, err
	}
	for _, text := range in.only {
		if _, err := iam.ParsePieces(text); err != nil {
			return out, brevet.Errorf(brevet.Invalid, "only: %s", err).WithHint("brevet request --help shows how")
		}
	}
	out.Only = in.only
	if in.denied != "" {
		out.Only, err = c.readDenied(in.denied)
	}
	return out, err
}

// startOf reads --at and --in; zero for at once.
func startOf(at, in string, now time.Time) (time.Time, error) {
	switch {
	case in != "":
		d, err := brevet.ParseDuration(in)
		return now.Add(d), err
	case at == "":
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, at)
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02 15:04:05"} {
		if err != nil {
			t, err = time.ParseInLocation(layout, at, time.Local)
		}
	}
	switch {
	case err != nil:
		return t, brevet.Errorf(brevet.Invalid, "at: %q is not a time", brevet.Printable(clip(at, 40))).WithHint("write it like \"2026-12-01 08:00\" (local time) or 2026-12-01T08:00:00Z")
	case !t.After(now):
		return t, brevet.Errorf(brevet.Invalid, "at: %s is over already", t.Local().Format("2006-01-02 15:04")).WithHint("leave --at out to begin at once")
	}
	return t, nil
}

// readDenied turns a pasted message of AWS into what --only takes. Nothing
// else of it leaves this machine.
func (c *cli) readDenied(arg string) ([]string, error) {
	text := arg
	file, named := strings.CutPrefix(arg, "@")
	switch {
	case arg == "-":
		raw, err := io.ReadAll(io.LimitReader(c.in, maxDenied+1))
		if err != nil {
			return nil, brevet.Errorf(brevet.Invalid, "denied: %s", err)
		}
		text = string(raw)
	case named:
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, brevet.Errorf(brevet.Invalid, "denied: %s", err)
		}
		text = string(raw)
	}
	if len(text) > maxDenied {
		return nil, brevet.Errorf(brevet.Invalid, "denied: more than %d KiB", maxDenied>>10).WithHint("paste the message alone")
	}
	found, err := iam.ReadDenied(text)
	if err != nil {
		e := brevet.Errorf(brevet.Invalid, "denied: %s", err)
		if no, ok := errors.AsType[*iam.DeniedError](err); ok {
			e = e.WithHint("%s", no.Hint)
		}
		return nil, e
	}
	var only []string
	for _, d := range found {
		if d.Beyond() {
			return nil, brevet.Errorf(brevet.Invalid, "denied: %s refused %s, and no role in the account gets past that", d.By, d.Action).
				WithHint("ask who keeps it; more access does not help")
		}
		only = append(only, d.Only())
	}
	return only, nil
}

// forget has the next use ask the server: what is cached may come from another
// grant than the one that was just given.
func (c *cli) forget(s *session, r api.Request) {
	if r.Grant != nil && r.Grant.Live {
		if err := s.home.Drop(s.server, r.Target); err != nil {
			c.say("the cached credential stays: %s", err)
		}
	}
}

// requestTogether asks for several targets in one intent.
func (c *cli) requestTogether(ctx context.Context, s *session, in api.NewBatch, wait bool) error {
	short, cancel := brief(ctx)
	b, err := s.AskTogether(short, in)
	cancel()
	if err != nil {
		return err
	}
	var no error // the first that was not approved
	for i, r := range b.Requests {
		if wait && r.State == string(brevet.Pending) {
			b.Requests[i], err = c.await(ctx, s, r)
			if ctx.Err() != nil {
				return err
			}
			if no == nil {
				no = err
			}
			c.say("%s", b.Requests[i].State)
		}
		c.forget(s, b.Requests[i])
	}
	if err := c.print(b, func() { c.showTogether(s, b) }); err != nil {
		return err
	}
	return no
}

func (c *cli) showTogether(s *session, b api.Batch) {
	now := s.now()
	t := &table{head: []string{"REQUEST", "TARGET", "FOR", "STATE", ""}, free: true}
	pending := false
	for _, r := range b.Requests {
		what := ""
		switch {
		case r.State == string(brevet.Pending):
			what, pending = "waits for "+r.WaitsFor, true
		case r.Grant != nil:
			what = window(*r.Grant, now)
		}
		t.add(r.ID, r.Target, spoken(r.Duration), r.State, what)
	}
	t.print(c)
	if pending && b.ID != "" {
		c.say("hint: they can be decided together: brevet approve %s", b.ID)
	}
}

// atLeast wants one argument or more.
func atLeast(name string) cobra.PositionalArgs {
	return func(_ *cobra.Command, given []string) error {
		if len(given) == 0 {
			return fmt.Errorf("%s is missing", name)
		}
		return nil
	}
}

// begins says when a request shall start: "at once", "from 1 Dec 08:00 on".
func begins(r api.Request, now time.Time) string {
	if r.NotBefore.IsZero() {
		return "at once"
	}
	return "from " + at(r.NotBefore, now) + " on"
}

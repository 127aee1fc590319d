package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/manual"
)

func (c *cli) status() *cobra.Command {
	cmd := c.command("status", "Show what is active, what waits, and what waits for you", manual.Exactly(), nil)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx, cancel := brief(cmd.Context())
		defer cancel()
		s, err := c.session()
		var st api.Status
		if err == nil {
			st, err = s.Status(ctx)
		}
		if errors.Is(err, brevet.Unauthenticated) {
			s, st, err = c.sealedStatus(ctx, err)
		}
		if err != nil {
			return err
		}
		return c.print(st, func() { c.showStatus(s, st) })
	}
	return c.flagJSON(cmd)
}

// sealedStatus is what those sign-ins by sealed codes see that there are; no,
// if there is none.
func (c *cli) sealedStatus(ctx context.Context, no error) (s *session, st api.Status, err error) {
	o, err := c.open()
	if err != nil || o.unlock() != nil {
		return nil, st, no
	}
	for _, g := range o.vault.Glasses(o.server, c.now()) {
		one := c.sessionBy(o, g.Token, &g)
		got, err := one.Status(ctx)
		if err == nil {
			s, st.Now, st.Active = one, got.Now, append(st.Active, got.Active...)
		}
	}
	if s == nil {
		return nil, st, no
	}
	return s, st, nil
}

func (c *cli) showStatus(s *session, st api.Status) {
	if len(st.Active)+len(st.Waiting)+len(st.Decide)+len(st.Review) == 0 {
		c.tell("Nothing is active and nothing waits.")
		return
	}
	now := s.now()
	var tables []*table
	if len(st.Active) > 0 {
		t := &table{head: []string{"ACTIVE", "LEFT", "ENDS", "GRANT"}}
		for _, g := range st.Active {
			if g.Live {
				t.add(g.Target, remaining(g.End, now), at(g.End, now), g.ID)
			} else {
				t.add(g.Target, "not begun", at(g.Start, now), g.ID)
			}
		}
		tables = append(tables, t)
		if g, ok := endsSoon(st.Active, now); ok {
			defer c.say("hint: brevet extend %s --for 1h --reason \"…\"", g.Target)
		}
	}
	if len(st.Waiting) > 0 {
		t := &table{head: []string{"WAITING", "FOR", "UNTIL", "REQUEST", "WAITS FOR"}, free: true}
		for _, r := range st.Waiting {
			t.add(r.Target, spoken(r.Duration), at(r.Lapses, now), r.ID, r.WaitsFor)
		}
		tables = append(tables, t)
	}
	if len(st.Decide) > 0 {
		t := &table{head: []string{"FOR YOU TO DECIDE", "FOR", "WHO", "REQUEST", "REASON"}, free: true}
		for _, r := range st.Decide {
			t.add(r.Target, spoken(r.Duration), r.Person, r.ID, r.Reason)
		}
		tables = append(tables, t)
		defer c.say("hint: brevet approve REQUEST, or brevet deny REQUEST")
	}
	if len(st.Review) > 0 {
		tables = append(tables, c.tableOfReviews(s, st.Review))
		defer c.say("hint: brevet review GRANT --ok|--not-ok --comment \"…\", by another than who opened it")
	}
	for i, t := range tables {
		if i > 0 {
			c.tell("")
		}
		t.print(c)
	}
}

// endsSoon returns the grant that ends first, if that is within ten minutes.
func endsSoon(active []api.Grant, now time.Time) (first api.Grant, ok bool) {
	for _, g := range active {
		if g.Live && g.End.Sub(now) <= warnings[0] && (!ok || g.End.Before(first.End)) {
			first, ok = g, true
		}
	}
	return first, ok
}

package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/manual"
)

func (c *cli) notify() *cobra.Command {
	return family("notify", "See and test how people are told", c.notifyList(), c.notifyTest(), c.notifyLink())
}

func (c *cli) notifyList() *cobra.Command {
	cmd := c.command("ls", "List channels: what waits, when one last worked, why it did not", manual.Exactly(),
		func(ctx context.Context, s *session, _ []string) error {
			ctx, cancel := brief(ctx)
			defer cancel()
			list, err := s.Channels(ctx)
			if err != nil {
				return err
			}
			return c.print(list, func() { c.showChannels(list) })
		})
	return c.flagJSON(cmd)
}

func (c *cli) showChannels(list []api.Channel) {
	if len(list) == 0 {
		c.say("No channel that you could look after: that takes the right operate or revoke")
		c.say("at every customer of it. docs/notifications.md says how to set one up.")
		return
	}
	t := &table{head: []string{"CHANNEL", "KIND", "CUSTOMERS", "WAITING", "LAST SENT", "LAST FAILURE"}, free: true}
	for _, ch := range list {
		waiting := fmt.Sprint(ch.Waiting)
		if ch.Waiting > 0 {
			waiting += " since " + at(ch.Oldest, c.now())
		}
		sent, failed := "never", "none"
		if !ch.LastSent.IsZero() {
			sent = at(ch.LastSent, c.now())
		}
		if !ch.LastFailed.IsZero() {
			failed = at(ch.LastFailed, c.now()) + ": " + ch.Problem
		}
		if ch.Disabled {
			failed += " (disabled)"
		}
		t.add(ch.Name, ch.Kind, strings.Join(ch.Customers, ","), waiting, sent, failed)
	}
	t.print(c)
}

func (c *cli) notifyLink() *cobra.Command {
	cmd := c.command("link", "Become known in Slack, where approving there is switched on", manual.Exactly(),
		func(ctx context.Context, s *session, _ []string) error {
			ctx, cancel := brief(ctx)
			defer cancel()
			l, err := s.SlackLink(ctx)
			if err != nil {
				return err
			}
			return c.print(l, func() {
				c.say("Type this into Slack within %s; whoever types it decides as you there:", brevet.FormatDuration(l.Expires.Sub(s.now()).Round(time.Second)))
				fmt.Fprintln(c.out, "/brevet link "+brevet.Printable(l.Code))
			})
		})
	return c.flagJSON(cmd)
}

// testTime bounds how long a test of channels is waited for; the server waits
// 30 s at most.
const testTime = 45 * time.Second

func (c *cli) notifyTest() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "test [CHANNEL]",
		Short: "Send a test message and say whether it arrived",
		Long: `Send a test message by a channel, or by every one that you may look after, and
wait until each was tried. It is on record that you asked. A channel whose
receiver had answered that it wants nothing more works again once a test
arrives.`,
		Args: usage(cobra.MaximumNArgs(1)),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := c.session()
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), testTime)
		defer cancel()
		tests, err := s.TestChannels(ctx, strings.Join(args, ""))
		if err != nil {
			return err
		}
		lost := 0
		for _, t := range tests {
			if t.State != "sent" {
				lost++
			}
		}
		if err := c.print(tests, func() { c.showTests(tests) }); err != nil || lost == 0 {
			return err
		}
		return brevet.Errorf(brevet.Unavailable, "%d of %d channels did not take the message", lost, len(tests)).WithHint("brevet notify ls shows what waits")
	}
	return c.flagJSON(cmd)
}

func (c *cli) showTests(tests []api.ChannelTested) {
	t := &table{head: []string{"CHANNEL", "MESSAGE", "RESULT"}, free: true}
	for _, v := range tests {
		result := "sent"
		switch {
		case v.State == "sent":
		case v.Problem == "":
			result = "still under way"
		case v.State == "waiting":
			result = "tried again later: " + v.Problem
		default:
			result = "given up: " + v.Problem
		}
		t.add(v.Channel, v.Message, result)
	}
	t.print(c)
}

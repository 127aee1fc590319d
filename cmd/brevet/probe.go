package main

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/keychain"
	"github.com/brevet-access/brevet/manual"
)

// probePatience is how long the server may take for a probe, beyond the wait
// for the canary.
const probePatience = 45 * time.Second

func (c *cli) stackProbe() *cobra.Command {
	wait := "20s"
	cmd := c.command("probe ACCOUNT", "Try out what an account's stack promises, on AWS itself", manual.Exactly("ACCOUNT"),
		func(ctx context.Context, s *session, args []string) error {
			d, err := brevet.ParseDuration(wait)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(ctx, d+probePatience)
			defer cancel()
			found, err := s.ProbeAccount(ctx, args[0], d)
			if err != nil {
				return err
			}
			if err := c.print(found, func() { c.showProbe(found) }); err != nil {
				return err
			}
			if err := s.remember(found); err != nil {
				return err
			}
			if found.Misses > 0 {
				return brevet.Errorf(brevet.Conflict, "%d of %d checks of %s missed", found.Misses, len(found.Checks), found.Account)
			}
			return nil
		})
	cmd.Long = `Try out what an account's stack promises, on AWS itself.

The server carries it out, as brevet-probe, under a grant of 15 minutes that
it hands back: it enters the account as ReadOnly (or else Security), tries the
ways in that AWS must refuse, looks at roles, rules, trail and subscription,
and makes a call of its own that must arrive in the customer's log group. It
changes nothing there. Everything that it did and found is in the log.

A check is ok, miss (it is not as it should be), pending (it may still come) or
unknown (it could not be looked at). Exit code 73 says that there is a miss. You
need the right to audit for the customer.`
	cmd.Flags().StringVar(&wait, "wait", wait, "wait for the canary for this `TIME`, at most 45s")
	return c.flagJSON(cmd)
}

// probeWidth is how wide the table is, whatever it is written to.
const probeWidth = 80

func (c *cli) showProbe(p api.Probed) {
	fmt.Fprintf(c.out, "%s (%s of %s), as %s\n\n", p.Account, p.Number, p.Customer, p.Role)
	name := len("CHECK")
	for _, k := range p.Checks {
		name = max(name, utf8.RuneCountInString(k.Name))
	}
	t := &table{head: []string{"RESULT", "CHECK", "SEEN"}}
	counts := map[brevet.CheckResult]int{}
	for _, k := range p.Checks {
		counts[k.Result]++
		result, check := string(k.Result), k.Name
		for _, line := range wrap(k.Detail, max(20, probeWidth-name-len("unknown")-4)) {
			t.add(result, check, line)
			result, check = "", ""
		}
	}
	t.print(c)
	fmt.Fprintf(c.out, "\n%d ok, %d miss, %d pending, %d unknown\n", counts[brevet.CheckOK], counts[brevet.CheckMiss], counts[brevet.CheckPending], counts[brevet.CheckUnknown])
}

// wrap breaks a text into lines of at most width characters, between words
// where it can; it returns at least one.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		for utf8.RuneCountInString(word) > width {
			if line != "" {
				lines, line = append(lines, line), ""
			}
			r := []rune(word)
			lines, word = append(lines, string(r[:width])), string(r[width:])
		}
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
	}
	if line != "" || lines == nil {
		lines = append(lines, line)
	}
	return lines
}

// remember keeps how the probe came out, so that brevet stack prove can say
// that AWS itself was asked.
func (s *session) remember(p api.Probed) error {
	out := keychain.Probe{At: p.At, Checks: len(p.Checks)}
	for _, k := range p.Checks {
		if k.Result == brevet.CheckOK {
			out.OK++
		}
	}
	return s.home.Edit(func(c *keychain.Config) {
		if c.Servers == nil {
			c.Servers = map[string]keychain.Server{}
		}
		server := c.Servers[s.server]
		if server.Probes == nil {
			server.Probes = map[string]keychain.Probe{}
		}
		server.Probes[p.Number] = out
		c.Servers[s.server] = server
	})
}

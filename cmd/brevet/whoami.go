package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/manual"
)

func (c *cli) whoami() *cobra.Command {
	return c.flagJSON(c.command("whoami", "Show who you are to the server, and how fresh your MFA is", manual.Exactly(),
		func(ctx context.Context, s *session, _ []string) error {
			ctx, cancel := brief(ctx)
			defer cancel()
			w, err := s.Whoami(ctx)
			if err != nil {
				return err
			}
			return c.print(w, func() { c.showWhoami(s, w) })
		}))
}

func (c *cli) showWhoami(s *session, w api.Whoami) {
	line := func(name, format string, args ...any) {
		c.tell("%-9s"+format, append([]any{name}, args...)...)
	}
	name := w.Handle
	if w.Name != "" && w.Name != w.Handle {
		name += " (" + w.Name + ")"
	}
	line("Person", "%s", name)
	line("Server", "%s", s.server)
	line("Sign-in", "by %s %s, until %s", w.Provider, ago(w.SignedIn, w.Now), at(w.Expires, s.now()))
	groups := strings.Join(w.Groups, ", ")
	if groups == "" {
		groups = "none"
	}
	line("Groups", "%s (stated %s)", groups, ago(w.GroupsAt, w.Now))
	if w.MFA.IsZero() {
		line("MFA", "none seen; brevet login --mfa asks for it")
	} else {
		line("MFA", "%s (%s)", ago(w.MFA, w.Now), strings.Join(w.Methods, ", "))
	}
	for _, r := range w.Rungs {
		good := "too old: brevet login --mfa"
		if r.Until.After(w.Now) {
			good = human(r.Until.Sub(w.Now)) + " more"
		}
		line("", "within %-5s %s, for %s", spoken(r.Rung)+":", good, strings.Join(r.Roles, ", "))
	}
	if len(w.Rights) > 0 {
		line("Rights", "%s", strings.Join(w.Rights, ", "))
	}
}

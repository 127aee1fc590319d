package main

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
)

// root builds the command line.
func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "brevet",
		Short: "Temporary cloud access: ask, use, hand back",
		Long: `Temporary cloud access: ask, use, hand back.

A target is written ACCOUNT/ROLE: acme-prod/Admin, or 444455556666/Admin.
Durations are written 45m, 4h or 1h30m.

The server is that of the last brevet login; BREVET_URL names another.
Files lie in BREVET_HOME, else in brevet below the user's config directory.`,
		Version:                    api.Version,
		SuggestionsMinimumDistance: 2,
		SilenceErrors:              true,
		SilenceUsage:               true,
		Args:                       cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknown(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.err)
	root.SetFlagErrorFunc(misuse)
	root.PersistentFlags().StringVar(&c.homeDir, "home", "", "directory of the client's files")
	root.PersistentFlags().StringVar(&c.url, "server", "", "URL of the server")
	for _, g := range c.groups() {
		root.AddGroup(&cobra.Group{ID: g.title, Title: g.title + ":"})
		for _, cmd := range g.commands {
			cmd.GroupID = g.title
			root.AddCommand(cmd)
		}
	}
	root.AddCommand(c.version(), exitCodes())
	c.note(root)
	return root
}

// note has every command below cmd tell when its flags were right and its
// body begins.
func (c *cli) note(cmd *cobra.Command) {
	if body := cmd.RunE; body != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			c.started = true
			return body(cmd, args)
		}
	}
	for _, below := range cmd.Commands() {
		c.note(below)
	}
}

// group is a paragraph of the help.
type group struct {
	title    string
	commands []*cobra.Command
}

func (c *cli) groups() []group {
	return []group{
		{"Sign in", []*cobra.Command{c.login(), c.logout(), c.whoami()}},
		{"Ask", []*cobra.Command{c.ls(), c.request(), c.requests(), c.show(), c.withdraw(), c.why(), c.status(), c.breakGlass(), c.codes()}},
		{"Decide", []*cobra.Command{c.approve(), c.deny(), c.review()}},
		{"Use", []*cobra.Command{c.exec(), c.env(), c.credentialProcess(), c.console(), c.profiles()}},
		{"End", []*cobra.Command{c.grants(), c.extend(), c.drop(), c.revoke(), c.revocations(), c.offboard()}},
		{"Look after it", []*cobra.Command{c.audit(), c.statement(), c.catalog(), c.customer(), c.account(), c.stack(), c.notify(), c.lint()}},
	}
}

// unknown says what was mistyped, and what may have been meant.
func unknown(cmd *cobra.Command, word string) error {
	text := fmt.Sprintf("%q is not a command", brevet.Printable(clip(word, 40)))
	if near := cmd.SuggestionsFor(word); len(near) > 0 {
		text += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return brevet.Errorf(brevet.Invalid, "%s", text).WithHint("%s --help lists them", cmd.CommandPath())
}

// family is a command that only has others below it.
func family(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, RunE: func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknown(cmd, args[0])
		}
		return cmd.Help()
	}}
	cmd.AddCommand(commands...)
	return cmd
}

func (c *cli) version() *cobra.Command {
	return c.flagJSON(&cobra.Command{
		Use: "version", Short: "Print the version", Args: usage(exactly()),
		RunE: func(*cobra.Command, []string) error {
			v := struct {
				Version string `json:"version"`
				Go      string `json:"go"`
				System  string `json:"system"`
			}{api.Version, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			return c.print(v, func() { c.tell("brevet %s (%s, %s)", v.Version, v.Go, v.System) })
		},
	})
}

// exitCodes is a help topic made from the one table.
func exitCodes() *cobra.Command {
	var b strings.Builder
	b.WriteString("Exit codes of brevet. They never change.\n\n    0  done\n")
	for _, r := range api.Table {
		fmt.Fprintf(&b, "   %d  %-16s %s\n", r.Exit, r.Kind, r.About)
	}
	b.WriteString(`  130  interrupted

brevet exec returns the exit code of the command that it ran; 128+n if a
signal ended it, 126 or 127 if it could not be run. brevet audit verify
returns 73 (conflict) when the log is not whole, brevet lint when it found
something as bad as --fail-on says, brevet stack prove and probe when something
is not as it should be, and brevet stack diff when something would change.`)
	return &cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: b.String()}
}

// completeTarget offers the targets that one may ask for.
func (c *cli) completeTarget(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	s, err := c.session()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), 2*time.Second)
	defer cancel()
	targets, _ := s.Targets(ctx)
	var out []cobra.Completion
	for _, t := range targets {
		if plain(t.Target) && strings.HasPrefix(t.Target, typed) {
			out = append(out, t.Target)
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

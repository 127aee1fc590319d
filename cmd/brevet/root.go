package main

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/manual"
)

// root builds the command line.
func (c *cli) root() *cobra.Command {
	root := manual.Family(&cobra.Command{
		Use:   "brevet",
		Short: "Temporary cloud access: ask, use, hand back",
		Long: `Temporary cloud access: ask, use, hand back.

A target is written ACCOUNT/ROLE: acme-prod/Admin, or 444455556666/Admin.
Durations are written 45m, 4h or 1h30m.

The server is that of the last brevet login; BREVET_URL names another.
Files lie in BREVET_HOME, else in brevet below the user's config directory.`,
		Version:       api.Version,
		SilenceErrors: true,
		SilenceUsage:  true,
	})
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.err)
	root.SetFlagErrorFunc(manual.Misuse)
	root.PersistentFlags().StringVar(&c.homeDir, "home", "", "the `DIR` of the client's files")
	root.PersistentFlags().StringVar(&c.url, "server", "", "the `URL` of the server")
	for _, g := range c.groups() {
		root.AddGroup(&cobra.Group{ID: g.title, Title: g.title + ":"})
		for _, cmd := range g.commands {
			cmd.GroupID = g.title
			root.AddCommand(cmd)
		}
	}
	root.AddCommand(c.version(), exitCodes())
	exemplify(root)
	manual.Install(root)
	return root
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

// family is a command that only has others below it.
func family(use, short string, commands ...*cobra.Command) *cobra.Command {
	return manual.Family(&cobra.Command{Use: use, Short: short}, commands...)
}

func (c *cli) version() *cobra.Command {
	return c.flagJSON(&cobra.Command{
		Use: "version", Short: "Print the version", Args: manual.Exactly(),
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
	return &cobra.Command{Use: "exit-codes", Short: "Exit codes, and what they mean", Long: b.String()}
}

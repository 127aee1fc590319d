package main

import (
	"context"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/manual"
)

func (c *cli) catalogPlan() *cobra.Command {
	cmd := c.flagJSON(c.withText("plan FILE", "Show what a catalog would change",
		func(ctx context.Context, s *session, text string) error {
			got, err := s.Plan(ctx, api.Apply{Text: text})
			if err != nil {
				return err
			}
			return c.print(got, func() {
				c.tellChanges(got.Changes)
				switch {
				case len(got.Changes) == 0:
					c.tell("Nothing would change; version %d is in force.", got.Version)
				case !got.Widens:
					c.tell("Nothing gets wider; it would take effect at once.")
				case got.Rules:
					c.tell("It would take effect at once: one person may change the catalog here.")
				default:
					c.tell("Lines with + widen access or might: a second person has to confirm it.")
				}
			})
		}))
	cmd.Long = `Show what the catalog in FILE would change, and keep nothing. A line starts
with + where access gets wider or might, with - where it gets narrower, with ~
where it does neither.`
	return cmd
}

// withText is a command about the catalog in a file.
func (c *cli) withText(use, short string, do func(context.Context, *session, string) error) *cobra.Command {
	return c.command(use, short, manual.Exactly("FILE"), func(ctx context.Context, s *session, args []string) error {
		text, err := readText(args[0])
		if err != nil {
			return err
		}
		ctx, cancel := brief(ctx)
		defer cancel()
		return do(ctx, s, text)
	})
}

// withVersion is a command about a version of the catalog.
func (c *cli) withVersion(use, short string, do func(context.Context, *session, int64) error) *cobra.Command {
	return c.command(use, short, manual.Exactly("VERSION"), func(ctx context.Context, s *session, args []string) error {
		version, err := versionOf(args[0])
		if err != nil {
			return err
		}
		ctx, cancel := brief(ctx)
		defer cancel()
		return do(ctx, s, version)
	})
}

func readText(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", brevet.Errorf(brevet.Invalid, "cannot read %s: %s", file, rootCause(err))
	}
	return string(text), nil
}

func (c *cli) catalogApply() *cobra.Command {
	var base int64
	cmd := c.flagJSON(c.withText("apply FILE", "Put a catalog forward",
		func(ctx context.Context, s *session, text string) error {
			got, err := s.Apply(ctx, api.Apply{Text: text, Base: base})
			if err != nil {
				return err
			}
			return c.print(got, func() { c.showApplied(got) })
		}))
	cmd.Long = `Put the catalog in FILE forward. What widens nothing takes effect at once; what
widens access, or might, waits until another person with the right catalog
confirms it with brevet catalog approve. For a day it then approves nothing by
itself for either of the two.`
	cmd.Flags().Int64Var(&base, "base", 0, "the `VERSION` that FILE was made from; refused if another rules by now")
	return cmd
}

// tellChanges shows a diff.
func (c *cli) tellChanges(changes []string) {
	for _, change := range changes {
		c.tell("%s", change)
	}
}

func (c *cli) showApplied(a api.Applied) {
	c.tellChanges(a.Changes)
	switch {
	case len(a.Changes) == 0:
		c.tell("Nothing changed; version %d is in force.", a.Version)
	case a.Rules:
		c.tell("Version %d is in force.", a.Version)
	default:
		c.tell("Version %d waits for a second person: brevet catalog approve %d", a.Version, a.Version)
	}
}

func (c *cli) catalogVersions() *cobra.Command {
	return c.flagJSON(c.command("ls", "List versions of the catalog, and what waits", manual.Exactly(),
		func(ctx context.Context, s *session, _ []string) error {
			ctx, cancel := brief(ctx)
			defer cancel()
			got, err := s.Versions(ctx)
			if err != nil {
				return err
			}
			return c.print(got, func() { c.showVersions(s, got) })
		}))
}

func (c *cli) showVersions(s *session, all api.Versions) {
	t := &table{head: []string{"VERSION", "STATE", "BY", "WHEN", "CONFIRMED BY"}, free: true}
	for _, v := range all.Versions {
		t.add(strconv.FormatInt(v.Version, 10), v.State, v.By, ago(v.At, s.now()), v.ConfirmedBy)
	}
	t.print(c)
	for _, v := range all.Versions {
		if v.State == "waits" {
			c.tell("")
			c.tell("version %d would change:", v.Version)
			for _, line := range v.Changes {
				c.tell("  %s", line)
			}
		}
	}
	if all.OnePerson {
		c.tell("One person may change the catalog here.")
	}
}

func (c *cli) catalogApprove() *cobra.Command {
	cmd := c.flagJSON(c.withVersion("approve VERSION", "Confirm a catalog that somebody else put forward",
		func(ctx context.Context, s *session, version int64) error {
			all, err := s.Versions(ctx)
			if err != nil {
				return err
			}
			digest := ""
			for _, v := range all.Versions {
				if v.Version == version {
					digest = v.Digest
				}
			}
			if digest == "" {
				return brevet.Errorf(brevet.NotFound, "there is no version %d of the catalog that you may see", version).WithHint("brevet catalog ls")
			}
			got, err := s.Confirm(ctx, version, api.Confirm{Digest: digest})
			if err != nil {
				return err
			}
			return c.print(got, func() { c.showApplied(got) })
		}))
	cmd.Long = `Confirm a version that somebody else put forward; brevet catalog ls shows what
it would change. It takes effect at once, exactly as it was shown. For a day it
approves nothing by itself for you, nor for who wrote it.`
	return cmd
}

func (c *cli) catalogWithdraw() *cobra.Command {
	return c.withVersion("withdraw VERSION", "Take back a catalog that waits",
		func(ctx context.Context, s *session, version int64) error {
			if err := s.Retract(ctx, version); err != nil {
				return err
			}
			c.tell("Version %d is withdrawn.", version)
			return nil
		})
}

func versionOf(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 {
		return 0, brevet.Errorf(brevet.Invalid, "%s is not a version of the catalog", brevet.Printable(s)).WithHint("brevet catalog ls lists them")
	}
	return n, nil
}

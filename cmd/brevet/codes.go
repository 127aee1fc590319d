package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/manual"
)

func (c *cli) codes() *cobra.Command {
	cmd := family("codes", "Sealed codes: for emergencies in which nobody can sign in", c.codesNew(), c.codesLs(), c.codesVoid())
	cmd.Long = `Sealed codes: for emergencies in which nobody can sign in.

Everybody keeps a sheet of their own, made while the identity provider works.
When it does not, one code of yours and one of a second person break the glass:

  brevet break-glass TARGET --reason "…" --codes`
	return cmd
}

func (c *cli) codesNew() *cobra.Command {
	return c.flagJSON(c.command("new", "Make your sheet of one-time codes; the one before is void", manual.Exactly(),
		func(ctx context.Context, s *session, _ []string) error {
			ctx, cancel := brief(ctx)
			defer cancel()
			sheet, err := s.NewSheet(ctx)
			if err != nil {
				return err
			}
			return c.print(sheet, func() { c.showSheet(s, sheet) })
		}))
}

func (c *cli) showSheet(s *session, sheet api.Sheet) {
	c.tell("Sealed codes of %s at %s, made %s", s.token.Handle, s.server, sheet.Made.UTC().Format("2 Jan 2006"))
	c.tell("")
	for i, code := range sheet.Codes {
		c.tell("  %2d  %s", i+1, code)
	}
	c.tell("")
	c.tellText(`Each works once. When nobody can sign in, one of these and one of a second
person break the glass, for that emergency and nothing else:

  brevet break-glass TARGET --reason "…" --codes --as ` + s.token.Handle + ` --with WHO

Write them down or print them now: they are not shown again, and the server
keeps only hashes. Put the sheet into an envelope, sign it across the flap, and
keep it where you reach it without a computer and nobody else does: not beside
the sheet of a second person, not in a password manager behind the same sign-in.
Strike out what you used. If the envelope was opened, or is lost:

  brevet codes void
`)
	if sheet.Replaced {
		c.tell("")
		c.tell("Your sheet of before opens nothing any more: destroy it.")
	}
}

func (c *cli) codesLs() *cobra.Command {
	return c.flagJSON(c.command("ls", "Show how many codes you have left, and who has a second one", manual.Exactly(),
		func(ctx context.Context, s *session, _ []string) error {
			ctx, cancel := brief(ctx)
			defer cancel()
			v, err := s.Sheets(ctx)
			if err != nil {
				return err
			}
			return c.print(v, func() { c.showSheets(s, v) })
		}))
}

func (c *cli) showSheets(s *session, v api.Sheets) {
	switch {
	case v.Made.IsZero():
		c.tell("You have no sheet of sealed codes.")
		defer c.say("hint: brevet codes new")
	default:
		c.tell("Your sheet is of %s: %d of %d codes are left.", at(v.Made, s.now()), v.Left, v.Size)
		c.tell("They count until %s; each sign-in with the provider moves that.", at(v.Until, s.now()))
	}
	if len(v.Opens) == 0 {
		return
	}
	t := &table{head: []string{"OPENS", "FOR YOU", "SECOND CODE", "WHO HAS ONE"}, free: true}
	for _, o := range v.Opens {
		t.add(opens(o.Targets), yesNo(o.Mine), o.Second, holders(o))
	}
	c.tell("")
	t.print(c)
}

// opens names the first targets of what may be many.
func opens(targets []string) string {
	const most = 2
	if len(targets) <= most {
		return strings.Join(targets, ", ")
	}
	return strings.Join(targets[:most], ", ") + ", " + strconv.Itoa(len(targets)-most) + " more"
}

func holders(o api.Sealed) string {
	switch {
	case o.Unusable != "":
		return "opens nothing: " + o.Unusable
	case len(o.Holders) == 0:
		return "nobody else"
	}
	return strings.Join(o.Holders, ", ")
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (c *cli) codesVoid() *cobra.Command {
	return c.command("void", "Make your sheet open nothing any more", manual.Exactly(),
		func(ctx context.Context, s *session, _ []string) error {
			ctx, cancel := brief(ctx)
			defer cancel()
			if err := s.VoidSheet(ctx); err != nil {
				return err
			}
			c.tell("Your sheet opens nothing any more: destroy it.")
			return nil
		})
}

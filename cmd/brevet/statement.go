package main

import (
	"context"
	"net/url"
	"slices"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/manual"
)

// stated is the answer of statement as JSON, when it writes a file.
type stated struct {
	File     string `json:"file"`
	Customer string `json:"customer"`
	Accesses int    `json:"accesses"`
	Entries  int64  `json:"entries"`
	Size     int64  `json:"size"`
}

func (c *cli) statement() *cobra.Command {
	var customer, from, to, format, out string
	cmd := c.command("statement", "State who entered a customer's accounts", manual.Exactly(),
		func(ctx context.Context, s *session, _ []string) error {
			switch {
			case customer == "":
				return brevet.Errorf(brevet.Invalid, "--customer is needed").WithHint("brevet customer list shows what there is")
			case !slices.Contains([]string{"csv", "json", "html"}, format):
				return brevet.Errorf(brevet.Invalid, "--format: %q is not one of csv, json, html", brevet.Printable(format))
			case out == "" && c.json && format != "json":
				return brevet.Errorf(brevet.Invalid, "--json needs --out: without it the statement itself goes to stdout")
			}
			st, err := s.Statement(ctx, customer, url.Values{"from": {from}, "to": {to}, "format": {format}})
			if err != nil {
				return err
			}
			return c.writeStatement(st, out)
		})
	cmd.Long = `State who entered a customer's accounts, when, why and approved by whom: with
credentials, what was opened in an emergency, and what was revoked. It is made
from the log, and says from which. You need the right audit or view there.`
	cmd.Example = "  brevet statement --customer acme --from 2026-11-01 --to 2026-11-30 \\\n      --format html --out acme.html"
	f := cmd.Flags()
	f.StringVar(&customer, "customer", "", "whose accounts, by `NAME`")
	f.StringVar(&from, "from", "", "from this `DAY`, or time, on (default 30 days before --to)")
	f.StringVar(&to, "to", "", "to this `DAY`, or time (default now)")
	f.StringVar(&format, "format", "csv", "as `FORMAT`: csv, json or html")
	choices(cmd, "format", "csv", "json", "html")
	f.StringVar(&out, "out", "", "the `FILE` to write; default: stdout")
	return c.flagJSON(cmd)
}

func (c *cli) writeStatement(st api.Statement, out string) error {
	if out == "" {
		_, err := c.out.Write([]byte(st.Text))
		return err
	}
	if err := replace(out, []byte(st.Text), 0o600); err != nil {
		return err
	}
	return c.print(stated{out, st.Customer, st.Accesses, st.Entries, st.Size}, func() {
		c.say("%s at %s in %s; from all %d entries about it of a log of %d.", count(int64(st.Accesses), "access", "accesses"), st.Customer, out, st.Entries, st.Size)
	})
}

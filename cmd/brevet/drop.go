package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/client"
	"github.com/brevet-access/brevet/manual"
)

func (c *cli) drop() *cobra.Command {
	cmd := c.flagJSON(c.commandAt("drop GRANT", "Hand access back; a TARGET names your only grant there", manual.Exactly("GRANT"),
		func(ctx context.Context, s *session, args []string) error {
			ctx, cancel := brief(ctx)
			defer cancel()
			id, err := s.grantOf(ctx, args[0])
			if err != nil {
				return err
			}
			r, err := s.Drop(ctx, id)
			if err == nil || ended(err) || errors.Is(err, brevet.Conflict) {
				if perr := s.vault.PurgeGrant(s.server, id); perr != nil {
					return errors.Join(err, perr)
				}
			}
			if err != nil {
				return err
			}
			return c.print(r, func() { c.tell("Handed back: %s. %s", r.Grant.Target, outstanding(r, s)) })
		}))
	cmd.ValidArgsFunction = c.completeGrant("mine")
	return cmd
}

// grantOf reads a grant's id, or finds the caller's only live grant for a
// target.
func (s *session) grantOf(ctx context.Context, arg string) (string, error) {
	if !strings.Contains(arg, "/") {
		id, err := brevet.ParseID[brevet.GrantID](arg)
		if err != nil {
			return "", brevet.Errorf(brevet.Invalid, "%q is neither a grant (gr_…) nor a target (ACCOUNT/ROLE)", brevet.Printable(clip(arg, 40))).
				WithHint("brevet grants lists yours")
		}
		return string(id), nil
	}
	target, err := brevet.ParseTarget(arg)
	if err != nil {
		return "", err
	}
	if s.glass != nil {
		return s.glass.Grant, nil
	}
	list, err := s.Grants(ctx, client.List{Scope: "mine", Live: true})
	if err != nil {
		return "", err
	}
	var ids []string
	for _, g := range list {
		if g.Live && g.Target == target.String() {
			ids = append(ids, g.ID)
		}
	}
	switch len(ids) {
	case 0:
		return "", brevet.Errorf(brevet.NotFound, "you hold no grant for %s", target).WithHint("brevet grants lists yours")
	case 1:
		return ids[0], nil
	}
	return "", brevet.Errorf(brevet.Conflict, "you hold %d grants for %s", len(ids), target).
		WithHint("name one: %s", strings.Join(ids, ", "))
}

// outstanding says until when a credential that already left could be used.
func outstanding(r api.Revoked, s *session) string {
	switch {
	case r.Until.IsZero():
		return "No credential is outstanding."
	case r.State == string(brevet.RevokeConfirmed):
		return "AWS refuses its credentials now."
	case r.Act != "":
		return "Credentials that already left are being cut off; they die at " + at(r.Until, s.now()) + " at the latest."
	}
	return "Credentials that already left die at " + at(r.Until, s.now()) + " at the latest."
}

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

func (c *cli) revoke() *cobra.Command {
	var in api.RevokeAll
	var wait bool
	cmd := c.command("revoke [GRANT] --reason TEXT", "End grants, and cut off what is out under them", cobra.MaximumNArgs(1),
		func(ctx context.Context, s *session, args []string) (err error) {
			if len(args) == 1 {
				in.Grant = args[0] // so far
			}
			if n := given(in); n != 1 {
				return brevet.Errorf(brevet.Invalid, "say what to revoke: a GRANT, --person WHO, --account NAME, or --everything").WithHint("brevet grants --all lists grants")
			}
			if in.Reason, err = reasonGiven(in.Reason, "laptop stolen"); err != nil {
				return err
			}
			if in.Grant != "" {
				short, cancel := brief(ctx)
				defer cancel()
				if in.Grant, err = s.grantOf(short, in.Grant); err != nil {
					return err
				}
			}
			if in.Grant != "" && !wait {
				return c.revokeOne(ctx, s, in)
			}
			v, err := c.revokeAll(ctx, s, in)
			if err == nil && wait {
				v, err = c.follow(ctx, s, v)
			}
			if err != nil {
				return err
			}
			if err := c.print(v, func() { c.showRevoked(v, wait) }); err != nil || !wait {
				return err
			}
			return unconfirmed(v)
		})
	cmd.Long = `End grants at once: from the server's answer on no credential leaves under them.
What is out already is cut off by the customer's revoker, which is then seen to
work: a session of brevet's own with the grant's tag must be refused. With
--wait the command stays until that was seen. What cannot be cut off, because
the account's stack has no revoker, is shown with the moment at which it dies by
itself. A TARGET names your only grant there. Grants of others need the right
revoke at their customer.`
	cmd.ValidArgsFunction = c.completeGrant("all")
	f := cmd.Flags()
	f.StringVar(&in.Person, "person", "", "end every grant of `WHO`, by handle or id")
	f.StringVar(&in.Account, "account", "", "end every grant in the account `NAME`")
	f.BoolVar(&in.Everything, "everything", false, "end every grant that you may revoke")
	f.StringVar(&in.Reason, "reason", "", "why: a line of `TEXT` for the log")
	f.BoolVar(&wait, "wait", false, "wait until AWS was seen to refuse")
	return c.flagJSON(cmd)
}

// reasonGiven is a reason that the log can take.
func reasonGiven(reason, example string) (string, error) {
	if strings.TrimSpace(reason) == "" {
		return "", brevet.Errorf(brevet.Invalid, "a reason is needed").WithHint("say why: --reason %q", example)
	}
	return brevet.CleanText("reason", reason, brevet.MaxReason)
}

// given counts what is said of what to revoke.
func given(in api.RevokeAll) int {
	n := 0
	for _, yes := range []bool{in.Grant != "", in.Person != "", in.Account != "", in.Everything} {
		if yes {
			n++
		}
	}
	return n
}

func (c *cli) revokeOne(ctx context.Context, s *session, in api.RevokeAll) error {
	ctx, cancel := brief(ctx)
	defer cancel()
	r, err := s.Revoke(ctx, in.Grant, api.Revoke{Reason: in.Reason})
	if err != nil {
		return err
	}
	if err := s.vault.PurgeGrant(s.server, in.Grant); err != nil {
		return err
	}
	return c.print(r, func() {
		c.tell("Revoked: %s of %s. %s", r.Grant.Target, r.Grant.Person, outstanding(r, s))
	})
}

func (c *cli) revokeAll(ctx context.Context, s *session, in api.RevokeAll) (api.Revocations, error) {
	ctx, cancel := brief(ctx)
	defer cancel()
	v, err := s.RevokeAll(ctx, in)
	if err != nil {
		return v, err
	}
	for _, r := range v.Grants {
		if err := s.vault.PurgeGrant(s.server, r.Grant); err != nil {
			return v, err
		}
	}
	return v, nil
}

// follow stays with an act of revoking until it is settled.
func (c *cli) follow(ctx context.Context, s *session, v api.Revocations) (api.Revocations, error) {
	requests := v.Requests
	for !v.Settled {
		again, err := s.Revocation(ctx, v.ID, 50*time.Second)
		if err != nil {
			return v, err
		}
		v = again
	}
	v.Requests = requests
	return v, nil
}

// showRevoked says what became of an act: each grant with its state.
func (c *cli) showRevoked(v api.Revocations, waited bool) {
	if len(v.Grants) == 0 {
		c.tell("Nothing was out under any grant. %s cancelled.", many(v.Requests, "pending request"))
		return
	}
	c.listRevocations(v)
	if v.Requests > 0 {
		c.tell("%s cancelled.", many(v.Requests, "pending request"))
	}
	if !waited && !v.Settled {
		c.say("No credential leaves any more. brevet revocations shows when AWS was seen to refuse.")
	}
}

func (c *cli) listRevocations(v api.Revocations) {
	t := &table{head: []string{"PERSON", "TARGET", "GRANT", "STATE"}, free: true}
	for _, r := range v.Grants {
		t.add(r.Person, r.Target, r.Grant, c.stateOf(r))
	}
	t.print(c)
}

// stateOf words how far a revocation has come.
func (c *cli) stateOf(r api.Revocation) string {
	dies := ""
	if !r.Until.IsZero() {
		dies = "; dies by itself " + at(r.Until, c.now())
	}
	wide := ""
	switch {
	case r.Everybody:
		wide = "; AWS's list was full, so everybody in the account was cut off"
	case len(r.Cut) > 0:
		wide = "; AWS's list was full, so all sessions of " + strings.Join(r.Cut, ", ") + " were cut off"
	}
	switch r.State {
	case string(brevet.RevokeConfirmed):
		if r.Shells {
			return "shells ended"
		}
		return fmt.Sprintf("revoked in %.0f s: AWS refuses%s", r.Seconds, wide)
	case string(brevet.RevokeOver):
		return "over: it died by itself"
	case string(brevet.RevokeUnconfirmed):
		return "not confirmed: " + r.Trouble + dies + wide
	case string(brevet.RevokeTold):
		return "told; not seen to refuse yet" + dies + wide
	}
	return "AWS is being told" + dies
}

// unconfirmed turns what could not be confirmed into an error.
func unconfirmed(v api.Revocations) error {
	n := 0
	for _, r := range v.Grants {
		if r.State == string(brevet.RevokeUnconfirmed) {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return brevet.Errorf(brevet.CloudRefused, "%d of %s could not be confirmed", n, many(len(v.Grants), "revocation")).
		WithHint("brevet keeps trying; brevet revocations shows how it stands")
}

func (c *cli) revocations() *cobra.Command {
	var limit int
	cmd := c.command("revocations", "How far revocations have come, newest first", manual.Exactly(),
		func(ctx context.Context, s *session, _ []string) error {
			ctx, cancel := brief(ctx)
			defer cancel()
			v, err := s.Revocations(ctx, limit)
			if err != nil {
				return err
			}
			return c.print(v, func() {
				if len(v.Grants) == 0 {
					c.say("None.")
					return
				}
				c.listRevocations(v)
			})
		})
	cmd.Flags().IntVar(&limit, "limit", 50, "show at most `N`")
	return c.flagJSON(cmd)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/client"
	"github.com/brevet-access/brevet/keychain"
	"github.com/brevet-access/brevet/manual"
)

func (c *cli) exec() *cobra.Command {
	var in api.NewRequest
	var remaining, grant string
	cmd := c.commandAt("exec TARGET [--reason TEXT] -- COMMAND [ARG]...", "Run a command with access", func(cmd *cobra.Command, args []string) error {
		if len(args) < 2 {
			return manual.Exactly("TARGET", "COMMAND")(cmd, args)
		}
		return nil
	}, func(ctx context.Context, s *session, args []string) error {
		w, err := wanted(args[0], remaining)
		if err != nil {
			return err
		}
		in.Target, w.always = w.target, true
		if grant != "" {
			id, err := brevet.ParseID[brevet.GrantID](grant)
			if err != nil {
				return err
			}
			w.grant, w.uncached = string(id), true
		}
		k, err := c.obtain(ctx, s, w, in)
		if err != nil {
			return err
		}
		c.release() // from here on signals are the command's
		return c.runWith(k, args[1:])
	})
	cmd.Example = "  brevet exec acme-prod/Admin --reason \"restore db-7\" -- terraform plan"
	cmd.ValidArgsFunction = c.completeTarget
	cmd.Flags().StringVar(&in.Reason, "reason", "", "if there is no grant, ask with this `TEXT` as reason, and wait")
	cmd.Flags().StringVar(&in.Duration, "for", "", "ask for this `TIME`, as 1h")
	cmd.Flags().StringVar(&in.Ticket, "ticket", "", "the `NUMBER` of a ticket")
	cmd.Flags().StringVar(&grant, "grant", "", "under the grant `ID`, where several overlap")
	cmd.Flags().StringVar(&remaining, "min-remaining", "", "refuse what lives shorter than this `TIME`, as 45m")
	return cmd
}

// wanted reads what the commands that use a target have in common.
func wanted(target, remaining string) (want, error) {
	t, err := brevet.ParseTarget(target)
	if err != nil {
		return want{}, err
	}
	w := want{target: t.String()}
	if remaining != "" {
		w.remaining, err = brevet.ParseDuration(remaining)
	}
	return w, err
}

// obtain gets a credential; where there is no grant it asks for one if a
// reason was given, here or at the terminal, or waits for the request that is
// pending already.
func (c *cli) obtain(ctx context.Context, s *session, w want, in api.NewRequest) (keychain.Credential, error) {
	k, err := c.use(ctx, s, w)
	over := errors.Is(err, brevet.Expired) && w.remaining == 0 // it was there, and is over
	if !errors.Is(err, brevet.NoGrant) && !over || in.Reason == "" && !c.prompts() {
		return k, err
	}
	r, asked, err := c.askOrJoin(ctx, s, in, err)
	if err != nil {
		return k, err
	}
	if r.Grant != nil {
		how := "approved"
		if d := r.Decided.Sub(r.Created); asked && d >= time.Second {
			how += " after " + human(d)
		}
		c.say("%s. %s", how, window(*r.Grant, s.now()))
	}
	return c.use(ctx, s, w)
}

// askOrJoin asks for access and waits for the decision. One request for a
// target is enough: where one is pending it is waited for instead. no says
// why there is no access; it is the error if the person wants none.
func (c *cli) askOrJoin(ctx context.Context, s *session, in api.NewRequest, no error) (r api.Request, asked bool, err error) {
	r, waits, err := s.pending(ctx, in.Target)
	if err != nil {
		return r, false, err
	}
	if waits {
		r, err = c.join(ctx, s, r, in.Reason != "", no)
		return r, false, err
	}
	if in.Reason == "" {
		c.say("%s", sentence(speak(no.Error())))
		if in.Reason, err = c.reason(ctx); err != nil {
			return r, false, err
		}
	}
	if in.Reason == "" {
		return r, false, c.declined(no)
	}
	if err := checkAsk(&in); err != nil {
		return r, false, err
	}
	r, err = c.ask(ctx, s, in, true)
	return r, true, err
}

// declined ends with the exit code of no, which the person has read already.
func (c *cli) declined(no error) error {
	e := brevet.AsError(no)
	if e.Hint != "" {
		c.say("hint: %s", e.Hint)
	}
	return exitCode(api.ExitOf(e.Kind))
}

// join waits for a request that was made before; unless a reason was given,
// which says that waiting is wanted, only if the person agrees.
func (c *cli) join(ctx context.Context, s *session, r api.Request, sure bool, no error) (api.Request, error) {
	about := fmt.Sprintf("You asked for %s already: %s, for %s: %s.", r.Target, r.ID, spoken(r.Duration), r.Reason)
	if sure {
		c.say("%s It is not asked twice.", about)
		return c.await(ctx, s, r)
	}
	c.say("%s", about)
	yes, err := c.agrees(ctx, "Wait for it?")
	if err != nil {
		return r, err
	}
	if !yes {
		return r, no
	}
	return c.await(ctx, s, r)
}

// pending finds the caller's own request for target that waits, and reports
// whether there is one.
func (s *session) pending(ctx context.Context, target string) (api.Request, bool, error) {
	ctx, cancel := brief(ctx)
	defer cancel()
	name, err := s.nameOf(ctx, target)
	if err != nil {
		return api.Request{}, false, err
	}
	list, err := s.Requests(ctx, client.List{Scope: "mine", State: string(brevet.Pending)})
	for _, r := range list {
		if r.State == string(brevet.Pending) && (r.Target == target || r.Target == name) {
			return r, true, err
		}
	}
	return api.Request{}, false, err
}

// nameOf returns target with the account's name where its number was given.
func (s *session) nameOf(ctx context.Context, target string) (string, error) {
	account, role, _ := strings.Cut(target, "/")
	if strings.Trim(account, "0123456789") != "" {
		return target, nil
	}
	targets, err := s.Targets(ctx)
	for _, t := range targets {
		if t.Account == account && t.Role == role {
			return t.Target, err
		}
	}
	return target, err
}

// use gets a credential under a grant that there is, and says so if it is
// only the one in hand.
func (c *cli) use(ctx context.Context, s *session, w want) (keychain.Credential, error) {
	ctx, cancel := brief(ctx)
	defer cancel()
	k, stale, err := s.credential(ctx, w)
	if stale {
		c.say("brevet: %s cannot be reached; using the credential in hand, %s", s.server, left(k.Expires, s.now()))
	}
	return k, err
}

// runWith runs a command with the credential in its environment.
func (c *cli) runWith(k keychain.Credential, args []string) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.in, c.out, c.err
	cmd.Env = environment(k, os.Environ()).apply(os.Environ())
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, passed...)
	defer signal.Stop(signals)
	stop := make(chan struct{})
	defer close(stop)
	c.warn(k, stop)
	if err := cmd.Start(); err != nil {
		return c.cannotRun(args[0], err)
	}
	go func() {
		for sig := range signals {
			if !fromTerminal(sig) { // the terminal has told the command itself
				cmd.Process.Signal(sig) //nolint:errcheck // it may be gone
			}
		}
	}()
	err := cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return status(exit)
	}
	return err
}

// cannotRun returns 127 for a command that is not there, else 126, as shells
// do.
func (c *cli) cannotRun(name string, err error) error {
	c.say("brevet: cannot run %s: %s", name, rootCause(err))
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return exitCode(127)
	}
	return exitCode(126)
}

func rootCause(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

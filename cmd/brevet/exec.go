package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/keychain"
)

func (c *cli) exec() *cobra.Command {
	var in api.NewRequest
	var remaining string
	cmd := c.command("exec TARGET [--reason TEXT] -- COMMAND [ARG]...", "Run a command with access", func(cmd *cobra.Command, args []string) error {
		if len(args) < 2 {
			return exactly("TARGET", "COMMAND")(cmd, args)
		}
		return nil
	}, func(ctx context.Context, s *session, args []string) error {
		w, err := wanted(args[0], remaining)
		if err != nil {
			return err
		}
		in.Target, w.always = w.target, true
		k, err := c.obtain(ctx, s, w, in)
		if err != nil {
			return err
		}
		c.release() // from here on signals are the command's
		return c.runWith(k, args[1:])
	})
	cmd.Example = "  brevet exec acme-prod/Admin --reason \"restore db-7\" -- terraform plan"
	cmd.ValidArgsFunction = c.completeTarget
	cmd.Flags().StringVar(&in.Reason, "reason", "", "ask with this reason if there is no grant, and wait")
	cmd.Flags().StringVar(&in.Duration, "for", "", "how long to ask for, as 1h")
	cmd.Flags().StringVar(&in.Ticket, "ticket", "", "number of a ticket")
	cmd.Flags().StringVar(&remaining, "min-remaining", "", "refuse what lives shorter, as 45m")
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
// reason was given, here or at the terminal.
func (c *cli) obtain(ctx context.Context, s *session, w want, in api.NewRequest) (keychain.Credential, error) {
	k, err := c.use(ctx, s, w)
	if !errors.Is(err, brevet.NoGrant) {
		return k, err
	}
	if in.Reason == "" && isTerminal(c.in) && isTerminal(c.err) {
		fmt.Fprintf(c.err, "%s Ask for it now? Reason, or empty for no: ", sentence(brevet.Printable(err.Error())))
		line, _ := bufio.NewReader(io.LimitReader(c.in, 4096)).ReadString('\n')
		in.Reason = strings.TrimSpace(line)
	}
	if in.Reason == "" {
		return k, err
	}
	if err := checkAsk(&in); err != nil {
		return k, err
	}
	r, err := c.ask(ctx, s, in, true)
	if err != nil {
		return k, err
	}
	if r.Grant != nil {
		how := "approved"
		if d := r.Decided.Sub(r.Created); d >= time.Second {
			how += " after " + human(d)
		}
		c.say("%s. %s", how, window(*r.Grant, s.now()))
	}
	return c.use(ctx, s, w)
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

package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/handout"
	"github.com/brevet-access/brevet/manual"
)

// processPatience bounds the exchange with the server: AWS tools wait for a
// credential process, some of them for a minute at most.
const processPatience = 10 * time.Second

func (c *cli) credentialProcess() *cobra.Command {
	var remaining string
	var w want
	cmd := &cobra.Command{
		Use:   handout.Command + " TARGET",
		Short: "Print a credential for AWS tools (brevet profiles sync)",
		Long: `Print a credential as AWS tools want it of a credential_process.

It never prompts and never waits for a person. A failure is exactly one line,
which names the next command, since the tools show it to their user.`,
		Args: manual.Exactly("TARGET"),
		RunE: func(cmd *cobra.Command, args []string) error {
			target, err := wanted(args[0], remaining)
			if err == nil {
				target.uncached = w.uncached
				err = c.processAnswer(cmd.Context(), target)
			}
			return c.oneLine(args[0], err)
		},
		ValidArgsFunction: c.completeTarget,
	}
	cmd.Flags().BoolVar(&w.uncached, "no-cache", false, "neither read nor write the cache")
	cmd.Flags().StringVar(&remaining, "min-remaining", "", "refuse what lives shorter than this `TIME`, as 45m")
	return cmd
}

func (c *cli) processAnswer(ctx context.Context, w want) error {
	s, err := c.sessionAt(w.target)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, lockLimit+processPatience)
	defer cancel()
	s.HTTP.Timeout = processPatience
	k, _, err := s.credential(ctx, w)
	if err != nil {
		return err
	}
	return handout.Print(c.out, k)
}

// oneLine says what went wrong, and the next command, in one line.
func (c *cli) oneLine(target string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	e, ok := errors.AsType[*brevet.Error](err)
	if !ok {
		e = brevet.Errorf(brevet.Internal, "%s", err).WithCause(err)
	}
	line := clip(speak(strings.ReplaceAll(strings.TrimSpace(e.Message), "\n", "; ")), 300)
	if help := next(target, e); help != "" {
		line += "; " + help
	}
	c.say("brevet: %s", line)
	return exitCode(api.ExitOf(e.Kind))
}

// next returns the command that helps: the server's hint where it names one.
// Against trouble with this machine's own files no command does.
func next(target string, e *brevet.Error) string {
	if ownFault(e) {
		return clip(e.Hint, 200)
	}
	if strings.Contains(e.Hint, "brevet ") {
		return clip(e.Hint, 200)
	}
	switch e.Kind {
	case brevet.Unauthenticated:
		return "run: brevet login"
	case brevet.StepUp:
		return "run: brevet login --mfa"
	case brevet.NoGrant, brevet.Expired:
		return "run: brevet request " + clip(target, 110) + " --reason \"…\""
	case brevet.Unavailable:
		return "try again, or run: brevet whoami"
	case brevet.Invalid:
		return "run: brevet ls"
	}
	return "run: brevet why " + clip(target, 110)
}

// ownFault reports whether a file of this machine is to blame, such as one on
// a full disk.
func ownFault(e *brevet.Error) bool {
	_, path := errors.AsType[*fs.PathError](e)
	_, link := errors.AsType[*os.LinkError](e)
	return path || link
}

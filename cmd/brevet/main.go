// Command brevet asks for temporary cloud access and uses it.
//
// It is light on purpose: `brevet credential-process` runs at every call of
// an AWS tool, so it links neither an AWS SDK nor a database. When the answer
// lies in the cache it is given before most of what is linked is initialised:
// package handout does it in its init. What needs the operating system's
// keychain is answered first thing in main, before the command line is built.
//
// Answers go to stdout, everything else to stderr. A failure is one sentence
// and a hint, and its exit code comes from the one table of package api.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/handout"
	"github.com/brevet-access/brevet/manual"
)

// clock is the time; a test moves it.
var clock = time.Now

func main() {
	c := &cli{in: os.Stdin, out: os.Stdout, err: os.Stderr, now: clock}
	os.Exit(c.run(os.Args[1:]))
}

// cli is one run of the program.
type cli struct {
	in       io.Reader
	out, err io.Writer
	now      func() time.Time
	homeDir  string // --home
	url      string // --server
	json     bool   // --json
	opened   *opened
	release  func() // gives signals back to their default
}

// run carries out one command line and returns the exit code.
func (c *cli) run(args []string) int {
	if len(args) > 1 && args[0] == handout.Command && c.desk().Answer(args[1:]) {
		return 0
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c.release = stop
	root := c.root()
	root.SetArgs(args)
	return c.fail(manual.Run(ctx, root))
}

// exitCode is an error that says nothing: what there was to say was said.
type exitCode int

func (exitCode) Error() string { return "exit" }

// interrupted is the exit code after Ctrl-C, as shells have it.
const interrupted exitCode = 130

// fail says what went wrong and returns the exit code of it.
func (c *cli) fail(err error) int {
	if err == nil {
		return 0
	}
	if code, ok := errors.AsType[exitCode](err); ok {
		return int(code)
	}
	if errors.Is(err, context.Canceled) {
		return int(interrupted)
	}
	e, ok := errors.AsType[*brevet.Error](err)
	if !ok {
		e = brevet.Errorf(brevet.Internal, "%s", err)
	}
	for i, line := range strings.Split(strings.TrimRight(e.Message, "\n"), "\n") {
		if i == 0 {
			line = "brevet: " + line
		}
		c.say("%s", speak(line))
	}
	needs(c.say, e.Unmet, e.Message, e.Hint)
	if hint := hintOf(e); hint != "" {
		c.say("hint: %s", hint)
	}
	return api.ExitOf(e.Kind)
}

// hintOf is the next step after a failure, also where none was named.
func hintOf(e *brevet.Error) string {
	if e.Hint != "" || len(e.Unmet) > 0 { // each of these has its own
		return e.Hint
	}
	switch e.Kind {
	case brevet.Invalid:
		return "the same command with --help shows how it goes"
	case brevet.Conflict:
		return "brevet status shows how things stand"
	case brevet.NotFound:
		return "brevet ls, brevet requests and brevet grants list what there is"
	case brevet.Unavailable:
		return "try again in a moment"
	case brevet.Clock:
		return "compare the clock of this machine with the server's"
	}
	return ""
}

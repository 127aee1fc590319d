// Command brevetd is the server: the sandbox for trying brevet out, the real
// deployment, and the checks that go with it.
//
//	brevetd dev                      a whole world on loopback
//	brevetd serve --config FILE      a real deployment
//	brevetd check CATALOG            is this catalog sound?
//	brevetd issuer publish DIR       what clouds read, as static files
//	brevetd breakglass init          the key for when all of this is gone
//	brevetd backup --out FILE        a snapshot of the database, into one file
//	brevetd restore FILE             and back, into an empty one
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/manual"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run carries out one command line and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := manual.Run(ctx, root)
	if err == nil {
		return 0
	}
	if errors.Is(err, context.Canceled) {
		return 130 // Ctrl-C, as shells have it
	}
	var e *brevet.Error
	if !errors.As(err, &e) {
		e = brevet.Errorf(brevet.Invalid, "%s", err)
	}
	for i, line := range strings.Split(e.Message, "\n") {
		if i > 0 {
			line = "  " + line
		}
		fmt.Fprintln(stderr, "brevetd: "+line)
	}
	if e.Kind == brevet.Internal && e.Cause != nil && !strings.Contains(e.Message, e.Cause.Error()) { // the operator is the one to see it
		fmt.Fprintln(stderr, "cause: "+brevet.Printable(e.Cause.Error()))
	}
	if e.Hint != "" {
		fmt.Fprintln(stderr, "hint: "+e.Hint)
	}
	return api.ExitOf(e.Kind)
}

// rootCommand builds the command line.
func rootCommand() *cobra.Command {
	root := manual.Family(&cobra.Command{Use: "brevetd", Short: "The brevet server", Version: api.Version, SilenceErrors: true, SilenceUsage: true},
		devCommand(), serveCommand(), checkCommand(), issuerCommand(), backupCommand(), restoreCommand(), breakglassCommand())
	root.SetFlagErrorFunc(manual.Misuse)
	manual.Install(root)
	return root
}

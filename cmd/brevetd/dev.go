package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet/manual"
	"github.com/brevet-access/brevet/sandbox"
	"github.com/brevet-access/brevet/service"
)

// clock is the time of the worlds that dev opens; nil is the machine's. A test
// moves it.
var clock func() time.Time

func devCommand() *cobra.Command {
	var c sandbox.Config
	var only bool
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Start the sandbox: a whole world on loopback",
		Long: `Start a broker, an identity provider with MFA and a simulated AWS, all on
127.0.0.1, with people to sign in as and two accounts to enter. Each account
holds the stacks that brevet stack cloudformation writes; dev.json in the
folder has an access key of each customer's own administrator, who can deploy,
freeze and delete them with the aws command line. Everything is kept in that
one folder, so the world is the same after a restart; delete the folder to
begin anew. Who is on duty stands in rotas/on-call.yaml there, to be changed.

It is for trying things out and for tests, never for real access: its people and
passwords are shown to whoever asks.`,
		Example: "  brevetd dev\n  brevetd dev --port 9477 --dir world",
		Args:    manual.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if only {
				return cloudOnly(cmd.Context(), c, cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			return dev(cmd.Context(), c, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().BoolVar(&only, "cloud-only", false, "the simulated AWS alone, as when broker, database and sign-in are gone")
	cmd.Flags().StringVar(&c.Dir, "dir", ".brevet", "the `FOLDER` that holds the world")
	cmd.Flags().StringVar(&c.Catalog, "catalog", "", "another catalog `FILE` than the sandbox's own; missing ids and audiences are made up in a copy")
	cmd.Flags().StringVar(&c.Parts, "config", "", "a `FILE` with channels, checks and on_call, as brevet.yaml has them, beside the sandbox's own")
	cmd.Flags().StringVar(&c.DB, "database", "", "keep rows and log in the PostgreSQL database at `URL` (default: SQLite in the folder)")
	cmd.Flags().BoolVar(&c.Two, "two-people", false, "a second person confirms changes of the catalog")
	cmd.Flags().IntVar(&c.Port, "port", 8477, "the first `PORT` of three: broker, sign-in, AWS; 0 takes free ones")
	return cmd
}

func dev(ctx context.Context, c sandbox.Config, stdout, stderr io.Writer) error {
	service.Tune()
	c.Now = clock
	c.Log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	w, err := sandbox.Open(ctx, c)
	if err != nil {
		return err
	}
	defer w.Close()
	if !c.Two {
		fmt.Fprintln(stderr, "note: one person may change the catalog of this sandbox; --two-people has a second confirm it, as a server does")
	}
	return w.Serve(ctx, func() {
		fmt.Fprintf(stdout, "brevet is ready   %s     sign-in %s     AWS (simulated) %s\n", w.Facts.URL, w.Facts.SignIn, w.Facts.AWS)
		var people []string
		for _, p := range w.Facts.People {
			people = append(people, p.Username)
		}
		fmt.Fprintf(stdout, "people   %-72s passwords on the sign-in page\n", strings.Join(people, "   "))
		var accounts []string
		for _, a := range w.Facts.Accounts {
			accounts = append(accounts, a.Name+" "+a.ID)
		}
		fmt.Fprintf(stdout, "accounts %s       state in %s, Ctrl-C ends it\n", strings.Join(accounts, "   "), c.Dir)
	})
}

// cloudOnly runs the simulated AWS of a world and nothing else.
func cloudOnly(ctx context.Context, c sandbox.Config, stdout, stderr io.Writer) error {
	c.Log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	w, err := sandbox.OpenCloud(c)
	if err != nil {
		return err
	}
	return w.ServeCloud(ctx, func() { fmt.Fprintf(stdout, "AWS (simulated) is ready   %s     and nothing else is\n", w.Facts.AWS) })
}

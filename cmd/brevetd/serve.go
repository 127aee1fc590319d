package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/manual"
	"github.com/brevet-access/brevet/service"
)

func serveCommand() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:   "serve --config brevet.yaml",
		Short: "Run a real deployment",
		Long: `Run the broker as brevet.yaml says; docs/operate.md lists every key.

SIGHUP proposes the catalog file again; one that does not pass its checks
changes nothing. SIGTERM drains: requests in flight finish, held ones answer.
Logs go to stderr as JSON, one line an event, without secrets.`,
		Example: "  brevetd serve --config brevet.yaml",
		Args:    manual.Exactly(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return serve(cmd.Context(), path) },
	}
	c.Flags().StringVar(&path, "config", "brevet.yaml", "the server's configuration `FILE`")
	return c
}

func serve(ctx context.Context, path string) error {
	cfg, err := service.LoadConfig(path)
	if err != nil {
		return err
	}
	service.Tune()
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	s, err := service.Open(ctx, cfg, service.Options{Log: log})
	if err != nil {
		return err
	}
	defer s.Close()
	l, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return brevet.Errorf(brevet.Unavailable, "listen: %s", err)
	}
	go reloadOnHangup(ctx, s, log)
	log.InfoContext(ctx, "serving", "url", cfg.URL, "listen", l.Addr().String(), "log_key", s.Keys.LogKey())
	if err := s.Serve(ctx, l); err != nil {
		return err
	}
	log.Info("stopped")
	return nil
}

func reloadOnHangup(ctx context.Context, s *service.Service, log *slog.Logger) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			if err := s.Reload(ctx); err != nil {
				log.ErrorContext(ctx, "the catalog was not reloaded", "err", err)
			}
		}
	}
}

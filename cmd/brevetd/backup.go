package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/audit"
	"github.com/brevet-access/brevet/manual"
	"github.com/brevet-access/brevet/service"
)

func backupCommand() *cobra.Command {
	var config, out string
	var keys bool
	cmd := &cobra.Command{
		Use:   "backup --config brevet.yaml --out FILE",
		Short: "Write the whole database into one file",
		Long: `Write a consistent snapshot of the database into FILE, which must not
exist, with a manifest, the log's signed checkpoint and a checksum. The log
is verified on the way. The server may run meanwhile, on SQLite too. A backup of
either kind of database can be restored into the other.

Keys are not in it: keep them, and the root key, in a backup of their own. With
--keys the sealed key files are put in; nothing opens them but the root key,
which never is.`,
		Example: "  brevetd backup --config brevet.yaml --out brevet.backup",
		Args:    manual.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := service.LoadConfig(config)
			if err != nil {
				return err
			}
			if out == "" {
				return brevet.Errorf(brevet.Invalid, "--out: name the file to write")
			}
			b, err := service.Backup(cmd.Context(), cfg, service.Options{}, out, keys)
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			fmt.Fprintf(w, "%s: %s, %s, %s\n", out, count(b.Head.Size, "entry of the log", "entries of the log"),
				count(b.Rows["persons"], "person", "people"), count(b.Rows["grants"], "grant", "grants"))
			fmt.Fprintf(w, "checkpoint %s %d %s\n", audit.Origin(b.Manifest.Host, b.Head.Epoch), b.Head.Size, b.Head.Root)
			if keys {
				fmt.Fprintln(w, "the sealed keys are in it; the root key is not")
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&config, "config", "brevet.yaml", "the server's configuration `FILE`")
	cmd.Flags().StringVar(&out, "out", "", "the `FILE` to write")
	cmd.Flags().BoolVar(&keys, "keys", false, "put the sealed key files in, too")
	return cmd
}

func count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/manual"
	"github.com/brevet-access/brevet/service"
)

func restoreCommand() *cobra.Command {
	var config string
	var seen []string
	var keys bool
	cmd := &cobra.Command{
		Use:   "restore --config brevet.yaml FILE",
		Short: "Bring a backup back, and say what is lost",
		Long: `Bring a backup back into the database that brevet.yaml names, which must be
empty. It ends every grant, every pending request and every sign-in, since what
became of them is not known, and opens a new epoch of the log, whose first entry
says which head was known last and how many entries are lost. That is counted
against the highest head in KEYS/log-head, and in the checkpoints given with
--seen: what a client or a witness kept, or the file of an export's checkpoint.

The log's key must be the one that signed the backup. With --keys the sealed key
files in the backup are put where KEYS has none.`,
		Example: "  brevetd restore --config brevet.yaml brevet.backup",
		Args:    manual.Exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := service.LoadConfig(config)
			if err != nil {
				return err
			}
			var notes [][]byte
			for _, name := range seen {
				text, err := os.ReadFile(name)
				if err != nil {
					return brevet.Errorf(brevet.Invalid, "--seen: %s", err)
				}
				notes = append(notes, text)
			}
			f, err := os.Open(args[0])
			if err != nil {
				return brevet.Errorf(brevet.Invalid, "cannot read %s", args[0]).WithCause(err)
			}
			defer f.Close()
			r, err := service.Restore(cmd.Context(), cfg, service.Options{}, f, notes, keys)
			if err != nil {
				return err
			}
			tellRestored(cmd.OutOrStdout(), r, time.Now())
			return nil
		},
	}
	cmd.Flags().StringVar(&config, "config", "brevet.yaml", "the server's configuration `FILE`")
	cmd.Flags().StringArrayVar(&seen, "seen", nil, "a `FILE` with a checkpoint of the log that was kept elsewhere")
	cmd.Flags().BoolVar(&keys, "keys", false, "put the backup's sealed key files where there are none")
	return cmd
}

// tellRestored says what came back, what ended and what is lost.
func tellRestored(w io.Writer, r service.Restored, now time.Time) {
	fmt.Fprintf(w, "restored  the backup of %s: %s, %s\n", r.Manifest.Made.UTC().Format(time.DateTime),
		count(r.Before.Size, "entry of the log", "entries of the log"), count(r.Rows["persons"], "person", "people"))
	if r.Keys > 0 {
		fmt.Fprintf(w, "keys      %s\n", count(int64(r.Keys), "file", "files"))
	}
	fmt.Fprintf(w, "ended     %s, %s, %s\n", count(int64(r.Ended.Grants), "grant", "grants"),
		count(int64(r.Ended.Requests), "pending request", "pending requests"), count(int64(r.Ended.SignIns), "sign-in", "sign-ins"))
	if n := r.Ended.Sheets; n > 0 {
		fmt.Fprintf(w, "codes     %s of sealed codes, void now: their holders make new ones with brevet codes new\n", count(int64(n), "sheet", "sheets"))
	}
	if n := r.Ended.Sessions; n > 0 {
		fmt.Fprintf(w, "out       %s of before the backup, the last until %s; revoked once the server runs\n", count(int64(n), "credential", "credentials"), r.Ended.Until.UTC().Format(time.DateTime))
	}
	lost, known := r.Lost()
	switch {
	case !known:
		fmt.Fprintln(w, "lost      not known: nothing outside the database says how long the log was")
	case lost == 0:
		fmt.Fprintf(w, "lost      no entry that was seen outside; the highest head seen there has %d\n", r.Seen.Size)
	default:
		fmt.Fprintf(w, "lost      %s: the log had %d when it was seen last\n", count(lost, "entry of the log", "entries of the log"), r.Seen.Size)
	}
	if !known || lost > 0 {
		fmt.Fprintf(w, `
What was lost may hold credentials that left: they die by themselves, the last
until %s. It may hold revocations, people and customers that were
offboarded, and catalogs that were applied: look at what the channels said, and
do it again before you serve anybody.
`, now.Add(brevet.MaxSession).UTC().Format(time.DateTime))
	}
	fmt.Fprintf(w, "\nThe log goes on in epoch %d. Clients ask for brevet audit verify --accept-new-epoch once.\n", r.After.Epoch)
}

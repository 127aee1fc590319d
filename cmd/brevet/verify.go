package main

import (
	"context"
	"iter"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/audit"
	"github.com/brevet-access/brevet/manual"
)

func (c *cli) auditVerify() *cobra.Command {
	var file string
	var newEpoch bool
	cmd := &cobra.Command{
		Use: "verify", Short: "Check that nothing in the log was changed, removed or moved",
		Long: `Check the log on this machine: every entry that you may see and the hash of
every other, the tree over them, its signature by the key that was pinned when
you signed in, and that it holds everything that the last check here saw.
A log that is not whole gives exit code 73.`,
		Args: manual.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := c.open()
			if err != nil {
				return err
			}
			if file != "" {
				return c.verifyFile(o, file, newEpoch)
			}
			s, err := c.session()
			if err != nil {
				return err
			}
			cp, err := s.checkpoint(cmd.Context())
			if err != nil {
				return err
			}
			return c.verify(o, check{checkpoint: []byte(cp.Note), newEpoch: newEpoch}, s.entries(cmd.Context(), cp.Size))
		},
	}
	cmd.Flags().StringVar(&file, "file", "", "check the export in `FILE` instead of the server")
	cmd.Flags().BoolVar(&newEpoch, "accept-new-epoch", false, "do not compare with what was seen before the log was restored")
	return c.flagJSON(cmd)
}

// checkpoint returns the log's head as the server has it now.
func (s *session) checkpoint(ctx context.Context) (api.Checkpoint, error) {
	ctx, cancel := brief(ctx)
	defer cancel()
	return s.Checkpoint(ctx)
}

func (c *cli) verifyFile(o *opened, file string, newEpoch bool) error {
	f, err := os.Open(file)
	if err != nil {
		return brevet.Errorf(brevet.Invalid, "cannot read %s: %s", file, rootCause(err))
	}
	defer f.Close()
	checkpoint, entries, err := audit.ReadExport(f)
	if err != nil {
		return err
	}
	return c.verify(o, check{checkpoint: checkpoint, file: true, newEpoch: newEpoch}, entries)
}

// verdict is the answer of audit verify as JSON.
type verdict struct {
	Entries  int64     `json:"entries"`
	Hidden   int64     `json:"hidden"`
	Erased   int64     `json:"erased"`
	Whole    bool      `json:"whole"`
	First    time.Time `json:"first,omitzero"`
	Last     time.Time `json:"last,omitzero"`
	Problems []string  `json:"problems"`
}

// check is what is to be verified, and against what.
type check struct {
	checkpoint []byte
	file       bool // an export, which may be older than what was seen since
	newEpoch   bool // a restored log is accepted
}

// verify rebuilds the tree. A head that was verified becomes the one that the
// next check must extend.
func (c *cli) verify(o *opened, how check, entries iter.Seq2[audit.Entry, error]) error {
	key := o.config.Pin(o.server)
	if key == "" {
		return brevet.Errorf(brevet.Unauthenticated, "no log key of %s is pinned here", o.server).WithHint("sign in: brevet login pins it")
	}
	head, err := openHead(how.checkpoint, key)
	if err != nil {
		return err
	}
	last, err := o.lastHead(key)
	if err != nil {
		return err
	}
	older := how.file && last != nil && head.Epoch == last.Epoch && head.Size < last.Size
	known := last
	if older || how.newEpoch && last != nil && head.Epoch > last.Epoch {
		known = nil
	}
	checker, err := audit.NewChecker(key, known)
	if err != nil {
		return err
	}
	for e, err := range entries {
		if err == nil {
			err = checker.Add(e)
		}
		if brevet.KindOf(err) == brevet.Internal {
			break // too much is wrong to go on; the report says what
		}
		if err != nil {
			return err
		}
	}
	report, err := checker.Finish(how.checkpoint)
	if err != nil {
		return err
	}
	return c.verdict(o, report, last, older)
}

func (c *cli) verdict(o *opened, r audit.Report, last *audit.Head, older bool) error {
	v := verdict{Entries: r.Entries, Hidden: r.Hidden, Erased: r.Erased, Whole: r.Whole(), First: r.FirstTime, Last: r.LastTime, Problems: []string{}}
	for _, p := range r.Problems {
		v.Problems = append(v.Problems, p.String())
	}
	if v.Whole && !older {
		if err := o.home.PutHead(o.server, r.Head.Note); err != nil {
			return err
		}
	}
	if err := c.print(v, func() { c.showVerdict(v, last, older) }); err != nil {
		return err
	}
	if !v.Whole {
		return brevet.Errorf(brevet.Conflict, "the log is not whole: %s", count(len(v.Problems), "problem", "problems")).
			WithHint("keep the output, and an export: brevet audit export --out FILE; then tell security")
	}
	return nil
}

func (c *cli) showVerdict(v verdict, last *audit.Head, older bool) {
	for _, p := range v.Problems {
		c.tell("%s", p)
	}
	if !v.Whole {
		return
	}
	c.tell("%s, tree whole", count(v.Entries, "entry", "entries"))
	if v.Hidden > 0 {
		c.say("%d of them showed only their hash: they are not yours to read.", v.Hidden)
	}
	if v.Erased > 0 {
		c.say("The details of %d were erased, and that is on record.", v.Erased)
	}
	switch {
	case older:
		c.say("It is older than what was last seen here (%s), so it was not compared with that.", count(last.Size, "entry", "entries"))
	case last != nil:
		c.say("It holds everything that was last seen here (%s).", count(last.Size, "entry", "entries"))
	}
}

func openHead(checkpoint []byte, key string) (audit.Head, error) {
	v, err := note.NewVerifier(key)
	if err != nil {
		return audit.Head{}, brevet.Errorf(brevet.Invalid, "the pinned log key is damaged").WithHint("brevet login pins it anew").WithCause(err)
	}
	return audit.OpenHead(checkpoint, v)
}

// lastHead returns the last head that was verified here; nil if there is
// none, an error if it is not genuine.
func (o *opened) lastHead(key string) (*audit.Head, error) {
	checkpoint, err := o.home.Head(o.server)
	if err != nil || checkpoint == nil {
		return nil, err
	}
	head, err := openHead(checkpoint, key)
	if err != nil {
		return nil, brevet.Errorf(brevet.Conflict, "the checkpoint that was last seen here is damaged").
			WithHint("it lies in heads below %s; without it the next check begins anew", o.home.Dir()).WithCause(err)
	}
	return &head, nil
}

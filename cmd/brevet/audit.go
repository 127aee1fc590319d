package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"iter"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/audit"
)

// pageSize is how many entries are asked for at once.
const pageSize = 500

func (c *cli) audit() *cobra.Command {
	return family("audit", "Read and check the log", c.auditLs(), c.auditVerify(), c.auditExport())
}

func (c *cli) auditLs() *cobra.Command {
	last := 50
	cmd := c.command("ls", "List what happened, newest last", exactly(),
		func(ctx context.Context, s *session, _ []string) error {
			ctx, cancel := brief(ctx)
			defer cancel()
			cp, err := s.Checkpoint(ctx)
			if err != nil {
				return err
			}
			var list []api.Entry
			for e, err := range s.rows(ctx, max(0, cp.Size-int64(last)), cp.Size) {
				if err != nil {
					return err
				}
				list = append(list, e)
			}
			return c.print(list, func() { c.showEntries(s, list) })
		})
	cmd.Flags().IntVar(&last, "last", last, "how many entries")
	return c.flagJSON(cmd)
}

func (c *cli) showEntries(s *session, list []api.Entry) {
	t := &table{head: []string{"ENTRY", "TIME", "WHAT", "WHO", "ABOUT"}, flex: 4}
	hidden := 0
	for _, e := range list {
		if e.Leaf == "" {
			hidden++
			continue
		}
		leaf, err := audit.ParseLeaf([]byte(e.Leaf))
		if err != nil {
			t.add(strconv.FormatInt(e.Index, 10), "", "malformed", "", "")
			continue
		}
		var ev brevet.Event
		about := "details erased"
		if !e.Erased && json.Unmarshal([]byte(e.Details), &ev) == nil {
			about = aboutEvent(ev)
		}
		t.add(strconv.FormatInt(e.Index, 10), at(leaf.Time, s.now()), string(leaf.Kind), ev.Actor.String(), about)
	}
	if len(t.rows) > 0 {
		t.print(c)
	}
	if hidden > 0 {
		c.say("%d entries are not yours to read.", hidden)
	}
}

// aboutEvent says in a few words what an event is about.
func aboutEvent(ev brevet.Event) string {
	about := ""
	if ev.Role != "" {
		about = string(ev.Account) + "/" + string(ev.Role)
	}
	for _, more := range []string{ev.Reason, ev.Data["duration"], ev.Data["access_key"], ev.Data["handle"], ev.Data["provider"]} {
		if more != "" {
			if about != "" {
				about += " "
			}
			return about + more
		}
	}
	return about
}

func (c *cli) auditVerify() *cobra.Command {
	var file string
	var newEpoch bool
	cmd := &cobra.Command{
		Use: "verify", Short: "Check that nothing in the log was changed, removed or moved",
		Long: `Check the log on this machine: every entry that you may see and the hash of
every other, the tree over them, its signature by the key that was pinned when
you signed in, and that it holds everything that the last check here saw.
A log that is not whole gives exit code 73.`,
		Args: usage(exactly()),
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
			cp, err := s.Checkpoint(cmd.Context())
			if err != nil {
				return err
			}
			return c.verify(o, check{checkpoint: []byte(cp.Note), newEpoch: newEpoch}, s.entries(cmd.Context(), cp.Size))
		},
	}
	cmd.Flags().StringVar(&file, "file", "", "check an export instead of the server")
	cmd.Flags().BoolVar(&newEpoch, "accept-new-epoch", false, "do not compare with what was seen before the log was restored")
	return c.flagJSON(cmd)
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
		return brevet.Errorf(brevet.Conflict, "the log is not whole: %d problems", len(v.Problems)).
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
	c.tell("%d entries, tree whole", v.Entries)
	if v.Hidden > 0 {
		c.say("%d of them showed only their hash: they are not yours to read.", v.Hidden)
	}
	if v.Erased > 0 {
		c.say("The details of %d were erased, and that is on record.", v.Erased)
	}
	switch {
	case older:
		c.say("It is older than what was last seen here (%d entries), so it was not compared with that.", last.Size)
	case last != nil:
		c.say("It holds everything that was last seen here (%d entries).", last.Size)
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

// rows reads entries of the log from the server, from index from up to size.
func (s *session) rows(ctx context.Context, from, size int64) iter.Seq2[api.Entry, error] {
	return func(yield func(api.Entry, error) bool) {
		for from < size {
			short, cancel := brief(ctx)
			page, err := s.Entries(short, from, size, pageSize)
			cancel()
			if err == nil && page.Next <= from {
				err = brevet.Errorf(brevet.Internal, "%s does not get on with its log at entry %d", s.server, from)
			}
			if err != nil {
				yield(api.Entry{}, err)
				return
			}
			for _, e := range page.Entries {
				if !yield(e, nil) {
					return
				}
			}
			from = page.Next
		}
	}
}

// entries is rows from the beginning, decoded for the checker.
func (s *session) entries(ctx context.Context, size int64) iter.Seq2[audit.Entry, error] {
	return func(yield func(audit.Entry, error) bool) {
		for row, err := range s.rows(ctx, 0, size) {
			var e audit.Entry
			if err == nil {
				e, err = fromRow(row)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

func fromRow(row api.Entry) (audit.Entry, error) {
	e := audit.Entry{Index: row.Index, Erased: row.Erased}
	hash, err := base64.StdEncoding.DecodeString(row.Hash)
	if err == nil && copy(e.Hash[:], hash) != len(e.Hash) {
		err = errors.New("short hash")
	}
	salt, serr := base64.StdEncoding.DecodeString(row.Salt)
	if err := errors.Join(err, serr); err != nil {
		return e, brevet.Errorf(brevet.Unavailable, "entry %d arrived malformed", row.Index).WithCause(err)
	}
	if row.Salt != "" {
		e.Salt = salt
	}
	if row.Leaf != "" {
		e.Leaf = []byte(row.Leaf)
	}
	if row.Details != "" {
		e.Details = []byte(row.Details)
	}
	return e, nil
}

func (c *cli) auditExport() *cobra.Command {
	var out string
	cmd := c.command("export", "Write the log to a file that audit verify --file checks", exactly(),
		func(ctx context.Context, s *session, _ []string) error {
			cp, err := s.Checkpoint(ctx)
			if err != nil {
				return err
			}
			head, err := openHead([]byte(cp.Note), s.config.Pin(s.server))
			if err != nil {
				return err
			}
			if out == "" {
				return audit.WriteExport(c.out, head, s.entries(ctx, head.Size))
			}
			var b bytes.Buffer
			if err := audit.WriteExport(&b, head, s.entries(ctx, head.Size)); err != nil {
				return err
			}
			c.say("%d entries in %s", head.Size, out)
			return replace(out, b.Bytes(), 0o600)
		})
	cmd.Flags().StringVar(&out, "out", "", "file to write; default: stdout")
	return cmd
}

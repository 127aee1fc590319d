package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"iter"
	"strconv"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/audit"
	"github.com/brevet-access/brevet/manual"
)

// pageSize is how many entries are asked for at once.
const pageSize = 500

func (c *cli) audit() *cobra.Command {
	return family("audit", "Read and check the log", c.auditLs(), c.auditVerify(), c.auditExport(), c.auditApprovals())
}

func (c *cli) auditLs() *cobra.Command {
	last := 50
	cmd := c.command("ls", "List what happened, newest last", manual.Exactly(),
		func(ctx context.Context, s *session, _ []string) error {
			if last < 1 {
				return brevet.Errorf(brevet.Invalid, "--last %d: one entry at least", last).WithHint("for example: --last 50")
			}
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
	cmd.Flags().IntVar(&last, "last", last, "show the last `N` entries")
	return c.flagJSON(cmd)
}

func (c *cli) showEntries(s *session, list []api.Entry) {
	t := &table{head: []string{"ENTRY", "TIME", "WHAT", "WHO", "ABOUT"}, free: true}
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
		c.say("%s not yours to read.", count(hidden, "entry is", "entries are"))
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
	hash, err := tlog.ParseHash(row.Hash)
	e.Hash = hash
	for _, n := range row.Nodes {
		node, nerr := tlog.ParseHash(n)
		err = errors.Join(err, nerr)
		e.Nodes = append(e.Nodes, node)
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

// exported is the answer of audit export as JSON.
type exported struct {
	File    string `json:"file"`
	Entries int64  `json:"entries"`
	Epoch   int64  `json:"epoch"`
}

func (c *cli) auditExport() *cobra.Command {
	var out string
	cmd := c.command("export", "Write the log to a file that audit verify --file checks", manual.Exactly(),
		func(ctx context.Context, s *session, _ []string) error {
			cp, err := s.checkpoint(ctx)
			if err != nil {
				return err
			}
			head, err := openHead([]byte(cp.Note), s.config.Pin(s.server))
			if err != nil {
				return err
			}
			if out == "" && c.json {
				return brevet.Errorf(brevet.Invalid, "--json needs --out: without it the log itself goes to stdout").
					WithHint("brevet audit export --out log.ndjson --json")
			}
			if out == "" {
				return audit.WriteExport(c.out, head, s.entries(ctx, head.Size))
			}
			var b bytes.Buffer
			if err := audit.WriteExport(&b, head, s.entries(ctx, head.Size)); err != nil {
				return err
			}
			if err := replace(out, b.Bytes(), 0o600); err != nil {
				return err
			}
			return c.print(exported{out, head.Size, head.Epoch}, func() {
				c.say("%s in %s", count(head.Size, "entry", "entries"), out)
			})
		})
	cmd.Flags().StringVar(&out, "out", "", "the `FILE` to write; default: stdout")
	return c.flagJSON(cmd)
}

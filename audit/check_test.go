package audit_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/audit"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

// world is a log in memory, kept with package tlog alone as an independent
// second opinion.
type world struct {
	entries []audit.Entry
	stored  []tlog.Hash // as tlog lays them out
	heads   []audit.Head
}

func (w *world) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, i := range indexes {
		out = append(out, w.stored[i])
	}
	return out, nil
}

// grow makes a log of n entries by three customers and the installation, with
// a head after each.
func grow(t testing.TB, n int) *world {
	signer, _, _ := key(t, host, "a")
	w := &world{}
	customers := []brevet.CustomerID{"", "cu_1", "cu_2", "cu_3"}
	seqs := map[brevet.CustomerID]int64{}
	for i := range n {
		c := customers[(i*i+i/3)%len(customers)]
		seqs[c]++
		w.add(t, brevet.Event{Kind: brevet.AccessRefused, Time: start.Add(time.Duration(i) * time.Second), Customer: c, Reason: fmt.Sprint("number ", i)}, seqs[c])
		root, err := tlog.TreeHash(int64(i+1), w)
		if err != nil {
			t.Fatal(err)
		}
		head, err := audit.Sign(signer, host, 1, int64(i+1), root)
		if err != nil {
			t.Fatal(err)
		}
		w.heads = append(w.heads, head)
	}
	return w
}

var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func (w *world) add(t testing.TB, ev brevet.Event, seq int64) {
	details, err := json.Marshal(ev)
	if err != nil {
		t.Fatal(err)
	}
	salt := binary.BigEndian.AppendUint64(make([]byte, 8, audit.SaltSize), uint64(len(w.entries)))
	leaf := audit.Leaf{Time: ev.Time, Kind: ev.Kind, Seq: seq, Details: audit.HashDetails(salt, details),
		Customer: audit.Blind([]byte("0123456789abcdef"), ev.Customer)}.Marshal()
	hashes, err := tlog.StoredHashes(int64(len(w.entries)), leaf, w)
	if err != nil {
		t.Fatal(err)
	}
	w.stored = append(w.stored, hashes...)
	w.entries = append(w.entries, audit.Entry{Index: int64(len(w.entries)), Hash: hashes[0], Nodes: hashes[1:], Leaf: leaf, Salt: salt, Details: details})
}

// check runs a Checker over entries.
func check(t testing.TB, entries []audit.Entry, head audit.Head, last *audit.Head) audit.Report {
	t.Helper()
	_, _, vkey := key(t, host, "a")
	c, err := audit.NewChecker(vkey, last)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := c.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	report, err := c.Finish(head.Note)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestFrontier(t *testing.T) {
	w := grow(t, 70)
	var f audit.Frontier
	for i, e := range w.entries {
		before := f.Clone()
		if diff := cmp.Diff(append([]tlog.Hash{e.Hash}, e.Nodes...), f.Append(e.Hash)); diff != "" {
			t.Fatalf("entry %d completes (-want +got):\n%s", i, diff)
		}
		if f.Root() != w.heads[i].Root || f.Size() != w.heads[i].Size {
			t.Fatalf("after entry %d the root is wrong", i)
		}
		loaded, err := audit.LoadFrontier(int64(i+1), w.heads[i].Root, w)
		if err != nil || loaded.Root() != f.Root() {
			t.Fatalf("loaded at %d: %v", i+1, err)
		}
		if before.Size() != int64(i) || i > 0 && before.Root() != w.heads[i-1].Root {
			t.Fatalf("the clone changed at %d", i)
		}
	}
	if _, err := audit.LoadFrontier(70, w.heads[3].Root, w); brevet.KindOf(err) != brevet.Internal {
		t.Errorf("a frontier was loaded against another root: %v", err)
	}
	if _, err := audit.LoadFrontier(0, new(audit.Frontier).Root(), w); err != nil {
		t.Errorf("the empty tree: %v", err)
	}
}

// TestProofs checks heads and entries with the proofs of package tlog.
func TestProofs(t *testing.T) {
	w := grow(t, 40)
	head := w.heads[39]
	for i, e := range w.entries {
		proof, err := tlog.ProveRecord(head.Size, int64(i), w)
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckRecord(proof, head.Size, head.Root, int64(i), audit.LeafHash(e.Leaf)); err != nil {
			t.Errorf("entry %d: %v", i, err)
		}
		older := w.heads[i]
		extends, err := tlog.ProveTree(head.Size, older.Size, w)
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckTree(extends, head.Size, head.Root, older.Size, older.Root); err != nil {
			t.Errorf("head %d: %v", i, err)
		}
	}
}

func TestCheckerWhole(t *testing.T) {
	w := grow(t, 33)
	for n := 1; n <= 33; n++ {
		for _, last := range []*audit.Head{nil, &w.heads[n/2], &w.heads[n-1]} {
			report := check(t, w.entries[:n], w.heads[n-1], last)
			if !report.Whole() || report.Entries != int64(n) || report.Head.Root != w.heads[n-1].Root {
				t.Fatalf("%d entries: %+v", n, report)
			}
		}
	}
	hidden := slices.Clone(w.entries)
	for i := range hidden {
		if i%4 != 1 {
			hidden[i] = audit.Entry{Index: hidden[i].Index, Hash: hidden[i].Hash}
		}
	}
	if report := check(t, hidden, w.heads[32], nil); report.Hidden != 25 || len(report.Problems) > 0 && !strings.Contains(report.Problems[0].What, "number") {
		t.Errorf("with hidden entries: %+v", report)
	}
}

// tamper is a way to change rows; it returns the index that must be named.
type tamper func(t *rapid.T, entries []audit.Entry) ([]audit.Entry, int64)

var tampers = map[string]tamper{
	"edit the details": func(t *rapid.T, e []audit.Entry) ([]audit.Entry, int64) {
		i := pick(t, e)
		e[i].Details = bytes.Replace(e[i].Details, []byte("number"), []byte("Number"), 1)
		return e, int64(i)
	},
	"edit the salt": func(t *rapid.T, e []audit.Entry) ([]audit.Entry, int64) {
		i := pick(t, e)
		e[i].Salt = append([]byte{e[i].Salt[0] ^ 1}, e[i].Salt[1:]...)
		return e, int64(i)
	},
	"move the salt's border": func(t *rapid.T, e []audit.Entry) ([]audit.Entry, int64) {
		i := pick(t, e)
		e[i].Salt, e[i].Details = e[i].Salt[:15], append([]byte{e[i].Salt[15]}, e[i].Details...)
		return e, int64(i)
	},
	"edit the leaf": func(t *rapid.T, e []audit.Entry) ([]audit.Entry, int64) {
		i := pick(t, e)
		leaf, _ := audit.ParseLeaf(e[i].Leaf)
		leaf.Kind = brevet.GrantActivated
		e[i].Leaf = leaf.Marshal()
		return e, int64(i)
	},
	"edit leaf and hash": func(t *rapid.T, e []audit.Entry) ([]audit.Entry, int64) {
		i := pick(t, e)
		leaf, _ := audit.ParseLeaf(e[i].Leaf)
		leaf.Time = leaf.Time.Add(time.Microsecond)
		e[i].Leaf = leaf.Marshal()
		e[i].Hash = audit.LeafHash(e[i].Leaf)
		return e, int64(i)
	},
	"erase without a record": func(t *rapid.T, e []audit.Entry) ([]audit.Entry, int64) {
		i := pick(t, e)
		e[i].Salt, e[i].Details, e[i].Erased = nil, nil, true
		return e, int64(i)
	},
	"remove": func(t *rapid.T, e []audit.Entry) ([]audit.Entry, int64) {
		i := pick(t, e)
		return slices.Delete(e, i, i+1), int64(i)
	},
	"remove and close the gap": func(t *rapid.T, e []audit.Entry) ([]audit.Entry, int64) {
		i := pick(t, e)
		e = slices.Delete(e, i, i+1)
		for j := i; j < len(e); j++ {
			e[j].Index--
		}
		return e, int64(i)
	},
	"repeat": func(t *rapid.T, e []audit.Entry) ([]audit.Entry, int64) {
		i := pick(t, e)
		return slices.Insert(e, i+1, e[i]), int64(i)
	},
	"swap": func(t *rapid.T, e []audit.Entry) ([]audit.Entry, int64) {
		i := rapid.IntRange(0, len(e)-2).Draw(t, "i")
		e[i], e[i+1] = e[i+1], e[i]
		e[i].Index, e[i+1].Index = int64(i), int64(i+1)
		return e, int64(i + 1)
	},
	"hand over out of order": func(t *rapid.T, e []audit.Entry) ([]audit.Entry, int64) {
		i := rapid.IntRange(0, len(e)-2).Draw(t, "i")
		e[i], e[i+1] = e[i+1], e[i]
		return e, int64(i)
	},
}

func pick(t *rapid.T, e []audit.Entry) int { return rapid.IntRange(0, len(e)-1).Draw(t, "i") }

// TestCheckerNames changes one row in every way and expects the checker to
// name it, or the short run of rows that its hash was combined with.
func TestCheckerNames(t *testing.T) {
	for name, tamper := range tampers {
		t.Run(name, func(t *testing.T) {
			w := grow(t, 65)
			rapid.Check(t, func(rt *rapid.T) {
				n := rapid.IntRange(2, 65).Draw(rt, "n")
				entries, index := tamper(rt, slices.Clone(w.entries[:n]))
				report := check(t, entries, w.heads[n-1], nil)
				named := slices.ContainsFunc(report.Problems, func(p audit.Problem) bool { return p.First <= index && index <= p.Index })
				atEnd := index == int64(n-1) && !report.Whole() // its hash was combined with no other yet
				if !named && !atEnd {
					rt.Fatalf("entry %d is not named: %v", index, report.Problems)
				}
				for _, p := range report.Problems {
					if p.String() == "" {
						rt.Fatal("a problem without words")
					}
				}
			})
		})
	}
}

func TestCheckerLast(t *testing.T) {
	w, other := grow(t, 20), grow(t, 20)
	signer, _, _ := key(t, host, "a")
	root := tlog.RecordHash([]byte("another history"))
	forged, err := audit.Sign(signer, host, 1, 10, root)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		last audit.Head
		n    int
		want string
	}{
		"rewritten":      {forged, 20, "rewritten"},
		"shorter":        {other.heads[19], 12, "had 20 entries"},
		"earlier epoch":  {audit.Head{Epoch: 2, Size: 1}, 20, "back in epoch 1"},
		"rewritten zero": {audit.Head{Epoch: 1}, 20, "rewritten"},
	} {
		t.Run(name, func(t *testing.T) {
			report := check(t, w.entries[:c.n], w.heads[c.n-1], &c.last)
			if len(report.Problems) != 1 || !strings.Contains(report.Problems[0].String(), c.want) {
				t.Errorf("problems %v, want one with %q", report.Problems, c.want)
			}
		})
	}
	if report := check(t, w.entries[:12], w.heads[15], nil); len(report.Problems) != 1 || report.Problems[0].First != 12 || report.Problems[0].Index != 15 {
		t.Errorf("the end is missing: %v", report.Problems)
	}
	if report := check(t, w.entries[:15], w.heads[11], nil); len(report.Problems) != 1 || report.Problems[0].First != 12 {
		t.Errorf("rows beyond the head: %v", report.Problems)
	}
}

func TestExport(t *testing.T) {
	w := grow(t, 9)
	w.entries[4] = audit.Entry{Index: 4, Hash: w.entries[4].Hash}
	var file bytes.Buffer
	if err := audit.WriteExport(&file, w.heads[8], seq(w.entries)); err != nil {
		t.Fatal(err)
	}
	checkpoint, entries, err := audit.ReadExport(&file)
	if err != nil || !bytes.Equal(checkpoint, w.heads[8].Note) {
		t.Fatalf("checkpoint %q, error %v", checkpoint, err)
	}
	var got []audit.Entry
	for e, err := range entries {
		if err != nil {
			t.Fatal(err)
		}
		if len(e.Nodes) == 0 && e.Leaf != nil {
			e.Nodes = []tlog.Hash{}
		}
		got = append(got, e)
	}
	if diff := cmp.Diff(w.entries, got); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
}

func seq(entries []audit.Entry) iter.Seq2[audit.Entry, error] {
	return func(yield func(audit.Entry, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func FuzzReadExport(f *testing.F) {
	w := grow(f, 3)
	var file bytes.Buffer
	if err := audit.WriteExport(&file, w.heads[2], seq(w.entries)); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes())
	f.Add([]byte(`{"brevet":"log export v1","checkpoint":"","entries":1}` + "\n" + `{"index":-1}`))
	f.Add([]byte("{}\n"))
	_, _, vkey := key(f, host, "a")
	f.Fuzz(func(t *testing.T, b []byte) {
		checkpoint, entries, err := audit.ReadExport(bytes.NewReader(b))
		if err != nil {
			return
		}
		c, err := audit.NewChecker(vkey, nil)
		if err != nil {
			t.Fatal(err)
		}
		n := int64(0)
		for e, err := range entries {
			if err != nil || c.Add(e) != nil {
				return
			}
			n++
		}
		if report, err := c.Finish(checkpoint); err == nil && report.Whole() && (n != 3 || report.Head.Root != w.heads[2].Root) {
			t.Errorf("a forged export passes")
		}
	})
}

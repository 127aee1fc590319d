package audit

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/brevet-access/brevet"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Problem is something that is wrong with the log. Index is the row, or the
// last of the rows from First on of which at least one was changed; both are
// -1 when it concerns the log as a whole.
type Problem struct {
	Index int64
	First int64
	What  string
}

// String names the rows and what is wrong with them.
func (p Problem) String() string {
	switch {
	case p.Index < 0:
		return p.What
	case p.First < p.Index:
		return fmt.Sprintf("entries %d to %d: %s", p.First, p.Index, p.What)
	}
	return fmt.Sprintf("entry %d: %s", p.Index, p.What)
}

// Report is what a [Checker] found. The log is whole if Problems is empty.
type Report struct {
	Entries   int64 // rows seen
	Hidden    int64 // of these, rows that only showed their hash
	Erased    int64 // of these, rows whose details were erased
	Head      Head
	FirstTime time.Time // of the visible entries
	LastTime  time.Time
	Problems  []Problem
}

// Whole reports whether nothing is wrong.
func (r Report) Whole() bool { return len(r.Problems) == 0 }

// maxProblems bounds what a Checker collects.
const maxProblems = 1000

// Checker rebuilds the tree from all rows, first to last, and finds what was
// edited, removed or moved.
type Checker struct {
	verifier note.Verifier
	last     *Head
	report   Report
	tree     Frontier
	next     int64 // index that comes next
	broken   bool  // rows were missing, so that the tree cannot be rebuilt
	forked   bool  // the tree had another root when it was as large as last
	bad      int64 // rows that were missing or changed so far
	seqs     map[[32]byte]place
	erased   map[int64]bool // erased entries whose erasure is not on record yet
}

// place is where a customer's sequence stands.
type place struct {
	seq int64
	bad int64 // Checker.bad at that time: so many numbers may be missing since
}

// NewChecker returns a Checker for the log whose verifier key, in the
// notation of signed notes, is key: the one that was pinned, never one that
// came with the rows. The log must extend last, the newest head seen before;
// nil if there is none.
func NewChecker(key string, last *Head) (*Checker, error) {
	v, err := note.NewVerifier(key)
	if err != nil {
		return nil, brevet.Errorf(brevet.Invalid, "not a verifier key of a log").WithCause(err)
	}
	return &Checker{verifier: v, last: last, seqs: map[[32]byte]place{}, erased: map[int64]bool{}}, nil
}

func (c *Checker) problem(first, index int64, format string, args ...any) {
	c.report.Problems = append(c.report.Problems, Problem{Index: index, First: first, What: fmt.Sprintf(format, args...)})
}

// Add takes the next row. What is wrong with it enters the report; the error,
// of kind [brevet.Internal], only says that there is too much wrong to go on.
func (c *Checker) Add(e Entry) error {
	if len(c.report.Problems) >= maxProblems {
		return brevet.Errorf(brevet.Internal, "more than %d rows of the log are wrong", maxProblems)
	}
	c.report.Entries++
	if !c.inOrder(e.Index) {
		return nil
	}
	leaf, event, err := e.Check()
	if err != nil {
		c.problem(e.Index, e.Index, "%s", err)
		c.bad++
	}
	c.grow(e)
	switch {
	case e.Leaf == nil:
		c.report.Hidden++
	case err == nil:
		c.follow(e, leaf, event)
	}
	return nil
}

// inOrder reports whether the row is the next one or lies behind a gap.
func (c *Checker) inOrder(index int64) bool {
	if index < c.next {
		c.problem(index, index, "the row comes a second time or out of order")
		c.broken = true
		return false
	}
	if index > c.next {
		c.problem(c.next, index-1, "removed")
		c.broken = true
		c.bad += index - c.next
	}
	c.next = index + 1
	return true
}

// grow adds the stored hash to the tree and compares what that completes with
// the inner nodes that were stored.
func (c *Checker) grow(e Entry) {
	if c.broken {
		return
	}
	nodes := c.tree.Append(e.Hash)[1:]
	if e.Nodes != nil && len(nodes) != len(e.Nodes) {
		c.problem(e.Index, e.Index, "it belongs to another place of the log")
		c.broken = true
		return
	}
	for i := range e.Nodes {
		if nodes[i] != e.Nodes[i] {
			c.problem(e.Index+1-2<<i, e.Index, "replaced or moved: their hashes do not fit together")
			c.tree.adopt(e.Nodes[len(nodes)-1])
			break
		}
	}
	if c.last != nil && c.tree.Size() == c.last.Size && c.tree.Root() != c.last.Root {
		c.forked = true
	}
}

// follow checks what ties a visible entry to its predecessors.
func (c *Checker) follow(e Entry, leaf Leaf, event brevet.Event) {
	before := c.seqs[leaf.Customer]
	if gap := leaf.Seq - before.seq - 1; gap < 0 || gap > c.bad-before.bad {
		c.problem(e.Index, e.Index, "number %d of its customer, where %d was due: entries were removed or moved", leaf.Seq, before.seq+1)
	}
	c.seqs[leaf.Customer] = place{leaf.Seq, c.bad}
	if leaf.Time.Before(c.report.LastTime) {
		c.problem(e.Index, e.Index, "older than the entry before it")
	}
	if c.report.FirstTime.IsZero() {
		c.report.FirstTime = leaf.Time
	}
	c.report.LastTime = leaf.Time
	if e.Erased {
		c.report.Erased++
		c.erased[e.Index] = true
	}
	if event.Kind == brevet.DetailsErased {
		if i, err := strconv.ParseInt(event.Data[ErasedIndex], 10, 64); err == nil {
			delete(c.erased, i)
		}
	}
}

// Finish compares the rows with the checkpoint, which the log must have
// signed with the pinned key, and with the head seen before. The error, of
// kind [brevet.Invalid], says that the checkpoint itself is not genuine.
func (c *Checker) Finish(checkpoint []byte) (Report, error) {
	head, err := OpenHead(checkpoint, c.verifier)
	if err != nil {
		return c.report, err
	}
	c.report.Head = head
	for _, i := range sortedKeys(c.erased) {
		c.problem(i, i, "its details are gone, and no entry records that they were erased")
	}
	switch {
	case c.next < head.Size:
		c.problem(c.next, head.Size-1, "removed")
	case c.next > head.Size:
		c.problem(head.Size, c.next-1, "not covered by the checkpoint")
	case !c.broken && c.tree.Root() != head.Root:
		c.problem(-1, -1, "the rows do not give the root that the log signed")
	}
	c.extends(head)
	return c.report, nil
}

// extends checks that the log holds everything that was seen before.
func (c *Checker) extends(head Head) {
	switch last := c.last; {
	case last == nil:
	case head.Epoch < last.Epoch:
		c.problem(-1, -1, "epoch %d was seen before, the log is back in epoch %d", last.Epoch, head.Epoch)
	case head.Epoch > last.Epoch:
		c.problem(-1, -1, "the log was restored: epoch %d followed epoch %d; its first entry must say what was lost", head.Epoch, last.Epoch)
	case last.Size > head.Size:
		c.problem(-1, -1, "the log had %d entries when it was seen last, now %d", last.Size, head.Size)
	case c.forked, last.Size == 0 && last.Root != emptyRoot():
		c.problem(-1, -1, "the log was rewritten: it does not extend the checkpoint seen last")
	}
}

func emptyRoot() tlog.Hash { return new(Frontier).Root() }

func sortedKeys(m map[int64]bool) []int64 {
	keys := make([]int64, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

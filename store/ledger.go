package store

import (
	"crypto/sha256"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/audit"
	"golang.org/x/mod/sumdb/tlog"
)

// ledger is what the process knows of the log by heart: its verified head and
// edge, where each customer's sequence stands, and what is over. The writer
// alone changes it, under the lock, when a batch is committed or the entries
// of other processes are taken over.
type ledger struct {
	mu     sync.RWMutex
	head   audit.Head
	tree   audit.Frontier
	seqs   map[brevet.CustomerID]int64
	blinds map[brevet.CustomerID][]byte
	last   time.Time // of the newest entry
	over   map[overKey]struct{}
	proven provenCache
	erased map[int64]brevet.CustomerID // erased entries whose erasure was not read yet; empty once verified
}

func newLedger() *ledger {
	return &ledger{
		seqs: map[brevet.CustomerID]int64{}, blinds: map[brevet.CustomerID][]byte{},
		over: map[overKey]struct{}{}, erased: map[int64]brevet.CustomerID{},
	}
}

func (l *ledger) currentHead() audit.Head {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.head
}

func (l *ledger) isOver(k overKey) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	_, ok := l.over[k]
	return ok
}

// overKey is 128 bits of the hash of an id that is over. Hashes are smaller
// than the ids, and the set only grows.
type overKey [16]byte

func overID[ID ~string](id ID) overKey {
	sum := sha256.Sum256([]byte(id))
	return overKey(sum[:16])
}

// ends returns what an event says to be over. An event that erased the
// details of an ending stands in for it.
func ends(ev brevet.Event) (k overKey, ok bool) {
	kind := ev.Kind
	if kind == brevet.DetailsErased {
		kind = brevet.EventKind(ev.Data[audit.ErasedKind])
	}
	switch kind {
	case brevet.GrantEnded, brevet.GrantRevoked:
		return overID(ev.Grant), ev.Grant != ""
	case brevet.PersonEnded:
		return overID(ev.Person), ev.Person != ""
	case brevet.SignInEnded:
		return overID(ev.SignIn), ev.SignIn != ""
	}
	return k, false
}

// take verifies the next row of the log and adds it. The error is of kind
// Internal and names the row; the ledger is unusable then.
func (l *ledger) take(r Row) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	wrong := func(what string) *brevet.Error {
		return brevet.Errorf(brevet.Internal, "entry %d of the log: %s", r.Index, what)
	}
	if r.Index != l.tree.Size() {
		return brevet.Errorf(brevet.Internal, "entry %d of the log: removed", l.tree.Size())
	}
	event, err := r.verify()
	if err != nil {
		return wrong(brevet.AsError(err).Message).WithCause(err)
	}
	if r.seq != l.seqs[r.Customer]+1 || r.Time.Before(l.last) {
		return wrong("entries before it were removed or moved")
	}
	if completed := l.tree.Append(r.Hash); !slices.Equal(completed[1:], r.Nodes) {
		return wrong("it or one of those before it was replaced or moved")
	}
	l.seqs[r.Customer], l.last = r.seq, r.Time
	l.fold(r, event)
	return nil
}

// verify checks the row for itself, as [audit.Entry.Check] does, but decodes
// only the events that the ledger must know.
func (r *Row) verify() (ev brevet.Event, err error) {
	switch r.Kind {
	case brevet.GrantEnded, brevet.GrantRevoked, brevet.PersonEnded, brevet.SignInEnded, brevet.DetailsErased:
		_, ev, err = r.Check()
		return ev, err
	}
	if audit.LeafHash(r.Leaf) != r.Hash {
		return ev, brevet.Errorf(brevet.Internal, "its time, kind, customer, number or details were changed")
	}
	if !r.Erased && !r.intact() {
		return ev, brevet.Errorf(brevet.Internal, "its details or salt were changed")
	}
	return ev, nil
}

func (l *ledger) fold(r Row, event brevet.Event) {
	if r.Erased {
		l.erased[r.Index] = r.Customer
	}
	if k, ok := ends(event); ok {
		l.over[k] = struct{}{}
	}
	if event.Kind == brevet.DetailsErased {
		i, err := strconv.ParseInt(event.Data[audit.ErasedIndex], 10, 64)
		if c, ok := l.erased[i]; err == nil && ok && c == event.Customer {
			delete(l.erased, i)
		}
	}
}

// settle checks that the rows taken give the signed head, and makes it the
// ledger's.
func (l *ledger) settle(head audit.Head) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tree.Size() != head.Size {
		return brevet.Errorf(brevet.Internal, "the log has %d entries, its signed head says %d", l.tree.Size(), head.Size)
	}
	if l.tree.Root() != head.Root {
		return brevet.Errorf(brevet.Internal, "the log's rows do not give the root that was signed")
	}
	for i := range l.erased {
		return brevet.Errorf(brevet.Internal, "entry %d of the log: its details are gone, and no entry records that they were erased", i)
	}
	l.head = head
	return nil
}

// commit makes what a batch appended part of the ledger.
func (l *ledger) commit(b *batch, head audit.Head) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.head, l.tree, l.last = head, b.tree, b.last
	for c, seq := range b.seqs {
		l.seqs[c] = seq
	}
	for c, salt := range b.blinds {
		l.blinds[c] = salt
	}
	for i := range b.entries {
		e := &b.entries[i]
		if e.ends {
			l.over[e.ending] = struct{}{}
		}
		l.proven.add(e.index, provenLeaf{hash: e.hashes[0]})
	}
}

// provenCache remembers leaves that were proven to be in the tree: at least
// the newest provenSize and those used lately, at most twice as many.
type provenCache struct{ young, old map[int64]provenLeaf }

// provenLeaf is the hash of such a leaf and, once somebody asked, its event.
type provenLeaf struct {
	hash  tlog.Hash
	event *brevet.Event // never changed, never given away
}

const provenSize = 1 << 13

func (c *provenCache) add(index int64, p provenLeaf) {
	if len(c.young) >= provenSize || c.young == nil {
		c.young, c.old = make(map[int64]provenLeaf), c.young
	}
	c.young[index] = p
}

func (c *provenCache) get(index int64) (provenLeaf, bool) {
	p, ok := c.young[index]
	if !ok {
		if p, ok = c.old[index]; ok {
			c.add(index, p)
		}
	}
	return p, ok
}

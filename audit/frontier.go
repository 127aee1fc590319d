package audit

import (
	"math/bits"
	"slices"

	"github.com/brevet-access/brevet"
	"golang.org/x/mod/sumdb/tlog"
)

// Frontier is the right edge of the tree: the roots of its complete subtrees,
// largest first, one for each bit that is set in its size. It is all that an
// append needs. The zero Frontier is the empty tree.
type Frontier struct {
	size  int64
	edges []tlog.Hash
}

// LoadFrontier reads the edge of a tree of the given size and checks it
// against the root. The error is of kind [brevet.Internal] when they
// disagree.
func LoadFrontier(size int64, root tlog.Hash, r tlog.HashReader) (Frontier, error) {
	var indexes []int64
	for rest := size; rest > 0; {
		level := bits.Len64(uint64(rest)) - 1
		indexes = append(indexes, tlog.StoredHashIndex(level, (size-rest)>>level))
		rest -= 1 << level
	}
	edges, err := r.ReadHashes(indexes)
	if err != nil {
		return Frontier{}, err
	}
	f := Frontier{size, edges}
	if f.Root() != root {
		return Frontier{}, brevet.Errorf(brevet.Internal, "the stored hashes of %d entries do not give the log's root", size)
	}
	return f, nil
}

// Size returns the number of entries.
func (f *Frontier) Size() int64 { return f.size }

// Root returns the tree's root.
func (f *Frontier) Root() tlog.Hash {
	if f.size == 0 {
		root, _ := tlog.TreeHash(0, nil) // a constant: never an error
		return root
	}
	h := f.edges[len(f.edges)-1]
	for i := len(f.edges) - 2; i >= 0; i-- {
		h = tlog.NodeHash(f.edges[i], h)
	}
	return h
}

// Append adds an entry and returns the hashes that it completes: its own,
// then those of the inner nodes, upwards, in the order of
// [tlog.StoredHashesForRecordHash].
func (f *Frontier) Append(leaf tlog.Hash) []tlog.Hash {
	n := bits.TrailingZeros64(uint64(f.size + 1))
	completed := append(make([]tlog.Hash, 0, n+1), leaf)
	for range n {
		last := len(f.edges) - 1
		leaf = tlog.NodeHash(f.edges[last], leaf)
		f.edges = f.edges[:last]
		completed = append(completed, leaf)
	}
	f.edges = append(f.edges, leaf)
	f.size++
	return completed
}

// Clone returns a copy that can be appended to on its own.
func (f *Frontier) Clone() Frontier { return Frontier{f.size, slices.Clone(f.edges)} }

// adopt replaces the last edge, so that one wrong hash below it is not
// reported again and again.
func (f *Frontier) adopt(h tlog.Hash) { f.edges[len(f.edges)-1] = h }

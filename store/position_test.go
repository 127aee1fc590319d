package store

import (
	"math"
	"testing"
)

// TestPosition checks the key of the table events at its edges: an index
// never leads into another epoch's entries, only to their bounds.
func TestPosition(t *testing.T) {
	for _, c := range []struct{ epoch, index, want int64 }{
		{1, 0, 1 << 40}, {1, 5, 1<<40 | 5}, {2, 1<<40 - 1, 3<<40 - 1},
		{1, -1, 1 << 40}, {1, 1 << 40, 2 << 40}, {1, math.MaxInt64, 2 << 40}, {7, math.MinInt64, 7 << 40},
	} {
		if got := position(c.epoch, c.index); got != c.want {
			t.Errorf("position(%d, %d) = %d, want %d", c.epoch, c.index, got, c.want)
		}
	}
	if got := indexAt(position(3, 9)); got != 9 {
		t.Errorf("the entry at position(3, 9) has index %d", got)
	}
}

// TestRoundUp checks that a query never fetches less than was asked for, and
// less than twice as much.
func TestRoundUp(t *testing.T) {
	for n := 1; n <= 5000; n++ {
		if got := roundUp(n); got < n || got >= 2*n || got&(got-1) != 0 {
			t.Errorf("roundUp(%d) = %d", n, got)
		}
	}
	if got := roundUp(math.MaxInt); got != 1<<30 {
		t.Errorf("roundUp of the largest number = %d", got)
	}
}

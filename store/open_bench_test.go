package store_test

import (
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// BenchmarkOpen verifies a log of 20 000 entries, as every start does.
func BenchmarkOpen(b *testing.B) {
	cfg := config(newSQLite(b))
	db := open(b, cfg)
	const entries = 20_000
	for range entries / 1000 {
		update(b, db, func(tx *store.Tx) error {
			for i := range 1000 { // as a broker does: an intent, and what came of it, long ago
				e := entry(tx.Now().Add(-48 * time.Hour))
				if i%2 == 0 {
					e.Kind = brevet.SessionIntended
				}
				if _, err := tx.Record(e); err != nil {
					return err
				}
			}
			return nil
		})
	}
	db.Close()
	for b.Loop() {
		db, err := store.Open(b.Context(), cfg)
		if err != nil {
			b.Fatal(err)
		}
		db.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/entries, "µs/entry")
}

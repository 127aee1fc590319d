package store_test

import (
	"testing"

	"github.com/brevet-access/brevet/store"
)

// BenchmarkOpen verifies a log of 20 000 entries, as every start does.
func BenchmarkOpen(b *testing.B) {
	cfg := config(newSQLite(b))
	db := open(b, cfg)
	const entries = 20_000
	for range entries / 1000 {
		update(b, db, func(tx *store.Tx) error {
			for range 1000 {
				if _, err := tx.Record(entry(tx.Now())); err != nil {
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

package store_test

import "testing"

func BenchmarkProf(b *testing.B) {
	db := open(b, config(newSQLite(b)))
	for b.Loop() {
		crowd(func() { appendOne(b, db) })
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/callers/each, "ns/event")
}

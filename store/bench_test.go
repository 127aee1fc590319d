package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
	"github.com/brevet-access/brevet/store/pgtest"
)

// callers is how many goroutines append at the same time.
const callers = 64

// entry is about as large as what a broker records for a credential.
func entry(now time.Time) brevet.Event {
	return brevet.Event{Kind: brevet.SessionIssued, Customer: "cu_01k9zzzzzzzzzzzzzzzzzzzzzz",
		Actor:  brevet.Actor{Person: "pr_01k9zzzzzzzzzzzzzzzzzzzzzz", Handle: "engineer", Addr: "203.0.113.7"},
		Person: "pr_01k9zzzzzzzzzzzzzzzzzzzzzz", Request: "req_01k9zzzzzzzzzzzzzzzzzzzzzz", Grant: "gr_01k9zzzzzzzzzzzzzzzzzzzzzz",
		Session: "ses_01k9zzzzzzzzzzzzzzzzzzzzzz", Account: "444455556666", Role: "Admin", End: &now,
		Data: map[string]string{"access_key": "ASIAIOSFODNN7EXAMPLE", "mfa": "1h"}}
}

// rawSize is what such an entry takes as leaf and details, in bytes.
const rawSize = 700

// rawLog is the other side: bytes appended to a file with fdatasync, callers
// sharing a sync the same way.
type rawLog struct {
	file  *os.File
	queue chan chan struct{}
}

func newRawLog(b *testing.B) *rawLog {
	b.Helper()
	file, err := os.Create(filepath.Join(b.TempDir(), "raw"))
	if err != nil {
		b.Fatal(err)
	}
	r := &rawLog{file, make(chan chan struct{}, 256)}
	b.Cleanup(func() { close(r.queue); file.Close() })
	go r.run()
	return r
}

func (r *rawLog) append() {
	done := make(chan struct{})
	r.queue <- done
	<-done
}

func (r *rawLog) run() {
	line := make([]byte, rawSize)
	for done := range r.queue {
		batch := []chan struct{}{done}
		for more := true; more && len(batch) < 256; {
			select {
			case d := <-r.queue:
				batch = append(batch, d)
			default:
				more = false
			}
		}
		r.file.Write(slices.Repeat(line, len(batch)))
		syscall.Fdatasync(int(r.file.Fd()))
		for _, d := range batch {
			close(d)
		}
	}
}

// BenchmarkAppend measures durable appends with one event each: single is the
// median time of one caller's, many the throughput of 64 callers; each as the
// ratio to raw bytes and fdatasync, in alternating rounds of the same run.
func BenchmarkAppend(b *testing.B) {
	for _, d := range []struct {
		name string
		url  func(testing.TB) string
	}{{"SQLite", newSQLite}, {"PostgreSQL", func(t testing.TB) string { pgtest.Durable(t); return pgtest.New(t) }}} {
		b.Run(d.name, func(b *testing.B) {
			db := open(b, config(d.url(b)))
			raw := newRawLog(b)
			ours := func() { appendOne(b, db) }
			b.Run("single", func(b *testing.B) { compareSingle(b, raw.append, ours) })
			b.Run("many", func(b *testing.B) { compareMany(b, raw.append, ours) })
		})
	}
}

func appendOne(b *testing.B, db *store.DB) {
	err := db.Update(b.Context(), func(tx *store.Tx) error {
		_, err := tx.Record(entry(tx.Now()))
		return err
	})
	if err != nil {
		b.Error(err)
	}
}

// BenchmarkIssue does what a broker does in the database for one credential:
// two transactions, with reads, a proof and a row in each.
func BenchmarkIssue(b *testing.B) {
	for _, d := range []struct {
		name string
		url  func(testing.TB) string
	}{{"SQLite", newSQLite}, {"PostgreSQL", func(t testing.TB) string { pgtest.Durable(t); return pgtest.New(t) }}} {
		for _, callers := range []int{1, 8, 64} {
			b.Run(fmt.Sprintf("%s/callers=%d", d.name, callers), func(b *testing.B) {
				db := open(b, config(d.url(b)))
				var leaf int64
				hash := [32]byte{1}
				update(b, db, func(tx *store.Tx) (err error) {
					if leaf, err = tx.Record(entry(tx.Now())); err == nil {
						err = tx.AddPerson(brevet.Person{ID: "pr_1", Handle: "engineer"}, brevet.Principal{Issuer: "i", Subject: "s"})
					}
					if err == nil {
						err = tx.AddSignIn(brevet.SignIn{ID: "si_1", Hash: hash, Person: "pr_1", Created: tx.Now(), Expires: tx.Now().Add(time.Hour)})
					}
					if err == nil {
						err = tx.AddGrant(brevet.Grant{ID: "gr_1", Person: "pr_1", Customer: "cu_1", State: brevet.Active, Leaf: leaf})
					}
					return err
				})
				var n atomic.Int64
				b.ResetTimer()
				var wg sync.WaitGroup
				for range callers {
					wg.Go(func() {
						for n.Add(1) <= int64(b.N) {
							issueOne(b, db, hash, leaf)
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "credentials/s")
			})
		}
	}
}

func issueOne(b *testing.B, db *store.DB, hash [32]byte, leaf int64) {
	var s brevet.Session
	read := func(tx *store.Tx) error {
		_, err1 := tx.SignInByHash(hash)
		_, err2 := tx.Grant("gr_1")
		_, err3 := tx.Proven(leaf)
		if tx.GrantOver("gr_1") {
			b.Error("the grant is over")
		}
		return errors.Join(err1, err2, err3)
	}
	write := func(put func(tx *store.Tx) error) {
		if err := db.Update(b.Context(), func(tx *store.Tx) error {
			if err := read(tx); err != nil {
				return err
			}
			if err := put(tx); err != nil {
				return err
			}
			_, err := tx.Record(entry(tx.Now()))
			return err
		}); err != nil {
			b.Error(err)
		}
	}
	write(func(tx *store.Tx) error {
		s = brevet.Session{ID: brevet.NewID[brevet.SessionID](tx.Now()), Grant: "gr_1", Person: "pr_1", State: brevet.Intended, Created: tx.Now(), Until: tx.Now().Add(time.Hour)}
		return tx.AddSession(s)
	})
	write(func(tx *store.Tx) error { s.State, s.AccessKey = brevet.Issued, "ASIA"; return tx.PutSession(s) })
}

func compareSingle(b *testing.B, raw, ours func()) {
	var a, c []time.Duration
	for b.Loop() {
		a, c = append(a, timed(raw)), append(c, timed(ours))
	}
	b.ReportMetric(float64(median(a).Microseconds()), "raw-µs")
	b.ReportMetric(float64(median(c).Microseconds()), "ours-µs")
	b.ReportMetric(float64(median(c))/float64(median(a)), "x-raw")
}

// compareMany lets 64 callers append for a while on either side in turn.
func compareMany(b *testing.B, raw, ours func()) {
	var a, c []time.Duration
	rounds := 0
	for b.Loop() {
		a, c = append(a, timed(func() { crowd(raw) })), append(c, timed(func() { crowd(ours) }))
		rounds++
	}
	perSecond := func(d time.Duration) float64 { return callers * each / d.Seconds() }
	b.ReportMetric(perSecond(median(a)), "raw/s")
	b.ReportMetric(perSecond(median(c)), "ours/s")
	b.ReportMetric(float64(median(a))/float64(median(c)), "of-raw")
}

// each is how often each of the callers appends in one round.
const each = 40

func crowd(do func()) {
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range each {
				do()
			}
		})
	}
	wg.Wait()
}

func timed(do func()) time.Duration {
	start := time.Now()
	do()
	return time.Since(start)
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

package store_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/audit"
	"github.com/brevet-access/brevet/store"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

// step is what one random closure does.
type step struct {
	id         int
	rows       int  // grants written
	records    int  // events recorded
	failFirst  bool // fails before it writes
	failLast   bool // fails after it wrote
	collide    bool // inserts what is there already and passes the error on
	panics     bool
	customer   brevet.CustomerID
	recordLast bool
}

var errStep = errors.New("this closure fails")

func (s step) run(tx *store.Tx) error {
	if s.failFirst {
		return errStep
	}
	record := func() error {
		for range s.records {
			if _, err := tx.Record(brevet.Event{Kind: brevet.KeyRotated, Customer: s.customer, Reason: strconv.Itoa(s.id)}); err != nil {
				return err
			}
		}
		return nil
	}
	if !s.recordLast {
		if err := record(); err != nil {
			return err
		}
	}
	for i := range s.rows {
		if err := tx.AddGrant(brevet.Grant{ID: brevet.GrantID(fmt.Sprintf("gr_%d_%d", s.id, i)), State: brevet.Active, Role: brevet.RoleName(strconv.Itoa(s.id))}); err != nil {
			return err
		}
	}
	if s.recordLast {
		if err := record(); err != nil {
			return err
		}
	}
	switch {
	case s.collide:
		return tx.AddGrant(brevet.Grant{ID: "gr_taken"})
	case s.panics:
		panic("in a closure")
	case s.failLast:
		return errStep
	}
	return nil
}

func (s step) fails() bool { return s.failFirst || s.failLast || s.collide || s.panics }

// TestInterleavings runs random closures from many callers: afterwards the
// rows and events of those that succeeded are there, all of them and no
// others, and the log is whole.
func TestInterleavings(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		cfg := config(url)
		db := open(t, cfg)
		update(t, db, func(tx *store.Tx) error { return tx.AddGrant(brevet.Grant{ID: "gr_taken", State: brevet.Active}) })
		next := 0
		want := map[string]step{}
		rapid.Check(t, func(rt *rapid.T) {
			steps := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) step {
				return step{rows: rapid.IntRange(0, 2).Draw(rt, "rows"), records: rapid.IntRange(0, 3).Draw(rt, "records"),
					failFirst: rapid.IntRange(0, 9).Draw(rt, "first") == 0, failLast: rapid.IntRange(0, 3).Draw(rt, "last") == 0,
					collide: rapid.IntRange(0, 5).Draw(rt, "collide") == 0, panics: rapid.IntRange(0, 19).Draw(rt, "panic") == 0,
					recordLast: rapid.Bool().Draw(rt, "order"),
					customer:   rapid.SampledFrom([]brevet.CustomerID{"", "cu_1", "cu_2", brevet.CustomerID(fmt.Sprint("cu_new", next))}).Draw(rt, "customer")}
			}), 1, 24).Draw(rt, "steps")
			var wg sync.WaitGroup
			for i := range steps {
				next++
				steps[i].id = next
				s := steps[i]
				wg.Go(func() {
					if err := db.Update(context.Background(), s.run); (err != nil) != s.fails() {
						t.Errorf("%+v: %v", s, err)
					}
				})
				if !s.fails() {
					want[strconv.Itoa(s.id)] = s
				}
			}
			wg.Wait()
		})
		checkAgainst(t, db, want)
		wholeLog(t, db)
		db.Close()
		open(t, cfg)
	})
}

// checkAgainst compares rows and events with the steps that succeeded.
func checkAgainst(t *testing.T, db *store.DB, want map[string]step) {
	t.Helper()
	rows, events := map[string]int{}, map[string]int{}
	view(t, db, func(tx *store.Tx) error {
		grants, err := tx.Grants(store.GrantFilter{})
		for _, g := range grants {
			rows[string(g.Role)]++
		}
		for i := range db.Head().Size {
			ev, err := tx.Proven(i)
			if err != nil {
				return err
			}
			events[ev.Reason]++
		}
		return err
	})
	delete(rows, "")
	delete(events, "")
	for id, s := range want {
		if rows[id] != s.rows || events[id] != s.records {
			t.Errorf("closure %s left %d rows and %d events, want %d and %d", id, rows[id], events[id], s.rows, s.records)
		}
		delete(rows, id)
		delete(events, id)
	}
	if len(rows)+len(events) > 0 {
		t.Errorf("closures that failed left rows %v and events %v", rows, events)
	}
}

// wholeLog downloads the log and checks it as a client does.
func wholeLog(t testing.TB, db *store.DB) audit.Report {
	t.Helper()
	c, err := audit.NewChecker(vkey, nil)
	if err != nil {
		t.Fatal(err)
	}
	var report audit.Report
	view(t, db, func(tx *store.Tx) error {
		head, err := tx.Head()
		if err != nil {
			return err
		}
		for from := int64(0); from < head.Size; {
			rows, err := tx.Entries(from, 100)
			if err != nil {
				return err
			}
			if want := min(100, head.Size-from); int64(len(rows)) != want {
				t.Fatalf("Entries gave %d rows, want %d", len(rows), want)
			}
			for _, r := range rows {
				if err := c.Add(r.Entry); err != nil {
					return err
				}
			}
			from += int64(len(rows))
		}
		if head, err = db.Checkpoint(head); err != nil {
			return err
		}
		report, err = c.Finish(head.Note)
		return err
	})
	if !report.Whole() {
		t.Errorf("the log is not whole: %v", report.Problems)
	}
	return report
}

func TestStoredHashes(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		db := open(t, config(url))
		for range 20 {
			update(t, db, func(tx *store.Tx) error {
				_, err := tx.Record(brevet.Event{Kind: brevet.KeyRotated})
				return err
			})
		}
		view(t, db, func(tx *store.Tx) error {
			head := db.Head()
			for n := int64(1); n <= head.Size; n++ {
				root, err := tlog.TreeHash(n, tx.Hashes())
				if err != nil {
					return err
				}
				proof, err := tlog.ProveTree(head.Size, n, tx.Hashes())
				if err != nil {
					return err
				}
				if err := tlog.CheckTree(proof, head.Size, head.Root, n, root); err != nil {
					t.Errorf("size %d: %v", n, err)
				}
			}
			_, err := tlog.ProveRecord(head.Size+8, head.Size+1, tx.Hashes())
			wantKind(t, err, brevet.Internal)
			return nil
		})
	})
}

func TestRecord(t *testing.T) {
	db := open(t, config(newSQLite(t)))
	update(t, db, func(tx *store.Tx) error {
		for range 2 {
			if _, err := tx.Record(brevet.Event{Kind: brevet.PersonEnded, Person: "pr_1", Customer: "cu_1"}); err != nil {
				return err
			}
		}
		if ev, err := tx.Proven(2); err != nil || ev.Person != "pr_1" || !ev.Time.Equal(tx.Now()) {
			t.Errorf("an entry of this transaction: %+v, %v", ev, err)
		}
		if !tx.PersonOver("pr_1") || tx.PersonOver("pr_2") {
			t.Error("the fold does not know what this transaction ended")
		}
		isKind[brevet.Event](t, brevet.NotFound)(tx.Proven(3))
		isKind[brevet.Event](t, brevet.NotFound)(tx.Proven(-1))
		isKind[int64](t, brevet.Internal)(tx.Record(brevet.Event{Kind: "No Kind"}))
		isKind[int64](t, brevet.Internal)(tx.Record(brevet.Event{Kind: brevet.KeyRotated, Reason: string(make([]byte, 70_000))}))
		return nil
	})
	err := db.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Record(brevet.Event{Kind: brevet.GrantRevoked, Grant: "gr_1"})
		return errors.Join(err, errStep)
	})
	if !errors.Is(err, errStep) {
		t.Errorf("the closure's error became %v", err)
	}
	view(t, db, func(tx *store.Tx) error {
		if !tx.PersonOver("pr_1") || tx.GrantOver("gr_1") {
			t.Error("the fold holds what failed, or lacks what succeeded")
		}
		isKind[int64](t, brevet.Internal)(tx.Record(brevet.Event{Kind: brevet.KeyRotated}))
		wantKind(t, tx.AddGrant(brevet.Grant{ID: "gr_1"}), brevet.Internal)
		return nil
	})
	if report := wholeLog(t, db); report.Entries != 3 {
		t.Errorf("%d entries, want 3", report.Entries)
	}
}

func TestFold(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		cfg := config(url)
		db := open(t, cfg)
		update(t, db, func(tx *store.Tx) error {
			for _, ev := range []brevet.Event{
				{Kind: brevet.GrantEnded, Grant: "gr_ended"}, {Kind: brevet.GrantRevoked, Grant: "gr_revoked"},
				{Kind: brevet.PersonEnded, Person: "pr_ended"}, {Kind: brevet.SignInEnded, SignIn: "si_ended"},
				{Kind: brevet.CustomerOffboarded, Customer: "cu_gone"}, {Kind: brevet.AccessRefused, Customer: "cu_open"},
				{Kind: brevet.GrantOpened, Grant: "gr_open", Person: "pr_open", SignIn: "si_open"},
			} {
				if _, err := tx.Record(ev); err != nil {
					return err
				}
			}
			return nil
		})
		for range 2 { // in memory, then from the log
			view(t, db, func(tx *store.Tx) error {
				over := []bool{tx.GrantOver("gr_ended"), tx.GrantOver("gr_revoked"), tx.PersonOver("pr_ended"), tx.SignInOver("si_ended"), tx.CustomerOver("cu_gone")}
				open := []bool{tx.GrantOver("gr_open"), tx.PersonOver("pr_open"), tx.SignInOver("si_open"), tx.CustomerOver("cu_open")}
				if slices.Contains(over, false) || slices.Contains(open, true) {
					t.Errorf("over %v, open %v", over, open)
				}
				return nil
			})
			db.Close()
			db = open(t, cfg)
		}
	})
}

func TestMisuse(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		db := open(t, config(url))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range 100 { // never by chance
			wantKind(t, db.Update(ctx, func(*store.Tx) error { t.Error("ran for a caller who is gone"); return nil }), brevet.Unavailable)
		}
		wantKind(t, db.Update(t.Context(), func(*store.Tx) error { panic("oh") }), brevet.Internal)
		goexit(t, db)
		var kept *store.Tx
		update(t, db, func(tx *store.Tx) error { kept = tx; return nil })
		isKind[int64](t, brevet.Internal)(kept.Record(brevet.Event{Kind: brevet.KeyRotated}))
		ok(t, "Ping", db.Ping(t.Context()))
		ok(t, "Close", db.Close())
		ok(t, "Close again", db.Close())
		wantKind(t, db.Update(t.Context(), func(*store.Tx) error { return nil }), brevet.Unavailable)
		wantKind(t, db.View(t.Context(), func(*store.Tx) error { return nil }), brevet.Unavailable)
		wantKind(t, db.Ping(t.Context()), brevet.Unavailable)
	})
}

// goexit has closures end their goroutine, as t.Fatal does: their caller's
// where there is one caller, else the writer's, and then the caller is told.
func goexit(t *testing.T, db *store.DB) {
	var wg sync.WaitGroup
	wg.Go(func() {
		db.Update(t.Context(), func(*store.Tx) error { runtime.Goexit(); return nil })
		t.Error("a caller goes on whose goroutine was ended")
	})
	wg.Wait()
	err := db.Update(t.Context(), func(*store.Tx) error {
		began := make(chan struct{})
		wg.Go(func() {
			close(began)
			wantKind(t, db.Update(t.Context(), func(*store.Tx) error { runtime.Goexit(); return nil }), brevet.Internal)
		})
		<-began
		for db.Callers() < 2 {
			runtime.Gosched()
		}
		return nil
	})
	ok(t, "Update", err)
	wg.Wait()
}

func TestNow(t *testing.T) {
	now := noon
	cfg := config(newSQLite(t))
	cfg.Now = func() time.Time { return now }
	db := open(t, cfg)
	at := func() (got time.Time, err error) {
		err = db.Update(t.Context(), func(tx *store.Tx) error {
			got = tx.Now()
			_, err := tx.Record(brevet.Event{Kind: brevet.KeyRotated})
			return err
		})
		return got, err
	}
	now = noon.Add(time.Hour + 999)
	same(t, "the clock goes on", noon.Add(time.Hour))(at())
	now = noon.Add(time.Hour - 30*time.Second)
	same(t, "the clock went back a little", noon.Add(time.Hour))(at())
	now = now.Add(-time.Microsecond)
	isKind[time.Time](t, brevet.Clock)(at())
	wholeLog(t, db)
}

func TestDatabaseClock(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		var off time.Duration
		cfg := config(url)
		cfg.Now = func() time.Time { return time.Now().Add(off) }
		db := open(t, cfg)
		off = 40 * time.Second
		err := db.Update(t.Context(), func(*store.Tx) error { return nil })
		if onPostgres := url[0] == 'p'; onPostgres {
			wantKind(t, err, brevet.Clock)
		} else if err != nil {
			t.Error(err)
		}
	})
}

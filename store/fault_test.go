package store_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
	"github.com/brevet-access/brevet/store/pgtest"
)

// add is a closure with a row and an event.
func add(id string) func(tx *store.Tx) error {
	return func(tx *store.Tx) error {
		if err := tx.AddGrant(brevet.Grant{ID: brevet.GrantID(id), State: brevet.Active}); err != nil {
			return err
		}
		_, err := tx.Record(brevet.Event{Kind: brevet.GrantOpened, Customer: "cu_1", Grant: brevet.GrantID(id)})
		return err
	}
}

// wantGrants fails unless the rows and events are those of the ids.
func wantGrants(t *testing.T, db *store.DB, want int) {
	t.Helper()
	view(t, db, func(tx *store.Tx) error {
		grants, err := tx.Grants(store.GrantFilter{})
		if len(grants) != want {
			t.Errorf("%d grants, want %d", len(grants), want)
		}
		return err
	})
	if report := wholeLog(t, db); report.Entries != int64(want)+1 {
		t.Errorf("%d entries, want %d", report.Entries, want+1)
	}
}

func TestSQLiteLocked(t *testing.T) {
	url := newSQLite(t)
	db := open(t, config(url))
	other := raw(t, url)
	other.SetMaxOpenConns(1)
	if _, err := other.Exec(`BEGIN IMMEDIATE`); err != nil {
		t.Fatal(err)
	}
	wantKind(t, db.Update(t.Context(), add("gr_1")), brevet.Unavailable)
	ok(t, "View", db.View(t.Context(), func(tx *store.Tx) error { _, err := tx.Grants(store.GrantFilter{}); return err }))
	if _, err := other.Exec(`ROLLBACK`); err != nil {
		t.Fatal(err)
	}
	update(t, db, add("gr_2"))
	wantGrants(t, db, 1)
}

func TestSQLiteTwice(t *testing.T) {
	cfg := config(newSQLite(t))
	db := open(t, cfg)
	_, err := store.Open(t.Context(), cfg)
	wantKind(t, err, brevet.Unavailable)
	if err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("the error %v does not say why", err)
	}
	db.Close()
	open(t, cfg)
}

// TestSQLiteFull fills the disk: what does not fit leaves nothing behind.
func TestSQLiteFull(t *testing.T) {
	db := open(t, config(newSQLite(t)))
	update(t, db, add("gr_0"))
	if err := db.ExecOnWriter(`PRAGMA max_page_count = 1`); err != nil { // SQLite takes what is in use
		t.Fatal(err)
	}
	var mu sync.Mutex
	kept, refused := 1, 0
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 50 {
				err := db.Update(t.Context(), add(fmt.Sprintf("gr_%d_%d", i, n)))
				mu.Lock()
				if err == nil {
					kept++
				} else {
					wantKind(t, err, brevet.Unavailable)
					refused++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if refused == 0 {
		t.Error("the disk was never full")
	}
	wantGrants(t, db, kept)
	if err := db.ExecOnWriter(`PRAGMA max_page_count = 100000`); err != nil {
		t.Fatal(err)
	}
	update(t, db, add("gr_again"))
	wantGrants(t, db, kept+1)
}

func TestURL(t *testing.T) {
	for url, kind := range map[string]brevet.Kind{
		"": brevet.Invalid, "sqlite:": brevet.Invalid, "mysql://x": brevet.Invalid, "postgres://%zz:secret@/": brevet.Invalid,
		"sqlite:/nowhere/at/all/brevet.db":                            brevet.Unavailable,
		"postgres://nobody:secret@127.0.0.1:1/none?connect_timeout=1": brevet.Unavailable,
	} {
		_, err := store.Open(t.Context(), config(url))
		wantKind(t, err, kind)
		for e := err; e != nil; e = brevet.AsError(e).Cause {
			if strings.Contains(e.Error(), "secret") {
				t.Errorf("the password is in an error: %v", e)
			}
			if _, ours := e.(*brevet.Error); !ours {
				break
			}
		}
	}
	cfg := config(newSQLite(t))
	cfg.Host = "another.invalid"
	_, err := store.Open(t.Context(), cfg)
	wantKind(t, err, brevet.Invalid)
}

// name returns the name of a PostgreSQL database.
func name(url string) string {
	_, rest, _ := strings.Cut(url, "127.0.0.1:")
	_, rest, _ = strings.Cut(rest, "/")
	db, _, _ := strings.Cut(rest, "?")
	return db
}

// TestPostgresGone cuts the connections, between transactions and within one.
func TestPostgresGone(t *testing.T) {
	url := pgtest.New(t)
	db := open(t, config(url))
	update(t, db, add("gr_1"))
	cut := func() {
		pgtest.Exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '`+name(url)+`'`)
	}
	err := db.Update(t.Context(), func(tx *store.Tx) error {
		cut()
		return add("gr_lost")(tx)
	})
	wantKind(t, err, brevet.Unavailable)
	err = db.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Record(brevet.Event{Kind: brevet.KeyRotated})
		cut()
		return err
	})
	wantKind(t, err, brevet.Unavailable)
	pgtest.Exec(t, `ALTER DATABASE `+name(url)+` ALLOW_CONNECTIONS false`)
	cut()
	wantKind(t, db.Update(t.Context(), add("gr_2")), brevet.Unavailable)
	wantKind(t, db.View(t.Context(), func(*store.Tx) error { return nil }), brevet.Unavailable)
	wantKind(t, db.Ping(t.Context()), brevet.Unavailable)
	pgtest.Exec(t, `ALTER DATABASE `+name(url)+` ALLOW_CONNECTIONS true`)
	update(t, db, add("gr_3"))
	wantGrants(t, db, 2)
}

// TestReplicas lets two processes append to one PostgreSQL at the same time.
func TestReplicas(t *testing.T) {
	cfg := config(pgtest.New(t))
	var a, b *store.DB
	var opening sync.WaitGroup
	opening.Go(func() { a = open(t, cfg) })
	opening.Go(func() { b = open(t, cfg) })
	opening.Wait()
	var wg sync.WaitGroup
	const callers, each = 4, 25
	for i, db := range []*store.DB{a, b} {
		for c := range callers {
			wg.Go(func() {
				for n := range each {
					if err := db.Update(t.Context(), add(fmt.Sprintf("gr_%d_%d_%d", i, c, n))); err != nil {
						t.Errorf("%v (%v)", err, brevet.AsError(err).Cause)
					}
				}
			})
		}
	}
	wg.Wait()
	wantGrants(t, a, 2*callers*each)

	update(t, a, func(tx *store.Tx) error {
		_, err := tx.Record(brevet.Event{Kind: brevet.GrantRevoked, Customer: "cu_2", Grant: "gr_0_0_0"})
		return err
	})
	update(t, b, func(tx *store.Tx) error {
		if !tx.GrantOver("gr_0_0_0") {
			t.Error("one replica does not see what the other revoked")
		}
		if ev, err := tx.Proven(a.Head().Size - 1); err != nil || ev.Kind != brevet.GrantRevoked {
			t.Errorf("Proven gave %+v, %v", ev, err)
		}
		_, err := tx.Record(brevet.Event{Kind: brevet.KeyRotated, Customer: "cu_2"})
		return err
	})
	view(t, a, func(tx *store.Tx) error { // which has not looked since
		_, err := tx.Proven(a.Head().Size)
		return err
	})

	edit(t, cfg.URL, fmt.Sprintf(`UPDATE events SET kind = 'grant.opened' WHERE pos = #%d`, b.Head().Size-1))
	wantKind(t, a.Update(t.Context(), func(*store.Tx) error { return nil }), brevet.Internal)
	wantKind(t, a.Ping(t.Context()), brevet.Internal)
}

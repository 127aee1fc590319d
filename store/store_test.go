package store_test

import (
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/audit"
	"github.com/brevet-access/brevet/store"
	"github.com/brevet-access/brevet/store/pgtest"
	"golang.org/x/mod/sumdb/note"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(crashURL); url != "" {
		appendUntilKilled(url)
	}
	pgtest.Main(m)
}

const host = "log.brevet.invalid"

// The log's key, the same in every test.
var signer, verifier, vkey = func() (note.Signer, note.Verifier, string) {
	skey, vkey, err1 := note.GenerateKey(strings.NewReader(strings.Repeat("k", ed25519.SeedSize)), host)
	signer, err2 := note.NewSigner(skey)
	verifier, err3 := note.NewVerifier(vkey)
	if err := errors.Join(err1, err2, err3); err != nil {
		panic(err)
	}
	return signer, verifier, vkey
}()

func config(url string) store.Config {
	return store.Config{URL: url, Host: host, Signer: signer, Verifier: verifier}
}

func open(t testing.TB, cfg store.Config) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("Open: %v (%v)", err, brevet.AsError(err).Cause)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func newSQLite(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "brevet.db") }

// onBoth runs a test on both databases, each with the URL of an empty one.
func onBoth(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("SQLite", func(t *testing.T) { test(t, newSQLite(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, pgtest.New(t)) })
}

// update runs fn in a transaction that must succeed.
func update(t testing.TB, db *store.DB, fn func(tx *store.Tx) error) {
	t.Helper()
	if err := db.Update(t.Context(), fn); err != nil {
		t.Fatalf("Update: %v (%v)", err, brevet.AsError(err).Cause)
	}
}

// checkpoint returns the newest head, signed.
func checkpoint(t testing.TB, db *store.DB) audit.Head {
	t.Helper()
	head, err := db.Checkpoint(db.Head())
	if err != nil {
		t.Fatalf("Checkpoint: %v (%v)", err, brevet.AsError(err).Cause)
	}
	return head
}

func view(t testing.TB, db *store.DB, fn func(tx *store.Tx) error) {
	t.Helper()
	if err := db.View(t.Context(), fn); err != nil {
		t.Fatalf("View: %v (%v)", err, brevet.AsError(err).Cause)
	}
}

// wantKind fails unless err is of the kind.
func wantKind(t testing.TB, err error, kind brevet.Kind) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("error %v, want one of kind %q", err, kind)
	}
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestUpdate(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		db := open(t, config(url))
		var index int64
		update(t, db, func(tx *store.Tx) (err error) {
			index, err = tx.Record(brevet.Event{Kind: brevet.KeyRotated, Customer: "cu_1", Reason: "because"})
			return err
		})
		if index != 1 || db.Head().Size != 2 {
			t.Errorf("index %d, size %d, want 1 and 2", index, db.Head().Size)
		}
		for range 2 {
			update(t, db, func(tx *store.Tx) error {
				ev, err := tx.Proven(index)
				if err == nil && ev.Reason != "because" {
					t.Errorf("Proven gave %+v", ev)
				}
				return err
			})
		}
		db.Close()
		if again := open(t, config(url)); again.Head().Size != 2 {
			t.Errorf("after reopening the size is %d, want 2", again.Head().Size)
		}
	})
}

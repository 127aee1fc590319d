package store_test

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/audit"
	"github.com/brevet-access/brevet/store"
	"github.com/brevet-access/brevet/store/pgtest"
	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"
)

// raw opens the database behind the store's back.
func raw(t testing.TB, url string) *sql.DB {
	t.Helper()
	driver := "pgx"
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		driver, url = "sqlite", "file:"+path+"?_pragma=busy_timeout(5000)"
	}
	db, err := sql.Open(driver, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// edits are changes of the row of entry 5 of 12, which is about a grant of
// customer cu_1. Each must be seen. #5 is the position of entry 5.
var edits = map[string][]string{
	"kind":        {`UPDATE events SET kind = 'grant.activated' WHERE pos = #5`},
	"time":        {`UPDATE events SET time = time + 1 WHERE pos = #5`},
	"customer":    {`UPDATE events SET customer_id = 'cu_2' WHERE pos = #5`},
	"no customer": {`UPDATE events SET customer_id = '' WHERE pos = #5`},
	"number":      {`UPDATE events SET customer_seq = customer_seq + 1 WHERE pos = #5`},
	"salt":        {`UPDATE events SET salt = (SELECT salt FROM events WHERE pos = #4) WHERE pos = #5`},
	"details":     {`UPDATE events SET details = (SELECT details FROM events WHERE pos = #4) WHERE pos = #5`},
	"salt and details": {`UPDATE events SET salt = (SELECT salt FROM events WHERE pos = #4), details = (SELECT details FROM events WHERE pos = #4),
		digest = (SELECT digest FROM events WHERE pos = #4) WHERE pos = #5`},
	"erasure":    {`UPDATE events SET salt = NULL, details = NULL WHERE pos = #5`},
	"half of it": {`UPDATE events SET salt = NULL WHERE pos = #5`},
	"digest":     {`UPDATE events SET digest = (SELECT digest FROM events WHERE pos = #4) WHERE pos = #5`},
	"hashes":     {`UPDATE events SET hashes = (SELECT hashes FROM events WHERE pos = #9) WHERE pos = #5`},
	"short hash": {`UPDATE events SET hashes = digest WHERE pos = #5`},
	"deletion":   {`DELETE FROM events WHERE pos = #5`},
	"swap": {`UPDATE events SET pos = #100 WHERE pos = #5`, `UPDATE events SET pos = #5 WHERE pos = #4`,
		`UPDATE events SET pos = #4 WHERE pos = #100`},
	"shift":         {`DELETE FROM events WHERE pos = #5`, `UPDATE events SET pos = pos + 100 WHERE pos > #5`, `UPDATE events SET pos = pos - 101 WHERE pos > #5`},
	"another epoch": {`UPDATE events SET pos = pos + #0 WHERE pos = #5`},
	"blind":         {`UPDATE blinds SET salt = (SELECT salt FROM events WHERE pos = #4) WHERE customer_id = 'cu_1'`},
}

// position is where entry index of the first epoch stands.
func position(index int64) int64 { return 1<<40 | index }

var number = regexp.MustCompile(`#[0-9]+`)

// edit changes rows behind the store's back; #5 stands for the position of
// entry 5 of the first epoch.
func edit(t testing.TB, url string, statements ...string) {
	t.Helper()
	db := raw(t, url)
	defer db.Close()
	for _, s := range statements {
		s = number.ReplaceAllStringFunc(s, func(n string) string {
			index, _ := strconv.ParseInt(n[1:], 10, 64)
			return strconv.FormatInt(position(index), 10)
		})
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// editHead puts another note in the place of the head's.
func editHead(t testing.TB, url string, note []byte) {
	t.Helper()
	db := raw(t, url)
	defer db.Close()
	if _, err := db.Exec(`UPDATE head SET note = $1`, note); err != nil {
		t.Fatal(err)
	}
}

// fill makes a log of 12 entries.
func fill(t testing.TB, db *store.DB) {
	t.Helper()
	for i := int64(1); i < 12; i++ {
		update(t, db, func(tx *store.Tx) error {
			_, err := tx.Record(brevet.Event{Kind: brevet.GrantOpened, Customer: "cu_1", Grant: brevet.GrantID("gr_" + strconv.FormatInt(i, 10))})
			return err
		})
	}
}

// TestEditedRows edits rows while the log is closed and while it is open:
// Open refuses it, and Proven refuses the row. Proven looks at a row that it
// never saw, and at one that it had proven before.
func TestEditedRows(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		if url[0] == 'p' && testing.Short() {
			t.Skip()
		}
		cfg := config(url)
		db := open(t, cfg)
		fill(t, db)
		db.Close()
		for name, statements := range edits {
			t.Run(name, func(t *testing.T) {
				for _, seen := range []bool{false, true} {
					restore := backup(t, url)
					db := open(t, cfg)
					if seen {
						view(t, db, func(tx *store.Tx) error { _, err := tx.Proven(5); return err })
					}
					edit(t, url, statements...)
					if name != "blind" && (!seen || name != "short hash") { // memory knows the salt, and the rest of the hashes
						err := db.View(t.Context(), func(tx *store.Tx) error { _, err := tx.Proven(5); return err })
						wantKind(t, err, brevet.Internal)
					}
					db.Close()
					if !seen {
						_, err := store.Open(t.Context(), cfg)
						wantKind(t, err, brevet.Internal)
					}
					restore()
				}
			})
		}
		if db := open(t, cfg); db.Head().Size != 12 {
			t.Error("the log was not restored between the edits")
		}
	})
}

// backup keeps the events and blinds aside and returns what puts them back.
func backup(t testing.TB, url string) (restore func()) {
	edit(t, url, `DROP TABLE IF EXISTS events_kept`, `DROP TABLE IF EXISTS blinds_kept`,
		`CREATE TABLE events_kept AS SELECT * FROM events`, `CREATE TABLE blinds_kept AS SELECT * FROM blinds`)
	return func() {
		edit(t, url, `DELETE FROM events`, `DELETE FROM blinds`, `INSERT INTO events SELECT * FROM events_kept`, `INSERT INTO blinds SELECT * FROM blinds_kept`)
	}
}

// fresh returns the URL of another empty database of the same sort.
func fresh(t testing.TB, url string) string {
	if strings.HasPrefix(url, "sqlite:") {
		return newSQLite(t)
	}
	return pgtest.New(t)
}

// TestEditedHead rewrites the head, closed and open.
func TestEditedHead(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		for name, statement := range map[string]string{
			"size": `UPDATE head SET size = 11`, "epoch": `UPDATE head SET epoch = 2`, "gone": `DELETE FROM head`,
			"note": `UPDATE head SET note = (SELECT hashes FROM events WHERE pos = #1)`,
		} {
			t.Run(name, func(t *testing.T) {
				url := fresh(t, url)
				cfg := config(url)
				db := open(t, cfg)
				fill(t, db)
				edit(t, url, statement)
				record := func(tx *store.Tx) error {
					_, err := tx.Record(brevet.Event{Kind: brevet.KeyRotated})
					return err
				}
				for range 2 {
					wantKind(t, db.Update(t.Context(), record), brevet.Internal)
				}
				wantKind(t, db.Ping(t.Context()), brevet.Internal)
				db.Close()
				_, err := store.Open(t.Context(), cfg)
				wantKind(t, err, brevet.Internal)
			})
		}
	})
}

// TestSealedHead looks at what stands in the database: nothing that anybody
// else takes for signed. What the log signed before there were seals is still
// its head, and what another key sealed is not.
func TestSealedHead(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		cfg := config(url)
		db := open(t, cfg)
		fill(t, db)
		sealed, signed := db.Head(), checkpoint(t, db)
		if _, err := audit.OpenHead(sealed.Note, verifier); err == nil {
			t.Error("the head in the database is signed")
		}
		got, err := audit.OpenHead(signed.Note, verifier)
		if err != nil || got.Size != sealed.Size || got.Root != sealed.Root || got.Epoch != sealed.Epoch {
			t.Errorf("signed %+v (%v), sealed %+v", got, err, sealed)
		}
		other := sealed
		other.Size--
		_, err = db.Checkpoint(other) // no head of this log
		wantKind(t, err, brevet.Internal)
		db.Close()

		editHead(t, url, signed.Note)
		db = open(t, cfg)
		update(t, db, func(tx *store.Tx) error { _, err := tx.Record(brevet.Event{Kind: brevet.KeyRotated}); return err })
		db.Close()
		if db = open(t, cfg); db.Head().Size != sealed.Size+1 {
			t.Errorf("%d entries, want %d", db.Head().Size, sealed.Size+1)
		}
		now := db.Head()
		db.Close()

		skey, _, err := note.GenerateKey(nil, host)
		if err != nil {
			t.Fatal(err)
		}
		thief, err := note.NewSigner(skey)
		if err != nil {
			t.Fatal(err)
		}
		seal, err := audit.NewSeal(thief)
		if err != nil {
			t.Fatal(err)
		}
		editHead(t, url, seal.Head(now.Epoch, now.Size, now.Root).Note)
		_, err = store.Open(t.Context(), cfg)
		wantKind(t, err, brevet.Internal)
	})
}

// TestForgedHead lets a thief without the log's key write and sign a log.
func TestForgedHead(t *testing.T) {
	url := newSQLite(t)
	cfg := config(url)
	skey, forger, err := note.GenerateKey(nil, host)
	if err != nil {
		t.Fatal(err)
	}
	thief := cfg
	var err1, err2 error
	thief.Signer, err1 = note.NewSigner(skey)
	thief.Verifier, err2 = note.NewVerifier(forger)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	db := open(t, thief)
	fill(t, db)
	db.Close()
	_, err = store.Open(t.Context(), cfg)
	wantKind(t, err, brevet.Internal)
}

func TestHeadFile(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		file := filepath.Join(t.TempDir(), "head")
		cfg := config(url)
		cfg.HeadFile = file
		db := open(t, cfg)
		fill(t, db)
		db.Close()
		kept, err := os.ReadFile(file)
		if err != nil || !bytes.Equal(kept, checkpoint(t, db).Note) {
			t.Fatalf("the head file holds %q (%v), want the last head", kept, err)
		}
		db = open(t, cfg)
		update(t, db, func(tx *store.Tx) error { _, err := tx.Record(brevet.Event{Kind: brevet.KeyRotated}); return err })
		db.Close()

		older := cfg // the file of yesterday: the log has grown since
		older.HeadFile = filepath.Join(t.TempDir(), "older")
		write(t, older.HeadFile, kept)
		open(t, older).Close()

		emptied := cfg
		emptied.URL = fresh(t, url)
		_, err = store.Open(t.Context(), emptied)
		wantKind(t, err, brevet.Internal)
		if !strings.Contains(err.Error(), "nothing is issued") {
			t.Errorf("the error does not say that nothing is issued: %v", err)
		}

		forked, err := audit.Sign(signer, host, 1, 5, [32]byte{1})
		if err != nil {
			t.Fatal(err)
		}
		write(t, file, forked.Note)
		_, err = store.Open(t.Context(), cfg)
		wantKind(t, err, brevet.Internal)
		write(t, file, []byte("garbage"))
		_, err = store.Open(t.Context(), cfg)
		wantKind(t, err, brevet.Internal)
	})
}

func write(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestErase erases details in good order, and tries to without a record.
func TestErase(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		cfg := config(url)
		db := open(t, cfg)
		var opened, ended int64
		update(t, db, func(tx *store.Tx) (err error) {
			if opened, err = tx.Record(brevet.Event{Kind: brevet.GrantOpened, Customer: "cu_1", Grant: "gr_1", Reason: "a name"}); err != nil {
				return err
			}
			ended, err = tx.Record(brevet.Event{Kind: brevet.GrantEnded, Customer: "cu_1", Grant: "gr_1"})
			return err
		})
		erase := func(index int64, ev brevet.Event) error {
			ev.Kind = brevet.DetailsErased
			return db.Update(t.Context(), func(tx *store.Tx) error {
				if _, err := tx.Record(ev); err != nil {
					return err
				}
				return tx.Erase(index)
			})
		}
		about := func(index int64, kind brevet.EventKind) map[string]string {
			return map[string]string{audit.ErasedIndex: strconv.FormatInt(index, 10), audit.ErasedKind: string(kind)}
		}
		wantKind(t, db.Update(t.Context(), func(tx *store.Tx) error { return tx.Erase(opened) }), brevet.Conflict)
		wantKind(t, erase(opened, brevet.Event{Customer: "cu_2", Data: about(opened, brevet.GrantOpened)}), brevet.Conflict)
		wantKind(t, erase(opened, brevet.Event{Customer: "cu_1", Data: about(ended, brevet.GrantOpened)}), brevet.Conflict)
		wantKind(t, erase(ended, brevet.Event{Customer: "cu_1", Data: about(ended, brevet.GrantEnded)}), brevet.Conflict)
		wantKind(t, erase(99, brevet.Event{}), brevet.NotFound)
		ok(t, "erase", erase(opened, brevet.Event{Customer: "cu_1", Data: about(opened, brevet.GrantOpened)}))
		ok(t, "erase an ending", erase(ended, brevet.Event{Customer: "cu_1", Grant: "gr_1", Data: about(ended, brevet.GrantEnded)}))
		for range 2 {
			view(t, db, func(tx *store.Tx) error {
				isKind[brevet.Event](t, brevet.Internal)(tx.Proven(opened))
				if !tx.GrantOver("gr_1") {
					t.Error("the erasure brought the grant back")
				}
				return nil
			})
			if report := wholeLog(t, db); report.Erased != 2 {
				t.Errorf("%d entries are erased, want 2", report.Erased)
			}
			db.Close()
			db = open(t, cfg)
		}
		if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
			db.Close() // which folds the write-ahead log in
			if text, err := os.ReadFile(path); err != nil || bytes.Contains(text, []byte("a name")) {
				t.Errorf("what was erased is still in the file (%v)", err)
			}
		}
	})
}

// TestRandomEdits changes one byte or number of one row at a time while the
// log is open: no changed row is ever proven, every other one still is.
func TestRandomEdits(t *testing.T) {
	url := newSQLite(t)
	db := open(t, config(url))
	fill(t, db)
	behind := raw(t, url)
	proven := func(index int64) error {
		return db.View(t.Context(), func(tx *store.Tx) error { _, err := tx.Proven(index); return err })
	}
	rapid.Check(t, func(rt *rapid.T) {
		index := rapid.Int64Range(0, 11).Draw(rt, "index")
		column := rapid.SampledFrom([]string{"salt", "details", "digest", "hashes", "time", "customer_seq", "kind", "customer_id"}).Draw(rt, "column")
		var old any
		if err := behind.QueryRow(`SELECT `+column+` FROM events WHERE pos = $1`, position(index)).Scan(&old); err != nil {
			rt.Fatal(err)
		}
		var changed any
		switch old := old.(type) {
		case []byte:
			b := bytes.Clone(old)
			at := rapid.IntRange(0, min(len(b), 32)-1).Draw(rt, "at") // of hashes, the leaf's
			b[at] ^= byte(rapid.IntRange(1, 255).Draw(rt, "bits"))
			changed = b
		case int64:
			changed = old + rapid.SampledFrom([]int64{-1, 1, 1000, 1 << 40}).Draw(rt, "by")
		case string:
			changed = old + rapid.SampledFrom([]string{"x", "\n", "0"}).Draw(rt, "more")
		}
		set := func(v any) {
			if _, err := behind.Exec(`UPDATE events SET `+column+` = $1 WHERE pos = $2`, v, position(index)); err != nil {
				rt.Fatal(err)
			}
		}
		set(changed)
		err := proven(index)
		set(old)
		if !errors.Is(err, brevet.Internal) {
			rt.Fatalf("%s of entry %d was changed to %v, and still proven: %v", column, index, changed, err)
		}
		if err := proven(index); err != nil {
			rt.Fatalf("entry %d was put back: %v", index, err)
		}
		if err := proven((index + 1) % 12); err != nil {
			rt.Fatalf("another entry: %v", err)
		}
	})
}

package store_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"testing"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
	"github.com/brevet-access/brevet/store/pgtest"
)

// archived writes an archive of the database at url.
func archived(t testing.TB, url string) ([]byte, store.BackedUp) {
	t.Helper()
	var file bytes.Buffer
	b, err := store.WriteBackup(t.Context(), config(url), &file, store.Backup{Version: "test", Keys: map[string][]byte{"a/b": []byte("sealed")}})
	if err != nil {
		t.Fatalf("WriteBackup: %v (%v)", err, brevet.AsError(err).Cause)
	}
	return file.Bytes(), b
}

func restore(t testing.TB, cfg store.Config, archive []byte, seen ...[]byte) (store.Restored, error) {
	return store.Restore(t.Context(), cfg, store.Restoring{Archive: bytes.NewReader(archive), Seen: seen, End: func(tx *store.Tx) error {
		_, err := tx.Record(brevet.Event{Kind: brevet.GrantRevoked, Customer: "cu_1", Grant: "gr_1"})
		return err
	}})
}

// TestBackup takes a backup of a live database of either kind and restores it
// into either kind.
func TestBackup(t *testing.T) {
	t.Run("SQLite into SQLite", func(t *testing.T) { backupAndRestore(t, newSQLite(t), newSQLite(t)) })
	t.Run("SQLite into PostgreSQL", func(t *testing.T) { backupAndRestore(t, newSQLite(t), pgtest.New(t)) })
	t.Run("PostgreSQL into SQLite", func(t *testing.T) { backupAndRestore(t, pgtest.New(t), newSQLite(t)) })
}

func backupAndRestore(t *testing.T, from, into string) {
	db := open(t, config(from))
	for i := range 250 { // more than one statement's
		update(t, db, add(fmt.Sprintf("gr_%d", i)))
	}
	update(t, db, func(tx *store.Tx) error {
		if err := tx.AddPerson(brevet.Person{ID: "pr_1", Handle: "engineer", Name: "Łukasz \x01"}, brevet.Principal{Issuer: "i", Subject: "s"}); err != nil {
			return err
		}
		return tx.AddSignIn(brevet.SignIn{ID: "si_1", Hash: [32]byte{1}, Person: "pr_1", Refresh: []byte("secret"), Created: tx.Now(), Expires: tx.Now()})
	})
	archive, b := archived(t, from)
	if b.Head.Size != db.Head().Size || b.Rows["grants"] != 250 || b.Rows["persons"] != 1 || b.Rows["events"] != b.Head.Size {
		t.Errorf("%+v of %d entries", b.Rows, db.Head().Size)
	}
	for range 3 {
		update(t, db, func(tx *store.Tx) error {
			_, err := tx.Record(brevet.Event{Kind: brevet.KeyRotated})
			return err
		})
	}
	old := checkpoint(t, db)
	out, err := restore(t, config(into), archive, old.Note, b.Head.Note)
	if err != nil {
		t.Fatalf("%v (%v)", err, brevet.AsError(err).Cause)
	}
	if lost, known := out.Lost(); lost != 3 || !known || out.After.Epoch != 2 || out.After.Size != b.Head.Size+2 {
		t.Errorf("lost %d (%t), then %d entries in epoch %d", lost, known, out.After.Size, out.After.Epoch)
	}
	after := open(t, config(into))
	view(t, after, func(tx *store.Tx) error {
		first, err := tx.Proven(b.Head.Size)
		if err != nil {
			return err
		}
		if first.Kind != brevet.LogOpened || first.Data["lost"] != "3" || first.Data["before_size"] != fmt.Sprint(b.Head.Size) || first.Data["before_root"] != b.Head.Root.String() || first.Data["seen_root"] != old.Root.String() {
			t.Errorf("the epoch begins with %+v", first)
		}
		if !tx.GrantOver("gr_1") || tx.GrantOver("gr_2") {
			t.Error("what ended is not over, or what did not is")
		}
		for i := range int64(20) {
			if _, err := tx.Proven(i); err != nil {
				t.Errorf("entry %d: %v", i, err)
			}
		}
		p, err := tx.Person("pr_1")
		if err != nil || p.Name != "Łukasz \x01" {
			t.Errorf("%+v, %v", p, err)
		}
		if grants, err := tx.Grants(store.GrantFilter{}); err != nil || len(grants) != 250 {
			t.Errorf("%d grants, %v", len(grants), err)
		}
		s, err := tx.SignInByHash([32]byte{1})
		if len(s.Refresh) > 0 {
			t.Error("the provider's token was in the backup")
		}
		return err
	})
	wholeLog(t, after)
	update(t, after, add("gr_more"))
}

// TestBackupWhileWriting takes backups beside a writer: each is a moment of
// the database, and whole.
func TestBackupWhileWriting(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		db := open(t, config(url))
		stop := make(chan struct{})
		var work sync.WaitGroup
		work.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := db.Update(t.Context(), add(fmt.Sprintf("gr_%d", i))); err != nil {
					t.Error(err)
					return
				}
			}
		})
		defer work.Wait()
		defer close(stop)
		for range 2 {
			archive, b := archived(t, url)
			if b.Rows["grants"]+1 != b.Rows["events"] || b.Rows["events"] != b.Head.Size {
				t.Errorf("not a moment: %v of %d", b.Rows, b.Head.Size)
			}
			if _, err := restore(t, config(newSQLite(t)), archive); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestRestoreRefuses: over a database, a damaged file, another log's, a log
// that contradicts what was seen; and what is cut short does not open.
func TestRestoreRefuses(t *testing.T) {
	url := newSQLite(t)
	db := open(t, config(url))
	update(t, db, add("gr_1"))
	archive, _ := archived(t, url)

	_, err := restore(t, config(url), archive)
	wantKind(t, err, brevet.Unavailable) // its server runs
	wantGrants(t, db, 1)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = restore(t, config(url), archive)
	wantKind(t, err, brevet.Conflict)
	db = open(t, config(url))
	wantGrants(t, db, 1)

	for i := 0; i < len(archive); i++ {
		bad := bytes.Clone(archive)
		bad[i] ^= 0x10
		if _, _, _, err := store.ReadManifest(bytes.NewReader(bad)); err == nil && !bytes.Equal(unzipped(bad), unzipped(archive)) { // gzip has bits that say nothing
			t.Errorf("byte %d of %d was changed, and it was taken", i, len(archive))
		}
	}
	for _, n := range []int{0, 10, len(archive) / 2, len(archive) - 1} {
		_, err := restore(t, config(newSQLite(t)), archive[:n])
		wantKind(t, err, brevet.Invalid)
	}

	other := newSQLite(t)
	fork := open(t, config(other))
	update(t, fork, add("gr_x"))
	head := checkpoint(t, fork)
	into := newSQLite(t)
	_, err = restore(t, config(into), archive, head.Note)
	wantKind(t, err, brevet.Internal)
	_, err = store.Open(t.Context(), config(into))
	wantKind(t, err, brevet.Internal) // entries without a head
	_, err = restore(t, config(into), archive)
	wantKind(t, err, brevet.Conflict)

	failing := store.Restoring{Archive: bytes.NewReader(archive), End: func(*store.Tx) error { return errors.New("no") }}
	into = newSQLite(t)
	if _, err := store.Restore(t.Context(), config(into), failing); err == nil {
		t.Error("restored without its end")
	}
	_, err = store.Open(t.Context(), config(into))
	wantKind(t, err, brevet.Internal)
}

func unzipped(archive []byte) []byte {
	zip, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil
	}
	text, _ := io.ReadAll(zip)
	return text
}

// TestRestoreHeadFile counts the loss against the head file, and the database
// that it leaves starts with it.
func TestRestoreHeadFile(t *testing.T) {
	url := newSQLite(t)
	cfg := config(url)
	cfg.HeadFile = filepath.Join(t.TempDir(), "log-head")
	db := open(t, cfg)
	update(t, db, add("gr_1"))
	archive, _ := archived(t, url)
	update(t, db, add("gr_2"))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.URL = newSQLite(t)
	out, err := restore(t, cfg, archive)
	if err != nil {
		t.Fatal(err)
	}
	if lost, known := out.Lost(); lost != 1 || !known {
		t.Errorf("lost %d, %t", lost, known)
	}
	open(t, cfg).Close()
	again := config(newSQLite(t)) // the older backup once more: the epoch of before is known
	again.HeadFile = cfg.HeadFile
	if out, err = restore(t, again, archive); err != nil || out.After.Epoch != 3 {
		t.Errorf("epoch %d, %v", out.After.Epoch, err)
	}
}

func FuzzReadManifest(f *testing.F) {
	url := newSQLite(f)
	open(f, config(url))
	archive, _ := archived(f, url)
	f.Add(archive)
	f.Add([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"))
	f.Fuzz(func(t *testing.T, file []byte) {
		_, _, _, err := store.ReadManifest(bytes.NewReader(file))
		if err != nil && brevet.KindOf(err) != brevet.Invalid {
			t.Errorf("%v", err)
		}
	})
}

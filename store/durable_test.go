package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/brevet-access/brevet"
	"golang.org/x/mod/sumdb/note"
)

// onDisk opens a SQLite database in a new directory.
func onDisk(t *testing.T) (db *DB, cfg Config, path string) {
	t.Helper()
	const host = "log.brevet.invalid"
	skey, vkey, err := note.GenerateKey(rand.Reader, host)
	if err != nil {
		t.Fatal(err)
	}
	signer, err1 := note.NewSigner(skey)
	verifier, err2 := note.NewVerifier(vkey)
	path = filepath.Join(t.TempDir(), "brevet.db")
	cfg = Config{URL: "sqlite:" + path, Host: host, Signer: signer, Verifier: verifier}
	db, err3 := Open(t.Context(), cfg)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db, cfg, path
}

func opened(id string) func(*Tx) error {
	return func(tx *Tx) error {
		if err := tx.AddGrant(brevet.Grant{ID: brevet.GrantID(id), State: brevet.Active}); err != nil {
			return err
		}
		_, err := tx.Record(brevet.Event{Kind: brevet.GrantOpened, Customer: "cu_1", Grant: brevet.GrantID(id)})
		return err
	}
}

// TestPowerCut lets callers add grants while the power may go at any time: of
// the write-ahead log only what was synced is left. Each grant that somebody
// was told of is there, and the log is whole.
func TestPowerCut(t *testing.T) {
	db, cfg, path := onDisk(t)
	var mu sync.Mutex
	var synced []byte // the write-ahead log as the disk has it
	db.disk.sync = func(f *os.File) error {
		text, err := os.ReadFile(f.Name())
		if err != nil {
			return err
		}
		mu.Lock()
		synced = text
		mu.Unlock()
		return nil
	}
	var told []string
	cut := func() { // called with mu held
		dir := filepath.Join(t.TempDir(), "brevet.db")
		text, err := os.ReadFile(path) // nothing was folded into it
		if err := errors.Join(err, os.WriteFile(dir, text, 0o600), os.WriteFile(dir+"-wal", synced, 0o600)); err != nil {
			t.Error(err)
			return
		}
		after := cfg
		after.URL = "sqlite:" + dir
		left, err := Open(context.Background(), after)
		if err != nil {
			t.Errorf("after the cut: %v", err)
			return
		}
		defer left.Close()
		err = left.View(context.Background(), func(tx *Tx) error {
			for _, id := range told {
				if _, err := tx.Grant(brevet.GrantID(id)); err != nil {
					return fmt.Errorf("%s: %w", id, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Errorf("after the cut: %v", err)
		}
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 40 {
				id := fmt.Sprintf("gr_%d_%d", i, n)
				if err := db.Update(t.Context(), opened(id)); err != nil {
					t.Errorf("Update: %v", err)
					return
				}
				mu.Lock()
				if told = append(told, id); len(told)%64 == 0 {
					cut()
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// TestNothingIsToldBeforeTheDisk holds a sync back. Meanwhile the next batch
// is committed, and neither its callers nor readers nor whoever wants a
// checkpoint is answered.
func TestNothingIsToldBeforeTheDisk(t *testing.T) {
	db, _, _ := onDisk(t)
	entered, release := make(chan struct{}), make(chan struct{})
	var released atomic.Bool
	var once sync.Once
	db.disk.sync = func(*os.File) error {
		once.Do(func() { close(entered) })
		<-release
		return nil
	}
	var wg sync.WaitGroup
	answered := func(what string, do func() error) {
		wg.Go(func() {
			if err := do(); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			if !released.Load() {
				t.Errorf("%s is answered before the disk has it", what)
			}
		})
	}
	ran := make(chan string, 8)
	update := func(id string) {
		answered(id, func() error {
			return db.Update(t.Context(), func(tx *Tx) error { ran <- id; return opened(id)(tx) })
		})
	}
	db.disk.busy.Add(1) // somebody waits for the disk, so that nobody syncs alone
	update("gr_1")
	<-ran
	<-entered
	update("gr_2")
	if id := <-ran; id != "gr_2" { // beside the sync
		t.Errorf("%s ran", id)
	}
	head := db.Head()
	answered("a reader", func() error {
		return db.View(t.Context(), func(tx *Tx) error { _, err := tx.Grant("gr_1"); return err })
	})
	answered("who reads what is not there", func() error {
		err := db.View(t.Context(), func(tx *Tx) error { _, err := tx.Grant("gr_none"); return err })
		if brevet.KindOf(err) != brevet.NotFound {
			return fmt.Errorf("found: %w", err)
		}
		return nil
	})
	answered("a checkpoint", func() error { _, err := db.Checkpoint(head); return err })
	released.Store(true)
	close(release)
	wg.Wait()
	db.disk.busy.Add(-1)
}

// TestDiskFails lets a sync fail: whoever waited for it does not know, and
// nothing is changed or told any more until brevetd is started anew.
func TestDiskFails(t *testing.T) {
	db, cfg, _ := onDisk(t)
	if err := db.Update(t.Context(), opened("gr_1")); err != nil {
		t.Fatal(err)
	}
	db.disk.sync = func(*os.File) error { return syscall.EIO }
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := db.Update(t.Context(), opened(fmt.Sprintf("gr_2_%d", i))); brevet.KindOf(err) != brevet.Unavailable {
				t.Errorf("Update: %v", err)
			}
		})
	}
	wg.Wait()
	db.disk.sync = datasync // the disk is well again, and what it lost is lost
	for what, do := range map[string]func() error{
		"Update": func() error { return db.Update(t.Context(), opened("gr_3")) },
		"View":   func() error { return db.View(t.Context(), func(*Tx) error { return nil }) },
		"Ping":   func() error { return db.Ping(t.Context()) },
		"Checkpoint": func() error {
			_, err := db.Checkpoint(db.Head())
			return err
		},
	} {
		if err := do(); brevet.KindOf(err) != brevet.Unavailable {
			t.Errorf("%s: %v", what, err)
		}
	}
	db.Close()
	again, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := again.Update(t.Context(), opened("gr_4")); err != nil {
		t.Error(err)
	}
}

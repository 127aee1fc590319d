package store

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"sync"
	"testing"

	"github.com/brevet-access/brevet"
	"golang.org/x/mod/sumdb/note"
)

// TestProvenBesideTheWriter proves old entries in Views while others are
// appended, with a memory so short that each has to be proven anew: a snapshot
// always holds the tree under which it is proven.
func TestProvenBesideTheWriter(t *testing.T) {
	private, public, err := note.GenerateKey(rand.Reader, "brevet.test")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	db, err := Open(t.Context(), Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "b.db"), Host: "brevet.test", Signer: signer, Verifier: verifier})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.memory.proven.size = 2
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for ctx.Err() == nil {
				err := db.View(context.Background(), func(tx *Tx) error {
					h, err := tx.Head() // takes the snapshot
					if err != nil {
						return err
					}
					_, err = tx.Proven(h.Size / 2)
					return err
				})
				if err != nil {
					t.Errorf("an old entry: %v (%v)", err, brevet.AsError(err).Cause)
					return
				}
			}
		})
	}
	for range 150 {
		if err := db.Update(t.Context(), func(tx *Tx) error {
			_, err := tx.Record(brevet.Event{Kind: brevet.AccessRefused})
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	readers.Wait()
}

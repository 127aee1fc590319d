package store_test

import (
	"testing"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// TestSnapshotBeforeTheNewest reads, in a View, of what was recorded after it
// began: what this process knows by heart is newer than the snapshot. That is
// no entry that does not exist, and whoever looks again finds it.
func TestSnapshotBeforeTheNewest(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		db := open(t, config(url))
		defer db.Close()
		ended := brevet.Event{Kind: brevet.CustomerOffboarded, Customer: "cu_1"}
		view(t, db, func(tx *store.Tx) error {
			if _, err := tx.Head(); err != nil { // takes the snapshot
				return err
			}
			update(t, db, func(tx *store.Tx) error { _, err := tx.Record(ended); return err })
			i, known := tx.Latest("cu_1")
			if !known {
				t.Fatal("the process does not know what it recorded")
			}
			isKind[brevet.Event](t, brevet.Internal)(tx.Proven(i))
			isKind[brevet.Event](t, brevet.NotFound)(tx.Proven(i + 1))
			return nil
		})
		view(t, db, func(tx *store.Tx) error { i, _ := tx.Latest("cu_1"); _, err := tx.Proven(i); return err })
	})
}

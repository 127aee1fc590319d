package store_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// TestWriteAheadLogStaysSmall writes many times what the write-ahead log may
// hold.
func TestWriteAheadLogStaysSmall(t *testing.T) {
	url := newSQLite(t)
	db := open(t, config(url))
	wal := strings.TrimPrefix(url, "sqlite:") + "-wal"
	big := strings.Repeat("x", 7000)
	var most int64
	for i := range 1200 {
		update(t, db, func(tx *store.Tx) error {
			_, err := tx.Record(brevet.Event{Kind: brevet.AccessRefused, Customer: "cu_1", Reason: fmt.Sprint(i, big)})
			return err
		})
		if i%100 == 0 {
			info, err := os.Stat(wal)
			if err != nil {
				t.Fatal(err)
			}
			most = max(most, info.Size())
		}
	}
	if limit := int64(2 * 1500 * 4096); most > limit {
		t.Errorf("the write-ahead log grew to %d bytes, more than %d", most, limit)
	}
	wholeLog(t, db)
}

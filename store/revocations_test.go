package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// TestOpenRevocations: what is still to be revoked follows from the log alone,
// over restarts, whatever the table says.
func TestOpenRevocations(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		cfg := config(url)
		db := open(t, cfg)
		now := time.Date(2026, 11, 25, 2, 0, 0, 0, time.UTC)
		step := func(do func(tx *store.Tx) error) {
			t.Helper()
			ok(t, "Update", db.Update(t.Context(), do))
		}
		begin := func(tx *store.Tx, id brevet.GrantID) error {
			_, events := brevet.Grant{ID: id, Customer: "cu_1"}.Kill("rv_1", "engineer", "lost", now.Add(time.Hour), brevet.Actor{Handle: "lead"}, now)
			leaf, err := tx.Record(events[0])
			if err != nil {
				return err
			}
			return tx.PutRevocation(store.RevocationRow{Grant: id, Act: "rv_1", Customer: "cu_1", Leaf: leaf})
		}
		step(func(tx *store.Tx) error { return errors.Join(begin(tx, "gr_1"), begin(tx, "gr_2")) })
		_ = db.Update(t.Context(), func(tx *store.Tx) error { return errors.Join(begin(tx, "gr_3"), errStep) })
		step(func(tx *store.Tx) error {
			open := tx.OpenRevocations()
			if len(open) != 2 {
				t.Fatalf("open: %v", open)
			}
			e, err := tx.Proven(open[0])
			if err != nil {
				return err
			}
			r, whole := brevet.RevocationOf(e)
			if !whole || r.Grant != "gr_1" || r.State != brevet.RevokeRequested || !r.Until.Equal(now.Add(time.Hour)) {
				t.Errorf("%+v", r)
			}
			if r, _, err = r.Tell(nil, false, brevet.Actor{System: "clock"}, now); err != nil {
				return err
			}
			_, events, err := r.Confirm(brevet.Actor{System: "clock"}, now.Add(time.Minute))
			if err != nil {
				return err
			}
			if _, err := tx.Record(events[0]); err != nil {
				return err
			}
			if left := tx.OpenRevocations(); len(left) != 1 || left[0] != open[1] {
				t.Errorf("within the transaction: %v", left)
			}
			_, err = tx.Record(brevet.Event{Kind: brevet.PersonEnded, Person: "pr_1"})
			return err
		})
		if _, err := raw(t, url).Exec(`DELETE FROM revocations`); err != nil {
			t.Fatal(err)
		}
		ok(t, "Close", db.Close())
		db = open(t, cfg)
		if left, ended := db.OpenRevocations(), db.EndedPeople(); len(left) != 1 || len(ended) != 1 || ended[0] != "pr_1" {
			t.Errorf("after a restart: %v, %v", left, ended)
		}
	})
}

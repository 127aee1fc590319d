package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

type errand struct {
	Name string `json:"name"`
}

func (errand) Kind() string { return "errand" }

// TestJobs enqueues in transactions that fail and succeed, and has the latter
// worked on; the worker itself records something.
func TestJobs(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		cfg := config(url)
		db := open(t, cfg)
		enqueue := func(name string, result error) error {
			return db.Update(t.Context(), func(tx *store.Tx) error {
				return errors.Join(tx.Enqueue(errand{name}), result)
			})
		}
		if err := enqueue("never", errStep); !errors.Is(err, errStep) {
			t.Fatal(err)
		}
		ok(t, "Enqueue", enqueue("first", nil))
		ok(t, "Enqueue", enqueue("second", nil))
		worked := make(chan string, 10)
		jobs := store.NewJobs()
		again := true
		store.AddJob(jobs, func(ctx context.Context, args errand) (time.Duration, error) {
			if args.Name == "second" && again {
				again = false
				return time.Millisecond, nil
			}
			err := db.Update(ctx, func(tx *store.Tx) error {
				_, err := tx.Record(brevet.Event{Kind: brevet.KeyRotated, Reason: args.Name})
				return err
			})
			worked <- args.Name
			return 0, err
		})
		ok(t, "Work", db.Work(context.Background(), jobs))
		wantKind(t, db.Work(context.Background(), jobs), brevet.Internal)
		got := map[string]bool{}
		for range 2 {
			select {
			case name := <-worked:
				got[name] = true
			case <-time.After(30 * time.Second):
				t.Fatal("the jobs are not worked on")
			}
		}
		if !got["first"] || !got["second"] {
			t.Errorf("worked on %v", got)
		}
		ok(t, "Close", db.Close())
		wantKind(t, db.Work(context.Background(), jobs), brevet.Internal)
		if db := open(t, cfg); db.Head().Size != 3 {
			t.Errorf("%d entries, want 3", db.Head().Size)
		}
	})
}

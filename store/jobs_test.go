package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
	"github.com/riverqueue/river"
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
				return errors.Join(tx.Enqueue(errand{name}, nil), result)
			})
		}
		if err := enqueue("never", errStep); !errors.Is(err, errStep) {
			t.Fatal(err)
		}
		ok(t, "Enqueue", enqueue("first", nil))
		ok(t, "Enqueue", enqueue("second", nil))
		worked := make(chan string, 10)
		workers := river.NewWorkers()
		river.AddWorker(workers, river.WorkFunc(func(ctx context.Context, job *river.Job[errand]) error {
			err := db.Update(ctx, func(tx *store.Tx) error {
				_, err := tx.Record(brevet.Event{Kind: brevet.KeyRotated, Reason: job.Args.Name})
				return err
			})
			worked <- job.Args.Name
			return err
		}))
		ok(t, "Work", db.Work(context.Background(), workers))
		wantKind(t, db.Work(context.Background(), workers), brevet.Internal)
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
		wantKind(t, db.Work(context.Background(), workers), brevet.Internal)
		if db := open(t, cfg); db.Head().Size != 3 {
			t.Errorf("%d entries, want 3", db.Head().Size)
		}
	})
}

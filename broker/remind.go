package broker

import (
	"context"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// sweepWaiting reminds of requests that wait for people, and lets fallbacks
// know that they may decide. What was said is read from the log and said in
// the same transaction, so one of several servers says it, once.
func (b *Broker) sweepWaiting(ctx context.Context) error {
	var due []brevet.RequestID
	err := b.DB.View(ctx, func(tx *store.Tx) error {
		now := b.now()
		return eachRequest(tx, store.RequestFilter{State: brevet.Pending}, func(r brevet.Request) (bool, error) {
			if _, ok, err := nudge(tx, r, now); ok && err == nil {
				due = append(due, r.ID)
			}
			return len(due) < sweepBatch, nil
		})
	})
	if err != nil || len(due) == 0 {
		return err
	}
	return b.DB.Update(ctx, func(tx *store.Tx) error {
		for _, id := range due {
			r, err := tx.Request(id)
			if err != nil || r.State != brevet.Pending || proveRequest(tx, r) != nil {
				continue // one bad row keeps no other from being told of
			}
			e, ok, err := nudge(tx, r, tx.Now())
			if err != nil || !ok {
				continue
			}
			if _, err := tx.Record(e); err != nil {
				return err
			}
		}
		return nil
	})
}

// nudge returns what is due to be said about r, by what the log says was said.
func nudge(tx *store.Tx, r brevet.Request, now time.Time) (e brevet.Event, due bool, err error) {
	var last brevet.Nudged
	if i, ok := tx.Latest(store.NudgeKey(r.ID)); ok {
		said, err := tx.Proven(i)
		if err != nil {
			return e, false, err
		}
		last = brevet.NudgedIn(said)
	}
	e, due = r.Nudge(last, clock, now)
	return e, due, nil
}

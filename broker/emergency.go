package broker

import (
	"bytes"
	"context"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

const (
	glassBefore = 32             // entries before an emergency's among which its request is looked for
	glassAfter  = 48 * time.Hour // how long after its end the log is read on
	mostGlass   = 50_000         // entries that are read about one
)

// Emergency is what somebody who reviews an emergency should know of it. What
// happened is told from the log, as a customer's statement tells it; every
// entry that it names was proven.
type Emergency struct {
	ReviewView
	Told     Access
	Now      time.Time
	Customer string
	Account  brevet.Account // as the catalog has it; zero if it left
	Role     brevet.Role    // likewise
	Alarm    brevet.Event   // that opened it; of one that was opened offline, by who brought the record
	Cutoff   bool           // the log goes on further than was read
}

// Emergency returns an emergency that the caller may see, and changes nothing.
func (b *Broker) Emergency(ctx context.Context, c brevet.Caller, id brevet.GrantID) (out Emergency, err error) {
	c = b.current(ctx, c, 15*time.Minute)
	err = b.look(ctx, func(tx *store.Tx) error {
		opened, at, err := b.emergency(tx, c, id)
		if err != nil {
			return err
		}
		out = Emergency{Now: b.now(), Customer: b.customerName(opened.Customer), Alarm: opened}
		if out.ReviewView, err = b.reviewView(tx, c, opened); err != nil {
			return err
		}
		if a, ok := b.Catalog().AccountByID(opened.Account); ok && a.Customer == opened.Customer {
			out.Account = a
			out.Role, _ = b.Catalog().Role(opened.Account, opened.Role)
		}
		out.Told, out.Cutoff, err = tellEmergency(tx, opened, at)
		return err
	})
	return out, err
}

// emergency returns the event that opened one which the caller may see, and
// its place in the log. Any other is not there (law 13).
func (b *Broker) emergency(tx *store.Tx, c brevet.Caller, id brevet.GrantID) (opened brevet.Event, at int64, err error) {
	unknown := brevet.Errorf(brevet.NotFound, "there is no emergency %s that you may see", id).WithHint("brevet review ls")
	at, known := tx.Latest(store.GlassKey(id))
	if !known {
		return opened, at, unknown
	}
	if opened, err = tx.Proven(at); err != nil {
		return opened, at, err
	}
	if !b.maySeeGlass(c, opened) {
		return brevet.Event{}, at, unknown
	}
	return opened, at, nil
}

// tellEmergency reads from the log what came of an emergency: from shortly
// before it to well after its end. An entry that was taken out or changed is noticed.
func tellEmergency(tx *store.Tx, opened brevet.Event, at int64) (a Access, cutoff bool, err error) {
	t := &teller{requests: map[brevet.RequestID]*Access{}, grants: map[brevet.GrantID]*Access{}}
	head, err := tx.Head()
	if err != nil {
		return a, false, err
	}
	until := opened.Time.Add(glassAfter)
	if opened.End != nil {
		until = opened.End.Add(glassAfter)
	}
	next, over := max(0, at-glassBefore), false
	for stop := min(head.Size, at+mostGlass); next < stop && !over; {
		rows, err := tx.Entries(next, int(min(1000, stop-next)))
		if err != nil {
			return a, false, err
		}
		if len(rows) == 0 {
			return a, false, disagree("emergency of grant", string(opened.Grant))
		}
		for _, r := range rows {
			if r.Index != next {
				return a, false, disagree("emergency of grant", string(opened.Grant))
			}
			if _, _, err := r.Check(); err != nil {
				return a, false, err
			}
			next++
			if over = r.Time.After(until); over {
				break
			}
			if err := tellOf(tx, t, opened, r); err != nil {
				return a, false, err
			}
		}
	}
	if told := t.grants[opened.Grant]; told != nil {
		a = *told
	}
	return a, !over && next < head.Size, nil
}

// tellOf folds an entry if it is about the emergency.
func tellOf(tx *store.Tx, t *teller, opened brevet.Event, r store.Row) error {
	about := bytes.Contains(r.Details, []byte(opened.Grant)) || opened.Request != "" && bytes.Contains(r.Details, []byte(opened.Request))
	if r.Customer != opened.Customer || r.Erased || !about {
		return nil
	}
	e, err := tx.Proven(r.Index)
	if err != nil {
		return err
	}
	if opened.Request != "" && e.Request == opened.Request || e.Grant == opened.Grant {
		t.fold(r.Index, e)
	}
	return nil
}

package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/brevet-access/brevet"
)

const (
	maxBatch     = 256              // closures in one transaction, and in the queue behind it
	batchTimeout = 30 * time.Second // on PostgreSQL; SQLite waits for nothing but the disk
)

// job is one caller's closure. Its state tells whether the writer has begun
// with it, after which the caller must wait for the end.
type job struct {
	ctx   context.Context
	fn    func(*Tx) error
	taken atomic.Bool
	no    error // what fn said, if it is not to be run again
	err   error
	done  chan struct{}
}

func (j *job) finish(err error) { j.err = err; close(j.done) }

// Update runs fn in a transaction and returns once everything that fn wrote
// and recorded is durable, or nothing of it is there. fn runs with the writer's
// turn, mostly on its goroutine, maybe more than once: it decides first and writes then, does
// nothing but call methods of tx, no I/O, and keeps tx to itself. An error of
// fn is returned as it is. If it is not known whether the commit arrived, the
// error is of kind [brevet.Unavailable]; if a clock is wrong,
// [brevet.Clock]; if the log cannot be trusted any more, [brevet.Internal].
func (db *DB) Update(ctx context.Context, fn func(*Tx) error) error {
	j := &job{ctx: ctx, fn: fn, done: make(chan struct{})}
	switch {
	case db.closed.Load():
		return errClosed
	case ctx.Err() != nil: // a select chooses at random where more than one case is ready
		return gaveUp(ctx)
	}
	alone := db.callers.Add(1) == 1
	defer db.callers.Add(-1)
	if alone && db.turn.TryLock() {
		db.runAlone(j)
		<-j.done
		return j.err
	}
	select {
	case db.queue <- j:
	case <-ctx.Done():
		return gaveUp(ctx)
	case <-db.gone:
		return errClosed
	}
	select {
	case <-j.done:
		return j.err
	case <-ctx.Done():
		if j.taken.CompareAndSwap(false, true) {
			return gaveUp(ctx)
		}
	case <-db.gone:
		if j.taken.CompareAndSwap(false, true) {
			return errClosed
		}
	}
	<-j.done
	return j.err
}

var errClosed = brevet.Errorf(brevet.Unavailable, "the database is closed")

func gaveUp(ctx context.Context) error {
	return brevet.Errorf(brevet.Unavailable, "nothing was changed: the time to wait was over").WithCause(ctx.Err())
}

// runAlone runs the batch of the only caller there is on their own goroutine:
// to wake the writer and to be woken by it takes as long as a statement.
func (db *DB) runAlone(j *job) {
	defer db.turn.Unlock() // also if fn ends the goroutine
	if db.closed.Load() {
		j.finish(errClosed)
		return
	}
	j.taken.Store(true)
	db.run([]*job{j})
}

// write is the writer: it runs batches until the database is closed.
func (db *DB) write() {
	jobs := make([]*job, 0, maxBatch)
	for {
		pause := patience
		if len(jobs) <= 1 && len(db.queue) == 0 {
			pause = 1 // a caller on their own, it seems
		}
		select {
		case j := <-db.queue:
			db.turn.Lock()
			jobs = db.gather(append(jobs[:0], j), pause)
		case <-db.closing:
			return
		}
		if len(jobs) > 0 {
			db.runGuarded(jobs)
		}
		db.turn.Unlock()
	}
}

// patience is how often in a row the writer looks at an empty queue before it
// begins a batch, where callers come in a crowd. Each look lets others run,
// for which the scheduler wakes whatever sleeps: one caller alone would wait
// for nothing but that.
const patience = 8

// gather takes what else is queued. Callers that a batch has just woken get
// a chance to queue up again, so that batches do not shrink to one.
func (db *DB) gather(jobs []*job, patience int) []*job {
	for idle := 0; len(jobs) < maxBatch; {
		select {
		case j := <-db.queue:
			jobs, idle = append(jobs, j), 0
		default:
			if idle++; idle >= patience {
				return claim(jobs)
			}
			runtime.Gosched()
		}
	}
	return claim(jobs)
}

// claim leaves out the jobs of callers who gave up.
func claim(jobs []*job) []*job {
	claimed := jobs[:0]
	for _, j := range jobs {
		if j.taken.CompareAndSwap(false, true) {
			claimed = append(claimed, j)
		}
	}
	return claimed
}

// runGuarded runs a batch. A closure that ends its goroutine
// ([runtime.Goexit], as t.Fatal does) fails its batch; the writer goes on as
// another goroutine.
func (db *DB) runGuarded(jobs []*job) {
	answered := false
	defer func() {
		if !answered {
			defer db.turn.Unlock()
			for _, j := range jobs {
				select {
				case <-j.done:
				default:
					j.finish(brevet.Errorf(brevet.Internal, "a closure ended the writer's goroutine"))
				}
			}
			db.writer.Go(db.write)
		}
	}()
	db.run(jobs)
	answered = true
}

// run carries out one batch and answers its callers. Closures that failed are
// left out when it must be run again.
func (db *DB) run(jobs []*job) {
	err := errRerun
	for err == errRerun {
		if err = db.attempt(jobs); err == errRerun && !slices.ContainsFunc(jobs, func(j *job) bool { return j.no == nil }) {
			err = nil // nobody is left
		}
	}
	db.deliver(jobs, err)
	db.foldRest()
}

// attempt runs the batch once, in one transaction.
func (db *DB) attempt(jobs []*job) error {
	b, err := db.begin()
	if err != nil {
		return err
	}
	defer b.rollback()
	if err := b.runAll(jobs); err != nil {
		return err
	}
	return b.commit()
}

// errRerun says that a batch was rolled back because of one closure, which is
// refused now, and that the others must be run again.
var errRerun = errors.New("run again")

// runAll runs every closure that was not refused before. Its error concerns
// the whole batch.
func (b *batch) runAll(jobs []*job) error {
	b.entries = make([]pending, 0, len(jobs))
	for _, j := range jobs {
		if j.no != nil {
			continue
		}
		tx := &Tx{db: b.db, ctx: b.ctx, link: b.link, batch: b, alone: len(jobs) == 1}
		err := tx.call(j.fn)
		if b.dead == nil && err == nil {
			err = tx.release()
		}
		if b.dead != nil {
			return b.dead
		}
		if err == nil {
			b.wrote = b.wrote || tx.wrote
			continue
		}
		j.no = err
		if err := tx.undo(); err != nil {
			return err
		}
	}
	return nil
}

// call runs the closure. A panic becomes an error; so does an error of the
// database that the closure kept to itself.
func (tx *Tx) call(fn func(*Tx) error) (err error) {
	if err := tx.setNow(); err != nil {
		return err
	}
	tx.mark = len(tx.batch.entries)
	defer func() {
		tx.over = true
		if p := recover(); p != nil {
			err = brevet.Errorf(brevet.Internal, "something went wrong on the server").
				WithCause(fmt.Errorf("panic in a closure: %v\n%s", p, debug.Stack()))
		}
		if err == nil {
			err = tx.broken
		}
	}()
	return fn(tx)
}

// setNow gives the closure its one time.
func (tx *Tx) setNow() error {
	tx.now = brevet.Instant(tx.db.cfg.Now())
	last := tx.batch.last
	if last.Sub(tx.now) > maxSkew {
		return brevet.Errorf(brevet.Clock, "the server's clock is %s behind the newest entry of the log", last.Sub(tx.now).Round(time.Second)).
			WithHint("set the clock right")
	}
	if tx.now.Before(last) {
		tx.now = last
	}
	return nil
}

// maxSkew is how far clocks may be apart.
const maxSkew = 30 * time.Second

// undo takes back what a failed closure did, or rolls the batch back and asks
// for a rerun if the database cannot take back a part.
func (tx *Tx) undo() error {
	tx.batch.truncate(tx)
	switch {
	case !tx.wrote && tx.broken == nil:
		return nil
	case tx.saved:
		if err := tx.plain(`ROLLBACK TO SAVEPOINT closure`); err != nil {
			return err
		}
		return tx.plain(`RELEASE SAVEPOINT closure`)
	case tx.db.dialect == onSQLite && !tx.wrote:
		return nil // a statement that failed did nothing
	}
	return errRerun
}

// release ends the savepoint of a closure that succeeded.
func (tx *Tx) release() error {
	if !tx.saved {
		return nil
	}
	return tx.plain(`RELEASE SAVEPOINT closure`)
}

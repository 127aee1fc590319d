package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/audit"
)

// Tx is a transaction, as a closure given to [DB.Update] or [DB.View] sees
// it. It must not be used after the closure has returned, nor by another
// goroutine.
type Tx struct {
	db    *DB
	ctx   context.Context
	link  link
	batch *batch // nil in View
	now   time.Time
	known audit.Head // in View: what this process knew before its snapshot was taken, so that all of it is in there

	mark   int   // entries of the batch before this closure
	alone  bool  // the batch has no other closure
	wrote  bool  // rows were changed
	saved  bool  // a savepoint was set
	over   bool  // the closure has returned
	broken error // a statement failed
}

// Now returns the transaction's one time: UTC, whole microseconds, never
// before the newest entry of the log.
func (tx *Tx) Now() time.Time { return tx.now }

// View runs fn on a consistent snapshot that it cannot change. fn's error is
// returned as it is; one of kind [brevet.Unavailable] says that the database
// cannot be read.
func (db *DB) View(ctx context.Context, fn func(*Tx) error) error {
	if db.closed.Load() {
		return errClosed
	}
	if db.dialect == onSQLite {
		// A context that can end costs a goroutine a statement, and a statement
		// takes microseconds.
		ctx = context.WithoutCancel(ctx)
	}
	known := db.Head() // before the first statement, which takes the snapshot
	l, err := db.snapshot(ctx)
	if err != nil {
		return db.dialect.fault(err)
	}
	defer l.rollback()
	tx := &Tx{db: db, ctx: ctx, link: l, known: known, now: brevet.Instant(db.cfg.Now())}
	if last := db.memory.lastTime(); tx.now.Before(last) {
		tx.now = last
	}
	defer func() { tx.over = true }()
	err = fn(tx)
	return cmp.Or(err, db.disk.await()) // an error may come of what was read, too
}

// snapshot begins a transaction that changes nothing.
func (db *DB) snapshot(ctx context.Context) (link, error) {
	if db.dialect == onSQLite {
		return beginLite(ctx, db.reads, `BEGIN`)
	}
	tx, err := db.reads.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead})
	return sqlLink{tx}, err
}

// ReadsAside reports whether reads in a View beside the writer are cheaper
// than in its transaction: on PostgreSQL each is a round trip under the lock
// of the head; on SQLite the writer has the pages at hand, and every other
// connection loses its own with each commit.
func (db *DB) ReadsAside() bool { return db.dialect == onPostgres }

// SignInOver and PersonOver ask the log, as this process knows it, what has
// ended; what other replicas ended meanwhile shows in the next Update.
func (db *DB) SignInOver(id brevet.SignInID) bool { return db.over(keyOf(id)) }

// PersonOver is like SignInOver.
func (db *DB) PersonOver(id brevet.PersonID) bool { return db.over(keyOf(id)) }

// CustomerOver is like SignInOver.
func (db *DB) CustomerOver(id brevet.CustomerID) bool { return db.over(keyOf(id)) }

func (l *ledger) lastTime() time.Time {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.last
}

// usable reports why nothing can be changed through tx, or nil.
func (tx *Tx) usable() error {
	switch {
	case tx.batch == nil:
		return brevet.Errorf(brevet.Internal, "a view changes nothing")
	case tx.over:
		return brevet.Errorf(brevet.Internal, "a transaction was used after its end")
	}
	return tx.broken
}

// beforeWrite must be called before a statement that changes rows. On SQLite
// it sets the savepoint to which a failed closure is rolled back.
func (tx *Tx) beforeWrite() error {
	if err := tx.usable(); err != nil {
		return err
	}
	if tx.saved || tx.alone || tx.db.dialect != onSQLite {
		return nil
	}
	if err := tx.plain(`SAVEPOINT closure`); err != nil {
		return err
	}
	tx.saved = true
	return nil
}

// plain runs a statement without arguments.
func (tx *Tx) plain(query string) error {
	if _, err := tx.link.exec(tx.ctx, query, nil); err != nil {
		return tx.failed(err)
	}
	return nil
}

// exec changes rows and returns how many.
func (tx *Tx) exec(query string, args ...any) (int64, error) {
	if err := tx.beforeWrite(); err != nil {
		return 0, err
	}
	n, err := tx.link.exec(tx.ctx, query, args)
	if err != nil {
		return 0, tx.failed(err)
	}
	if n > 0 {
		tx.wrote = true
		tx.batch.execs++
	}
	return n, nil
}

// row reads one row. Errors of Scan go through failed, except
// [sql.ErrNoRows].
func (tx *Tx) row(query string, args ...any) scanner { return tx.link.row(tx.ctx, query, args) }

// rows reads rows; the error has gone through failed.
func (tx *Tx) rows(query string, args ...any) (rows, error) {
	found, err := tx.link.query(tx.ctx, query, args)
	if err != nil {
		return nil, tx.failed(err)
	}
	return found, nil
}

// failed notes that a statement failed, so that the closure cannot succeed
// any more, and turns the driver's error into one of ours.
func (tx *Tx) failed(err error) error {
	err = tx.db.dialect.fault(err)
	tx.broken = err
	if tx.batch != nil && errors.Is(err, brevet.Unavailable) {
		tx.batch.dead = err
	}
	return err
}

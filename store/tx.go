package store

import (
	"context"
	"database/sql"
	"errors"
	"sync"
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
	tx    *sql.Tx
	batch *batch // nil in View
	now   time.Time
	known audit.Head // in View: what this process knew before its snapshot was taken, so that all of it is in there

	mark   int            // entries of the batch before this closure
	tree   audit.Frontier // the tree before this closure's first entry
	alone  bool           // the batch has no other closure
	wrote  bool           // rows were changed
	saved  bool           // a savepoint was set
	over   bool           // the closure has returned
	broken error          // a statement failed
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
	options := &sql.TxOptions{ReadOnly: true}
	if db.dialect == onPostgres {
		options.Isolation = sql.LevelRepeatableRead
	}
	if db.dialect == onSQLite {
		// A context that can end costs a goroutine a statement, and a statement
		// takes microseconds.
		ctx = context.WithoutCancel(ctx)
	}
	known := db.Head() // before the first statement, which takes the snapshot
	sqltx, err := db.reads.BeginTx(ctx, options)
	if err != nil {
		return db.dialect.fault(err)
	}
	defer db.readQs.prepare(db.reads)
	defer sqltx.Rollback()
	tx := &Tx{db: db, ctx: ctx, tx: sqltx, known: known, now: brevet.Instant(db.cfg.Now())}
	if last := db.memory.lastTime(); tx.now.Before(last) {
		tx.now = last
	}
	defer func() { tx.over = true }()
	return fn(tx)
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
	var err error
	if s := tx.stmt(query); s != nil {
		_, err = s.ExecContext(tx.ctx)
	} else {
		_, err = tx.tx.ExecContext(tx.ctx, query)
	}
	if err != nil {
		return tx.failed(err)
	}
	return nil
}

// exec changes rows and returns how many.
func (tx *Tx) exec(query string, args ...any) (int64, error) {
	if err := tx.beforeWrite(); err != nil {
		return 0, err
	}
	var res sql.Result
	var err error
	if s := tx.stmt(query); s != nil {
		res, err = s.ExecContext(tx.ctx, args...)
	} else {
		res, err = tx.tx.ExecContext(tx.ctx, query, args...)
	}
	if err != nil {
		return 0, tx.failed(err)
	}
	n, err := res.RowsAffected()
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
func (tx *Tx) row(query string, args ...any) *sql.Row {
	if s := tx.stmt(query); s != nil {
		return s.QueryRowContext(tx.ctx, args...)
	}
	return tx.tx.QueryRowContext(tx.ctx, query, args...)
}

// rows reads rows; the error has gone through failed.
func (tx *Tx) rows(query string, args ...any) (*sql.Rows, error) {
	var found *sql.Rows
	var err error
	if s := tx.stmt(query); s != nil {
		found, err = s.QueryContext(tx.ctx, args...)
	} else {
		found, err = tx.tx.QueryContext(tx.ctx, query, args...)
	}
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

// stmt returns the prepared form of query, or nil to have it run as it is:
// always on PostgreSQL, whose driver keeps prepared statements itself, and
// the first time on SQLite.
func (tx *Tx) stmt(query string) *sql.Stmt {
	if tx.db.dialect == onPostgres {
		return nil
	}
	if tx.batch == nil {
		if s := tx.db.readQs.get(query); s != nil {
			return tx.tx.StmtContext(tx.ctx, s)
		}
		return nil
	}
	if s, ok := tx.batch.stmts[query]; ok {
		return s
	}
	s := tx.db.writeQs.get(query)
	if s == nil {
		return nil
	}
	s = tx.tx.StmtContext(tx.ctx, s)
	tx.batch.stmts[query] = s
	return s
}

// stmts keeps prepared statements of a pool. A query that is asked for the
// first time is only noted: it is prepared once the connection is free.
type stmts struct {
	mu     sync.RWMutex
	ready  map[string]*sql.Stmt
	wanted map[string]bool
}

// maxStmts bounds the statements that are kept; the queries of this package
// are fewer.
const maxStmts = 256

func (s *stmts) get(query string) *sql.Stmt {
	s.mu.RLock()
	stmt := s.ready[query]
	s.mu.RUnlock()
	if stmt == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.wanted == nil {
			s.wanted = map[string]bool{}
		}
		s.wanted[query] = true
	}
	return stmt
}

// prepare prepares what was asked for. A query that cannot be prepared stays
// unprepared; running it will say why.
func (s *stmts) prepare(pool *sql.DB) {
	s.mu.RLock()
	n := len(s.wanted)
	s.mu.RUnlock()
	if n == 0 {
		return
	}
	s.mu.Lock()
	wanted := s.wanted
	s.wanted = nil
	s.mu.Unlock()
	for query := range wanted {
		stmt, err := pool.Prepare(query)
		if err != nil {
			continue
		}
		s.keep(query, stmt)
	}
}

func (s *stmts) keep(query string, stmt *sql.Stmt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ready == nil {
		s.ready = map[string]*sql.Stmt{}
	}
	if s.ready[query] != nil || len(s.ready) >= maxStmts {
		stmt.Close()
		return
	}
	s.ready[query] = stmt
}

func (s *stmts) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stmt := range s.ready {
		stmt.Close()
	}
	s.ready = nil
}

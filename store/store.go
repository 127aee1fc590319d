// Package store is the one database: every row and the log, on SQLite or on
// PostgreSQL. It owns the SQL drivers, the migrations and the job queue.
//
// # The story
//
// All changes go through [DB.Update]. One goroutine of the process, the
// writer, takes what callers queued, locks the log's head, runs their
// closures one after another in one transaction, appends what they recorded
// to the log, signs the new head and commits: a batch. So a state change and
// its audit event are durable together or not at all, and many callers share
// one fsync. A closure that fails takes its own writes and records with it
// and nobody else's: by a savepoint on SQLite; on PostgreSQL the transaction
// is rolled back and the rest is run again, which is why a closure must do
// nothing but work on its [Tx].
//
// Reads that change nothing use [DB.View], on other connections.
//
// # The log is authority, the rows are not
//
// [Open] reads the whole log, rebuilds its tree and compares it with the
// signed head and with the highest head that was seen outside the database.
// From then on the process keeps the tree's edge and what the log says to be
// over (grants, persons, sign-ins) in memory. [Tx.Proven] reads an event back
// and proves it against that tree, [Tx.GrantOver] and its siblings ask the
// memory: editing rows gives nobody access. Where several processes share a
// PostgreSQL database, the entries of the others are verified and folded in
// under the head's lock, before the next closure runs.
package store

import (
	"context"
	"database/sql"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/audit"
	"golang.org/x/mod/sumdb/note"
)

// Config says which database to open, and with which keys its log is kept.
type Config struct {
	URL      string           // sqlite:PATH or postgres://…
	Now      func() time.Time // nil: time.Now; on PostgreSQL within 30 s of the server's clock
	Host     string           // name of the log, the start of its origin; the name of the key
	Signer   note.Signer      // signs the heads that others see, and seals those in the database
	Verifier note.Verifier    // the same key's public half
	HeadFile string           // keeps the highest head outside the database; "" for none
	Log      *slog.Logger     // nil: nothing is logged
}

// DB is an open database. Its methods may be called concurrently.
type DB struct {
	cfg     Config
	dialect dialect
	writes  *sql.DB // one connection on SQLite; shared with River
	reads   *sql.DB
	disk    *syncer // SQLite
	unlock  func()

	queue   chan *job
	callers atomic.Int64  // in Update
	turn    sync.Mutex    // whose turn it is to write; guards what is the writer's
	closing chan struct{} // closed to end the writer
	gone    chan struct{} // closed when it has ended
	writer  sync.WaitGroup
	closed  atomic.Bool
	memory  *ledger
	seal    *audit.Seal
	fatal   atomic.Pointer[brevet.Error] // set once the log cannot be trusted any more
	heads   *headKeeper                  // nil without Config.HeadFile
	jobs    jobs
	route   atomic.Pointer[Route] // who is told of what
	fold    folder                // SQLite
	recheck bool                  // SQLite: read the head before the next batch; the writer's
	swept   time.Time             // when logins and claims were last swept; the writer's
}

// Open opens the database, brings its schema up to date and verifies the
// whole log. A log that does not match its signed head, its rows, or the
// head kept in Config.HeadFile gives an error of kind [brevet.Internal] that
// says what is wrong: nothing may be issued from it. A database that cannot
// be reached or is held by another process is [brevet.Unavailable].
func Open(ctx context.Context, cfg Config) (*DB, error) {
	db, err := newDB(cfg)
	if err != nil {
		return nil, err
	}
	if err := db.connect(ctx); err != nil {
		return nil, err
	}
	if err := db.start(ctx); err != nil {
		db.disconnect()
		return nil, err
	}
	return db, nil
}

// newDB checks the configuration; the database is not touched.
func newDB(cfg Config) (*DB, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Signer == nil || cfg.Verifier == nil || cfg.Signer.Name() != cfg.Host || cfg.Verifier.Name() != cfg.Host {
		return nil, brevet.Errorf(brevet.Invalid, "the log needs a signer and a verifier named after its host")
	}
	seal, err := audit.NewSeal(cfg.Signer)
	if err != nil {
		return nil, err
	}
	return &DB{cfg: cfg, seal: seal, queue: make(chan *job, maxBatch), closing: make(chan struct{}), gone: make(chan struct{}), memory: newLedger()}, nil
}

// start brings an opened database to life.
func (db *DB) start(ctx context.Context) error {
	if err := db.migrate(ctx); err != nil {
		return err
	}
	if err := db.found(ctx); err != nil {
		return err
	}
	if err := db.verify(ctx); err != nil {
		return err
	}
	if db.cfg.HeadFile != "" {
		if err := db.compareHeadFile(ctx); err != nil {
			return err
		}
		db.heads = keepHeads(db.cfg.HeadFile, db.Checkpoint, db.cfg.Log)
	}
	if db.disk != nil {
		if err := db.disk.sync(db.disk.file); err != nil { // the migrations
			return brevet.Errorf(brevet.Unavailable, "the database's disk did not take what was written").WithCause(err)
		}
		db.disk.done.Go(db.landAll)
	}
	db.writer.Go(db.write)
	if db.dialect == onSQLite {
		db.fold.wake = make(chan struct{}, 1)
		db.writer.Go(db.foldBeside)
	}
	return db.openLog(ctx)
}

// Close waits for the batch in hand, writes the head file and closes the
// database. Updates that come later fail with kind [brevet.Unavailable].
func (db *DB) Close() error {
	if db.closed.Swap(true) {
		return nil
	}
	db.jobs.stop()
	close(db.closing)
	db.writer.Wait()
	db.turn.Lock() // for good: a caller who is alone writes without the writer
	if db.disk != nil {
		db.disk.close()
	}
	close(db.gone)
	if db.heads != nil {
		db.heads.close(db.Head())
	}
	return db.disconnect()
}

func (db *DB) disconnect() error {
	if db.disk != nil {
		db.disk.close()
	}
	err := db.writes.Close()
	if db.reads != db.writes {
		if err2 := db.reads.Close(); err == nil {
			err = err2
		}
	}
	db.unlock()
	return err
}

// Ping reports whether the database answers and its log is trusted.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.trusted(); err != nil {
		return err
	}
	if db.closed.Load() {
		return errClosed
	}
	if err := db.reads.PingContext(ctx); err != nil {
		return db.dialect.fault(err)
	}
	return nil
}

// trusted returns why nothing is changed any more, or nil.
func (db *DB) trusted() error {
	if err := db.fatal.Load(); err != nil {
		return err
	}
	if db.disk != nil {
		return db.disk.failure()
	}
	return nil
}

// Head returns the newest head that this process has seen committed. It means
// nothing to others: [DB.Checkpoint] signs it.
func (db *DB) Head() audit.Head { return db.memory.currentHead() }

// distrust makes every further Update fail with err: the log was found to be
// wrong while it was open.
func (db *DB) distrust(err *brevet.Error) *brevet.Error {
	db.fatal.CompareAndSwap(nil, err)
	db.cfg.Log.Error("the log is not trusted any more", "error", err, "cause", err.Cause)
	return db.fatal.Load()
}

package store

import (
	"context"
	"database/sql"
	"sync/atomic"
)

// Pages of SQLite's write-ahead log. It is folded into the database and begun
// again when it has foldPages, roughly; it stays small because to overwrite a
// file is faster than to let it grow. walMost is SQLite's own limit, for what
// was not counted.
const (
	foldPages = 1500
	walMost   = "8000"
)

// folder folds the write-ahead log beside the writer, which would otherwise
// stand still for tens of milliseconds. What the writer added meanwhile it
// folds itself: little, after which SQLite begins the log anew.
type folder struct {
	pages int           // written since the last time, roughly; the writer's
	wake  chan struct{} // room for one
	rest  atomic.Bool   // nearly all is folded: the rest is the writer's
}

// wrote counts what a batch has written.
func (f *folder) wrote(b *batch) {
	f.pages += 2 + 2*b.execs
	for i := range b.entries {
		f.pages += len(b.entries[i].details) / 3500
	}
	if f.pages < foldPages {
		return
	}
	select {
	case f.wake <- struct{}{}:
		f.pages = 0
	default:
	}
}

// foldBeside folds whenever it is woken, until the database is closed.
func (db *DB) foldBeside() {
	for {
		select {
		case <-db.fold.wake:
		case <-db.closing:
			return
		}
		db.foldLog(db.reads)
		db.fold.rest.Store(true)
	}
}

// foldRest folds what was written since foldBeside began.
func (db *DB) foldRest() {
	if db.fold.rest.Swap(false) {
		db.foldLog(db.writes)
	}
}

// foldLog moves what no reader needs any more from the write-ahead log into
// the database, and waits for nobody. A failure shows at the next commit or
// does not matter.
func (db *DB) foldLog(pool *sql.DB) {
	var busy, pages, folded int
	err := pool.QueryRowContext(context.Background(), `PRAGMA wal_checkpoint(PASSIVE)`).Scan(&busy, &pages, &folded)
	if err != nil {
		db.cfg.Log.Warn("the write-ahead log could not be folded", "error", err)
	}
}

package store

import (
	"cmp"
	"context"
	"database/sql"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/audit"
)

// syncer makes what SQLite has committed durable, so that the writer can run
// the next batch meanwhile. SQLite itself syncs its write-ahead log before it
// folds it into the database and when it begins it anew (synchronous=NORMAL,
// https://www.sqlite.org/pragma.html#pragma_synchronous); what a commit adds
// to it in between is synced here. A log that was cut off is good up to the
// cut (https://www.sqlite.org/walformat.html), so that what is durable is
// always a prefix of what was committed. Nobody is told of a commit, neither
// who made it nor who reads, before it is durable.
type syncer struct {
	log   *slog.Logger
	held  *sql.DB  // a connection that nobody uses: while there is one, the file stays
	file  *os.File // the write-ahead log
	queue chan landing
	done  sync.WaitGroup
	ended sync.Once
	busy  atomic.Int64 // landings in the queue or being synced

	landed  atomic.Int64 // commits begun
	durable atomic.Int64 // of these, those that no power cut takes back
	mu      sync.Mutex
	moved   sync.Cond // durable has grown, or failed was set
	failed  error
	sync    func(*os.File) error // datasync, but for tests
}

// landing is a batch that ran and whose callers wait for the disk.
type landing struct {
	jobs []*job
	err  error      // of the batch as a whole
	seq  int64      // of the newest commit that its callers may have seen
	head audit.Head // after it
}

// maxLandings is how many batches may wait for the disk before the writer
// does.
const maxLandings = 4

// openSyncer opens the write-ahead log of the database at path, to which dsn
// leads. SQLite takes the file away when the last connection is closed, and
// the next one is another file; whether it is the same must not be asked at
// each sync, since a file that was asked for its times takes a third longer to
// sync.
func openSyncer(ctx context.Context, path, dsn string, log *slog.Logger) (*syncer, error) {
	s := &syncer{log: log, queue: make(chan landing, maxLandings), sync: datasync}
	s.moved.L = &s.mu
	var err error
	if s.held, err = openLite(dsn); err != nil {
		return nil, err
	}
	s.held.SetMaxOpenConns(1)
	var n int
	err = s.held.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema`).Scan(&n) // opens the file
	if err == nil {
		if s.file, err = os.OpenFile(path+"-wal", os.O_RDWR, 0); err != nil {
			err = brevet.Errorf(brevet.Unavailable, "the database's write-ahead log cannot be opened").WithCause(err)
		}
	}
	if err != nil {
		s.held.Close()
		return nil, err
	}
	return s, nil
}

// close waits until all that was committed is durable, or cannot become so.
func (s *syncer) close() {
	s.ended.Do(func() {
		close(s.queue)
		s.done.Wait()
		s.file.Close()
		s.held.Close()
	})
}

// deliver answers the callers of a batch that ran, once all that they may
// have seen is durable. One caller's batch is synced here: to wake another
// goroutine takes longer.
func (db *DB) deliver(jobs []*job, err error) {
	s := db.disk
	if s == nil {
		answer(jobs, err)
		if db.heads != nil {
			db.heads.saw(db.memory.head)
		}
		return
	}
	l := landing{jobs, err, s.landed.Load(), db.memory.head}
	switch {
	case s.durable.Load() >= l.seq:
		answer(jobs, err)
	case len(jobs) == 1 && s.busy.Load() == 0:
		db.land(l)
	default:
		l.jobs = slices.Clone(jobs) // the writer goes on to use it
		s.busy.Add(1)
		s.queue <- l
	}
}

// answer tells the callers how it ended.
func answer(jobs []*job, err error) {
	for _, j := range jobs {
		j.finish(cmp.Or(err, j.no))
	}
}

// landAll lands what the writer has delivered, until the end.
func (db *DB) landAll() {
	s := db.disk
	for l := range s.queue {
		all := []landing{l}
		for more := true; more && len(all) < maxLandings; {
			select {
			case l, more = <-s.queue:
				if more {
					all = append(all, l)
				}
			default:
				more = false
			}
		}
		db.land(all...)
		s.busy.Add(-int64(len(all)))
	}
}

// land makes the landings durable, in their order, and answers their callers.
func (db *DB) land(all ...landing) {
	last := all[len(all)-1]
	err := db.disk.reach(last.seq)
	if err == nil && db.heads != nil {
		db.heads.saw(last.head)
	} else if err != nil {
		err = brevet.Errorf(brevet.Unavailable, "it is not known whether the change was kept: %s", err).WithCause(err)
	}
	for _, l := range all {
		answer(l.jobs, cmp.Or(l.err, err))
	}
}

// reach makes commits up to seq durable. What the disk did not take once
// cannot be trusted to be taken later
// (https://wiki.postgresql.org/wiki/Fsync_Errors): there is no second try.
func (s *syncer) reach(seq int64) error {
	if s.durable.Load() >= seq {
		return nil
	}
	if err := s.failure(); err != nil {
		return err
	}
	err := s.sync(s.file)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failed = brevet.Errorf(brevet.Unavailable, "the database's disk did not take what was written").
			WithHint("see to the disk, then start brevetd again").WithCause(err)
		s.log.Error("nothing is changed any more: the database's disk did not take what was written", "error", err)
	}
	if s.failed == nil {
		s.durable.Store(seq)
	}
	s.moved.Broadcast()
	return s.failed
}

func (s *syncer) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// await waits until all that was committed when it is called is durable. It
// must not be called by the writer.
func (s *syncer) await() error {
	if s == nil { // PostgreSQL answers when it is
		return nil
	}
	seq := s.landed.Load()
	if s.durable.Load() >= seq {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.durable.Load() < seq && s.failed == nil {
		s.moved.Wait()
	}
	return s.failed
}

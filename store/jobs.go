package store

import (
	"context"
	"database/sql"
	"sync"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
)

// How often workers look for jobs. Jobs only speed things up - what is over
// follows from its time - so they may wait, and on SQLite every look takes
// the one connection that writes.
const (
	pollSQLite   = 2 * time.Second
	pollPostgres = time.Second
	jobWorkers   = 8
)

// jobs is River: one client that inserts, and one that works if asked to.
type jobs struct {
	mu      sync.Mutex
	inserts *river.Client[*sql.Tx]
	worker  *river.Client[*sql.Tx]
}

func (db *DB) riverDriver() riverdriver.Driver[*sql.Tx] {
	if db.dialect == onSQLite {
		return riversqlite.New(db.writes)
	}
	return riverdatabasesql.New(db.writes)
}

// migrateJobs brings River's tables up to date and readies the client that
// inserts.
func (db *DB) migrateJobs(ctx context.Context) error {
	driver := db.riverDriver()
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: db.cfg.Log})
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	db.jobs.inserts, err = river.NewClient(driver, &river.Config{Logger: db.cfg.Log})
	return err
}

// Jobs says what is done for each kind of job.
type Jobs struct{ workers *river.Workers }

// NewJobs returns Jobs that know no kind.
func NewJobs() *Jobs { return &Jobs{river.NewWorkers()} }

// AddJob has do carry out jobs of kind A. If it returns a pause above zero the
// job is run again after that; if it returns an error it is tried again, with
// back-off, until River gives up. A job has a minute.
func AddJob[A river.JobArgs](j *Jobs, do func(ctx context.Context, args A) (again time.Duration, err error)) {
	river.AddWorker(j.workers, river.WorkFunc(func(ctx context.Context, job *river.Job[A]) error {
		again, err := do(ctx, job.Args)
		if err == nil && again > 0 {
			return river.JobSnooze(again)
		}
		return err
	}))
}

// Enqueue adds a job that runs once the transaction is committed, and not
// at all if it is not. Without [DB.Work] in some process it waits.
func (tx *Tx) Enqueue(args river.JobArgs) error {
	if err := tx.beforeWrite(); err != nil {
		return err
	}
	tx.wrote = true
	sqltx, err := tx.link.sqlTx(tx.ctx)
	if err == nil {
		_, err = tx.db.jobs.inserts.InsertTx(tx.ctx, sqltx, args, nil)
	}
	if err != nil {
		return tx.failed(err)
	}
	return nil
}

// Work runs jobs with the given workers, in the background, until the
// database is closed or ctx is done. It may be called once. A job is run at
// least once; it must read the state and act on that.
func (db *DB) Work(ctx context.Context, jobs *Jobs) error {
	poll := pollPostgres
	if db.dialect == onSQLite {
		poll = pollSQLite
	}
	client, err := river.NewClient(db.riverDriver(), &river.Config{
		Logger: db.cfg.Log, Workers: jobs.workers, FetchPollInterval: poll, PollOnly: true,
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: jobWorkers}},
	})
	if err != nil {
		return brevet.Errorf(brevet.Internal, "the job queue cannot be set up").WithCause(err)
	}
	db.jobs.mu.Lock()
	defer db.jobs.mu.Unlock()
	if db.jobs.worker != nil || db.closed.Load() {
		return brevet.Errorf(brevet.Internal, "jobs are worked on already, or the database is closed")
	}
	if err := client.Start(ctx); err != nil {
		return db.dialect.fault(err)
	}
	db.jobs.worker = client
	return nil
}

// stopGrace is how long Close waits for running jobs before it cancels them.
const stopGrace = 5 * time.Second

func (j *jobs) stop() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.worker == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
	defer cancel()
	if j.worker.Stop(ctx) != nil {
		ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
		defer cancel()
		j.worker.StopAndCancel(ctx)
	}
}

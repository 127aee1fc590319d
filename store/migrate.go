package store

import (
	"context"
	"embed"
	"io/fs"

	"github.com/brevet-access/brevet"
	"github.com/pressly/goose/v3"
)

//go:embed migrations
var migrations embed.FS

// migrationLock is the key of the advisory lock under which processes that
// start at the same time on one PostgreSQL take turns.
const migrationLock = 0x62726576 // "brev"

// migrate brings our tables and River's up to date.
func (db *DB) migrate(ctx context.Context) error {
	if db.dialect == onPostgres {
		conn, err := db.reads.Conn(ctx)
		if err != nil {
			return db.dialect.fault(err)
		}
		defer conn.Close()
		if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, migrationLock); err != nil {
			return db.dialect.fault(err)
		}
		defer conn.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, migrationLock)
	}
	if err := db.migrateTables(ctx, newest); err != nil {
		return err
	}
	return db.dialect.fault(db.migrateJobs(ctx))
}

// newest stands for the newest migration that there is.
const newest = 0

// migrateTables brings our tables up to date, or as far as they were in the
// past. The error is of kind [brevet.Invalid] if there is no such migration.
func (db *DB) migrateTables(ctx context.Context, version int64) error {
	files, err := fs.Sub(migrations, "migrations/"+string(db.dialect))
	if err != nil {
		return brevet.Errorf(brevet.Internal, "the migrations cannot be read").WithCause(err)
	}
	dialect := goose.DialectSQLite3
	if db.dialect == onPostgres {
		dialect = goose.DialectPostgres
	}
	provider, err := goose.NewProvider(dialect, db.writes, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return brevet.Errorf(brevet.Internal, "the migrations cannot be read").WithCause(err)
	}
	if version == newest {
		_, err = provider.Up(ctx)
		return db.dialect.fault(err)
	}
	sources := provider.ListSources()
	if last := sources[len(sources)-1].Version; version < 1 || version > last {
		return brevet.Errorf(brevet.Invalid, "the backup's tables are of version %d, this brevetd knows up to %d", version, last).
			WithHint("restore with the brevetd that made it, or a newer one")
	}
	_, err = provider.UpTo(ctx, version)
	return db.dialect.fault(err)
}

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
	if err := db.migrateTables(ctx); err != nil {
		return err
	}
	return db.dialect.fault(db.migrateJobs(ctx))
}

func (db *DB) migrateTables(ctx context.Context) error {
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
	_, err = provider.Up(ctx)
	return db.dialect.fault(err)
}

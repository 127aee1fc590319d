package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net/url"
	"os"
	"strings"

	"github.com/brevet-access/brevet"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// dialect is which of the two databases it is.
type dialect string

const (
	onSQLite   dialect = "sqlite"
	onPostgres dialect = "postgres"
)

// readers is the size of the read pool.
const readers = 4

// connect opens the pools that the URL names, without touching the schema.
func (db *DB) connect(ctx context.Context) error {
	scheme, rest, _ := strings.Cut(db.cfg.URL, ":")
	db.unlock = func() {}
	switch {
	case scheme == "sqlite" && rest != "":
		return db.connectSQLite(ctx, rest)
	case (scheme == "postgres" || scheme == "postgresql") && strings.HasPrefix(rest, "//"):
		return db.connectPostgres(ctx)
	}
	return brevet.Errorf(brevet.Invalid, "the database must be given as sqlite:PATH or postgres://HOST/NAME")
}

func (db *DB) connectSQLite(ctx context.Context, path string) (err error) {
	db.dialect = onSQLite
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return brevet.Errorf(brevet.Unavailable, "the database file cannot be opened").WithCause(err)
	}
	file.Close()
	if db.unlock, err = lockFile(path + ".lock"); err != nil {
		return err
	}
	base := "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_pragma=busy_timeout(2000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=foreign_keys(1)&_pragma=secure_delete(1)"
	if db.writes, err = openLite(base + "&_txlock=immediate&_pragma=wal_autocheckpoint(" + walMost + ")"); err == nil {
		db.writes.SetMaxOpenConns(1)
		db.reads, err = openLite(base + "&_pragma=query_only(1)&_pragma=wal_autocheckpoint(0)")
	}
	if err != nil {
		db.unlock()
		return db.dialect.fault(err)
	}
	db.reads.SetMaxOpenConns(readers)
	db.reads.SetMaxIdleConns(readers)
	if err := db.reach(ctx); err != nil {
		return err
	}
	if db.disk, err = openSyncer(ctx, path, base+"&_pragma=query_only(1)&_pragma=wal_autocheckpoint(0)", db.cfg.Log); err != nil {
		db.disconnect()
		return db.dialect.fault(err)
	}
	return nil
}

func (db *DB) connectPostgres(ctx context.Context) error {
	db.dialect = onPostgres
	cfg, err := pgx.ParseConfig(db.cfg.URL)
	if err != nil {
		return brevet.Errorf(brevet.Invalid, "the database's URL is malformed") // the cause may hold a password
	}
	db.writes, db.reads = stdlib.OpenDB(*cfg), stdlib.OpenDB(*cfg)
	db.writes.SetMaxOpenConns(4) // one for the writer, the rest for River
	db.writes.SetMaxIdleConns(4)
	db.reads.SetMaxOpenConns(2 * readers)
	db.reads.SetMaxIdleConns(2 * readers)
	return db.reach(ctx)
}

// reach makes the first connection, so that a wrong address shows at once.
func (db *DB) reach(ctx context.Context) error {
	if err := db.writes.PingContext(ctx); err != nil {
		db.disconnect()
		return db.dialect.fault(err)
	}
	return nil
}

// fault turns a driver's error into one of ours: [brevet.Unavailable] when
// the database is gone, locked, full or ill, [brevet.Internal] when the
// statement was wrong.
func (d dialect) fault(err error) error {
	var ours *brevet.Error
	var lite *sqlite.Error
	var pg *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &ours):
		return err
	case errors.As(err, &lite):
		return liteFault(lite)
	case errors.As(err, &pg):
		return pgFault(pg)
	case errors.Is(err, sql.ErrNoRows), errors.Is(err, sql.ErrTxDone):
		return brevet.Errorf(brevet.Internal, "the database was used wrongly").WithCause(err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return brevet.Errorf(brevet.Unavailable, "the database did not answer in time").WithCause(err)
	case d == onPostgres, errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone):
		return brevet.Errorf(brevet.Unavailable, "the database cannot be reached").WithCause(err)
	}
	return brevet.Errorf(brevet.Internal, "the database was used wrongly").WithCause(err)
}

func liteFault(err *sqlite.Error) error {
	switch err.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return brevet.Errorf(brevet.Unavailable, "the database is locked by another program").WithCause(err)
	case sqlite3.SQLITE_FULL:
		return brevet.Errorf(brevet.Unavailable, "the database's disk is full").WithCause(err)
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CORRUPT,
		sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PERM, sqlite3.SQLITE_PROTOCOL:
		return brevet.Errorf(brevet.Unavailable, "the database's file cannot be used").WithCause(err)
	}
	return brevet.Errorf(brevet.Internal, "the database was used wrongly").WithCause(err)
}

// pgFault sorts PostgreSQL's errors by class:
// https://www.postgresql.org/docs/current/errcodes-appendix.html
func pgFault(err *pgconn.PgError) error {
	if len(err.Code) == 5 {
		switch err.Code[:2] {
		case "53":
			return brevet.Errorf(brevet.Unavailable, "the database has run out of room").WithCause(err)
		case "08", "25", "28", "3D", "40", "55", "57", "58", "XX":
			return brevet.Errorf(brevet.Unavailable, "the database cannot be used now").WithCause(err)
		}
	}
	return brevet.Errorf(brevet.Internal, "the database was used wrongly").WithCause(err)
}

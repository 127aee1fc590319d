package store

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/audit"
)

// Backup says what to write beside the rows.
type Backup struct {
	Version string            // of brevetd
	Keys    map[string][]byte // sealed key files, by name; nil: none
}

// BackedUp says what a backup holds.
type BackedUp struct {
	Manifest Manifest
	Head     audit.Head
	Rows     map[string]int64 // by table
}

// left out of a backup: what is secret and short-lived, and what a restored
// database must not do again.
var leftOut = []string{"logins", "claims", "outbox", "head", "goose_db_version"}

// WriteBackup writes the whole database into w as one consistent snapshot, as
// an archive that [Restore] reads on either kind of database. The server may
// run meanwhile, also on SQLite: only SQLite's own locks are taken, and
// nothing is written. The log is verified on the way; a database whose log is
// not whole gives an error of kind [brevet.Internal].
func WriteBackup(ctx context.Context, cfg Config, w io.Writer, what Backup) (out BackedUp, err error) {
	db, err := openReader(ctx, cfg)
	if err != nil {
		return out, err
	}
	defer db.reads.Close()
	// The snapshot must last: no prepared statements, no second look.
	err = db.View(ctx, func(tx *Tx) error {
		if out.Head, err = tx.Head(); err != nil {
			return err
		}
		if path, lite := strings.CutPrefix(cfg.URL, "sqlite:"); lite { // what is kept elsewhere must be kept here
			if err := syncPath(path + "-wal"); err != nil {
				return brevet.Errorf(brevet.Unavailable, "the database's disk did not take what was written").WithCause(err)
			}
		}
		if err := db.takeRows(tx, out.Head); err != nil {
			return err
		}
		if out.Head, err = db.Checkpoint(out.Head); err != nil {
			return err
		}
		out.Manifest = Manifest{Made: tx.now, Version: what.Version, Host: cfg.Host, Database: string(db.dialect), Checkpoint: string(out.Head.Note)}
		if out.Manifest.Schema, err = tx.schema(); err != nil {
			return err
		}
		out.Rows, err = tx.archive(w, out, what.Keys)
		return err
	})
	return out, err
}

// openReader opens the database to read from it beside its server.
func openReader(ctx context.Context, cfg Config) (*DB, error) {
	db, err := newDB(cfg)
	if err != nil {
		return nil, err
	}
	path, lite := strings.CutPrefix(cfg.URL, "sqlite:")
	if !lite {
		if err := db.connect(ctx); err != nil {
			return nil, err
		}
		return db, db.writes.Close()
	}
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, brevet.Errorf(brevet.NotFound, "there is no database at %s", path)
		}
		return nil, brevet.Errorf(brevet.Unavailable, "the database file cannot be opened").WithCause(err)
	}
	db.dialect = onSQLite
	db.reads, err = openLite("file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_pragma=busy_timeout(10000)&_pragma=query_only(1)&_pragma=wal_autocheckpoint(0)")
	if err == nil {
		err = db.reads.PingContext(ctx)
	}
	return db, db.dialect.fault(err)
}

// syncPath makes what was written to a file durable, if there is one.
func syncPath(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = errors.Join(datasync(f), f.Close())
	}
	return err
}

// schema returns the number of the newest migration that was applied.
func (tx *Tx) schema() (version int64, err error) {
	err = tx.row(`SELECT max(version_id) FROM goose_db_version`).Scan(&version)
	if err != nil {
		return 0, brevet.Errorf(brevet.Internal, "this is not a database of brevet").WithCause(tx.failed(err))
	}
	return version, nil
}

// tables returns the names of our tables, persons first, to whom others refer.
func (tx *Tx) tables() (names []string, err error) {
	query := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`
	if tx.db.dialect == onPostgres {
		query = `SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'`
	}
	found, err := tx.rows(query)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	for found.Next() {
		var name string
		if err := found.Scan(&name); err != nil {
			return nil, tx.failed(err)
		}
		if !strings.HasPrefix(name, "river_") && !slices.Contains(leftOut, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if i := slices.Index(names, "persons"); i > 0 {
		names = slices.Insert(slices.Delete(names, i, i+1), 0, "persons")
	}
	return names, found.Err()
}

func (tx *Tx) archive(w io.Writer, b BackedUp, keys map[string][]byte) (map[string]int64, error) {
	a, err := newArchive(w, b.Manifest)
	if err != nil {
		return nil, err
	}
	tables, err := tx.tables()
	if err != nil {
		return nil, err
	}
	for _, table := range tables {
		if err := tx.archiveTable(a, table); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		if err := a.enc.Encode(archiveLine{Key: name, Sealed: keys[name]}); err != nil {
			return nil, err
		}
	}
	return a.rows, a.close()
}

// archiveTable writes a table. Sealed tokens of identity providers stay: every
// sign-in is over after a restore.
func (tx *Tx) archiveTable(a *archiveWriter, table string) error {
	query := `SELECT * FROM ` + table
	if table == "events" {
		query += ` ORDER BY pos`
	}
	found, err := tx.rows(query)
	if err != nil {
		return err
	}
	defer found.Close()
	columns, err := found.Columns()
	if err == nil {
		err = a.enc.Encode(archiveLine{Table: table, Columns: columns})
	}
	if err != nil {
		return err
	}
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	refresh := -1
	if table == "signins" {
		refresh = slices.Index(columns, "refresh")
	}
	for found.Next() {
		if err := found.Scan(into...); err != nil {
			return tx.failed(err)
		}
		if refresh >= 0 {
			values[refresh] = nil
		}
		if err := a.row(table, values); err != nil {
			return err
		}
	}
	if err := found.Err(); err != nil {
		return tx.failed(err)
	}
	return nil
}

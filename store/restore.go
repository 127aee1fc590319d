package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/audit"
	"golang.org/x/mod/sumdb/tlog"
)

// Restoring says what to restore, and what is known from elsewhere.
type Restoring struct {
	Archive io.ReadSeeker
	Seen    [][]byte        // checkpoints that clients or witnesses kept; the head file is read too
	End     func(*Tx) error // records what ends with the epoch, right after its first entry
}

// Restored says what was restored and what is lost.
type Restored struct {
	Manifest Manifest
	Rows     map[string]int64
	Before   audit.Head  // of the archive
	Seen     *audit.Head // the highest head seen outside; nil: none was
	After    audit.Head  // of the new epoch
}

// Lost returns how many entries of the log are lost; known is false if
// nothing outside the database says how long the log was.
func (r Restored) Lost() (n int64, known bool) {
	if r.Seen == nil {
		return 0, false
	}
	return max(0, r.Seen.Size-r.Before.Size), true
}

// Restore fills an empty database from an archive and opens a new epoch of
// the log. The entries of the archive stay at their indexes; the next one,
// the first that the epoch adds, says which head was known last and how many
// entries are lost, and is followed by what r.End records. Until all of that
// is durable the database is one that [Open] refuses.
//
// The error is of kind [brevet.Conflict] if the database holds anything,
// [brevet.Invalid] if the archive is damaged or another log's, and
// [brevet.Internal] if its log is not whole or contradicts what was seen.
func Restore(ctx context.Context, cfg Config, r Restoring) (out Restored, err error) {
	if out.Manifest, out.Rows, _, err = ReadManifest(r.Archive); err != nil {
		return out, err
	}
	db, err := newDB(cfg)
	if err != nil {
		return out, err
	}
	if out.Before, err = audit.OpenHead([]byte(out.Manifest.Checkpoint), cfg.Verifier); err != nil {
		return out, brevet.Errorf(brevet.Invalid, "the backup's log is not signed by the key in KEYS").
			WithHint("a backup goes with the keys of its server, and with its url").WithCause(err)
	}
	if out.Seen, err = db.highest(r.Seen); err != nil {
		return out, err
	}
	if err := db.connect(ctx); err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, db.disconnect()) }()
	if err := db.mustBeEmpty(ctx); err != nil {
		return out, err
	}
	if err := db.migrateTables(ctx, out.Manifest.Schema); err != nil {
		return out, err
	}
	epoch := out.Before.Epoch + 1
	if out.Seen != nil {
		epoch = max(epoch, out.Seen.Epoch+1)
	}
	if err := db.load(ctx, r.Archive, epoch); err != nil {
		return out, err
	}
	if err := db.migrate(ctx); err != nil {
		return out, err
	}
	out.After, err = db.openEpoch(ctx, epoch, out, r.End)
	return out, err
}

// highest returns the highest of the heads that were seen outside.
func (db *DB) highest(seen [][]byte) (best *audit.Head, err error) {
	if db.cfg.HeadFile != "" {
		kept, err := os.ReadFile(db.cfg.HeadFile)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, brevet.Errorf(brevet.Unavailable, "the head file cannot be read").WithCause(err)
		}
		if err == nil {
			seen = append(slices.Clone(seen), bytes.TrimLeft(kept, "\n"))
		}
	}
	for _, n := range seen {
		h, err := audit.OpenHead(n, db.cfg.Verifier)
		if err != nil {
			return nil, brevet.Errorf(brevet.Invalid, "a checkpoint that was seen is not one of this log").WithCause(err)
		}
		if best == nil || h.Epoch > best.Epoch || h.Epoch == best.Epoch && h.Size > best.Size {
			best = &h
		}
	}
	return best, nil
}

// mustBeEmpty refuses a database that holds anything.
func (db *DB) mustBeEmpty(ctx context.Context) error {
	for _, table := range []string{"head", "events", "persons"} {
		exists := `SELECT count(*) FROM sqlite_master WHERE name = $1`
		if db.dialect == onPostgres {
			exists = `SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = $1`
		}
		var n int
		err := db.writes.QueryRowContext(ctx, exists, table).Scan(&n)
		if err == nil && n > 0 {
			err = db.writes.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM `+table+` LIMIT 1) AS t`).Scan(&n)
		}
		if err != nil {
			return db.dialect.fault(err)
		}
		if n > 0 {
			return brevet.Errorf(brevet.Conflict, "the database is not empty, and nothing is restored over one").
				WithHint("move it away, with its -wal and -shm files, or name another in brevet.yaml; keep it until you know what is lost")
		}
	}
	return nil
}

// together is how many rows one statement inserts.
const together = 100

// loader inserts the rows of an archive.
type loader struct {
	tx      *Tx
	epoch   int64
	tables  []string
	table   string
	columns []string
	pos     int // the column of events that holds the epoch; -1
	args    []any
	rows    int
}

// load inserts all rows in one transaction, those of the log into epoch. It
// leaves out the head, without which the database does not open.
func (db *DB) load(ctx context.Context, archive io.ReadSeeker, epoch int64) error {
	if _, err := archive.Seek(0, io.SeekStart); err != nil {
		return err
	}
	sqltx, err := db.writes.BeginTx(ctx, nil)
	if err != nil {
		return db.dialect.fault(err)
	}
	defer sqltx.Rollback()
	l := &loader{tx: &Tx{db: db, ctx: ctx, link: sqlLink{sqltx}}, epoch: epoch}
	if l.tables, err = l.tx.tables(); err != nil {
		return err
	}
	_, err = readArchive(archive, func(Manifest) error { return nil }, l.line)
	if err == nil {
		err = l.flush()
	}
	if err != nil {
		return err
	}
	return db.dialect.fault(sqltx.Commit())
}

func (l *loader) line(a archiveLine) error {
	switch {
	case a.Key != "":
		return nil
	case a.Table != "":
		if err := l.flush(); err != nil {
			return err
		}
		return l.begin(a)
	case len(a.Row) != len(l.columns) || l.table == "":
		return errDamaged
	}
	for i, c := range a.Row {
		if i == l.pos {
			at, ok := c.v.(int64)
			if !ok {
				return errDamaged
			}
			c.v = position(l.epoch, indexAt(at))
		}
		l.args = append(l.args, c.v)
	}
	if l.rows++; l.rows == together {
		return l.flush()
	}
	return nil
}

// begin takes up a table: its name and columns must be ours.
func (l *loader) begin(a archiveLine) error {
	if !slices.Contains(l.tables, a.Table) {
		return brevet.Errorf(brevet.Invalid, "the backup has a table that this version does not know: %s", brevet.Printable(a.Table)).
			WithHint("restore with the brevetd that made it, or a newer one")
	}
	found, err := l.tx.rows(`SELECT * FROM ` + a.Table + ` LIMIT 0`)
	if err != nil {
		return err
	}
	ours, err := found.Columns()
	if err := errors.Join(err, found.Close()); err != nil {
		return l.tx.failed(err)
	}
	for _, c := range a.Columns {
		if !slices.Contains(ours, c) {
			return brevet.Errorf(brevet.Invalid, "the backup's table %s has a column that this version does not know: %s", a.Table, brevet.Printable(c)).
				WithHint("restore with the brevetd that made it, or a newer one")
		}
	}
	l.table, l.columns, l.pos = a.Table, a.Columns, -1
	if a.Table == "events" {
		l.pos = slices.Index(a.Columns, "pos")
	}
	return nil
}

func (l *loader) flush() error {
	if l.rows == 0 {
		return nil
	}
	var q strings.Builder
	q.WriteString(`INSERT INTO ` + l.table + ` (` + strings.Join(l.columns, ", ") + `) VALUES `)
	for i := range l.args {
		switch {
		case i > 0 && i%len(l.columns) == 0:
			q.WriteString("), (")
		case i > 0:
			q.WriteString(", ")
		default:
			q.WriteByte('(')
		}
		q.WriteString("$" + strconv.Itoa(i+1))
	}
	q.WriteByte(')')
	_, err := l.tx.link.exec(l.tx.ctx, q.String(), l.args)
	l.args, l.rows = l.args[:0], 0
	if err != nil {
		return l.tx.failed(err)
	}
	return nil
}

// openEpoch verifies the log that was loaded, writes its head and the entries
// that the new epoch begins with.
func (db *DB) openEpoch(ctx context.Context, epoch int64, r Restored, end func(*Tx) error) (audit.Head, error) {
	head := db.seal.Head(epoch, r.Before.Size, r.Before.Root)
	var options *sql.TxOptions
	sqltx, err := db.writes.BeginTx(ctx, options)
	if err != nil {
		return head, db.dialect.fault(err)
	}
	b := &batch{db: db, ctx: ctx, cancel: func() {}, link: sqlLink{sqltx}}
	defer b.rollback()
	tx := &Tx{db: db, ctx: ctx, link: b.link, batch: b, alone: true}
	if err := db.takeRows(tx, head); err != nil {
		return head, err
	}
	if err := db.agrees(tx, r); err != nil {
		return head, err
	}
	if _, err := tx.exec(`INSERT INTO head (id, epoch, size, note) VALUES (1, $1, $2, $3)`, head.Epoch, head.Size, head.Note); err != nil {
		return head, err
	}
	b.begun()
	err = tx.call(func(tx *Tx) error {
		if _, err := tx.Record(r.opened()); err != nil {
			return err
		}
		return end(tx)
	})
	if err != nil {
		return head, err
	}
	b.wrote = true
	if err := b.commit(); err != nil {
		return head, err
	}
	if db.disk != nil {
		err = db.disk.reach(db.disk.landed.Load())
	}
	return db.Head(), err
}

// agrees checks that the log has no more rows than its head says, and that it
// is the one that was seen.
func (db *DB) agrees(tx *Tx, r Restored) error {
	var n int64
	if err := tx.row(`SELECT count(*) FROM events`).Scan(&n); err != nil {
		return tx.failed(err)
	}
	if n != r.Before.Size {
		return brevet.Errorf(brevet.Internal, "the backup has %d entries of the log, its signed head says %d", n, r.Before.Size)
	}
	if r.Seen == nil || r.Seen.Epoch != r.Before.Epoch || r.Seen.Size > r.Before.Size {
		return nil // what is lost cannot be compared
	}
	root, err := tlog.TreeHash(r.Seen.Size, tx.Hashes())
	if err == nil && root != r.Seen.Root {
		err = brevet.Errorf(brevet.Internal, "the backup's log is another than the one that was seen; nothing is restored")
	}
	return err
}

// opened is the first entry that the epoch adds.
func (r Restored) opened() brevet.Event {
	data := map[string]string{"restored": r.Manifest.Made.UTC().Format("2006-01-02T15:04:05Z"), "lost": "unknown",
		"before": audit.Origin(r.Manifest.Host, r.Before.Epoch), "before_size": strconv.FormatInt(r.Before.Size, 10), "before_root": r.Before.Root.String()}
	if lost, known := r.Lost(); known {
		data["lost"] = strconv.FormatInt(lost, 10)
		data["seen"] = audit.Origin(r.Manifest.Host, r.Seen.Epoch)
		data["seen_size"], data["seen_root"] = strconv.FormatInt(r.Seen.Size, 10), r.Seen.Root.String()
	}
	return brevet.Event{Kind: brevet.LogOpened, Actor: brevet.Actor{System: "restore"}, Data: data}
}

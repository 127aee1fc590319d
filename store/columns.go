package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
)

// table is a table of ours whose first column is the id: the statements that
// every such table needs, built once.
type table struct {
	name    string // for messages: what a row is
	columns string // comma-separated
	insert  string // does nothing if it would break a unique index
	update  string // of the id's row where open holds: what a life cycle changes
	exists  string
	byID    string
}

// newTable builds the statements. open is the condition under which a row may
// still change; final states do not meet it. changing are the columns that do
// change; all others, and the indexes on them, are written once.
func newTable(what, name, open string, changing []string, columns ...string) table {
	var marks, sets []string
	for i := range columns {
		marks = append(marks, "$"+strconv.Itoa(i+1))
	}
	for i, c := range changing {
		sets = append(sets, c+" = $"+strconv.Itoa(i+2))
	}
	list := strings.Join(columns, ", ")
	return table{
		name: what, columns: list,
		insert: `INSERT INTO ` + name + ` (` + list + `) VALUES (` + strings.Join(marks, ", ") + `) ON CONFLICT DO NOTHING`,
		update: `UPDATE ` + name + ` SET ` + strings.Join(sets, ", ") + ` WHERE id = $1 AND ` + open,
		exists: `SELECT count(*) FROM ` + name + ` WHERE id = $1`,
		byID:   `SELECT ` + list + ` FROM ` + name + ` WHERE id = $1`,
	}
}

// add inserts a row. What is taken already is a conflict.
func (t table) add(tx *Tx, args []any) error {
	n, err := tx.exec(t.insert, args...)
	if err == nil && n == 0 {
		err = brevet.Errorf(brevet.Conflict, "%s is there already", t.name)
	}
	return err
}

// put changes a row that may still change: args are its id and the values of
// the changing columns.
func (t table) put(tx *Tx, args ...any) error {
	n, err := tx.exec(t.update, args...)
	if err != nil || n > 0 {
		return err
	}
	var rows int
	if err := tx.row(t.exists, args[0]).Scan(&rows); err != nil {
		return tx.failed(err)
	}
	if rows == 0 {
		return t.missing()
	}
	return brevet.Errorf(brevet.Conflict, "%s has ended and changes no more", t.name)
}

func (t table) missing() error {
	return brevet.Errorf(brevet.NotFound, "there is no such %s", t.noun())
}

func (t table) noun() string { _, noun, _ := strings.Cut(t.name, " "); return noun }

// one scans a single row.
func one[T any](tx *Tx, t table, scan func(scanner) (T, error), query string, args ...any) (T, error) {
	v, err := scan(tx.row(query, args...))
	if errors.Is(err, sql.ErrNoRows) {
		return v, t.missing()
	}
	if err != nil {
		return v, tx.failed(err)
	}
	return v, nil
}

// filter collects the conditions of a SELECT. Queries with lists of values
// are not worth preparing; the others come in few forms.
type filter struct {
	where []string
	args  []any
}

func (f *filter) add(condition string, arg any) {
	f.args = append(f.args, arg)
	f.where = append(f.where, strings.ReplaceAll(condition, "?", "$"+strconv.Itoa(len(f.args))))
}

// is adds column = value unless value is empty.
func is[V ~string](f *filter, column string, value V) {
	if value != "" {
		f.add(column+" = ?", string(value))
	}
}

// among adds column IN values. A nil list is no condition; an empty one that
// is not nil matches nothing.
func among[V ~string](f *filter, column string, values []V) {
	if values == nil {
		return
	}
	marks := make([]string, len(values))
	for i, v := range values {
		f.args = append(f.args, string(v))
		marks[i] = "$" + strconv.Itoa(len(f.args))
	}
	if len(marks) == 0 {
		f.where = append(f.where, "1 = 0")
		return
	}
	f.where = append(f.where, column+" IN ("+strings.Join(marks, ", ")+")")
}

// list reads the rows of a filter, newest first; limit 0 is no limit.
func list[T any](tx *Tx, table, columns string, f *filter, limit int, scan func(scanner) (T, error)) ([]T, error) {
	query := "SELECT " + columns + " FROM " + table
	if len(f.where) > 0 {
		query += " WHERE " + strings.Join(f.where, " AND ")
	}
	query += " ORDER BY created_at DESC, id DESC"
	if limit > 0 {
		query += " LIMIT " + strconv.Itoa(roundUp(limit))
	} else {
		limit = math.MaxInt
	}
	return read(tx, query, f.args, limit, scan)
}

// read reads up to limit rows of a query.
func read[T any](tx *Tx, query string, args []any, limit int, scan func(scanner) (T, error)) ([]T, error) {
	found, err := tx.rows(query, args...)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	var out []T
	for len(out) < limit && found.Next() {
		v, err := scan(found)
		if err != nil {
			return nil, tx.failed(err)
		}
		out = append(out, v)
	}
	if err := found.Err(); err != nil {
		return nil, tx.failed(err)
	}
	return out, nil
}

// roundUp returns the power of two from n on. A limit is part of the query's
// text, since SQLite plans a query with a bound limit anew each time; rounded,
// the texts that callers can cause are few, and stay prepared.
func roundUp(n int) int { return 1 << bits.Len(uint(min(n, 1<<30)-1)) }

// micros is how times are stored: microseconds since 1970, 0 for the zero
// time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// at scans a stored time.
func at(t *time.Time) *instant { return (*instant)(t) }

type instant time.Time

// Scan implements [sql.Scanner].
func (i *instant) Scan(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("a time is stored as %T", v)
	}
	*i = instant{}
	if n != 0 {
		*i = instant(time.UnixMicro(n).UTC())
	}
	return nil
}

// flag is how yes and no are stored: 1 and 0.
func flag(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

// text encodes what is stored as JSON: plain structs and lists, which never
// fail.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("store: " + err.Error())
	}
	return string(b)
}

// decoded scans stored JSON into v, which is zero.
func decoded(v any) sql.Scanner { return jsonColumn{v} }

type jsonColumn struct{ v any }

// Scan implements [sql.Scanner].
func (j jsonColumn) Scan(v any) error {
	switch v := v.(type) {
	case string:
		if v == "null" || v == "{}" { // most of them
			return nil
		}
		return json.Unmarshal([]byte(v), j.v)
	case []byte:
		return json.Unmarshal(v, j.v)
	}
	return fmt.Errorf("JSON is stored as %T", v)
}

// bytes32 scans a stored hash.
func bytes32(h *[32]byte) sql.Scanner { return hashColumn{h} }

type hashColumn struct{ h *[32]byte }

// Scan implements [sql.Scanner].
func (c hashColumn) Scan(v any) error {
	b, ok := v.([]byte)
	if !ok || len(b) != len(c.h) {
		return fmt.Errorf("a hash is stored as %T of another length", v)
	}
	*c.h = [32]byte(b)
	return nil
}

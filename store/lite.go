package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"

	"modernc.org/sqlite"
)

// openLite returns a pool of connections to SQLite. They do what they do for
// package sql; beside it, [beginLite] takes one and runs statements on it
// without the package, whose share of a statement is as large as SQLite's.
func openLite(dsn string) (*sql.DB, error) {
	c, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(liteConnector{c}), nil
}

type liteConnector struct{ driver.Connector }

// Connect implements [driver.Connector].
func (c liteConnector) Connect(ctx context.Context) (driver.Conn, error) {
	made, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	conn, ok := made.(sqliteConn)
	if !ok {
		made.Close()
		return nil, fmt.Errorf("the driver's connection is a %T", made)
	}
	return &liteConn{sqliteConn: conn, ready: map[string]*liteStmt{}}, nil
}

// sqliteConn is what the driver's connection can do.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// liteConn is a connection and the statements that are prepared on it.
type liteConn struct {
	sqliteConn
	ready map[string]*liteStmt
	args  []driver.NamedValue // of the statement that begins
	lent  bool                // a liteLink has begun a transaction
}

// liteStmt is a prepared statement.
type liteStmt struct {
	driver.Stmt
	kept bool // for the next time
	busy bool // its rows are being read
}

// maxStmts bounds the statements that a connection keeps; the queries of this
// package are fewer.
const maxStmts = 256

// BeginTx implements [driver.ConnBeginTx]. In a transaction that a liteLink
// has begun it begins nothing, and what it returns ends nothing.
func (c *liteConn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	if c.lent {
		return lentTx{}, nil
	}
	return c.sqliteConn.BeginTx(ctx, options)
}

type lentTx struct{}

func (lentTx) Commit() error   { return nil }
func (lentTx) Rollback() error { return nil }

// Close implements [driver.Conn].
func (c *liteConn) Close() error {
	for query, s := range c.ready {
		s.Close()
		delete(c.ready, query)
	}
	return c.sqliteConn.Close()
}

// stmt returns the query prepared. It must be given to done.
func (c *liteConn) stmt(ctx context.Context, query string) (*liteStmt, error) {
	if s := c.ready[query]; s != nil && !s.busy {
		return s, nil
	}
	made, err := c.PrepareContext(ctx, unnamed(query))
	if err != nil {
		return nil, err
	}
	s := &liteStmt{Stmt: made}
	if c.ready[query] == nil && len(c.ready) < maxStmts {
		s.kept, c.ready[query] = true, s
	}
	return s, nil
}

func (s *liteStmt) done() error {
	s.busy = false
	if s.kept {
		return nil
	}
	return s.Close()
}

// unnamed writes $1, $2, … as ? where they stand in this order, each once: the
// driver looks the names of others up, each time. No query of this package
// has a $ elsewhere.
func unnamed(query string) string {
	parts := strings.Split(query, "$")
	for i, p := range parts[1:] {
		n := strconv.Itoa(i + 1)
		rest, ok := strings.CutPrefix(p, n)
		if !ok || rest != "" && rest[0] >= '0' && rest[0] <= '9' {
			return query
		}
		parts[i+1] = rest
	}
	return strings.Join(parts, "?")
}

// bind turns arguments into the driver's.
func (c *liteConn) bind(args []any) ([]driver.NamedValue, error) {
	c.args = c.args[:0]
	for i, arg := range args {
		v := driver.NamedValue{Ordinal: i + 1, Value: arg}
		switch arg.(type) {
		case string, int64, []byte, nil:
		default:
			var err error
			if v.Value, err = driver.DefaultParameterConverter.ConvertValue(arg); err != nil {
				return nil, err
			}
		}
		c.args = append(c.args, v)
	}
	return c.args, nil
}

func (c *liteConn) exec(ctx context.Context, query string, args []any) (int64, error) {
	values, err := c.bind(args)
	if err != nil {
		return 0, err
	}
	s, err := c.stmt(ctx, query)
	if err != nil {
		return 0, err
	}
	res, err := s.Stmt.(driver.StmtExecContext).ExecContext(ctx, values)
	if err = errors.Join(err, s.done()); err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (c *liteConn) query(ctx context.Context, query string, args []any) (*liteRows, error) {
	values, err := c.bind(args)
	if err != nil {
		return nil, err
	}
	s, err := c.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	found, err := s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, values)
	if err != nil {
		return nil, errors.Join(err, s.done())
	}
	s.busy = true
	return &liteRows{stmt: s, found: found, values: make([]driver.Value, len(found.Columns()))}, nil
}

// liteLink is a transaction on a connection that nobody else has meanwhile.
type liteLink struct {
	pool  *sql.Conn
	conn  *liteConn
	sqltx *sql.Tx // the transaction for package sql, if anybody asked
}

// beginLite begins a transaction: how is the statement that does.
func beginLite(ctx context.Context, pool *sql.DB, how string) (*liteLink, error) {
	held, err := pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	l := &liteLink{pool: held}
	err = held.Raw(func(c any) error { l.conn = c.(*liteConn); return nil })
	if err == nil {
		_, err = l.conn.exec(ctx, how, nil)
	}
	if err != nil {
		held.Close()
		return nil, err
	}
	l.conn.lent = true
	return l, nil
}

func (l *liteLink) exec(ctx context.Context, query string, args []any) (int64, error) {
	return l.conn.exec(ctx, query, args)
}

func (l *liteLink) query(ctx context.Context, query string, args []any) (rows, error) {
	found, err := l.conn.query(ctx, query, args)
	if err != nil {
		return nil, err
	}
	return found, nil
}

func (l *liteLink) row(ctx context.Context, query string, args []any) scanner {
	found, err := l.conn.query(ctx, query, args)
	return liteRow{found, err}
}

func (l *liteLink) sqlTx(ctx context.Context) (tx *sql.Tx, err error) {
	if l.sqltx == nil {
		l.sqltx, err = l.pool.BeginTx(ctx, nil)
	}
	return l.sqltx, err
}

func (l *liteLink) commit() error {
	_, err := l.conn.exec(context.Background(), `COMMIT`, nil)
	if err != nil {
		l.rollback()
		return err
	}
	l.release(nil)
	return nil
}

// rollback also throws the connection away if it cannot be rolled back, most
// likely because SQLite did that itself.
func (l *liteLink) rollback() {
	if l.conn == nil {
		return
	}
	_, err := l.conn.exec(context.Background(), `ROLLBACK`, nil)
	l.release(err)
}

// release gives the connection back, for the last time if err is not nil.
func (l *liteLink) release(err error) {
	if l.sqltx != nil {
		l.sqltx.Rollback()
	}
	l.conn.lent, l.conn = false, nil
	if err != nil {
		l.pool.Raw(func(any) error { return driver.ErrBadConn })
	}
	l.pool.Close()
}

// liteRow is one row, or why there is none.
type liteRow struct {
	found *liteRows
	err   error
}

// Scan implements [scanner].
func (r liteRow) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.found.Close()
	if !r.found.Next() {
		if err := r.found.Err(); err != nil {
			return err
		}
		return sql.ErrNoRows
	}
	if err := r.found.Scan(dest...); err != nil {
		return err
	}
	return r.found.Close()
}

// liteRows are the rows of a query.
type liteRows struct {
	stmt   *liteStmt // nil once closed
	found  driver.Rows
	values []driver.Value
	err    error
}

// Next implements [rows].
func (r *liteRows) Next() bool {
	if r.stmt == nil {
		return false
	}
	switch err := r.found.Next(r.values); {
	case err == nil:
		return true
	case err != io.EOF:
		r.err = err
	}
	r.Close()
	return false
}

// Columns implements [rows].
func (r *liteRows) Columns() ([]string, error) { return r.found.Columns(), nil }

// Err implements [rows].
func (r *liteRows) Err() error { return r.err }

// Close implements [rows].
func (r *liteRows) Close() error {
	if r.stmt == nil {
		return nil
	}
	err := errors.Join(r.found.Close(), r.stmt.done())
	r.stmt = nil
	return err
}

// Scan implements [scanner].
func (r *liteRows) Scan(dest ...any) error {
	if len(dest) != len(r.values) {
		return fmt.Errorf("%d columns for %d variables", len(r.values), len(dest))
	}
	for i, d := range dest {
		if err := assign(d, r.values[i]); err != nil {
			return fmt.Errorf("column %d: %w", i, err)
		}
	}
	return nil
}

// assign stores a value of the driver, which is nobody else's, in what dest
// points to.
func assign(dest any, v driver.Value) error {
	switch d := dest.(type) {
	case sql.Scanner:
		return d.Scan(v)
	case *any:
		*d = v
		return nil
	case *[]byte:
		switch v := v.(type) {
		case []byte:
			*d = v
			return nil
		case string:
			*d = []byte(v)
			return nil
		case nil:
			*d = nil
			return nil
		}
	case *int64:
		if n, ok := v.(int64); ok {
			*d = n
			return nil
		}
	case *string:
		if s, ok := v.(string); ok {
			*d = s
			return nil
		}
	}
	return assignKind(reflect.ValueOf(dest), v)
}

// assignKind stores what a type of ours is made of.
func assignKind(dest reflect.Value, v driver.Value) error {
	if dest.Kind() == reflect.Pointer && !dest.IsNil() {
		to := dest.Elem()
		switch v := v.(type) {
		case string:
			if to.Kind() == reflect.String {
				to.SetString(v)
				return nil
			}
		case int64:
			switch {
			case to.CanInt() && !to.OverflowInt(v):
				to.SetInt(v)
				return nil
			case to.Kind() == reflect.Bool && (v == 0 || v == 1):
				to.SetBool(v == 1)
				return nil
			}
		}
	}
	return fmt.Errorf("a %T is stored where %s is wanted", v, dest.Type())
}

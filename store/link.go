package store

import (
	"context"
	"database/sql"
)

// link is a transaction of the database as statements see it: on SQLite
// straight through the driver ([liteLink]), else through package sql
// ([sqlLink]).
type link interface {
	exec(ctx context.Context, query string, args []any) (rows int64, err error)
	query(ctx context.Context, query string, args []any) (rows, error)
	row(ctx context.Context, query string, args []any) scanner
	commit() error
	rollback() // after a commit it does nothing

	// sqlTx is the same transaction for those who know nothing but package
	// sql. It must not be ended.
	sqlTx(ctx context.Context) (*sql.Tx, error)
}

// scanner is what a row is read by; without a row its error is
// [sql.ErrNoRows].
type scanner interface{ Scan(dest ...any) error }

// rows is what [sql.Rows] can do of which use is made.
type rows interface {
	scanner
	Next() bool
	Columns() ([]string, error)
	Err() error
	Close() error
}

// sqlLink is a transaction of package sql. On PostgreSQL the driver keeps
// prepared statements itself.
type sqlLink struct{ tx *sql.Tx }

func (l sqlLink) exec(ctx context.Context, query string, args []any) (int64, error) {
	res, err := l.tx.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (l sqlLink) query(ctx context.Context, query string, args []any) (rows, error) {
	found, err := l.tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return found, nil
}

func (l sqlLink) row(ctx context.Context, query string, args []any) scanner {
	return l.tx.QueryRowContext(ctx, query, args...)
}

func (l sqlLink) commit() error                          { return l.tx.Commit() }
func (l sqlLink) rollback()                              { l.tx.Rollback() }
func (l sqlLink) sqlTx(context.Context) (*sql.Tx, error) { return l.tx, nil }

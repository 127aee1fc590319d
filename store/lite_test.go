package store

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
)

func TestUnnamed(t *testing.T) {
	for query, want := range map[string]string{
		`SELECT 1`:                         `SELECT 1`,
		`a = $1 AND b IN ($2, $3)`:         `a = ? AND b IN (?, ?)`,
		`a = $2 AND b = $1`:                `a = $2 AND b = $1`,
		`a = $1 OR b = $1`:                 `a = $1 OR b = $1`,
		`a = $1 AND b = $2 AND c = $1`:     `a = $1 AND b = $2 AND c = $1`,
		`a = $1 AND b = ?`:                 `a = ? AND b = ?`,
		`($1,$2,$3,$4,$5,$6,$7,$8,$9,$10)`: `(?,?,?,?,?,?,?,?,?,?)`,
		`$10`:                              `$10`,
	} {
		if got := unnamed(query); got != want {
			t.Errorf("%s: got %s", query, got)
		}
	}
}

func TestAssign(t *testing.T) {
	var (
		id   brevet.GrantID
		took time.Duration
		n    int64
		yes  bool
		s    string
		b    []byte
		v    any
	)
	for _, c := range []struct {
		dest any
		from any
		ok   bool
	}{
		{&id, "gr_1", true}, {&took, int64(5), true}, {&n, int64(6), true}, {&yes, int64(1), true}, {&s, "x", true}, {&b, []byte("y"), true}, {&v, int64(7), true},
		{&id, int64(1), false}, {&took, "5", false}, {&yes, int64(2), false}, {&s, nil, false}, {&n, nil, false}, {id, "gr_2", false}, {new(int8), int64(300), false},
	} {
		func() {
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("%T: panic: %v", c.dest, p)
				}
			}()
			if err := assign(c.dest, c.from); (err == nil) != c.ok {
				t.Errorf("%T from %T: %v", c.dest, c.from, err)
			}
		}()
	}
	if id != "gr_1" || took != 5 || n != 6 || !yes || s != "x" || string(b) != "y" || v != int64(7) {
		t.Error("wrong values:", id, took, n, yes, s, b, v)
	}
}

// TestLite reads rows within rows of the same query, lets package sql take
// part in a transaction that it cannot end, and gets a connection that fails
// to roll back out of the way.
func TestLite(t *testing.T) {
	ctx := context.Background()
	pool, err := openLite("file:" + filepath.Join(t.TempDir(), "lite.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	pool.SetMaxOpenConns(1)
	if _, err := pool.Exec(`CREATE TABLE t (n INTEGER PRIMARY KEY, s TEXT)`); err != nil {
		t.Fatal(err)
	}
	begin := func() *liteLink {
		t.Helper()
		l, err := beginLite(ctx, pool, `BEGIN IMMEDIATE`)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := begin()
	for i := range 3 {
		if n, err := l.exec(ctx, `INSERT INTO t VALUES ($1, $2)`, []any{i, "s"}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	other, err := l.sqlTx(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Exec(`INSERT INTO t VALUES (3, 's')`); err != nil {
		t.Fatal(err)
	}
	if err := other.Commit(); err != nil {
		t.Fatal(err)
	}
	pairs := 0
	outer, err := l.query(ctx, `SELECT n FROM t`, nil)
	for err == nil && outer.Next() {
		inner, err2 := l.query(ctx, `SELECT n FROM t`, nil)
		for err2 == nil && inner.Next() {
			pairs++
		}
		err = err2
	}
	if err != nil || outer.Err() != nil || pairs != 16 {
		t.Error(pairs, err, outer.Err())
	}
	l.rollback() // takes package sql's row along
	l = begin()
	var n int64
	if err := l.row(ctx, `SELECT count(*) FROM t`, nil).Scan(&n); err != nil || n != 0 {
		t.Error(n, err)
	}
	if err := l.row(ctx, `SELECT n FROM t WHERE n = $1`, []any{int64(1)}).Scan(&n); !errors.Is(err, sql.ErrNoRows) {
		t.Error(err)
	}
	if _, err := l.exec(ctx, `ROLLBACK`, nil); err != nil { // as SQLite does where a disk is full
		t.Fatal(err)
	}
	bad := l.conn
	l.rollback()
	l = begin()
	if l.conn == bad {
		t.Error("a connection that cannot be rolled back is used again")
	}
	if _, err := l.exec(ctx, `INSERT INTO t VALUES (9, 's')`, nil); err != nil {
		t.Error(err)
	}
	if err := l.commit(); err != nil {
		t.Error(err)
	}
	l.rollback()
	if err := pool.QueryRow(`SELECT count(*) FROM t`).Scan(&n); err != nil || n != 1 {
		t.Error(n, err)
	}
}

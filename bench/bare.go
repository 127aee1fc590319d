package main

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
)

// bareLog is a table in SQLite to which rows as large as an entry are
// appended, beside a row that is replaced as a head is: one transaction each,
// without log, queue or signature.
type bareLog struct {
	pool                        *sql.DB
	conn                        *sql.Conn
	begin, insert, head, commit *sql.Stmt
}

func openBare(dir string) (*bareLog, error) {
	pool, err := sql.Open("sqlite", refFile(filepath.Join(dir, "bare.db")))
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	b := &bareLog{pool: pool}
	if b.conn, err = pool.Conn(ctx); err == nil {
		_, err = b.conn.ExecContext(ctx, `CREATE TABLE events (idx INTEGER PRIMARY KEY, entry BLOB); CREATE TABLE head (id INTEGER PRIMARY KEY, note BLOB); INSERT INTO head VALUES (1, '')`)
	}
	for query, stmt := range map[string]**sql.Stmt{
		`BEGIN IMMEDIATE`: &b.begin, `INSERT INTO events (entry) VALUES (?)`: &b.insert, `UPDATE head SET note = ? WHERE id = 1`: &b.head, `COMMIT`: &b.commit} {
		if err == nil {
			*stmt, err = b.conn.PrepareContext(ctx, query)
		}
	}
	if err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	return b, nil
}

func (b *bareLog) append() error {
	entry, note := make([]byte, rawSize), make([]byte, 200)
	_, err1 := b.begin.Exec()
	_, err2 := b.insert.Exec(entry)
	_, err3 := b.head.Exec(note)
	_, err4 := b.commit.Exec()
	return errors.Join(err1, err2, err3, err4)
}

func (b *bareLog) close() error { return errors.Join(b.conn.Close(), b.pool.Close()) }

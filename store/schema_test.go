package store_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/brevet-access/brevet/store/pgtest"
	"github.com/google/go-cmp/cmp"
)

// TestSchema holds the two dialects together: the same tables with the same
// columns, and customer_id wherever a row belongs to a customer.
func TestSchema(t *testing.T) {
	lite, pg := newSQLite(t), pgtest.New(t)
	ours := columns(t, lite, `SELECT m.name || '.' || p.name FROM sqlite_master m, pragma_table_info(m.name) p WHERE m.type = 'table'`)
	theirs := columns(t, pg, `SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = current_schema()`)
	if diff := cmp.Diff(ours, theirs); diff != "" {
		t.Errorf("SQLite and PostgreSQL differ (-SQLite +PostgreSQL):\n%s", diff)
	}
	for _, table := range []string{"events", "blinds", "requests", "grants", "sessions", "outbox", "assignments", "revocations"} {
		if !slices.Contains(ours, table+".customer_id") {
			t.Errorf("table %s has no customer_id", table)
		}
	}
}

// columns migrates a database and lists what the query finds, without River's
// and goose's own.
func columns(t *testing.T, url, query string) (names []string) {
	t.Helper()
	open(t, config(url)).Close()
	rows, err := raw(t, url).Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(name, "river") && !strings.HasPrefix(name, "goose") && !strings.HasPrefix(name, "sqlite") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// TestFileModes checks that nobody else can read a SQLite database.
func TestFileModes(t *testing.T) {
	url := newSQLite(t)
	db := open(t, config(url))
	fill(t, db)
	path := strings.TrimPrefix(url, "sqlite:")
	for _, file := range []string{path, path + "-wal", path + "-shm", path + ".lock"} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v (%v)", file, info, err)
		}
	}
}

package store

// ExecOnWriter runs a statement on the writer's own connection.
func (db *DB) ExecOnWriter(statement string) error {
	_, err := db.writes.Exec(statement)
	return err
}

// Callers counts who is in Update.
func (db *DB) Callers() int64 { return db.callers.Load() }

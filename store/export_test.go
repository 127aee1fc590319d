package store

// ExecOnWriter runs a statement on the writer's own connection.
func (db *DB) ExecOnWriter(statement string) error {
	_, err := db.writes.Exec(statement)
	return err
}

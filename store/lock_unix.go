//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package store

import (
	"os"
	"syscall"

	"github.com/brevet-access/brevet"
)

// lockFile keeps other processes away from a SQLite database. The lock goes
// with the process, however it ends; the file stays.
func lockFile(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return func() {}, brevet.Errorf(brevet.Unavailable, "the database's lock file cannot be opened").WithCause(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return func() {}, brevet.Errorf(brevet.Unavailable, "another process uses this database").
			WithHint("a SQLite database serves one process: stop the other one, or use PostgreSQL").WithCause(err)
	}
	return func() { f.Close() }, nil
}

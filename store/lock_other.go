//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package store

import (
	"os"

	"github.com/brevet-access/brevet"
)

// lockFile keeps other processes away from a SQLite database, by a file that
// only one of them can create. After a crash it must be removed by hand.
func lockFile(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return func() {}, brevet.Errorf(brevet.Unavailable, "another process uses this database").
			WithHint("a SQLite database serves one process; after a crash remove its .lock file").WithCause(err)
	}
	return func() { f.Close(); os.Remove(path) }, nil
}

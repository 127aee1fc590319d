// Package keychain keeps what a person's machine remembers between two
// commands: which server was signed in to, the bearer token, and credentials
// that still work.
//
// Everything lies in one directory, the home: $BREVET_HOME, else brevet below
// the user's configuration directory.
//
//	config.json            server, kind of keychain, pinned log keys
//	key                    the sealing key, 0600 (kind "file" only)
//	cache/SERVER-*.sealed  a token or a credential, AES-256-GCM, 0600
//	cache/SERVER-*.lock    taken while an entry is being renewed, 0600
//	heads/SERVER.note      the last checkpoint of the log that was verified
//
// The sealing key is all that an OS keychain holds: its items are limited in
// size, and so both kinds share one file format. Which kind is used is chosen
// once, at sign-in ([Home.Prepare]), and written down, so that no later
// command probes anything. The OS keychain is supplied from outside, as a
// [Ring]: its libraries would cost every user of this package, and the answer
// to most aws calls needs only files.
//
// A cache must never be in the way: an entry that is damaged, sealed with
// another key, or cut short counts as absent and is replaced. Writes go
// through a rename, so a reader sees the old entry or the new one; two
// processes that want to renew the same entry take [Home.Lock] in turn, and
// the second uses what the first got.
package keychain

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/lockedfile"

	"github.com/brevet-access/brevet"
)

// maxFile bounds what is read of any file of the home, in bytes.
const maxFile = 1 << 20

// Home is the directory in which a machine's memory lies. Its methods may be
// used by several goroutines and processes at once.
type Home struct {
	dir string
	os  Ring
}

// At returns the home in dir; it touches nothing. The path is made absolute
// where that is possible, since it also names the key in the OS keychain. That
// keychain itself comes by [Home.WithRing]; without one the kind "os" can be
// neither chosen nor opened.
func At(dir string) *Home {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return &Home{dir: dir, os: noRing{}}
}

// WithRing returns a copy of h that uses r as the operating system's
// keychain.
func (h *Home) WithRing(r Ring) *Home { return &Home{dir: h.dir, os: r} }

// DefaultDir returns $BREVET_HOME, else "brevet" below
// [os.UserConfigDir].
func DefaultDir() (string, error) {
	if dir := os.Getenv("BREVET_HOME"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", brevet.Errorf(brevet.Invalid, "no place for the client's files is known").
			WithHint("set BREVET_HOME to a directory").WithCause(err)
	}
	return filepath.Join(dir, "brevet"), nil
}

// Dir returns the absolute path of the home.
func (h *Home) Dir() string { return h.dir }

func (h *Home) path(elem ...string) string {
	return filepath.Join(append([]string{h.dir}, elem...)...)
}

// Lock waits until no other process holds the lock called name, and takes it.
func (h *Home) Lock(name string) (unlock func(), err error) {
	if err := os.MkdirAll(h.path("cache"), 0o700); err != nil {
		return nil, fault(err)
	}
	f, err := lockedfile.OpenFile(h.path("cache", name+".lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fault(err)
	}
	return func() { f.Close() }, nil // closing it gives the lock back
}

// fault says that the home cannot be used; err names the file.
func fault(err error) error {
	return brevet.Errorf(brevet.Unavailable, "cannot use the client's files: %s", brevet.Printable(err.Error())).
		WithHint("BREVET_HOME names another directory for them").WithCause(err)
}

// short is a file name that stands for s.
func short(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}

// readFile returns the file's content; nil and no error when there is none.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// writeFile replaces the file at path by data as a whole, readable by its
// owner only. With durable it survives a power cut too.
func writeFile(path string, data []byte, durable bool) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fault(err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // 0600
	if err != nil {
		return fault(err)
	}
	_, err = f.Write(data)
	if err == nil && durable {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fault(err)
	}
	return nil
}

package signer

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/brevet-access/brevet"
)

// files is the directory of sealed files. Names are slash-separated and
// relative to it; each is bound to its file's content.
type files struct {
	dir  string
	root []byte
}

// record is the content of a sealed file.
type record struct {
	Name      string `json:"name,omitempty"`  // of the log key
	Number    int    `json:"number"`          // from 1; rotation counts up
	Published int64  `json:"published"`       // Unix microseconds
	Signs     int64  `json:"signs,omitempty"` // from when on it signs, Unix microseconds; 0: from the start
	Key       []byte `json:"key"`             // PKCS #8, or the 32 bytes of a sealing key
}

// sealedFile opens every sealed file; one line of base64 follows.
const sealedFile = "brevet sealed key v1\n"

const maxSealedFile = 64 << 10

// IsSealed reports whether the text is that of a sealed key file. Without the
// root key it is of no use to anybody.
func IsSealed(text []byte) bool { _, err := parseSealed(text); return err == nil }

func (f files) path(name string) string { return filepath.Join(f.dir, filepath.FromSlash(name)) }

func fileLabel(name string) string { return "brevet key file v1 " + name }

// broken is the error for a file that cannot be used. Its message names the
// file and the way out.
func broken(path, why string, cause error) *brevet.Error {
	return brevet.Errorf(brevet.Internal, "key file %s %s", path, why).
		WithHint("restore the file and its root key from the same backup; nothing was overwritten").WithCause(cause)
}

// read opens a sealed file. A missing one is fs.ErrNotExist.
func (f files) read(name string) (record, error) {
	path := f.path(name)
	text, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, err
	}
	if err != nil {
		return record{}, broken(path, "cannot be read", err)
	}
	box, err := parseSealed(text)
	if err != nil {
		return record{}, broken(path, "is damaged", err)
	}
	plain, err := openBox(f.root, fileLabel(name), box)
	if err != nil {
		return record{}, broken(path, "does not open: it was changed, or the root key is another one", err)
	}
	var r record
	if err := json.Unmarshal(plain, &r); err != nil || r.Number < 1 {
		return record{}, broken(path, "holds no key", err)
	}
	return r, nil
}

func readFile(path string) ([]byte, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return io.ReadAll(io.LimitReader(in, maxSealedFile+1))
}

// parseSealed takes the text of a sealed file apart. There is one spelling
// for each content.
func parseSealed(text []byte) ([]byte, error) {
	body, ok := bytes.CutPrefix(text, []byte(sealedFile))
	if !ok {
		return nil, errors.New("first line is missing")
	}
	body, ok = bytes.CutSuffix(body, []byte("\n"))
	if !ok || len(text) > maxSealedFile || bytes.ContainsAny(body, "\r\n") {
		return nil, errors.New("not exactly two lines")
	}
	return base64.StdEncoding.Strict().AppendDecode(nil, body)
}

func formatSealed(box []byte) []byte {
	text := base64.StdEncoding.AppendEncode([]byte(sealedFile), box)
	return append(text, '\n')
}

// create seals r into a new file. It fails with fs.ErrExist when the name is
// taken, and then has changed nothing.
func (f files) create(name string, r record) error {
	plain, err := json.Marshal(r)
	if err != nil {
		return err
	}
	err = createFile(f.path(name), formatSealed(seal(f.root, fileLabel(name), plain)))
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return broken(f.path(name), "cannot be written", err)
	}
	return err
}

// mkdir makes a subdirectory, durably.
func (f files) mkdir(name string) error {
	path := f.path(name)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return broken(path, "has no directory", err)
	}
	return syncDir(filepath.Dir(path))
}

// list returns the names in a subdirectory, sorted.
func (f files) list(name string) ([]string, error) {
	entries, err := os.ReadDir(f.path(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, broken(f.path(name), "cannot be listed", err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names, nil
}

// createFile writes a new file of mode 0600: whole and durable, or not at
// all. It is linked into place, which fails where the name is taken already.
func createFile(path string, text []byte) (err error) {
	var salt [8]byte
	rand.Read(salt[:])
	tmp := filepath.Join(filepath.Dir(path), ".new-"+hex.EncodeToString(salt[:]))
	out, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(tmp)
	if _, err = out.Write(text); err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	if err := os.Link(tmp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// micros and fromMicros keep times in sealed files; zero stays zero.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

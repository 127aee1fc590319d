package signer

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/brevet-access/brevet"
)

// LoadRoot reads the root key from a file that holds 32 bytes in base64 and
// nobody but its owner may read. Where create is true and there is no such
// file, it is made; the directory must not be the one of the sealed files in
// a backup. Errors are of kind invalid (a bad file) or internal.
func LoadRoot(path string, create bool) ([]byte, error) {
	root, err := readRoot(path)
	if !create || !errors.Is(err, fs.ErrNotExist) {
		return root, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, rootError("its directory cannot be made", path, err)
	}
	fresh := make([]byte, 32)
	rand.Read(fresh) // never fails
	text := append(base64.StdEncoding.AppendEncode(nil, fresh), '\n')
	if err := createFile(path, text); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, rootError("it cannot be written", path, err)
	}
	return readRoot(path) // another process may have been first
}

func rootError(why, path string, cause error) *brevet.Error {
	return brevet.Errorf(brevet.Internal, "root key %s: %s", path, why).WithCause(cause)
}

func readRoot(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, brevet.Errorf(brevet.Invalid, "root key %s does not exist", path).
			WithHint("restore it from its backup; without it no key can be opened").WithCause(err)
	}
	if err != nil {
		return nil, rootError("it cannot be read", path, err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, brevet.Errorf(brevet.Invalid, "root key %s may be read by others (mode %04o)", path, info.Mode().Perm()).
			WithHint("chmod 600 %s", path)
	}
	text, err := readFile(path)
	if err != nil {
		return nil, rootError("it cannot be read", path, err)
	}
	root, err := base64.StdEncoding.Strict().DecodeString(string(bytes.TrimSpace(text)))
	if err != nil || len(root) != 32 {
		return nil, brevet.Errorf(brevet.Invalid, "root key %s does not hold 32 bytes in base64", path)
	}
	return root, nil
}

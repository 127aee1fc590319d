package service

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/signer"
	"github.com/brevet-access/brevet/store"
)

// headFile is the file beside the keys that keeps the highest head.
const headFile = "log-head"

// storeConfig says how the database is opened, given the keys.
func storeConfig(cfg Config, opt Options, keys *signer.Keys) store.Config {
	return store.Config{URL: cfg.Database, Now: opt.Now, Host: cfg.host(), Signer: keys.LogSigner(),
		Verifier: keys.LogVerifier(), HeadFile: filepath.Join(cfg.Keys, headFile), Log: opt.Log}
}

// aside opens the keys for a command that runs beside the server or before it.
func aside(cfg Config, opt Options) (store.Config, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	_, cat, err := readCatalog(cfg)
	if err != nil {
		return store.Config{}, err
	}
	if _, err := os.Stat(cfg.RootKey); err != nil { // signer would make one beside an empty folder
		return store.Config{}, brevet.Errorf(brevet.Invalid, "root_key: cannot read %s", cfg.RootKey).
			WithHint("the log's key must be the one that signed it: bring keys and root key back first").WithCause(err)
	}
	if sealed, err := sealedFiles(cfg.Keys); err != nil || len(sealed) == 0 { // nor make new ones
		return store.Config{}, brevet.Errorf(brevet.Invalid, "keys: there are no keys in %s", cfg.Keys).
			WithHint("bring them back from their own backup, or restore with --keys from one that holds them").WithCause(err)
	}
	keys, err := openKeys(cfg, opt, cat.Issuer)
	if err != nil {
		return store.Config{}, err
	}
	return storeConfig(cfg, opt, keys), nil
}

// Backup writes a consistent snapshot of the database into the file out, which
// must not exist, also while the server runs. With keys the sealed key files
// are in it, too; the root key, which opens them, never is.
func Backup(ctx context.Context, cfg Config, opt Options, out string, keys bool) (b store.BackedUp, err error) {
	sc, err := aside(cfg, opt)
	if err != nil {
		return b, err
	}
	what := store.Backup{Version: api.Version}
	if keys {
		if what.Keys, err = sealedFiles(cfg.Keys); err != nil {
			return b, brevet.Errorf(brevet.Unavailable, "keys: %s", err)
		}
	}
	if _, err := os.Lstat(out); err == nil {
		return b, brevet.Errorf(brevet.Conflict, "%s is there already", out).WithHint("a backup is never written over another file")
	}
	f, err := os.CreateTemp(filepath.Dir(out), filepath.Base(out)+".*") // mode 0600
	if err != nil {
		return b, brevet.Errorf(brevet.Unavailable, "cannot write %s", out).WithCause(err)
	}
	defer os.Remove(f.Name())
	b, err = store.WriteBackup(ctx, sc, f, what)
	if err != nil {
		f.Close()
		return b, err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return b, brevet.Errorf(brevet.Unavailable, "cannot write %s", out).WithCause(err)
	}
	if err := os.Link(f.Name(), out); err != nil { // unlike a rename, it replaces nothing
		return b, brevet.Errorf(brevet.Unavailable, "cannot write %s", out).WithCause(err)
	}
	return b, nil
}

// Restored says what a restore brought back, ended and lost.
type Restored struct {
	store.Restored
	Ended broker.Ended
	Keys  int // key files that were written
}

// Restore fills the empty database that cfg names from a backup: it ends every
// grant and sign-in and opens a new epoch of the log. Seen are checkpoints
// kept elsewhere. With keys the sealed key files in the backup are put where
// there are none; the root key must be there.
func Restore(ctx context.Context, cfg Config, opt Options, archive io.ReadSeeker, seen [][]byte, keys bool) (out Restored, err error) {
	if keys {
		if out.Keys, err = restoreKeys(cfg.Keys, archive); err != nil {
			return out, err
		}
		if _, err := archive.Seek(0, io.SeekStart); err != nil {
			return out, err
		}
	}
	sc, err := aside(cfg, opt)
	if err != nil {
		return out, err
	}
	out.Restored, err = store.Restore(ctx, sc, store.Restoring{Archive: archive, Seen: seen, End: func(tx *store.Tx) (err error) {
		out.Ended, err = broker.EndRestored(tx)
		return err
	}})
	return out, err
}

// sealedFiles returns the sealed key files below dir, by slash-separated name.
func sealedFiles(dir string) (map[string][]byte, error) {
	files := map[string][]byte{}
	root := os.DirFS(dir)
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := fs.ReadFile(root, name)
		if err == nil && signer.IsSealed(text) {
			files[name] = text
		}
		return err
	})
	return files, err
}

// restoreKeys writes the key files of an archive that dir lacks; those that
// are there are newer, or the same.
func restoreKeys(dir string, archive io.Reader) (n int, err error) {
	_, _, keys, err := store.ReadManifest(archive)
	if err != nil {
		return 0, err
	}
	if len(keys) == 0 {
		return 0, brevet.Errorf(brevet.Invalid, "the backup holds no keys").WithHint("bring them back from their own backup")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, brevet.Errorf(brevet.Invalid, "keys: %s", err)
	}
	root, err := os.OpenRoot(dir) // names in an archive lead nowhere else
	if err != nil {
		return 0, brevet.Errorf(brevet.Invalid, "keys: %s", err)
	}
	defer root.Close()
	for name, text := range keys {
		if !signer.IsSealed(text) || !fs.ValidPath(name) {
			return n, brevet.Errorf(brevet.Invalid, "the backup names a key file that is none: %s", brevet.Printable(name))
		}
		wrote, err := writeKey(root, name, text)
		if err != nil {
			return n, brevet.Errorf(brevet.Unavailable, "the key file %s cannot be written", name).WithCause(err)
		}
		if wrote {
			n++
		}
	}
	return n, nil
}

func writeKey(root *os.Root, name string, text []byte) (wrote bool, err error) {
	if err := root.MkdirAll(filepath.Dir(filepath.FromSlash(name)), 0o700); err != nil {
		return false, err
	}
	f, err := root.OpenFile(filepath.FromSlash(name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, err = io.Copy(f, bytes.NewReader(text))
	return true, errors.Join(err, f.Sync(), f.Close())
}

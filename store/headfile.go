package store

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/audit"
	"golang.org/x/mod/sumdb/tlog"
)

// headPause is the least time between two writes of the head file.
const headPause = time.Second

// headKeeper signs the newest head and writes it to a file outside the database, at most
// once a second and never on a caller's time.
type headKeeper struct {
	path   string
	sign   func(audit.Head) (audit.Head, error)
	log    *slog.Logger
	mu     sync.Mutex
	newest audit.Head
	wake   chan struct{}
	quit   chan struct{}
	done   sync.WaitGroup
}

func keepHeads(path string, sign func(audit.Head) (audit.Head, error), log *slog.Logger) *headKeeper {
	k := &headKeeper{path: path, sign: sign, log: log, wake: make(chan struct{}, 1), quit: make(chan struct{})}
	k.done.Go(k.run)
	return k
}

// saw notes a head that is committed.
func (k *headKeeper) saw(h audit.Head) {
	k.mu.Lock()
	same := h.Epoch == k.newest.Epoch && h.Size == k.newest.Size
	k.newest = h
	k.mu.Unlock()
	if same {
		return
	}
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *headKeeper) run() {
	for {
		select {
		case <-k.wake:
		case <-k.quit:
			return
		}
		k.mu.Lock()
		h := k.newest
		k.mu.Unlock()
		k.write(h)
		select {
		case <-time.After(headPause):
		case <-k.quit:
			return
		}
	}
}

// close writes the last head.
func (k *headKeeper) close(h audit.Head) {
	close(k.quit)
	k.done.Wait()
	k.write(h)
}

func (k *headKeeper) write(h audit.Head) {
	signed, err := k.sign(h)
	if err == nil {
		err = replaceFile(k.path, signed.Note)
	}
	if err != nil {
		k.log.Error("the head file cannot be written", "error", err)
	}
}

// replaceFile writes a file so that a crash leaves the old or the new one.
func replaceFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// compareHeadFile refuses a log that is smaller or another than the one whose
// head was kept outside the database.
func (db *DB) compareHeadFile(ctx context.Context) error {
	kept, err := os.ReadFile(db.cfg.HeadFile)
	if errors.Is(err, fs.ErrNotExist) {
		if db.Head().Size > 0 {
			db.cfg.Log.Warn("there is no head file: nothing outside the database vouches for the log's size")
		}
		return nil
	}
	if err != nil {
		return brevet.Errorf(brevet.Unavailable, "the head file cannot be read").WithCause(err)
	}
	seen, err := audit.OpenHead(bytes.TrimLeft(kept, "\n"), db.cfg.Verifier)
	if err != nil {
		return brevet.Errorf(brevet.Internal, "the head file is not a head of this log; nothing is issued").WithCause(err)
	}
	return db.extends(ctx, seen)
}

// extends checks that the verified log holds everything that seen covers.
func (db *DB) extends(ctx context.Context, seen audit.Head) error {
	head := db.Head()
	switch {
	case head.Epoch > seen.Epoch: // restored: signed, and its first entry says what was lost
		return nil
	case head.Epoch < seen.Epoch || head.Size < seen.Size:
		return brevet.Errorf(brevet.Internal, "the log has %d entries in epoch %d, but %d in epoch %d were seen before; nothing is issued",
			head.Size, head.Epoch, seen.Size, seen.Epoch).
			WithHint("the database was restored or rolled back; docs/operate.md says how to go on")
	}
	return db.View(ctx, func(tx *Tx) error {
		root, err := tlog.TreeHash(seen.Size, tx.Hashes())
		if err == nil && root != seen.Root {
			err = brevet.Errorf(brevet.Internal, "the log was rewritten: it does not extend the head seen before; nothing is issued")
		}
		return err
	})
}

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// crowd is how many append at the same time in the second figure.
const crowd = 64

// rawSize is what an entry takes as leaf and details, in bytes.
const rawSize = 700

// measureAppend compares durable appends to the log with raw bytes in a file:
// one caller with a write and an fdatasync each, and many callers who share
// the syncs on both sides. What SQLite alone takes for the same rows, through
// the same driver, says how much of it is left to be won. It begins with so many that SQLite's write-ahead
// log has its full size, as it has in all of a server's life but the first
// seconds.
func measureAppend(ctx context.Context, p plan) (rows []row, err error) {
	dir := filepath.Join(p.dir, "append")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	db, err := openStore(ctx, dir)
	if err != nil {
		return nil, explain(err)
	}
	raw, err := openRaw(dir)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	bare, err := openBare(dir)
	if err != nil {
		return nil, errors.Join(err, raw.close(), db.Close())
	}
	defer func() { err = errors.Join(err, bare.close(), raw.close(), db.Close()) }()
	ours := func() error {
		return db.Update(ctx, func(tx *store.Tx) error {
			_, err := tx.Record(sample(tx.Now()))
			return err
		})
	}
	if _, err := byMany(12*p.appends/crowd, ours); err != nil {
		return nil, err
	}
	many, err := appendRounds(p.rounds, ours, raw.append, func(do func() error) (figures, error) { return byMany(4*p.appends/crowd, do) })
	if err != nil {
		return nil, err
	}
	alone, err := appendRounds(p.rounds, ours, raw.append, func(do func() error) (figures, error) { return byOne(p.appends/p.rounds, do) })
	if err != nil {
		return nil, err
	}
	if _, err := byOne(p.appends, bare.append); err != nil {
		return nil, err
	}
	least, err := appendRounds(p.rounds, bare.append, raw.append, func(do func() error) (figures, error) { return byOne(p.appends/p.rounds, do) })
	if err != nil {
		return nil, err
	}
	one, all, floor := compare(alone, medians), compare(many, rates), compare(least, medians)
	floor.name = "SQLite's share of it"
	one.name, one.goal = "durable append, 1 caller", 1.3
	all.name, all.goal, all.least = fmt.Sprintf("durable append, %d callers", crowd), 0.5, true
	return []row{one, floor, all}, nil
}

func openStore(ctx context.Context, dir string) (*store.DB, error) {
	const host = "log.brevet.invalid"
	skey, vkey, err := note.GenerateKey(rand.Reader, host)
	if err != nil {
		return nil, err
	}
	signer, err1 := note.NewSigner(skey)
	verifier, err2 := note.NewVerifier(vkey)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	return store.Open(ctx, store.Config{URL: "sqlite:" + filepath.Join(dir, "brevet.db"), Host: host, Signer: signer, Verifier: verifier})
}

// sample is what a broker records for a credential.
func sample(now time.Time) brevet.Event {
	return brevet.Event{Kind: brevet.SessionIssued, Customer: refCustomer,
		Actor:  brevet.Actor{Person: "pr_01k9zzzzzzzzzzzzzzzzzzzzzz", Handle: "engineer", Addr: "203.0.113.7"},
		Person: "pr_01k9zzzzzzzzzzzzzzzzzzzzzz", Request: "req_01k9zzzzzzzzzzzzzzzzzzzzzz", Grant: "gr_01k9zzzzzzzzzzzzzzzzzzzzzz",
		Session: "ses_01k9zzzzzzzzzzzzzzzzzzzzzz", Account: account, Role: role, End: &now,
		Data: map[string]string{"access_key": accessKey, "mfa": "1h"}}
}

// appendRounds measures both sides in turn, after one round that does not
// count.
func appendRounds(n int, ours, theirs func() error, measure func(do func() error) (figures, error)) (rounds []both, err error) {
	for i := range n + 1 {
		var b both
		if b.ours, err = measure(ours); err == nil {
			b.theirs, err = measure(theirs)
		}
		if err != nil {
			return nil, err
		}
		if i > 0 {
			rounds = append(rounds, b)
		}
	}
	return rounds, nil
}

func byOne(n int, do func() error) (figures, error) {
	took := make([]time.Duration, max(n, 1))
	began, before := time.Now(), spent()
	for i := range took {
		start := time.Now()
		if err := do(); err != nil {
			return figures{}, err
		}
		took[i] = time.Since(start)
	}
	f := summarize(took, time.Since(began))
	f.CPU = (spent() - before) / time.Duration(len(took))
	return f, nil
}

func byMany(each int, do func() error) (figures, error) {
	took, errs := make([][]time.Duration, crowd), make([]error, crowd)
	var all sync.WaitGroup
	began, before := time.Now(), spent()
	for i := range crowd {
		all.Go(func() {
			for range max(each, 1) {
				start := time.Now()
				if errs[i] = do(); errs[i] != nil {
					return
				}
				took[i] = append(took[i], time.Since(start))
			}
		})
	}
	all.Wait()
	f := summarize(slices.Concat(took...), time.Since(began))
	f.CPU = (spent() - before) / time.Duration(crowd*max(each, 1))
	return f, errors.Join(errs...)
}

// rawLog appends bytes to a file; what is queued shares an fdatasync.
type rawLog struct {
	file  *os.File
	queue chan chan error
}

func openRaw(dir string) (*rawLog, error) {
	file, err := os.Create(filepath.Join(dir, "raw"))
	if err != nil {
		return nil, err
	}
	r := &rawLog{file, make(chan chan error, batchSize)}
	go r.write()
	return r, nil
}

func (r *rawLog) close() error {
	close(r.queue)
	return r.file.Close()
}

func (r *rawLog) append() error {
	done := make(chan error, 1)
	r.queue <- done
	return <-done
}

func (r *rawLog) write() {
	line := make([]byte, rawSize)
	for first := range r.queue {
		batch := []chan error{first}
		for more := true; more && len(batch) < batchSize; {
			select {
			case done, ok := <-r.queue:
				if more = ok; ok {
					batch = append(batch, done)
				}
			default:
				more = false
			}
		}
		_, err := r.file.Write(slices.Repeat(line, len(batch)))
		err = errors.Join(err, datasync(r.file))
		for _, done := range batch {
			done <- err
		}
	}
}

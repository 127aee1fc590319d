package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/brevet-access/brevet"
)

// refSchema is the least that holds what must be held.
const refSchema = `
CREATE TABLE signins (hash BLOB PRIMARY KEY, id TEXT, person TEXT, handle TEXT, expires INTEGER) WITHOUT ROWID;
CREATE TABLE grants (id TEXT PRIMARY KEY, request TEXT, person TEXT, account TEXT, role TEXT, start INTEGER, end INTEGER, approved INTEGER, activated INTEGER);
CREATE INDEX grants_person ON grants (person);
CREATE TABLE sessions (id TEXT PRIMARY KEY, grant_id TEXT, person TEXT, state TEXT, created INTEGER, until INTEGER, access_key TEXT, expires INTEGER);
CREATE TABLE events (idx INTEGER PRIMARY KEY, leaf BLOB, salt BLOB, details BLOB, hashes BLOB);
CREATE TABLE head (id INTEGER PRIMARY KEY, note BLOB);
INSERT INTO head VALUES (1, '')`

// refLog is the reference's database: one writer that makes batches, each a
// transaction with a signed head.
type refLog struct {
	reads    *sql.DB
	writes   *sql.DB
	conn     *sql.Conn // the writer's
	queue    chan *refJob
	signer   note.Signer
	verifier note.Verifier

	begin, commit, setHead, event, insert, chunk *sql.Stmt

	edges   []tlog.Hash // of the tree, left to right
	size    int64
	entries []any // arguments of the rows of this batch
	proven  map[int64]tlog.Hash
}

type refJob struct {
	do   func() error
	err  error
	done chan struct{}
}

// refFile returns the name by which both pools open the database.
func refFile(path string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=wal_autocheckpoint(4000)&_pragma=busy_timeout(2000)"
}

func openRefLog(path string) (*refLog, error) {
	ctx := context.Background()
	skey, vkey, err := note.GenerateKey(rand.Reader, refHost)
	if err != nil {
		return nil, err
	}
	l := &refLog{queue: make(chan *refJob, batchSize), proven: map[int64]tlog.Hash{}}
	var errs [4]error
	l.signer, errs[0] = note.NewSigner(skey)
	l.verifier, errs[3] = note.NewVerifier(vkey)
	l.writes, errs[1] = sql.Open("sqlite", refFile(path))
	l.reads, errs[2] = sql.Open("sqlite", refFile(path))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	l.reads.SetMaxOpenConns(4)
	l.reads.SetMaxIdleConns(4)
	if l.conn, err = l.writes.Conn(ctx); err == nil {
		_, err = l.conn.ExecContext(ctx, refSchema)
	}
	if err != nil {
		return nil, err
	}
	for query, stmt := range map[string]**sql.Stmt{
		`BEGIN IMMEDIATE`:                       &l.begin,
		`COMMIT`:                                &l.commit,
		`UPDATE head SET note = ? WHERE id = 1`: &l.setHead,
		`SELECT leaf, salt, details FROM events WHERE idx = ?`: &l.event,
		`INSERT INTO events VALUES (?,?,?,?,?)`:                &l.insert,
		`INSERT INTO events VALUES (?,?,?,?,?),(?,?,?,?,?),(?,?,?,?,?),(?,?,?,?,?),(?,?,?,?,?),(?,?,?,?,?),(?,?,?,?,?),(?,?,?,?,?)`: &l.chunk,
	} {
		if *stmt, err = l.conn.PrepareContext(ctx, query); err != nil {
			return nil, err
		}
	}
	go l.write()
	return l, nil
}

const (
	refHost   = "reference.brevet.invalid"
	batchSize = 256
)

// update runs do in a transaction, with others, and returns once it is
// durable. do decides before it writes, so its failure undoes nothing.
func (l *refLog) update(do func() error) error {
	j := &refJob{do: do, done: make(chan struct{})}
	l.queue <- j
	<-j.done
	return j.err
}

func (l *refLog) close() error {
	close(l.queue)
	return errors.Join(l.conn.Close(), l.reads.Close(), l.writes.Close())
}

// write is the writer.
func (l *refLog) write() {
	for j := range l.queue {
		batch := []*refJob{j}
		for idle := 0; idle < 3 && len(batch) < batchSize; {
			select {
			case j, ok := <-l.queue:
				if !ok {
					idle = 3
					break
				}
				batch, idle = append(batch, j), 0
			default:
				idle++
				runtime.Gosched()
			}
		}
		if err := l.transact(batch); err != nil { // not fit for anything but measuring
			panic(err)
		}
		for _, j := range batch {
			close(j.done)
		}
	}
}

func (l *refLog) transact(batch []*refJob) error {
	if _, err := l.begin.Exec(); err != nil {
		return err
	}
	for _, j := range batch {
		j.err = j.do()
	}
	if err := l.flush(); err != nil {
		return err
	}
	_, err := l.commit.Exec()
	return err
}

// record appends an event whose salted details the caller has encoded.
func (l *refLog) record(e *refEvent) int64 {
	index := l.size
	leaf := make([]byte, 0, 192)
	leaf = append(leaf, "reference leaf\ntime "...)
	leaf = strconv.AppendInt(leaf, time.Now().UnixMicro(), 10)
	leaf = append(append(leaf, "\nkind "...), e.kind...)
	leaf = strconv.AppendInt(append(leaf, "\nseq "...), index+1, 10)
	leaf = append(append(leaf, "\ndetails "...), e.digest[:]...)
	hash := tlog.RecordHash(leaf)
	l.proven[index] = hash
	l.entries = append(l.entries, index, leaf, e.salt[:], e.details, l.grow(hash))
	return index
}

// grow adds a leaf to the tree and returns the hashes that it completes.
func (l *refLog) grow(h tlog.Hash) []byte {
	hashes := append(make([]byte, 0, 4*tlog.HashSize), h[:]...)
	for n := l.size; n&1 == 1; n >>= 1 {
		last := len(l.edges) - 1
		h = tlog.NodeHash(l.edges[last], h)
		l.edges = l.edges[:last]
		hashes = append(hashes, h[:]...)
	}
	l.edges = append(l.edges, h)
	l.size++
	return hashes
}

func (l *refLog) root() tlog.Hash {
	h := l.edges[len(l.edges)-1]
	for i := len(l.edges) - 2; i >= 0; i-- {
		h = tlog.NodeHash(l.edges[i], h)
	}
	return h
}

// flush writes the batch's events and the new head.
func (l *refLog) flush() error {
	if len(l.entries) == 0 {
		return nil
	}
	for rest := l.entries; len(rest) > 0; {
		n, stmt := 5, l.insert
		if len(rest) >= 8*5 {
			n, stmt = 8*5, l.chunk
		}
		if _, err := stmt.Exec(rest[:n]...); err != nil {
			return err
		}
		rest = rest[n:]
	}
	l.entries = l.entries[:0]
	root := l.root()
	signed, err := note.Sign(&note.Note{Text: fmt.Sprintf("%s/log/1\n%d\n%s\n", refHost, l.size, root)}, l.signer)
	if err == nil {
		_, err = l.setHead.Exec(signed)
	}
	return err
}

// refEvent is an event on its way into the log.
type refEvent struct {
	kind    brevet.EventKind
	details []byte
	salt    [16]byte
	digest  [32]byte
}

// newRefEvent encodes and salts, on the caller's time.
func newRefEvent(ev brevet.Event) (*refEvent, error) {
	e := &refEvent{kind: ev.Kind}
	var err error
	if e.details, err = json.Marshal(ev); err != nil {
		return nil, err
	}
	rand.Read(e.salt[:])
	e.digest = salted(e.salt[:], e.details)
	return e, nil
}

func salted(salt, details []byte) [32]byte {
	return sha256.Sum256(append(append(make([]byte, 0, len(salt)+len(details)), salt...), details...))
}

// read returns an event from its row, which must be what was proven to be in
// the log (law 11). It runs on the writer.
func (l *refLog) read(index int64) (ev brevet.Event, err error) {
	var leaf, salt, details sql.RawBytes
	rows, err := l.event.Query(index)
	if err != nil {
		return ev, err
	}
	defer rows.Close()
	if !rows.Next() {
		return ev, errors.New("the log has no such entry")
	}
	if err := rows.Scan(&leaf, &salt, &details); err != nil {
		return ev, err
	}
	digest := salted(salt, details)
	if tlog.RecordHash(leaf) != l.proven[index] || string(leaf[len(leaf)-len(digest):]) != string(digest[:]) {
		return ev, errors.New("the log and its rows disagree")
	}
	return ev, json.Unmarshal(details, &ev)
}

package store

import (
	"database/sql"
	"errors"
	"time"

	"github.com/brevet-access/brevet"
)

// LetterState says what became of a letter.
type LetterState string

// The states of a letter. All but LetterWaiting are final.
const (
	LetterWaiting LetterState = "waiting"
	LetterSent    LetterState = "sent"
	LetterFailed  LetterState = "failed" // given up
	LetterGone    LetterState = "gone"   // given up: the receiver wants nothing more by this channel
)

// Letter says that a channel is to be told of an event: a row of the outbox.
// It holds no text; that is made from the proven event when it is sent.
type Letter struct {
	ID       brevet.MessageID
	Channel  string
	Customer brevet.CustomerID
	About    string // what letters belong together by; "" for none
	Kind     brevet.EventKind
	Urgent   bool
	Leaf     int64 // index of the event in the log
	Created  time.Time
	State    LetterState
	Due      time.Time // the next try; while one is under way, when that counts as lost
	Tries    int       // begun so far
	Tried    time.Time // when the newest was begun
	Done     time.Time
	Receipt  string // what the medium calls the message
	Problem  string // of the newest try; "" if there was none
}

// Route says by which channels people are told of an event: each letter needs
// a channel only, and maybe Urgent and About. It runs in the transaction that
// records the event, and must be quick.
type Route func(tx *Tx, e brevet.Event) []Letter

// Tell makes every event that is recorded from now on pass route, whose
// letters become durable with the event.
func (db *DB) Tell(route Route) { db.route.Store(&route) }

// tell writes the letters about an event that was recorded at index.
func (tx *Tx) tell(e brevet.Event, index int64) error {
	route := tx.db.route.Load()
	if route == nil {
		return nil
	}
	for _, l := range (*route)(tx, e) {
		l.ID, l.Customer, l.Kind, l.Leaf = brevet.NewID[brevet.MessageID](tx.now), e.Customer, e.Kind, index
		l.State, l.Created, l.Due = LetterWaiting, tx.now, tx.now
		if err := letters.add(tx, letterArgs(l)); err != nil {
			return err
		}
	}
	return nil
}

var letters = newTable("this letter", "outbox", "state = 'waiting'",
	[]string{"state", "due_at", "tries", "tried_at", "done_at", "receipt", "problem"},
	"id", "channel", "customer_id", "about", "kind", "urgent", "leaf", "created_at", "state", "due_at", "tries", "tried_at", "done_at", "receipt", "problem")

func letterArgs(l Letter) []any {
	return []any{string(l.ID), l.Channel, string(l.Customer), l.About, string(l.Kind), zeroOne(l.Urgent), l.Leaf, micros(l.Created),
		string(l.State), micros(l.Due), int64(l.Tries), micros(l.Tried), micros(l.Done), l.Receipt, l.Problem}
}

func zeroOne(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func scanLetter(s scanner) (l Letter, err error) {
	err = s.Scan(&l.ID, &l.Channel, &l.Customer, &l.About, &l.Kind, &l.Urgent, &l.Leaf, at(&l.Created), &l.State, at(&l.Due), &l.Tries,
		at(&l.Tried), at(&l.Done), &l.Receipt, &l.Problem)
	return l, err
}

// PutLetter writes the state, the tries and times, the receipt and the problem
// of a letter that waits in the database; [brevet.Conflict] if it does not.
func (tx *Tx) PutLetter(l Letter) error {
	return letters.put(tx, string(l.ID), string(l.State), micros(l.Due), int64(l.Tries), micros(l.Tried), micros(l.Done), l.Receipt, l.Problem)
}

// Letter returns a letter; [brevet.NotFound] if there is none.
func (tx *Tx) Letter(id brevet.MessageID) (Letter, error) {
	return one(tx, letters, scanLetter, letters.byID, string(id))
}

// LetterFilter says which letters are wanted. Zero fields ask for nothing.
type LetterFilter struct {
	Channel  string
	About    string
	Kind     brevet.EventKind
	State    LetterState
	Customer brevet.CustomerID
	Limit    int
}

// Letters returns letters, newest first.
func (tx *Tx) Letters(want LetterFilter) ([]Letter, error) {
	f := &filter{}
	is(f, "channel", want.Channel)
	is(f, "about", want.About)
	is(f, "kind", want.Kind)
	is(f, "state", want.State)
	is(f, "customer_id", want.Customer)
	return list(tx, "outbox", letters.columns, f, want.Limit, scanLetter)
}

var nextLetter = `SELECT ` + letters.columns + ` FROM outbox o WHERE channel = $1 AND state = 'waiting' AND urgent = $2 AND due_at <= $3
	AND (about = '' OR NOT EXISTS (SELECT 1 FROM outbox e WHERE e.channel = o.channel AND e.about = o.about AND e.state = 'waiting' AND e.leaf < o.leaf))
	ORDER BY leaf LIMIT 1`

// NextLetter returns the oldest letter that is due at now. Letters about one
// thing leave in the order of its events: those behind one that still waits
// are not due. [brevet.NotFound] if there is none.
func (tx *Tx) NextLetter(channel string, urgent bool, now time.Time) (Letter, error) {
	return one(tx, letters, scanLetter, nextLetter, channel, zeroOne(urgent), micros(now))
}

// FirstReceipt returns what the channel's medium called the first message
// about a thing that was sent; "" if there is none.
func (tx *Tx) FirstReceipt(channel, about string) (receipt string, err error) {
	err = tx.row(`SELECT receipt FROM outbox WHERE about = $1 AND channel = $2 AND state = 'sent' AND receipt <> '' ORDER BY leaf LIMIT 1`, about, channel).Scan(&receipt)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", tx.failed(err)
	}
	return receipt, nil
}

// Traffic is what a channel has seen.
type Traffic struct {
	Waiting    int
	Oldest     time.Time // since when the oldest of those waits
	LastSent   time.Time
	LastFailed time.Time // newest try that failed
	Problem    string    // of that try
	Gone       bool      // the receiver wants nothing more, by the newest try that ended
}

// Traffic sums up the letters of a channel.
func (tx *Tx) Traffic(channel string) (t Traffic, err error) {
	err = tx.row(`SELECT count(*), coalesce(min(created_at), 0) FROM outbox WHERE channel = $1 AND state = 'waiting'`, channel).Scan(&t.Waiting, at(&t.Oldest))
	if err != nil {
		return t, tx.failed(err)
	}
	if err = tx.row(`SELECT coalesce(max(done_at), 0) FROM outbox WHERE channel = $1 AND state = 'sent'`, channel).Scan(at(&t.LastSent)); err != nil {
		return t, tx.failed(err)
	}
	err = tx.row(`SELECT tried_at, problem FROM outbox WHERE channel = $1 AND problem <> '' ORDER BY tried_at DESC LIMIT 1`, channel).Scan(at(&t.LastFailed), &t.Problem)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return t, tx.failed(err)
	}
	t.Gone, err = tx.Gone(channel)
	return t, err
}

// Gone reports whether the receiver behind a channel wants nothing more: that
// was its answer to the newest letter that is settled.
func (tx *Tx) Gone(channel string) (bool, error) {
	var state LetterState
	err := tx.row(`SELECT state FROM outbox WHERE channel = $1 AND state <> 'waiting' ORDER BY tried_at DESC, leaf DESC LIMIT 1`, channel).Scan(&state)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, tx.failed(err)
	}
	return state == LetterGone, nil
}

// LettersBefore reports whether letters were settled before a time.
func (tx *Tx) LettersBefore(t time.Time) (bool, error) {
	var n int
	if err := tx.row(`SELECT count(*) FROM (SELECT 1 FROM outbox WHERE state <> 'waiting' AND tried_at < $1 AND done_at < $1 LIMIT 1) AS old`, micros(t)).Scan(&n); err != nil {
		return false, tx.failed(err)
	}
	return n > 0, nil
}

// DropLetters forgets letters that were settled before a time.
func (tx *Tx) DropLetters(before time.Time) error {
	_, err := tx.exec(`DELETE FROM outbox WHERE state <> 'waiting' AND tried_at < $1 AND done_at < $1`, micros(before))
	return err
}

// Orphans returns letters that wait since before a time and belong to none of
// the channels.
func (tx *Tx) Orphans(channels []string, before time.Time, limit int) ([]Letter, error) {
	f := &filter{where: []string{"state = 'waiting'"}}
	f.add("created_at < ?", micros(before))
	for _, name := range channels {
		f.add("channel <> ?", name)
	}
	return list(tx, "outbox", letters.columns, f, limit, scanLetter)
}

package broker_test

import (
	"slices"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/store"
)

// TestWarnEnding tells once, ten minutes before the end, of a grant that is in
// use; of one that nobody uses it tells nothing, nor to channels that do not
// want to know.
func TestWarnEnding(t *testing.T) {
	h, want, quiet := newHouse(t), &pigeon{}, &pigeon{}
	h.withChannels(everything("want", want), broker.Channel{Name: "quiet", Notifier: quiet, All: true, Topics: []broker.Topic{broker.TopicUrgent}})
	engineer := h.login("engineer")
	h.ask(engineer, "acme-staging/SRE", time.Hour) // automatic, and never used
	used := h.want(engineer, "acme-staging/ReadOnly", "").Grant
	sweep := func() {
		t.Helper()
		if err := h.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.deliver()
	}
	h.advance(used.End.Sub(h.now()) - 10*time.Minute - time.Second)
	h.want(h.login("engineer"), "acme-staging/ReadOnly", "")
	sweep()
	if got := want.kinds(); len(got) > 0 {
		t.Fatalf("too early: %v", got)
	}
	h.advance(2 * time.Second)
	for range 3 {
		sweep()
	}
	h.withChannels(h.Channels...) // another process
	sweep()
	if got := want.kinds(); !slices.Equal(got, []brevet.EventKind{brevet.GrantEnding}) || want.last(t).Event.Grant != used.ID {
		t.Errorf("told %v", got)
	}
	if got := quiet.kinds(); len(got) > 0 {
		t.Errorf("a quiet channel got %v", got)
	}
	n := 0
	for _, k := range h.events() {
		if k == brevet.GrantEnding {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d warnings are on record", n)
	}
}

// TestOutboxSweep gives up what waits for a channel that is gone, and forgets
// what was settled long ago, but nothing that still waits.
func TestOutboxSweep(t *testing.T) {
	h, p := newHouse(t), &pigeon{}
	h.withChannels(everything("old", p), everything("kept", p))
	h.ask(h.login("engineer"), "acme-prod/Admin", time.Hour)
	h.withChannels(everything("kept", p))
	h.deliver()
	h.advance(25 * time.Hour)
	if err := h.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if l := h.letters(store.LetterFilter{Channel: "old", Kind: brevet.RequestCreated})[0]; l.State != store.LetterFailed {
		t.Errorf("letter = %+v", l)
	}
	h.deliver()
	h.advance(31 * 24 * time.Hour)
	if err := h.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, l := range h.letters(store.LetterFilter{}) {
		if l.State != store.LetterWaiting {
			t.Errorf("kept: %+v", l)
		}
	}
}

// TestRevocationFailsOnce tells once that a revocation is not confirmed,
// however often it is tried.
func TestRevocationFailsOnce(t *testing.T) {
	h, p := newHouse(t), &pigeon{}
	h.withChannels(everything("all", p))
	for range 3 {
		err := h.db.Update(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Record(brevet.Event{Kind: brevet.RevocationFailed, Customer: h.acme(), Grant: "gr_1", Data: map[string]string{"trouble": "no revoker"}})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		h.advance(time.Minute)
		h.deliver()
	}
	if got := p.kinds(); len(got) != 1 || !p.last(t).Urgent {
		t.Errorf("told %v", got)
	}
}

// TestAlarmsAreNotEdited: what follows a break-glass is said after it, never
// in its place.
func TestAlarmsAreNotEdited(t *testing.T) {
	h, p := newHouse(t), &pigeon{}
	h.withChannels(everything("all", p))
	for _, kind := range []brevet.EventKind{brevet.BreakGlassOpened, brevet.BreakGlassReminded, brevet.BreakGlassReviewed} {
		err := h.db.Update(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Record(brevet.Event{Kind: kind, Customer: h.acme(), Grant: "gr_1", Data: map[string]string{"verdict": "justified"}})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		h.deliver()
		if m := p.last(t); m.Kind != kind || m.Amends || m.Urgent != (kind != brevet.BreakGlassReviewed) || (m.First == "") != (kind == brevet.BreakGlassOpened) {
			t.Errorf("%s: %+v", kind, m)
		}
	}
}

package broker_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/store/pgtest"
)

var strayUser = brevet.Assignment{Account: "444455556666", Role: "Admin", Principal: "user-engineer"}

// found counts how often strays are on record.
func (h *house) found() (n int) {
	for _, k := range h.events() {
		if k == brevet.AssignmentFound {
			n++
		}
	}
	return n
}

// TestCenterStrays: who was let in by somebody else is found, and dismissed
// only where the catalog says so; whom a grant lets in is never taken for one.
func TestCenterStrays(t *testing.T) {
	for _, strays := range []string{"report", "remove"} {
		t.Run(strays, func(t *testing.T) {
			h, d := newDoor(t, strays)
			engineer := h.login("engineer")
			h.approve(h.login("lead"), h.ask(engineer, "acme-prod/SRE", 4*time.Hour).ID)
			if _, err := h.Console(t.Context(), engineer, "acme-prod/SRE", ""); err != nil {
				t.Fatal(err)
			}
			user := brevet.Assignment{Account: "444455556666", Role: "Admin", Principal: "user-engineer"}
			group := brevet.Assignment{Account: "444455556666", Role: "SRE", Principal: "group-ops", Group: true}
			d.in[user], d.in[group] = true, true
			h.advance(2 * time.Hour) // two hours, one look
			h.sweep()
			h.sweep()
			want := map[string]int{"report": 3, "remove": 1}[strays]
			if len(d.in) != want || !d.in[brevet.Assignment{Account: "444455556666", Role: "SRE", Principal: "user-engineer"}] {
				t.Errorf("in: %v", d.in)
			}
			found := 0
			for _, k := range h.events() {
				if k == brevet.AssignmentFound {
					found++
				}
			}
			if found != 2 {
				t.Errorf("%d were found", found)
			}
		})
	}
}

// TestStraysAreReportedOnce: one that stands is on record once, across hours
// and restarts; one that went and came back, or whose fate the catalog changed,
// is on record again.
func TestStraysAreReportedOnce(t *testing.T) {
	h, d := newDoor(t, "report")
	look := func(want int, when string) {
		t.Helper()
		h.advance(61 * time.Minute)
		h.sweep()
		if n := h.found(); n != want {
			t.Errorf("%s: %d reports, want %d", when, n, want)
		}
	}
	d.set(strayUser, true)
	for _, when := range []string{"at first", "an hour later", "two hours later"} {
		look(1, when)
	}
	if err := h.restart(); err != nil {
		t.Fatal(err)
	}
	h.apply(doorCatalog("report"))
	look(1, "after a restart")
	d.set(strayUser, false)
	look(1, "once it is gone")
	d.set(strayUser, true)
	look(2, "once it is back")
	h.apply(doorCatalog("remove"))
	look(3, "when it is to be removed")
	if d.in[strayUser] {
		t.Error("it is still there")
	}
	look(3, "once it is removed")
}

// TestStraysRemovedLater: one whose removal failed, or was cut short by a
// crash, is removed at the next look, and not reported twice.
func TestStraysRemovedLater(t *testing.T) {
	h, d := newDoor(t, "remove")
	d.set(strayUser, true)
	d.before = func(string) { d.fail = brevet.Errorf(brevet.Unavailable, "not today") }
	if err := h.FindStrays(t.Context()); err == nil || !d.in[strayUser] {
		t.Fatalf("%v, in: %v", err, d.in)
	}
	d.before, d.fail = nil, nil
	h.advance(61 * time.Minute)
	h.sweep()
	if d.in[strayUser] || h.found() != 1 {
		t.Errorf("in: %v after %d reports", d.in, h.found())
	}
}

// TestStraysHang: a directory that does not answer holds up no sweep, is asked
// by one at a time, and is given up at shutdown.
func TestStraysHang(t *testing.T) {
	h, d := newDoor(t, "report")
	engineer, lead := h.login("engineer"), h.login("lead")
	h.approve(lead, h.ask(engineer, "acme-prod/SRE", time.Hour).ID)
	asked := make(chan struct{}, 2)
	d.listed = func(ctx context.Context) error {
		asked <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	h.advance(2 * time.Hour)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.FindStrays(ctx) }()
	<-asked
	if err := h.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	if !contains(h.events(), []brevet.EventKind{brevet.GrantEnded}) {
		t.Error("a sweep waits for the directory")
	}
	if err := h.FindStrays(t.Context()); err != nil || len(asked) > 0 {
		t.Errorf("it is asked by two at a time: %v", err)
	}
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("at shutdown: %v", err)
	}
}

// TestStraysOfReplicas: two brokers on one database that see a stray at the
// same time report it once, and so do they in the hours after.
func TestStraysOfReplicas(t *testing.T) {
	h, d := newDoorOn(newHouseOn(t, pgtest.New(t)), "report")
	other := h.replica(t)
	d.set(strayUser, true)
	for hour := range 3 {
		var both sync.WaitGroup // neither records before both have seen
		both.Add(2)
		d.listed = func(context.Context) error { both.Done(); both.Wait(); return nil }
		var looks sync.WaitGroup
		for _, b := range []*broker.Broker{h.Broker, other} {
			looks.Go(func() {
				if err := b.FindStrays(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		looks.Wait()
		if n := h.found(); n != 1 {
			t.Fatalf("hour %d: %d reports", hour, n)
		}
		h.advance(61 * time.Minute)
	}
}

package main

import (
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// byScript holds one thing for each running script.
type byScript[T any] struct {
	mu  sync.Mutex
	all map[*testscript.TestScript]T
}

func (b *byScript[T]) put(ts *testscript.TestScript, v T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all == nil {
		b.all = map[*testscript.TestScript]T{}
	}
	b.all[ts] = v
}

// get returns the script's, and ends the script if it has none.
func (b *byScript[T]) get(ts *testscript.TestScript) T {
	v, ok := b.has(ts)
	if !ok {
		ts.Fatalf("nothing of the kind was started in this script")
	}
	return v
}

// has returns the script's, if it has one.
func (b *byScript[T]) has(ts *testscript.TestScript) (T, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v, ok := b.all[ts]
	return v, ok
}

var sources byScript[*rotaSources]

// watch lets one wait for what another does under its lock.
type watch struct {
	mu      *sync.Mutex
	changed *sync.Cond // told of every change
}

func newWatch() watch {
	var mu sync.Mutex
	return watch{&mu, sync.NewCond(&mu)}
}

// until waits until what it is asked, under the lock, is so; it gives up after
// a minute.
func (w watch) until(so func() bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	late := false
	defer time.AfterFunc(time.Minute, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		late = true
		w.changed.Broadcast()
	}).Stop()
	for !late && !so() {
		w.changed.Wait()
	}
	return so()
}

package broker

import (
	"context"
	"sync"
	"time"
)

// changes wakes those who wait for a decision made by this process.
type changes struct {
	mu      sync.Mutex
	ch      chan struct{}
	drained chan struct{} // closed when nobody shall wait any more
}

// Drain lets every held request answer at once, and holds none from now on:
// the server is about to stop.
func (b *Broker) Drain() {
	b.changes.mu.Lock()
	defer b.changes.mu.Unlock()
	select {
	case <-b.changes.drained:
	default:
		close(b.changes.drained)
	}
}

// wait returns a channel that is closed at the next change.
func (c *changes) wait() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ch == nil {
		c.ch = make(chan struct{})
	}
	return c.ch
}

func (c *changes) notify() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ch != nil {
		close(c.ch)
		c.ch = nil
	}
}

// pause waits for a change here, or a second, in case another replica made
// it. It reports false once ctx is over or the server drains.
func (c *changes) pause(ctx context.Context, changed <-chan struct{}) bool {
	t := time.NewTimer(time.Second)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-c.drained:
		return false
	case <-changed:
	case <-t.C:
	}
	return ctx.Err() == nil
}

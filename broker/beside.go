package broker

import (
	"context"
	"errors"
	"sync"
)

// besides is work that is done apart, by whatever it is for: one that hangs
// keeps no other waiting.
type besides[K comparable] struct {
	mu     sync.Mutex
	busy   map[K]int
	active sync.WaitGroup
}

// under returns how much work is under way for key.
func (s *besides[K]) under(key K) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.busy[key]
}

// begin does the work beside; what it comes to is told to done.
func (s *besides[K]) begin(key K, work func() error) (done <-chan error) {
	s.count(key, 1)
	tell := make(chan error, 1)
	s.active.Go(func() {
		err := work()
		s.count(key, -1)
		tell <- err
	})
	return tell
}

func (s *besides[K]) count(key K, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy == nil {
		s.busy = map[K]int{}
	}
	if s.busy[key] += n; s.busy[key] == 0 {
		delete(s.busy, key)
	}
}

// finish waits for all that was begun, and joins what it came to.
func finish(begun []<-chan error) error {
	var errs []error
	for _, done := range begun {
		errs = append(errs, <-done)
	}
	return errors.Join(errs...)
}

// tell logs what work that nobody waits for came to, and then does the rest.
func (b *Broker) tell(ctx context.Context, what string, begun []<-chan error, then func()) {
	for _, done := range begun {
		go func() {
			if err := <-done; err != nil && ctx.Err() == nil {
				b.Log.WarnContext(ctx, what, "err", err)
			}
			then()
		}()
	}
}

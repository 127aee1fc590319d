package server

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// What one address may send without being signed in: far more than a person
// needs and less than a flood. An office behind one address shares it.
const (
	guestRate  = 50 // requests a second
	guestBurst = 200
	guestAddrs = 8192 // addresses that are remembered, twice
)

// limiter holds one bucket for each address, in two generations: when the
// young one is full it becomes the old one, and the old one is forgotten. So
// its size is bounded, and who keeps sending is remembered.
type limiter struct {
	now        func() time.Time
	mu         sync.Mutex
	young, old map[string]*rate.Limiter
}

func newLimiter(now func() time.Time) *limiter {
	return &limiter{now: now, young: map[string]*rate.Limiter{}}
}

// allow takes one request out of the address's bucket.
func (l *limiter) allow(addr string) bool {
	key := bucketKey(addr)
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.young[key]
	if b == nil {
		if b = l.old[key]; b == nil {
			b = rate.NewLimiter(guestRate, guestBurst)
		}
		if len(l.young) >= guestAddrs {
			l.old, l.young = l.young, map[string]*rate.Limiter{}
		}
		l.young[key] = b
	}
	return b.AllowN(l.now(), 1)
}

// bucketKey counts an IPv6 network of 64 bits as one: it is what one
// subscriber gets.
func bucketKey(addr string) string {
	ip, err := netip.ParseAddr(addr)
	if err != nil || ip.Is4() {
		return addr
	}
	p, err := ip.Prefix(64)
	if err != nil {
		return addr
	}
	return p.String()
}

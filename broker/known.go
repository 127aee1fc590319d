package broker

import (
	"sync"
	"time"

	"github.com/brevet-access/brevet"
)

// Callers that were proven a moment ago are not read and proven again: what
// makes a sign-in does not change, and that one has ended is asked of the log
// at every use all the same.
const (
	knownFor  = 5 * time.Second
	knownMost = 10000
)

type known struct {
	mu     sync.Mutex
	byHash map[[32]byte]proven
}

type proven struct {
	caller brevet.Caller
	at     time.Time
}

// get returns the caller behind a token, if it was proven a moment ago.
func (k *known) get(h [32]byte, now time.Time) (brevet.Caller, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p, ok := k.byHash[h]
	age := now.Sub(p.at)
	return p.caller, ok && age >= 0 && age < knownFor
}

func (k *known) put(c brevet.Caller, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.byHash == nil || len(k.byHash) >= knownMost {
		k.byHash = map[[32]byte]proven{}
	}
	k.byHash[c.SignIn.Hash] = proven{c, now}
}

// forget makes the next use of the sign-in read it again.
func (k *known) forget(s brevet.SignIn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.byHash, s.Hash)
}

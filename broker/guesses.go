package broker

import (
	"net/netip"
	"sync"
	"time"

	"github.com/brevet-access/brevet"
)

// How often codes may be wrong. A code has 75 random bits, so these bounds are
// there against noise and load rather than against luck: they must never keep
// the true holder out for good. All of them begin anew with each window; and
// where strangers have used up what one person may get wrong, an address that
// has not tried yet may still, once.
const (
	guessWindow   = 10 * time.Minute
	guessesHere   = 5   // of one person from one address
	guessesAddr   = 20  // from one address
	guessesPerson = 50  // of one person from everywhere
	guessesAll    = 600 // in all
)

// guesses counts codes that were wrong. It lives with the process.
type guesses struct {
	mu    sync.Mutex
	since time.Time
	count map[string]int
	told  map[string]bool // refusals of this window that are on record
}

// take counts a try for the people whom it names, before it is judged, so that
// many at once are not more than one after another. The error says when the
// next one may be made; first, that it is the first such of the window.
func (t *guesses) take(now time.Time, addr string, handles ...brevet.Handle) (first bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if age := now.Sub(t.since); age >= guessWindow || age < 0 {
		t.since, t.count, t.told = now, map[string]int{}, map[string]bool{}
	}
	addr = subscriber(addr)
	full := ""
	switch {
	case t.count[""] >= guessesAll:
		full = "all"
	case t.count[addr] >= guessesAddr:
		full = addr
	}
	for _, h := range handles {
		here := t.count[addr+" "+string(h)]
		if here >= guessesHere || here > 0 && t.count["person "+string(h)] >= guessesPerson {
			full = addr + " " + string(h)
		}
	}
	if full != "" {
		first = !t.told[full]
		t.told[full] = true
		left := t.since.Add(guessWindow).Sub(now).Round(time.Second)
		return first, brevet.Errorf(brevet.Unavailable, "too many codes were wrong lately; the next try is in %s", brevet.FormatDuration(max(left, time.Second))).
			WithHint("nothing is locked: it goes on by itself, and at once from another network")
	}
	t.add(1, addr, handles)
	return false, nil
}

// giveBack is for a try that was right.
func (t *guesses) giveBack(addr string, handles ...brevet.Handle) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.add(-1, subscriber(addr), handles)
}

func (t *guesses) add(n int, addr string, handles []brevet.Handle) {
	bump := func(key string) { t.count[key] = max(0, t.count[key]+n) }
	bump("")
	bump(addr)
	for _, h := range handles {
		bump(addr + " " + string(h))
		bump("person " + string(h))
	}
}

// subscriber counts an IPv6 network of 64 bits as one address: it is what one
// subscriber gets.
func subscriber(addr string) string {
	ip, err := netip.ParseAddr(addr)
	if err != nil || !ip.Is6() || ip.Is4In6() {
		return "addr " + addr
	}
	p, err := ip.Prefix(64)
	if err != nil {
		return "addr " + addr
	}
	return "addr " + p.String()
}

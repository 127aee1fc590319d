package broker

import (
	"net/netip"
	"sync"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// How often codes may be wrong. A code has 75 random bits, so these bounds are
// there against noise and load rather than against luck: they must never keep
// the true holder out for good. All of them are for [store.RefusalsKept]; and
// where strangers have used up what one person may get wrong, an address that
// has not tried yet may still, once.
const (
	guessesHere   = 5   // of one person from one address
	guessesAddr   = 20  // from one address
	guessesPerson = 50  // of one person from everywhere
	guessesAll    = 600 // in all
)

// guesses counts tries of codes that this process is about to judge. Those that
// were wrong are counted by the log, so that they are for every replica, and
// after a restart.
type guesses struct {
	mu    sync.Mutex
	under map[string]int
	told  map[string]time.Time // when a refusal was last put on record
}

// guess is one try, of the codes of two people.
type guess struct {
	addr     string
	as, with brevet.Handle
}

// keys are what a guess counts for.
func (g guess) keys() []string {
	addr := subscriber(g.addr)
	keys := []string{"", addr}
	for _, h := range []brevet.Handle{g.as, g.with} {
		keys = append(keys, here(addr, h), "person "+string(h))
	}
	return keys
}

func here(addr string, h brevet.Handle) string { return addr + " " + string(h) }

// take counts a try before it is judged, so that many at once are not more than
// one after another; giveBack belongs after it was. The error says when the
// next one may be made; first, that it is the first such of late.
func (t *guesses) take(g guess, wrong []store.Refusal, now time.Time) (first bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	full, err := t.full(g, wrong, now, 0)
	if err == nil {
		t.add(g, 1)
		return false, nil
	}
	return t.tell(full, now), err
}

// stands is take for a try that was taken, once more is known of what was wrong.
func (t *guesses) stands(g guess, wrong []store.Refusal, now time.Time) (first bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	full, err := t.full(g, wrong, now, 1)
	return err != nil && t.tell(full, now), err
}

func (t *guesses) giveBack(g guess) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.add(g, -1)
}

func (t *guesses) add(g guess, n int) {
	if t.under == nil {
		t.under, t.told = map[string]int{}, map[string]time.Time{}
	}
	for _, key := range g.keys() {
		if t.under[key] += n; t.under[key] <= 0 {
			delete(t.under, key)
		}
	}
}

// tell reports whether a refusal for this reason is to be put on record.
func (t *guesses) tell(full string, now time.Time) bool {
	for key, at := range t.told {
		if now.Sub(at) >= store.RefusalsKept {
			delete(t.told, key)
		}
	}
	if _, told := t.told[full]; told {
		return false
	}
	if t.told == nil {
		t.told = map[string]time.Time{}
	}
	t.told[full] = now
	return true
}

// full returns which bound forbids the guess, and until when, as an error. Own
// is how many of those under way are this one.
func (t *guesses) full(g guess, wrong []store.Refusal, now time.Time, own int) (key string, err error) {
	addr, times := subscriber(g.addr), map[string][]time.Time{}
	for _, r := range wrong {
		same := subscriber(r.Addr) == addr
		note := func(key string) { times[key] = append(times[key], r.At) }
		if note(""); same {
			note(addr)
		}
		for _, h := range []brevet.Handle{r.As, r.With} {
			if h != g.as && h != g.with {
				continue
			}
			if note("person " + string(h)); same {
				note(here(addr, h))
			}
		}
	}
	count := func(key string) int { return len(times[key]) + t.under[key] - own }
	bound := 0
	over := func(k, by string, most int) {
		if n := count(by); key == "" && n >= most {
			key, bound = k, n-most
			times[k] = times[by]
		}
	}
	over("all", "", guessesAll)
	over(addr, addr, guessesAddr)
	for _, h := range []brevet.Handle{g.as, g.with} {
		over(here(addr, h), here(addr, h), guessesHere)
		if count(here(addr, h)) > 0 {
			over(here(addr, h), "person "+string(h), guessesPerson)
		}
	}
	if key == "" {
		return "", nil
	}
	left := time.Second
	if known := times[key]; len(known) > 0 {
		left = known[min(bound, len(known)-1)].Add(store.RefusalsKept).Sub(now).Round(time.Second)
	}
	return key, brevet.Errorf(brevet.Unavailable, "too many codes were wrong lately; the next try is in %s", brevet.FormatDuration(max(left, time.Second))).
		WithHint("nothing is locked: it goes on by itself, and at once from another network")
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

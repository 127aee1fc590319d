package store

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
)

// What may be out under a grant is part of what a process knows of the log by
// heart: every intent to make a credential says when such a one dies at the
// latest (law 2). So no edit of a row hides what is to be cut off.

// outKeeps is how long it is remembered that something was out: shells outlive
// what opened them, and their end may be late.
const outKeeps = 24 * time.Hour

// outFew is how many are kept without a look for those that are past.
const outFew = 1024

// outs says, by grants, what may be out.
type outs struct {
	of   map[placeKey]out
	look int // look for those that are past once there are so many
}

// out is what may be out under one grant.
type out struct {
	holder placeKey // whose grant it is
	index  int64    // of the newest entry that says so
	until  int64    // the latest moment at which any of it dies, in Unix microseconds
}

func newOuts() outs { return outs{of: map[placeKey]out{}, look: outFew} }

// outMark returns what an event says about what may be out: that a credential
// is about to be made, or was while the broker was out of reach.
func outMark(ev brevet.Event) []mark {
	offline := ev.Kind == brevet.BreakGlassOpened && ev.Data[brevet.OfflineKey] != "" && !strings.HasPrefix(ev.Data["outcome"], "refused")
	if ev.Grant == "" || ev.End == nil || ev.Kind != brevet.SessionIntended && !offline {
		return nil
	}
	return []mark{{out: keyOf(ev.Grant), outOf: keyOf(ev.Person), until: micros(*ev.End)}}
}

// pastOut reports whether the intent with these details speaks only of what is
// past: its end, and no door. It looks at the text alone, in which a key stands
// in quotes and every quote of a value behind a backslash.
func pastOut(details []byte, now time.Time) bool {
	_, rest, _ := bytes.Cut(details, []byte(`"end":"`))
	text, _, ended := bytes.Cut(rest, []byte(`"`))
	end, err := time.Parse(time.RFC3339Nano, string(text))
	return ended && err == nil && now.Sub(end) > outKeeps &&
		!bytes.Contains(details, []byte(`"`+StrayUser+`":`)) && !bytes.Contains(details, []byte(`"`+StrayGroup+`":`))
}

// with returns o and what a mark says.
func (o out) with(index int64, m mark) out {
	return out{holder: m.outOf, index: index, until: max(o.until, m.until)}
}

// take takes down what a mark of an entry made at now says.
func (o *outs) take(index int64, m mark, now time.Time) {
	if m.until == 0 {
		return
	}
	o.of[m.out] = o.of[m.out].with(index, m)
	if len(o.of) < o.look {
		return
	}
	past := micros(now.Add(-outKeeps))
	for g, is := range o.of {
		if is.until < past {
			delete(o.of, g)
		}
	}
	o.look = max(outFew, 2*len(o.of))
}

// outOf returns what may be out under a grant, with what this batch says.
func (tx *Tx) outOf(grant placeKey) out {
	l := tx.db.memory
	l.mu.RLock()
	is := l.outs.of[grant]
	l.mu.RUnlock()
	if tx.batch != nil {
		for _, e := range tx.batch.entries {
			for _, m := range e.marks {
				if m.until != 0 && m.out == grant {
					is = is.with(e.index, m)
				}
			}
		}
	}
	return is
}

// OutUntil returns the latest moment at which a credential that was ever made
// under the grant dies by itself, also if that is past, and the entry that
// speaks of one last; zero if none was, or none since the day before. It asks
// the log, never the rows.
func (tx *Tx) OutUntil(id brevet.GrantID) (until time.Time, index int64) {
	is := tx.outOf(keyOf(id))
	if is.until == 0 {
		return time.Time{}, 0
	}
	return time.UnixMicro(is.until).UTC(), is.index
}

// OutAt returns, for each grant of the person, or of everybody if p is "",
// under which a credential may still be out, where the log speaks last of one;
// oldest first. It asks the log, never the rows.
func (tx *Tx) OutAt(p brevet.PersonID) []int64 {
	l := tx.db.memory
	l.mu.RLock()
	found := maps.Clone(l.outs.of)
	l.mu.RUnlock()
	if tx.batch != nil {
		for _, e := range tx.batch.entries {
			for _, m := range e.marks {
				if m.until != 0 {
					found[m.out] = found[m.out].with(e.index, m)
				}
			}
		}
	}
	var at []int64
	now, person := micros(tx.Now()), keyOf(p)
	for _, is := range found {
		if is.until > now && (p == "" || is.holder == person) {
			at = append(at, is.index)
		}
	}
	slices.Sort(at)
	return at
}

package store

import (
	"maps"
	"slices"

	"github.com/brevet-access/brevet"
)

// StatedKey is what [Tx.Latest] knows by what a provider, named as in the
// server's config, said last about a person; without a provider, any of them.
func StatedKey(p brevet.PersonID, provider string) string {
	return "stated\x00" + string(p) + "\x00" + provider
}

// NudgeKey is what [Tx.Latest] knows the last reminder or escalation of a
// request by.
func NudgeKey(id brevet.RequestID) string {
	if id == "" {
		return ""
	}
	return "nudge\x00" + string(id)
}

// ProposalKey is what [Tx.Latest] knows by what was said last about a version
// of the catalog: proposed, confirmed or withdrawn.
func ProposalKey(version string) string {
	if version == "" {
		return ""
	}
	return "version\x00" + version
}

// holds is which grants of each person are not over, by the log.
type holds map[placeKey]map[placeKey]bool

func (h holds) take(m mark) {
	switch {
	case m.holder == placeKey{}:
	case m.over:
		delete(h[m.holder], m.key)
		if len(h[m.holder]) == 0 {
			delete(h, m.holder)
		}
	case h[m.holder] == nil:
		h[m.holder] = map[placeKey]bool{m.key: true}
	default:
		h[m.holder][m.key] = true
	}
}

// held returns the grants of a person that are not over; of everybody, if all.
func (l *ledger) held(person placeKey, all bool) []placeKey {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if !all {
		return slices.Collect(maps.Keys(l.holds[person]))
	}
	var out []placeKey
	for _, grants := range l.holds {
		out = slices.AppendSeq(out, maps.Keys(grants))
	}
	return out
}

// HeldAt returns where the log speaks last of each grant of the person, or of
// everybody if p is "", that is not over, oldest first. It asks the log, never
// the rows: a grant whose row is gone is held all the same.
func (tx *Tx) HeldAt(p brevet.PersonID) []int64 {
	person := keyOf(p)
	grants := map[placeKey]bool{}
	for _, g := range tx.db.memory.held(person, p == "") {
		grants[g] = true
	}
	if b := tx.batch; b != nil {
		for _, e := range b.entries {
			for _, m := range e.marks {
				if m.holder == person || p == "" && m.holder != (placeKey{}) {
					grants[m.key] = true
				}
			}
		}
	}
	var at []int64
	for g := range grants {
		if place, ok := tx.place(g); ok && !place.over {
			at = append(at, place.index)
		}
	}
	slices.Sort(at)
	return at
}

// Holding returns the newest event about each grant of the person that is not
// over, proven and in the order of the log, as [Tx.HeldAt] finds them.
func (tx *Tx) Holding(p brevet.PersonID) ([]brevet.Event, error) {
	if p == "" {
		return nil, nil
	}
	var out []brevet.Event
	for _, i := range tx.HeldAt(p) {
		e, err := tx.Proven(i)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// place returns where the log speaks of a thing last.
func (tx *Tx) place(k placeKey) (place, bool) {
	if tx.batch != nil {
		if p, ok := tx.batch.places[k]; ok {
			if known, _ := tx.db.memory.placeOf(k); known.over {
				p.over = true
			}
			return p, true
		}
	}
	return tx.db.memory.placeOf(k)
}

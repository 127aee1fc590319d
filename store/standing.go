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

func (l *ledger) held(person placeKey) []placeKey {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return slices.Collect(maps.Keys(l.holds[person]))
}

// Holding returns the newest event about each grant of the person that is not
// over, proven and in the order of the log. It asks the log, never the rows: a
// grant whose row is gone is held all the same.
func (tx *Tx) Holding(p brevet.PersonID) ([]brevet.Event, error) {
	person := keyOf(p)
	grants := tx.db.memory.held(person)
	if b := tx.batch; b != nil {
		for _, e := range b.entries {
			for _, m := range e.marks {
				if m.holder == person && !slices.Contains(grants, m.key) {
					grants = append(grants, m.key)
				}
			}
		}
	}
	var at []int64
	for _, g := range grants {
		if place, ok := tx.place(g); ok && !place.over {
			at = append(at, place.index)
		}
	}
	slices.Sort(at)
	var out []brevet.Event
	for _, i := range at {
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

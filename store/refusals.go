package store

import (
	"slices"
	"time"

	"github.com/brevet-access/brevet"
)

// Sealed codes that were wrong lately are counted by the log, so that neither a
// restart nor a second replica gives whoever guesses new tries.

// RefusalsKept is how long a wrong pair of codes is remembered.
const RefusalsKept = 10 * time.Minute

// refusalsMost bounds what is remembered. Fewer are let happen in that time.
const refusalsMost = 10_000

// RefusalFull is the key in Data of a [brevet.CodesRefused] event that says only
// that too many were wrong before: no code was looked at.
const RefusalFull = "full"

// Refusal is a pair of sealed codes that was not right.
type Refusal struct {
	At       time.Time
	Addr     string
	As, With brevet.Handle
}

// refusalMark is [marks] for wrong codes.
func refusalMark(ev brevet.Event) []mark {
	if ev.Data[RefusalFull] != "" {
		return nil
	}
	return []mark{{refused: &Refusal{At: ev.Time, Addr: ev.Actor.Addr, As: brevet.Handle(ev.Data["as"]), With: brevet.Handle(ev.Data["with"])}}}
}

// putRefusal adds what a mark says to the list, and forgets what is old at now.
func putRefusal(list []Refusal, m mark, now time.Time) []Refusal {
	if m.refused == nil {
		return list
	}
	list = append(list, *m.refused)
	old := slices.IndexFunc(list, func(r Refusal) bool { return now.Sub(r.At) < RefusalsKept })
	if old < 0 {
		old = len(list)
	}
	return slices.Delete(list, 0, max(old, len(list)-refusalsMost))
}

// RefusedCodes returns the pairs of codes that were wrong within
// [RefusalsKept] before now, oldest first, as this process knows the log.
func (db *DB) RefusedCodes(now time.Time) []Refusal {
	l := db.memory
	l.mu.RLock()
	defer l.mu.RUnlock()
	return slices.DeleteFunc(slices.Clone(l.refused), func(r Refusal) bool { return now.Sub(r.At) >= RefusalsKept })
}

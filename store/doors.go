package store

import (
	"maps"
	"slices"

	"github.com/brevet-access/brevet"
)

// Who was let in through IAM Identity Center, and was not seen to be let in no
// more, is known by heart too: no edit of a row keeps a door open.

// DoorKey is what [Tx.Latest] knows by whom the log let in last, by that way.
func DoorKey(a brevet.Assignment) string {
	return "door\x00" + string(a.Account) + "\x00" + string(a.Role) + "\x00" + a.Principal
}

// DoorAgain is the key in Data of an event that takes a way in away, if
// somebody is about to be let in by it again.
const DoorAgain = "again"

// doorMark is [marks] for who is let in, or no more.
func doorMark(ev brevet.Event) []mark {
	a, ok := StrayOf(ev)
	switch {
	case !ok || a.Group:
		return nil
	case ev.Kind == brevet.SessionIntended:
		key := keyOf(DoorKey(a))
		return []mark{{key: key, door: key}}
	case ev.Kind == brevet.AssignmentRemoved && ev.Data[DoorAgain] == "":
		return []mark{{door: keyOf(DoorKey(a)), closed: true}}
	}
	return nil
}

// putDoor takes down what a mark says about doors.
func putDoor(doors map[placeKey]int64, index int64, m mark) {
	switch {
	case m.door == placeKey{}:
	case m.closed:
		delete(doors, m.door)
	default:
		doors[m.door] = index
	}
}

// DoorsAt returns where the log says of each way in through IAM Identity
// Center, that was not seen to be taken away, who was let in by it last;
// oldest first. It asks the log, never the rows.
func (tx *Tx) DoorsAt() []int64 {
	l := tx.db.memory
	l.mu.RLock()
	doors := maps.Clone(l.doors)
	l.mu.RUnlock()
	if tx.batch != nil {
		for _, e := range tx.batch.entries {
			for _, m := range e.marks {
				putDoor(doors, e.index, m)
			}
		}
	}
	return slices.Sorted(maps.Values(doors))
}

package store

import (
	"strconv"

	"github.com/brevet-access/brevet"
)

// The keys under which an event about sealed codes has them in Data: the index
// of the entry that made the sheet, and which code of it, from 0.
const (
	CodeSheet = "sheet"
	CodeSlot  = "code"
)

// SheetKey is what [Tx.Latest] knows a person's sheet of sealed codes by: the
// entry that made it or, if it is void, that which says so.
func SheetKey(p brevet.PersonID) string { return "codes\x00" + string(p) }

// CodeKey is what [Tx.Latest] knows the use of a code by: the slot of the
// sheet that the entry at index sheet made. A code that it knows is used up.
func CodeKey(p brevet.PersonID, sheet int64, slot int) string {
	return codeKey(p, strconv.FormatInt(sheet, 10), strconv.Itoa(slot))
}

func codeKey(p brevet.PersonID, sheet, slot string) string {
	return "code\x00" + string(p) + "\x00" + sheet + "\x00" + slot
}

// codesMarks is [marks] for sheets and their codes.
func codesMarks(ev brevet.Event) []mark {
	if ev.Person == "" {
		return nil
	}
	if ev.Kind == brevet.CodesUsed {
		return markOf(codeKey(ev.Person, ev.Data[CodeSheet], ev.Data[CodeSlot]), true)
	}
	return markOf(SheetKey(ev.Person), false)
}

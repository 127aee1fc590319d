package store

import (
	"slices"

	"github.com/brevet-access/brevet"
)

// The keys under which an event about an assignment has whom it lets in, in
// Data: one of the two.
const (
	StrayUser  = "user"
	StrayGroup = "group"
)

// StrayKey is what [Tx.Latest] knows by what was said last about a way into a
// role through IAM Identity Center: that nobody granted it, or that it lets in
// no more.
func StrayKey(a brevet.Assignment) string {
	kind := StrayUser
	if a.Group {
		kind = StrayGroup
	}
	return "stray\x00" + string(a.Account) + "\x00" + string(a.Role) + "\x00" + kind + "\x00" + a.Principal
}

// StrayOf returns the assignment that an event is about, and whether it says
// of one.
func StrayOf(ev brevet.Event) (brevet.Assignment, bool) {
	a := brevet.Assignment{Account: ev.Account, Role: ev.Role, Principal: ev.Data[StrayUser]}
	if a.Principal == "" {
		a.Principal, a.Group = ev.Data[StrayGroup], true
	}
	return a, a.Principal != "" && a.Account != ""
}

// strayMark is [marks] for assignments.
func strayMark(ev brevet.Event) []mark {
	a, ok := StrayOf(ev)
	if !ok {
		return nil
	}
	return []mark{{key: keyOf(StrayKey(a)), stray: a.Account, closed: ev.Kind == brevet.AssignmentRemoved}}
}

// strays is what lets somebody into an account whom nobody granted that.
type strays map[brevet.AccountID]map[placeKey]bool

func (s strays) take(m mark) {
	switch {
	case m.stray == "":
	case m.closed:
		delete(s[m.stray], m.key)
		if len(s[m.stray]) == 0 {
			delete(s, m.stray)
		}
	case s[m.stray] == nil:
		s[m.stray] = map[placeKey]bool{m.key: true}
	default:
		s[m.stray][m.key] = true
	}
}

// StraysAt returns where the log says of what lets somebody into the account
// that nobody granted it, oldest first, as this process knew the log when it
// wrote or followed it last.
func (db *DB) StraysAt(account brevet.AccountID) []int64 {
	l := db.memory
	l.mu.RLock()
	defer l.mu.RUnlock()
	var at []int64
	for key := range l.strays[account] {
		at = append(at, l.places[key].index)
	}
	slices.Sort(at)
	return at
}

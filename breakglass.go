package brevet

import "time"

// The keys under which a [BreakGlassOpened] event names, in decimal, the
// entries before it that opened an emergency: of anybody, and of the same
// person. So all of them are found from the newest, in the log alone.
const (
	PriorGlass    = "prior"
	PriorGlassOwn = "prior_own"
)

// The keys under which a [BreakGlassOpened] event names the person whose sealed
// code stood beside that of whom it is about: their id, and their handle then.
const (
	GlassSecond       = "second"
	GlassSecondHandle = "second_handle"
)

// The verdicts of a review, as a [BreakGlassReviewed] event has them under
// "verdict".
const (
	ReviewOK    = "ok"
	ReviewNotOK = "not ok"
)

// Glass returns the event which says that somebody opened the grant in an
// emergency. It is recorded with the grant, and no credential leaves without
// it. review names those who look at it afterwards.
func (g Grant) Glass(reason, review string, by Actor, now time.Time) Event {
	e := g.event(BreakGlassOpened, by, now)
	e.Reason, e.Start, e.End = reason, &g.Start, &g.End
	e.Data = map[string]string{"review": review}
	return e
}

// Review returns the event of what somebody else thinks of an emergency, of
// which opened tells. Nobody reviews their own (law 3), nor one that their
// sealed code helped to open.
func (opened Event) Review(ok bool, comment string, by Actor, now time.Time) (Event, error) {
	switch {
	case opened.Kind != BreakGlassOpened:
		return Event{}, Errorf(Conflict, "this is no emergency and needs no review")
	case by.Person == "" || by.Person == opened.Person:
		return Event{}, Errorf(Denied, "nobody reviews their own emergency").WithHint("it waits for %s", opened.Data["review"])
	case string(by.Person) == opened.Data[GlassSecond]:
		return Event{}, Errorf(Denied, "your code helped to open this emergency, so another reviews it").WithHint("it waits for %s", opened.Data["review"])
	}
	verdict := ReviewNotOK
	if ok {
		verdict = ReviewOK
	}
	return Event{Kind: BreakGlassReviewed, Time: now, Customer: opened.Customer, Actor: by, Person: opened.Person, Request: opened.Request,
		Grant: opened.Grant, Account: opened.Account, Role: opened.Role, Reason: comment, Data: map[string]string{"verdict": verdict}}, nil
}

// OfflineKey is the key under which the Data of a [BreakGlassOpened] event
// names the offline key by which access was opened, while the broker was out
// of reach; the event was recorded later, from a record that the key signed.
const OfflineKey = "offline"

// Imported returns the events about a grant that was opened offline, of which
// a record came later: somebody helped themselves, and from the first moment
// on the log says that the grant is over, so that nothing is issued under it.
// digest names the record, data says what else it tells.
func (g Grant) Imported(reason, review, digest string, data map[string]string, by Actor, now time.Time) []Event {
	opened := g.Glass(reason, review, by, now)
	opened.Digest = digest
	for key, value := range data {
		if value != "" {
			opened.Data[key] = value
		}
	}
	ended := g.event(GrantEnded, by, now)
	ended.Reason = "opened offline; nothing is issued under it"
	return []Event{opened, ended}
}

package brevet

import (
	"slices"
	"time"
)

// Engagement is the time for which people of another company work for a
// customer. It bounds all that they get: whoever any engagement names gets
// nothing outside a live one that names the account, and no grant outlives it.
type Engagement struct {
	Name     string // unique within the catalog
	Customer CustomerID
	People   Subjects // handles and groups
	Accounts []AccountID
	Start    time.Time
	End      time.Time // the first moment after it
}

// Live reports whether the engagement runs at now.
func (e Engagement) Live(now time.Time) bool { return !now.Before(e.Start) && now.Before(e.End) }

// At reports whether the engagement is about the account.
func (e Engagement) At(account AccountID) bool { return slices.Contains(e.Accounts, account) }

// Bound is what ends access earlier than the duration that was asked for: the
// shift or the engagement by which the requester may ask at all.
type Bound struct {
	Until time.Time `json:"until,omitzero"` // no access from here on; zero: no such end
	Duty  []string  `json:"duty,omitempty"` // rotas without which the requester might not ask
}

// cut returns t, or the bound's end if that comes first.
func (b Bound) cut(t time.Time) time.Time {
	if !b.Until.IsZero() && b.Until.Before(t) {
		return b.Until
	}
	return t
}

// EndOf returns when a grant of this ask that starts at start is over.
func (a Ask) EndOf(start time.Time) time.Time { return a.Bound.cut(start.Add(a.Duration)) }

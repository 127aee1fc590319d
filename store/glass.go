package store

import "github.com/brevet-access/brevet"

// AnyGlass is what [Tx.Latest] knows the newest emergency by, whoever's it is.
const AnyGlass = "glass"

// GlassOf is what [Tx.Latest] knows a person's newest emergency by.
func GlassOf(p brevet.PersonID) string { return "glass of\x00" + string(p) }

// GlassKey is what [Tx.Latest] knows the emergency by in which a grant was opened.
func GlassKey(g brevet.GrantID) string { return "glass\x00" + string(g) }

// ReviewKey is what [Tx.Latest] knows the review of an emergency by.
func ReviewKey(g brevet.GrantID) string { return "review\x00" + string(g) }

// ReviewReminderKey is what [Tx.Latest] knows the newest reminder of one by.
func ReviewReminderKey(g brevet.GrantID) string { return "review reminder\x00" + string(g) }

// glassMarks is [marks] for emergencies.
func glassMarks(ev brevet.Event) []mark {
	switch ev.Kind {
	case brevet.BreakGlassOpened:
		return []mark{{key: keyOf(AnyGlass)}, {key: keyOf(GlassOf(ev.Person))}, {key: keyOf(GlassKey(ev.Grant))}}
	case brevet.BreakGlassReviewed:
		return markOf(ReviewKey(ev.Grant), false)
	}
	return markOf(ReviewReminderKey(ev.Grant), false)
}

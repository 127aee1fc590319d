package web

import (
	"time"

	"github.com/brevet-access/brevet"
)

// ago says how long t is over, or ahead.
func ago(t, now time.Time) string {
	switch d := now.Sub(t); {
	case t.IsZero():
		return "never"
	case d < -time.Second:
		return "in " + brevet.Spoken(-d)
	case d < 10*time.Second:
		return "just now"
	default:
		return brevet.Spoken(d) + " ago"
	}
}

// clock writes a moment for people. The server does not know where they are,
// so it is UTC and says so; with the date unless it is today's.
func clock(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	switch {
	case t.IsZero():
		return "-"
	case t.YearDay() == now.YearDay() && t.Year() == now.Year():
		return t.Format("15:04 UTC")
	case t.Sub(now).Abs() < 300*24*time.Hour:
		return t.Format("2 Jan 15:04 UTC")
	}
	return t.Format("2 Jan 2006 15:04 UTC")
}

// stamp writes a moment for machines.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// left says how much longer until t, rounded down so that it never promises
// too much.
func left(t, now time.Time) string {
	d := t.Sub(now)
	if d <= 0 {
		return "over"
	}
	if d >= time.Minute {
		d = d.Truncate(time.Minute)
	}
	return brevet.Spoken(d) + " left"
}

package web

import (
	"fmt"
	"time"
)

// spoken writes a duration to the unit that matters: 41 s, 12 min, 1 h 30
// min, 3 d.
func spoken(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d.Round(time.Minute) < time.Hour:
		return fmt.Sprintf("%d min", d.Round(time.Minute)/time.Minute)
	case d < 48*time.Hour:
		d = d.Round(time.Minute)
		if m := d % time.Hour / time.Minute; m > 0 {
			return fmt.Sprintf("%d h %d min", d/time.Hour, m)
		}
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d d", (d+12*time.Hour)/(24*time.Hour))
}

// ago says how long t is over, or ahead.
func ago(t, now time.Time) string {
	switch d := now.Sub(t); {
	case t.IsZero():
		return "never"
	case d < -time.Second:
		return "in " + spoken(-d)
	case d < 10*time.Second:
		return "just now"
	default:
		return spoken(d) + " ago"
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
	return spoken(d) + " left"
}

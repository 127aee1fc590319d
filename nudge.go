package brevet

import (
	"strconv"
	"time"
)

// RemindAfter says when those who may decide are reminded of a request, from
// when it began to wait for them: again and again, and less and less often.
var RemindAfter = []time.Duration{15 * time.Minute, time.Hour, 4 * time.Hour, 12 * time.Hour, 24 * time.Hour, 48 * time.Hour, 96 * time.Hour}

// Nudged is what was said so far about a request that waits: which step it
// was about, how many reminders were due and how many fallbacks had been let
// in. It is read back from the newest such event, so that a crash neither
// loses nor doubles one.
type Nudged struct {
	Step, Reminders, Fallbacks int
}

// NudgedIn reads what an event of a reminder or an escalation says.
func NudgedIn(e Event) (n Nudged) {
	n.Step, _ = strconv.Atoi(e.Data["step"])
	n.Reminders, _ = strconv.Atoi(e.Data["reminders"])
	n.Fallbacks, _ = strconv.Atoi(e.Data["fallbacks"])
	return n
}

// Nudge returns what is due to be said at now about a request that waits, and
// whether anything is: that fallbacks may decide it from now on, or that it
// waits still. What was missed is said once, not once for each time.
func (r Request) Nudge(last Nudged, by Actor, now time.Time) (e Event, due bool) {
	if r.open(now) != nil || r.Step() >= len(r.Rule.Steps) {
		return e, false
	}
	step, waited := r.Rule.Steps[r.Step()], now.Sub(r.Since())
	is := Nudged{Step: r.Step()}
	if last.Step != is.Step {
		last = Nudged{Step: is.Step}
	}
	for _, after := range RemindAfter {
		if waited >= after {
			is.Reminders++
		}
	}
	for _, f := range step.Else {
		if waited >= f.After {
			is.Fallbacks++
		}
	}
	kind := RequestReminded
	switch {
	case is.Fallbacks > last.Fallbacks:
		kind = RequestEscalated
	case is.Reminders <= last.Reminders:
		return e, false
	}
	e = r.event(kind, by, now)
	e.Data["step"], e.Data["reminders"], e.Data["fallbacks"] = strconv.Itoa(is.Step), strconv.Itoa(is.Reminders), strconv.Itoa(is.Fallbacks)
	e.Data["waits_for"] = r.Deciders(now).String()
	return e, true
}

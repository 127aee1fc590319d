package main

import (
	"time"

	"github.com/brevet-access/brevet/keychain"
)

// warnings says how long before the end of a grant whoever uses it is warned.
var warnings = [...]time.Duration{10 * time.Minute, 2 * time.Minute}

// due returns the warnings that are still to come for an end, as waits from
// now on. Of one that is over already nothing is said, unless it is the last
// and the end is still ahead.
func due(end, now time.Time) (waits []time.Duration) {
	for i, before := range warnings {
		if wait := end.Add(-before).Sub(now); wait > 0 {
			waits = append(waits, wait)
		} else if i+1 == len(warnings) && end.After(now) || i+1 < len(warnings) && end.Sub(now) > warnings[i+1] {
			waits = append(waits, 0)
		}
	}
	return waits
}

// warn says on the terminal that access ends soon, and how to go on: what is
// due at once before it returns, the rest until stop is closed. What runs
// keeps the credential that it has.
func (c *cli) warn(k keychain.Credential, stop <-chan struct{}) {
	if k.GrantEnds.IsZero() {
		return
	}
	now := c.now()
	var later []time.Time
	for _, wait := range due(k.GrantEnds, now) {
		if wait == 0 {
			c.endsIn(k)
		} else {
			later = append(later, now.Add(wait))
		}
	}
	go func() {
		for _, at := range later {
			t := time.NewTimer(at.Sub(c.now()))
			select {
			case <-stop:
				t.Stop()
				return
			case <-t.C:
				c.endsIn(k)
			}
		}
	}()
}

func (c *cli) endsIn(k keychain.Credential) {
	c.say("brevet: access to %s ends in %s; for more time: brevet extend %s --for 1h --reason \"…\"", k.Target,
		human(k.GrantEnds.Sub(c.now()).Round(time.Second)), k.Grant)
}

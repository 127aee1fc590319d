package store

import (
	"testing"
	"time"

	"github.com/brevet-access/brevet"
)

// TestPastOut holds the look at the text against what the decoded intent says:
// what may be out, or lets somebody in, is never passed over.
func TestPastOut(t *testing.T) {
	now := time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)
	at := func(d time.Duration) *time.Time { at := now.Add(d); return &at }
	const hostile = `","end":"2020-01-01T00:00:00Z","x":"`
	for name, c := range map[string]struct {
		end    *time.Time
		reason string
		data   map[string]string
		past   bool
	}{
		"of last week":         {end: at(-7 * 24 * time.Hour), past: true},
		"of just now":          {end: at(time.Hour)},
		"within the day":       {end: at(-outKeeps + time.Second)},
		"just beyond":          {end: at(-outKeeps - time.Second), past: true},
		"hostile, and alive":   {end: at(time.Hour), reason: hostile, data: map[string]string{hostile: hostile, "end": "2020-01-01T00:00:00Z"}},
		"no end":               {},
		"no end, but one else": {reason: hostile, data: map[string]string{"end": "2020-01-01T00:00:00Z"}, past: true},
		"a door":               {end: at(-7 * 24 * time.Hour), data: map[string]string{StrayUser: "u-1"}},
		"a group's door":       {end: at(-7 * 24 * time.Hour), data: map[string]string{StrayGroup: "g-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			ev := brevet.Event{Kind: brevet.SessionIntended, Time: now, Grant: "gr_1", Person: "pr_1", Account: "444455556666", Role: "Admin",
				Reason: c.reason, End: c.end, Data: c.data}
			details, err := encode(&ev)
			if err != nil {
				t.Fatal(err)
			}
			if past := pastOut(details, now); past != c.past {
				t.Errorf("past: %v", past)
			}
			if !c.past {
				return
			}
			for _, m := range append(outMark(ev), doorMark(ev)...) {
				if m.door != (placeKey{}) || m.until > micros(now.Add(-outKeeps)) {
					t.Errorf("passed over: %+v", m)
				}
			}
		})
	}
}

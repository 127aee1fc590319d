package oncall_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/oncall"
)

const weekly = `zone: Europe/Berlin
handover: monday 09:00
from: 2026-10-05
primary: [engineer, lead]
secondary: [lead, security, engineer]
overrides:
  - {who: security, from: 2026-10-07 18:00, to: 2026-10-08 09:00}
  - {who: engineer, layer: secondary, from: 2026-10-08T00:00:00+02:00, to: "2026-10-09 00:00"}
`

func moment(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// on returns who has a layer at a moment.
func on(shifts []brevet.Shift, layer brevet.Layer, at time.Time) (names []string, end time.Time) {
	for _, s := range shifts {
		if s.Layer == layer && !at.Before(s.Start) && at.Before(s.End) {
			names, end = append(names, s.Name), s.End
		}
	}
	return names, end
}

func TestWeeks(t *testing.T) {
	p, err := oncall.ParseYAML([]byte(weekly))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ at, primary, until, secondary string }{
		{"2026-10-05T06:59:59Z", "", "", ""}, // 08:59:59 in Berlin: not begun
		{"2026-10-05T07:00:00Z", "engineer", "2026-10-07T16:00:00Z", "lead"},
		{"2026-10-07T16:00:00Z", "security", "2026-10-08T07:00:00Z", "lead"},
		{"2026-10-07T22:00:00Z", "security", "2026-10-08T07:00:00Z", "engineer"},
		{"2026-10-08T07:00:00Z", "engineer", "2026-10-12T07:00:00Z", "engineer"},
		{"2026-10-12T07:00:00Z", "lead", "2026-10-19T07:00:00Z", "security"},
		// the clocks go back on 2026-10-25: the week is an hour longer
		{"2026-10-19T07:00:00Z", "engineer", "2026-10-26T08:00:00Z", "engineer"},
		{"2026-10-26T07:30:00Z", "engineer", "2026-10-26T08:00:00Z", "engineer"},
		{"2026-10-26T08:00:00Z", "lead", "2026-11-02T08:00:00Z", "lead"},
		// and go forward on 2027-03-28
		{"2027-03-29T06:59:59Z", "engineer", "2027-03-29T07:00:00Z", "lead"},
		{"2027-03-29T07:00:00Z", "lead", "2027-04-05T07:00:00Z", "security"},
	} {
		at := moment(t, test.at)
		shifts := p.Shifts(at.Add(-time.Hour), at.Add(time.Hour))
		names, end := on(shifts, brevet.Primary, at)
		if got := strings.Join(names, ","); got != test.primary || test.until != "" && !end.Equal(moment(t, test.until)) {
			t.Errorf("%s: %s until %s, want %s until %s", test.at, got, end.UTC().Format(time.RFC3339), test.primary, test.until)
		}
		names, _ = on(shifts, brevet.Secondary, at)
		if got := strings.Join(names, ","); got != test.secondary {
			t.Errorf("%s: secondary %s, want %s", test.at, got, test.secondary)
		}
	}
}

// TestAlwaysSomebody: from the first hand-over on exactly one person has the
// primary layer, in any zone and at any moment.
func TestAlwaysSomebody(t *testing.T) {
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu", "America/St_Johns", "Africa/Casablanca"}
	rapid.Check(t, func(t *rapid.T) {
		first := time.Date(2020, 1, 6, 0, 0, 0, 0, time.UTC).AddDate(0, 0, 7*rapid.IntRange(0, 300).Draw(t, "week"))
		clock := time.Time{}.Add(time.Duration(rapid.IntRange(0, 1439).Draw(t, "minute")) * time.Minute).Format("15:04")
		text := "zone: " + rapid.SampledFrom(zones).Draw(t, "zone") + "\nhandover: monday " + clock + "\nfrom: " + first.Format(time.DateOnly) + "\nprimary: [aa, bb, cc]\n"
		p, err := oncall.ParseYAML([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		at := first.Add(48*time.Hour + time.Duration(rapid.Int64Range(0, int64(400*24*time.Hour)).Draw(t, "later")))
		names, end := on(p.Shifts(at.Add(-time.Hour), at.Add(26*time.Hour)), brevet.Primary, at)
		if len(names) != 1 || !end.After(at) {
			t.Fatalf("%s\nat %s: %v until %s", text, at, names, end)
		}
		next, _ := on(p.Shifts(end.Add(-time.Hour), end.Add(time.Hour)), brevet.Primary, end)
		if len(next) != 1 || next[0] == names[0] {
			t.Fatalf("%s\nat the hand-over %s: %v after %v", text, end, next, names)
		}
	})
}

func TestYAMLRefuses(t *testing.T) {
	change := func(old, new string) string {
		if !strings.Contains(weekly, old) {
			t.Fatalf("no %q", old)
		}
		return strings.Replace(weekly, old, new, 1)
	}
	for want, text := range map[string]string{
		"not a time zone":         change("Europe/Berlin", "Mars/Olympus"),
		"name a time zone":        change("zone: Europe/Berlin", "zone: Local"),
		"write it like monday":    change("monday 09:00", "monday 9 am"),
		"2026-10-05 is a Monday":  change("monday 09:00", "tuesday 09:00"),
		"the day of the first":    change("2026-10-05", "soon"),
		"not a day of this age":   change("2026-10-05", "1026-10-05"),
		"name who takes turns":    change("primary: [engineer, lead]", "primary: []"),
		"is not a name":           change("[engineer, lead]", `["engineer\u202e", lead]`),
		"known keys":              weekly + "tertiary: [lead]\n",
		"ends before it starts":   change("to: 2026-10-08 09:00", "to: 2026-10-07 09:00"),
		"primary or secondary":    change("layer: secondary", "layer: third"),
		"clocks of Europe/Berlin": change("from: 2026-10-07 18:00, to: 2026-10-08 09:00", "from: 2026-10-24 18:00, to: 2026-10-25 02:30"),
		"change at 2027-03-28":    change("from: 2026-10-07 18:00, to: 2026-10-08 09:00", "from: 2027-03-27 18:00, to: 2027-03-28 02:30"),
		"more than one YAML":      weekly + "---\n" + weekly,
	} {
		if _, err := oncall.ParseYAML([]byte(text)); !errors.Is(err, brevet.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func FuzzYAML(f *testing.F) {
	f.Add([]byte(weekly))
	f.Add([]byte("zone: UTC\nhandover: sunday 00:00\nfrom: 2026-11-01\nprimary: [a]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := oncall.ParseYAML(text)
		if err != nil {
			if !errors.Is(err, brevet.Invalid) || brevet.Printable(err.Error()) != err.Error() {
				t.Fatalf("%q", err)
			}
			return
		}
		now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
		for _, s := range p.Shifts(now, now.Add(time.Hour)) {
			if !s.Start.Before(s.End) || s.Name == "" || !slices.Contains([]brevet.Layer{brevet.Primary, brevet.Secondary}, s.Layer) {
				t.Fatalf("%+v", s)
			}
		}
	})
}

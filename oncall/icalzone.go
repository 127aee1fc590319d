package oncall

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/teambition/rrule-go"

	"github.com/brevet-access/brevet"
)

// zone says at which moment clocks show a time. A time that they skip is read
// as if they had not been changed yet, of one that they show twice the first
// is meant (RFC 5545, 3.3.5).
type zone interface {
	moment(wall time.Time) time.Time
}

// iana is a zone of the time zone database.
type iana struct{ *time.Location }

func (z iana) moment(wall time.Time) time.Time {
	at, _ := onWall(wall, z.Location)
	return at.UTC()
}

var inUTC zone = iana{time.UTC}

// onset is a change of the clocks in a VTIMEZONE.
type onset struct {
	wall     time.Time // by the clocks before the change
	from, to time.Duration
}

// own is a zone that the calendar defines.
type own struct{ onsets []onset } // by wall

func (z own) moment(wall time.Time) time.Time {
	i, found := slices.BinarySearchFunc(z.onsets, wall, func(o onset, t time.Time) int { return o.wall.Compare(t) })
	if !found {
		i--
	}
	if i < 0 {
		return wall.Add(-z.onsets[0].from)
	}
	o := z.onsets[i]
	offset := o.to
	if gap := o.to - o.from; gap > 0 && wall.Before(o.wall.Add(gap)) {
		offset = o.from
	}
	return wall.Add(-offset)
}

// zone finds a zone by its TZID: one of the time zone database, else one that
// the calendar defines.
func (c *Calendar) zone(id string) (zone, error) {
	name := strings.TrimPrefix(id, "/")
	if z, err := time.LoadLocation(name); err == nil && name != "" && name != "Local" {
		return iana{z}, nil
	}
	if z, ok := c.zones[id]; ok {
		return z, nil
	}
	return nil, bad("the time zone %s is not known", strconv.Quote(brevet.Printable(cut(id, 80))))
}

// The years for which a calendar's own zones are worked out.
const firstYear, lastYear = 1970, 2100

// maxZones and maxOnsets bound the zones of a calendar.
const (
	maxZones       = 100
	maxObservances = 100 // of a kind in a zone
	maxOnsets      = 2_000
)

// addZone reads a VTIMEZONE. One that is not understood is an error only if
// it is used: that it is missing then shows.
func (c *Calendar) addZone(v *component) error {
	if len(c.zones) >= maxZones {
		return bad("more than %d time zones", maxZones)
	}
	id := v.value("TZID")
	if id == "" {
		return bad("a VTIMEZONE without TZID")
	}
	var z own
	for _, kind := range []string{"STANDARD", "DAYLIGHT"} {
		all := v.all(kind)
		if len(all) > maxObservances {
			return nil
		}
		for _, o := range all {
			onsets, ok := observance(o)
			if !ok || len(z.onsets)+len(onsets) > maxOnsets {
				return nil
			}
			z.onsets = append(z.onsets, onsets...)
		}
	}
	if len(z.onsets) > 0 {
		slices.SortFunc(z.onsets, func(a, b onset) int { return cmp.Or(a.wall.Compare(b.wall), cmp.Compare(a.to, b.to)) })
		c.zones[id] = z
	}
	return nil
}

// observance returns the changes of the clocks that a STANDARD or DAYLIGHT
// tells of.
func observance(v *component) (out []onset, ok bool) {
	from, ok1 := offset(v.value("TZOFFSETFROM"))
	to, ok2 := offset(v.value("TZOFFSETTO"))
	start, err := time.Parse("20060102T150405", v.value("DTSTART"))
	if !ok1 || !ok2 || err != nil || len(v.props("RRULE")) > 1 {
		return nil, false
	}
	walls := []time.Time{start}
	for _, p := range v.props("RDATE") {
		for _, one := range strings.Split(p.value, ",") {
			t, err := time.Parse("20060102T150405", one)
			if err != nil {
				return nil, false
			}
			walls = append(walls, t)
		}
	}
	if text := v.value("RRULE"); text != "" {
		if walls, ok = yearly(text, start, from); !ok {
			return nil, false
		}
	}
	if len(walls) > maxOnsets {
		return nil, false
	}
	for _, w := range walls {
		out = append(out, onset{w, from, to})
	}
	return out, true
}

// offset reads +0200 or -033000.
func offset(s string) (time.Duration, bool) {
	if len(s) != 5 && len(s) != 7 || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	n, err := strconv.Atoi(s[1:])
	if err != nil || s[1] == '+' || s[1] == '-' {
		return 0, false
	}
	if len(s) == 5 {
		n *= 100
	}
	d := time.Duration(n/10000)*time.Hour + time.Duration(n/100%100)*time.Minute + time.Duration(n%100)*time.Second
	if s[0] == '-' {
		d = -d
	}
	return d, d >= -24*time.Hour && d <= 24*time.Hour
}

// yearly expands the rule of an observance: once a year, on a day of a month.
func yearly(text string, start time.Time, from time.Duration) ([]time.Time, bool) {
	parts, err := ruleParts(text)
	if err != nil || parts["FREQ"] != "YEARLY" {
		return nil, false
	}
	o := rrule.ROption{Freq: rrule.YEARLY, Interval: 1, Dtstart: start}
	last := time.Date(lastYear, 1, 1, 0, 0, 0, 0, time.UTC)
	for key, value := range parts {
		ok := true
		switch key {
		case "FREQ", "WKST":
		case "INTERVAL":
			ok = value == "1"
		case "BYMONTH":
			var n int
			n, ok = whole(value, 12)
			o.Bymonth = []int{n}
		case "BYMONTHDAY":
			for _, one := range strings.Split(value, ",") {
				n, fine := whole(one, 31)
				ok = ok && fine
				o.Bymonthday = append(o.Bymonthday, n)
			}
		case "BYDAY":
			var d rrule.Weekday
			if len(value) < 2 {
				return nil, false
			}
			d, ok = weekday(value[len(value)-2:])
			if nth := value[:len(value)-2]; nth != "" && ok {
				n, err := strconv.Atoi(nth)
				ok = err == nil && n != 0 && n >= -5 && n <= 5
				d = d.Nth(n)
			}
			o.Byweekday = []rrule.Weekday{d}
		case "UNTIL":
			t, err := time.Parse("20060102T150405Z", value)
			ok = err == nil
			if wall := t.Add(from); wall.Before(last) {
				last = wall
			}
		default:
			ok = false
		}
		if !ok {
			return nil, false
		}
	}
	if o.Bymonth == nil || o.Byweekday == nil && o.Bymonthday == nil || start.Year() < 1601 || start.Year() > lastYear {
		return nil, false
	}
	if start.Year() < firstYear { // the rule is the same in every year
		o.Dtstart = time.Date(firstYear-1, 1, 1, start.Hour(), start.Minute(), start.Second(), 0, time.UTC)
	}
	o.Until = last // it looks no further, also where nothing fits
	set, err := rrule.NewRRule(o)
	if err != nil {
		return nil, false
	}
	var out []time.Time
	next := set.Iterator()
	for range maxOnsets {
		t, ok := next()
		if !ok || t.After(last) {
			break
		}
		out = append(out, t)
	}
	return out, len(out) > 0
}

package oncall

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/teambition/rrule-go"

	"github.com/brevet-access/brevet"
)

// maxCount bounds COUNT: all occurrences before now are counted.
const maxCount = 10_000

// rule is an RRULE that is understood: daily or weekly.
type rule struct {
	option rrule.ROption
	step   time.Duration // after which the rule repeats itself, on the wall
	until  *stamp
}

// parseRule reads an RRULE of an event. What is not understood is refused.
func parseRule(text string, start stamp) (*rule, error) {
	no := func(why string) error {
		return bad("RRULE %s: %s", strconv.Quote(brevet.Printable(cut(text, 80))), why)
	}
	parts, err := ruleParts(text)
	if err != nil {
		return nil, no(brevet.AsError(err).Message)
	}
	r := &rule{option: rrule.ROption{Interval: 1}}
	for key, value := range parts {
		var ok bool
		switch key {
		case "FREQ":
			r.option.Freq, r.step = rrule.DAILY, 24*time.Hour
			if value == "WEEKLY" {
				r.option.Freq, r.step = rrule.WEEKLY, 7*24*time.Hour
			}
			ok = value == "DAILY" || value == "WEEKLY"
		case "INTERVAL":
			r.option.Interval, ok = whole(value, 1000)
		case "COUNT":
			r.option.Count, ok = whole(value, maxCount)
		case "UNTIL":
			s, err := (&Calendar{}).stamp(&property{value: value}, start.in)
			ok = err == nil && (s.day == start.day || s.day || strings.HasSuffix(value, "Z"))
			r.until = &s
		case "BYDAY":
			r.option.Byweekday, ok = weekdays(value)
		case "WKST":
			var days []rrule.Weekday
			if days, ok = weekdays(value); ok {
				r.option.Wkst, ok = days[0], len(days) == 1
			}
		}
		if !ok {
			return nil, no(key + " is not understood")
		}
	}
	switch {
	case parts["FREQ"] == "":
		return nil, no("FREQ is missing")
	case parts["COUNT"] != "" && parts["UNTIL"] != "":
		return nil, no("both COUNT and UNTIL")
	case r.option.Byweekday != nil && !slices.Contains(r.option.Byweekday, weekdayOf(start.wall)):
		return nil, no("it starts on a day that BYDAY does not name")
	}
	r.step *= time.Duration(r.option.Interval)
	return r, nil
}

// ruleParts takes KEY=VALUE;… apart; a key that stands there twice is an
// error.
func ruleParts(text string) (map[string]string, error) {
	parts := map[string]string{}
	for _, one := range strings.Split(strings.ToUpper(strings.TrimSpace(text)), ";") {
		key, value, ok := strings.Cut(one, "=")
		if _, twice := parts[key]; !ok || twice || value == "" || key == "" {
			return nil, bad("it is malformed")
		}
		parts[key] = value
	}
	return parts, nil
}

func whole(s string, most int) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 1 && n <= most && s[0] != '+'
}

var dayNames = []struct {
	name string
	day  rrule.Weekday
}{{"MO", rrule.MO}, {"TU", rrule.TU}, {"WE", rrule.WE}, {"TH", rrule.TH}, {"FR", rrule.FR}, {"SA", rrule.SA}, {"SU", rrule.SU}}

// weekdays reads MO,TU; a day with a number before it is for months.
func weekdays(s string) ([]rrule.Weekday, bool) {
	var out []rrule.Weekday
	for _, name := range strings.Split(s, ",") {
		day, ok := weekday(name)
		if !ok {
			return nil, false
		}
		out = append(out, day)
	}
	return out, true
}

func weekday(name string) (rrule.Weekday, bool) {
	for _, d := range dayNames {
		if d.name == name {
			return d.day, true
		}
	}
	return rrule.Weekday{}, false
}

func weekdayOf(t time.Time) rrule.Weekday { return dayNames[(int(t.Weekday())+6)%7].day }

// between returns the occurrences of the rule between two times on the wall.
// Without COUNT it starts to look where the rule would repeat itself just
// before the window: the years before cost nothing.
func (r *rule) between(start, from, to time.Time) []time.Time {
	o := r.option
	o.Dtstart = start
	if o.Count == 0 && from.After(start) {
		o.Dtstart = start.Add(from.Sub(start) / r.step * r.step)
	}
	o.Until = to // it looks no further, also where nothing fits
	set, err := rrule.NewRRule(o)
	if err != nil {
		return nil // the options were checked
	}
	var out []time.Time
	next := set.Iterator()
	for range maxCount {
		t, ok := next()
		if !ok || t.After(to) {
			break
		}
		if !t.Before(from) && !t.Before(start) {
			out = append(out, t)
		}
	}
	return out
}

// over reports whether the occurrence comes after UNTIL, which is the last
// that counts.
func (r *rule) over(s stamp) bool {
	switch {
	case r.until == nil:
		return false
	case r.until.day:
		return s.wall.Truncate(24 * time.Hour).After(r.until.wall)
	}
	return s.at().After(r.until.at())
}

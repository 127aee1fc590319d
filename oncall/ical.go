package oncall

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
)

// The bounds on a calendar.
const (
	maxEvents    = 20_000
	maxRecurring = 1_000
	maxExcluded  = 5_000 // EXDATEs of one event
	maxAttendees = 100
	maxShift     = 366 * 24 * time.Hour
)

// calendars asks the calendar of each layer.
func (c *Client) calendars(ctx context.Context, s brevet.RotaSource, from, to time.Time) ([]brevet.Shift, error) {
	var out []brevet.Shift
	for _, layer := range []brevet.Layer{brevet.Primary, brevet.Secondary} {
		source, ok := s.Calendars[layer]
		if !ok {
			continue
		}
		address := source.URL
		if source.URLFile != "" {
			var err error
			if address, err = c.secret(source.URLFile); err != nil {
				return nil, err
			}
		}
		if !Fit(address, c.Allow) {
			return nil, bad("the %s calendar's address is not https://…", layer)
		}
		who := "the " + string(layer) + " calendar"
		text, err := c.get(ctx, who, address, nil)
		if err != nil {
			return nil, err
		}
		cal, err := ParseICal(text)
		if err != nil {
			return nil, bad("%s: %s", who, brevet.AsError(err).Message)
		}
		shifts, err := cal.Shifts(layer, from, to)
		if err != nil {
			return nil, bad("%s: %s", who, brevet.AsError(err).Message)
		}
		out = append(out, shifts...)
	}
	return out, nil
}

// Calendar is the events of an iCalendar object (RFC 5545).
type Calendar struct {
	events []event
	zones  map[string]zone
}

// event is a VEVENT.
type event struct {
	uid       string
	names     []string // attendees' addresses, else the summary
	start     stamp
	length    time.Duration // exact; of whole days: days on the wall
	rule      *rule
	excluded  []stamp
	instead   *stamp // RECURRENCE-ID: of the occurrence that this one replaces
	cancelled bool
}

// stamp is a DATE or DATE-TIME: what clocks in a zone show, written as if it
// were UTC.
type stamp struct {
	wall time.Time
	day  bool // a DATE
	in   zone
}

// at returns the moment.
func (s stamp) at() time.Time { return s.in.moment(s.wall) }

// ParseICal reads a calendar. The error is of kind [brevet.Invalid] and names
// what is not understood.
func ParseICal(text []byte) (*Calendar, error) {
	if len(text) > maxBody {
		return nil, bad("the calendar is larger than 4 MiB")
	}
	root, err := components(string(text))
	if err != nil {
		return nil, err
	}
	c := &Calendar{zones: map[string]zone{}}
	for _, z := range root.all("VTIMEZONE") {
		if err := c.addZone(z); err != nil {
			return nil, err
		}
	}
	var floating zone // what times without a zone are in
	if name := root.value("X-WR-TIMEZONE"); name != "" {
		if floating, err = c.zone(name); err != nil {
			return nil, err
		}
	}
	events := root.all("VEVENT")
	if len(events) > maxEvents {
		return nil, bad("more than %d events", maxEvents)
	}
	recurring := 0
	for _, v := range events {
		e, err := c.event(v, floating)
		if err != nil {
			return nil, bad("event %s: %s", strconv.Quote(brevet.Printable(cut(v.value("SUMMARY"), 60))), brevet.AsError(err).Message)
		}
		if e.rule != nil {
			recurring++
		}
		c.events = append(c.events, e)
	}
	if recurring > maxRecurring {
		return nil, bad("more than %d recurring events", maxRecurring)
	}
	return c, nil
}

func cut(s string, n int) string { return strings.ToValidUTF8(s[:min(len(s), n)], "") }

func (c *Calendar) event(v *component, floating zone) (e event, err error) {
	for _, name := range []string{"RDATE", "EXRULE"} {
		if v.first(name) != nil {
			return e, bad("%s is not understood", name)
		}
	}
	e.uid, e.cancelled = v.value("UID"), strings.EqualFold(v.value("STATUS"), "CANCELLED")
	if e.names, err = v.names(); err != nil {
		return e, err
	}
	if e.start, err = c.stamp(v.first("DTSTART"), floating); err != nil {
		return e, bad("DTSTART: %s", brevet.AsError(err).Message)
	}
	if e.length, err = c.length(v, e.start, floating); err != nil {
		return e, err
	}
	if p := v.first("RECURRENCE-ID"); p != nil {
		at, err := c.stamp(p, floating)
		if err != nil || p.params["RANGE"] != "" {
			return e, bad("RECURRENCE-ID is not understood")
		}
		e.instead = &at
	}
	rules := v.props("RRULE")
	if len(rules) > 1 || len(rules) == 1 && e.instead != nil {
		return e, bad("more than one RRULE is not understood")
	}
	for _, p := range rules {
		if e.rule, err = parseRule(p.value, e.start); err != nil {
			return e, err
		}
	}
	for _, p := range v.props("EXDATE") {
		for _, one := range strings.Split(p.value, ",") {
			at, err := c.stamp(&property{params: p.params, value: one}, e.start.in)
			if err != nil {
				return e, bad("EXDATE: %s", brevet.AsError(err).Message)
			}
			e.excluded = append(e.excluded, at)
		}
	}
	if len(e.excluded) > maxExcluded {
		return e, bad("more than %d EXDATEs", maxExcluded)
	}
	return e, nil
}

// names returns whom the event names: the addresses of its attendees, else
// its summary.
func (v *component) names() ([]string, error) {
	var out []string
	for _, p := range v.props("ATTENDEE") {
		if scheme, address, ok := strings.Cut(p.value, ":"); ok && strings.EqualFold(scheme, "mailto") && address != "" {
			out = append(out, address)
		}
	}
	if len(out) > maxAttendees {
		return nil, bad("more than %d attendees", maxAttendees)
	}
	if s := strings.TrimSpace(v.value("SUMMARY")); out == nil && s != "" {
		out = []string{s}
	}
	return out, nil
}

// length reads DTEND or DURATION. Of neither, a day has 24 h on the wall and
// a moment none.
func (c *Calendar) length(v *component, start stamp, floating zone) (time.Duration, error) {
	end, duration := v.first("DTEND"), v.first("DURATION")
	switch {
	case end != nil && duration != nil:
		return 0, bad("both DTEND and DURATION")
	case end != nil:
		at, err := c.stamp(end, floating)
		if err != nil {
			return 0, bad("DTEND: %s", brevet.AsError(err).Message)
		}
		d := at.at().Sub(start.at())
		if start.day {
			d = at.wall.Sub(start.wall)
		}
		if at.day != start.day || d <= 0 || d > maxShift {
			return 0, bad("DTEND does not fit DTSTART")
		}
		return d, nil
	case duration != nil:
		d, err := parsePeriod(duration.value)
		if err == nil && start.day && d%(24*time.Hour) != 0 {
			err = bad("DURATION does not fit DTSTART")
		}
		return d, err
	case start.day:
		return 24 * time.Hour, nil
	}
	return 0, nil
}

// parsePeriod reads a positive DURATION: P1W, P1DT12H, PT8H30M.
func parsePeriod(s string) (time.Duration, error) {
	no := bad("DURATION %s is not understood", strconv.Quote(brevet.Printable(cut(s, 40))))
	rest, ok := strings.CutPrefix(strings.TrimPrefix(s, "+"), "P")
	if !ok || rest == "" {
		return 0, no
	}
	units := map[byte]time.Duration{'W': 7 * 24 * time.Hour, 'D': 24 * time.Hour}
	var total time.Duration
	for rest != "" {
		if after, ok := strings.CutPrefix(rest, "T"); ok {
			if rest = after; units['H'] != 0 || rest == "" {
				return 0, no
			}
			units = map[byte]time.Duration{'H': time.Hour, 'M': time.Minute, 'S': time.Second}
			continue
		}
		i := 0
		for i < len(rest) && rest[i] >= '0' && rest[i] <= '9' {
			i++
		}
		if i == 0 || i > 7 || i == len(rest) || units[rest[i]] == 0 {
			return 0, no
		}
		n, _ := strconv.Atoi(rest[:i])
		if total += time.Duration(n) * units[rest[i]]; total > maxShift {
			return 0, no
		}
		rest = rest[i+1:]
	}
	if total <= 0 {
		return 0, no
	}
	return total, nil
}

// stamp reads a DATE or DATE-TIME.
func (c *Calendar) stamp(p *property, floating zone) (s stamp, err error) {
	if p == nil {
		return s, bad("it is missing")
	}
	value := strings.TrimSpace(p.value)
	no := bad("%s is not a time", strconv.Quote(brevet.Printable(cut(value, 40))))
	s.in = floating
	if id := p.params["TZID"]; id != "" {
		if s.in, err = c.zone(id); err != nil {
			return s, err
		}
	}
	switch {
	case len(value) == len("20261125"):
		s.day = true
		s.wall, err = time.Parse("20060102", value)
	case strings.HasSuffix(value, "Z"):
		s.in = inUTC
		s.wall, err = time.Parse("20060102T150405Z", value)
	default:
		s.wall, err = time.Parse("20060102T150405", value)
	}
	if err != nil || s.wall.Year() < 1970 || s.wall.Year() > 2999 || p.params["VALUE"] == "DATE" && !s.day {
		return s, no
	}
	if s.in == nil {
		return s, bad("%s is in no time zone: the calendar names none", value)
	}
	return s, nil
}

// Shifts returns the occurrences that touch the window, as shifts of the
// layer: one for each name.
func (c *Calendar) Shifts(layer brevet.Layer, from, to time.Time) ([]brevet.Shift, error) {
	replaced := map[string][]time.Time{}
	for _, e := range c.events {
		if e.instead != nil {
			replaced[e.uid] = append(replaced[e.uid], e.instead.at())
		}
	}
	var out []brevet.Shift
	for _, e := range c.events {
		if e.cancelled {
			continue
		}
		for _, start := range e.starts(from, to) {
			begin := start.at()
			if e.instead == nil && slices.ContainsFunc(replaced[e.uid], begin.Equal) || e.excludes(start) {
				continue
			}
			end := begin.Add(e.length)
			if e.start.day {
				end = e.start.in.moment(start.wall.Add(e.length))
			}
			if !begin.Before(end) || !begin.Before(to) || !end.After(from) {
				continue
			}
			for _, name := range e.names {
				out = append(out, brevet.Shift{Layer: layer, Name: name, Start: begin, End: end})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b brevet.Shift) int { return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Name, b.Name)) })
	return out, nil
}

// starts returns when the event starts: all occurrences that could touch the
// window, and maybe others.
func (e *event) starts(from, to time.Time) []stamp {
	if e.rule == nil {
		return []stamp{e.start}
	}
	var out []stamp
	for _, wall := range e.rule.between(e.start.wall, from.Add(-e.length-48*time.Hour), to.Add(48*time.Hour)) {
		s := e.start
		s.wall = wall
		if !e.rule.over(s) {
			out = append(out, s)
		}
	}
	return out
}

func (e *event) excludes(s stamp) bool {
	return slices.ContainsFunc(e.excluded, func(x stamp) bool {
		if x.day {
			return x.wall.Equal(s.wall.Truncate(24 * time.Hour))
		}
		return x.at().Equal(s.at())
	})
}

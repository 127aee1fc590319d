package oncall

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/brevet-access/brevet"
)

// The bounds on a plan.
const (
	maxPlan      = 1 << 20
	maxTurns     = 200
	maxOverrides = 1000
)

// Plan is a rota in YAML: for each layer people who take turns by the week,
// and overrides.
//
//	zone: Europe/Berlin
//	handover: monday 09:00       # wall-clock time, whatever the season
//	from: 2026-11-02             # whose week the first of the list has
//	primary: [engineer, lead]
//	secondary: [lead, engineer]
//	overrides:
//	  - {who: lead, from: 2026-11-25 18:00, to: 2026-11-26 09:00}
type Plan struct {
	zone      *time.Location
	weekday   time.Weekday
	clock     time.Duration // of the hand-over, since midnight on the wall
	first     time.Time     // the day of the first hand-over, in UTC
	turns     map[brevet.Layer][]string
	overrides []brevet.Shift
}

// planText is a plan as it is written.
type planText struct {
	Zone      string         `yaml:"zone"`
	Handover  string         `yaml:"handover"`
	From      string         `yaml:"from"`
	Primary   []string       `yaml:"primary"`
	Secondary []string       `yaml:"secondary"`
	Overrides []overrideText `yaml:"overrides"`
}

type overrideText struct {
	Who   string `yaml:"who"`
	Layer string `yaml:"layer"` // default: primary
	From  string `yaml:"from"`
	To    string `yaml:"to"`
}

// ParseYAML reads a plan. The error is of kind [brevet.Invalid].
func ParseYAML(text []byte) (*Plan, error) {
	if len(text) > maxPlan {
		return nil, bad("the rota is larger than 1 MiB")
	}
	var in planText
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&in); err != nil {
		return nil, bad("the rota is not YAML of the known keys%s", lineOf(err))
	}
	if err := dec.Decode(new(planText)); !errors.Is(err, io.EOF) {
		return nil, bad("the rota holds more than one YAML document")
	}
	return in.plan()
}

// lineOf says where, and not what: the file could be another than its name
// says, and hold a secret.
func lineOf(err error) string {
	var n int
	if _, after, ok := strings.Cut(err.Error(), "line "); ok {
		if _, err := fmt.Sscanf(after, "%d", &n); err == nil {
			return fmt.Sprintf(": see line %d", n)
		}
	}
	return ""
}

func (in planText) plan() (*Plan, error) {
	p := &Plan{turns: map[brevet.Layer][]string{}}
	var err error
	if in.Zone == "" || in.Zone == "Local" {
		return nil, bad("zone: name a time zone, such as Europe/Berlin or UTC")
	}
	if p.zone, err = time.LoadLocation(in.Zone); err != nil {
		return nil, bad("zone: %q is not a time zone, such as Europe/Berlin", brevet.Printable(in.Zone))
	}
	if p.weekday, p.clock, err = parseHandover(in.Handover); err != nil {
		return nil, err
	}
	if p.first, err = time.Parse(time.DateOnly, in.From); err != nil {
		return nil, bad("from: the day of the first hand-over, such as 2026-11-02")
	}
	if y := p.first.Year(); y < 2000 || y > 2999 {
		return nil, bad("from: %s is not a day of this age", in.From)
	}
	if p.first.Weekday() != p.weekday {
		return nil, bad("from: %s is a %s, and the hand-over is on %s", in.From, p.first.Weekday(), p.weekday)
	}
	for layer, people := range map[brevet.Layer][]string{brevet.Primary: in.Primary, brevet.Secondary: in.Secondary} {
		if len(people) > maxTurns {
			return nil, bad("%s: at most %d people take turns", layer, maxTurns)
		}
		for _, who := range people {
			if err := named(string(layer), who); err != nil {
				return nil, err
			}
		}
		p.turns[layer] = people
	}
	if len(in.Primary) == 0 {
		return nil, bad("primary: name who takes turns")
	}
	if len(in.Overrides) > maxOverrides {
		return nil, bad("overrides: at most %d", maxOverrides)
	}
	for i, o := range in.Overrides {
		shift, err := o.shift(p.zone)
		if err != nil {
			return nil, bad("overrides[%d]: %s", i, brevet.AsError(err).Message)
		}
		p.overrides = append(p.overrides, shift)
	}
	return p, nil
}

func named(field, who string) error {
	if clean, err := brevet.CleanText(field, who, brevet.MaxName); err != nil || clean != who {
		return bad("%s: %q is not a name", field, brevet.Printable(who))
	}
	return nil
}

// parseHandover reads "monday 09:00".
func parseHandover(s string) (time.Weekday, time.Duration, error) {
	day, clock, ok := strings.Cut(s, " ")
	for d := time.Sunday; ok && d <= time.Saturday; d++ {
		if !strings.EqualFold(d.String(), day) {
			continue
		}
		if t, err := time.Parse("15:04", strings.TrimSpace(clock)); err == nil {
			return d, time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, nil
		}
	}
	return 0, 0, bad("handover: write it like monday 09:00")
}

func (o overrideText) shift(zone *time.Location) (s brevet.Shift, err error) {
	if err := named("who", o.Who); err != nil {
		return s, err
	}
	s = brevet.Shift{Layer: brevet.Layer(o.Layer), Name: o.Who}
	if s.Layer == "" {
		s.Layer = brevet.Primary
	}
	if s.Layer != brevet.Primary && s.Layer != brevet.Secondary {
		return s, bad("layer: primary or secondary")
	}
	if s.Start, err = parseLocal(o.From, zone); err != nil {
		return s, fmt.Errorf("from: %w", err)
	}
	if s.End, err = parseLocal(o.To, zone); err != nil {
		return s, fmt.Errorf("to: %w", err)
	}
	if !s.Start.Before(s.End) {
		return s, bad("it ends before it starts")
	}
	return s, nil
}

// parseLocal reads 2026-11-25 18:00 in the zone, or a time with an offset. A
// time on the wall that a change of the clocks skips or repeats is refused:
// nobody can tell which moment it means.
func parseLocal(s string, zone *time.Location) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC(), nil
	}
	t, err := time.Parse("2006-01-02 15:04", s)
	if err != nil {
		return time.Time{}, bad("%s is not a time such as 2026-11-25 18:00", strconv.Quote(brevet.Printable(s[:min(len(s), 40)])))
	}
	at, sure := onWall(t, zone)
	if !sure {
		return time.Time{}, bad("the clocks of %s change at %s: write it with its offset from UTC", zone, s)
	}
	return at, nil
}

// onWall returns the moment at which clocks in the zone show wall, which is
// read as if it were UTC. Sure is false where they skip it, or show it twice:
// the moment is then the one right after the gap, or the first of the two.
func onWall(wall time.Time, zone *time.Location) (at time.Time, sure bool) {
	naive := func(t time.Time) time.Time {
		_, offset := t.In(zone).Zone()
		return t.Add(time.Duration(offset) * time.Second)
	}
	var found []time.Time
	for _, near := range []time.Time{wall.Add(-26 * time.Hour), wall.Add(26 * time.Hour)} {
		_, offset := near.In(zone).Zone()
		t := wall.Add(-time.Duration(offset) * time.Second)
		if naive(t).Equal(wall) && !slices.ContainsFunc(found, t.Equal) {
			found = append(found, t)
		}
	}
	switch len(found) {
	case 1:
		return found[0], true
	case 2:
		return earlier(found[0], found[1]), false
	}
	_, offset := wall.Add(-26 * time.Hour).In(zone).Zone() // as if the clocks had not changed yet
	return wall.Add(-time.Duration(offset) * time.Second).UTC(), false
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// Shifts returns the shifts that touch the window from from to to. During an
// override nobody else has that layer; of overrides that overlap all count.
func (p *Plan) Shifts(from, to time.Time) []brevet.Shift {
	var out []brevet.Shift
	for _, layer := range []brevet.Layer{brevet.Primary, brevet.Secondary} {
		var over []brevet.Shift
		for _, o := range p.overrides {
			if o.Layer == layer {
				over = append(over, o)
			}
		}
		all := slices.Clone(over)
		for _, week := range p.weeks(layer, from, to) {
			all = append(all, without(week, over)...)
		}
		for _, s := range all {
			if s.Start.Before(to) && s.End.After(from) {
				out = append(out, s)
			}
		}
	}
	return out
}

// weeks returns the turns of a layer that touch the window. A turn ends when
// the next begins, on the wall, so in two weeks of a year it is an hour longer
// or shorter.
func (p *Plan) weeks(layer brevet.Layer, from, to time.Time) []brevet.Shift {
	people := p.turns[layer]
	if len(people) == 0 {
		return nil
	}
	week := func(n int) time.Time {
		at, _ := onWall(p.first.AddDate(0, 0, 7*n).Add(p.clock), p.zone)
		return at
	}
	n := max(0, int(from.Sub(p.first)/(7*24*time.Hour))-1)
	var out []brevet.Shift
	for start := week(n); start.Before(to); n++ {
		end := week(n + 1)
		if end.After(from) {
			out = append(out, brevet.Shift{Layer: layer, Name: people[n%len(people)], Start: start, End: end})
		}
		start = end
	}
	return out
}

// without returns what is left of a shift beside the others.
func without(s brevet.Shift, others []brevet.Shift) []brevet.Shift {
	left := []brevet.Shift{s}
	for _, o := range others {
		var next []brevet.Shift
		for _, l := range left {
			if !o.Start.Before(l.End) || !o.End.After(l.Start) {
				next = append(next, l)
				continue
			}
			if l.Start.Before(o.Start) {
				next = append(next, brevet.Shift{Layer: l.Layer, Name: l.Name, Start: l.Start, End: o.Start})
			}
			if o.End.Before(l.End) {
				next = append(next, brevet.Shift{Layer: l.Layer, Name: l.Name, Start: o.End, End: l.End})
			}
		}
		left = next
	}
	return left
}

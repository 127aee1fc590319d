package brevet

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// DutyWithin is how old facts about who is on duty may be. Older ones count
// as "nobody is".
const DutyWithin = time.Minute

// Layer is a line of a rota: who is called first, and who is when they do not
// answer.
type Layer string

// The layers.
const (
	Primary   Layer = "primary"
	Secondary Layer = "secondary"
)

// Rota is a plan, kept outside brevet, of who is on duty when.
type Rota struct {
	Name     string     // unique within the catalog
	Customer CustomerID // whose rules may name it; "" for every customer's
	Source   RotaSource
	// People says whom the names of the source stand for. What is not in here
	// puts nobody on duty: no address is guessed at.
	People map[string]Handle
}

// The kinds of sources of a rota.
const (
	RotaPagerDuty = "pagerduty"
	RotaICal      = "ical"
	RotaYAML      = "yaml"
)

// RotaSource is where a rota is kept. Files are named as they are seen from
// the folder of brevet.yaml.
type RotaSource struct {
	Kind      string
	Schedules []string         // PagerDuty: ids of schedules
	Policies  []string         // PagerDuty: ids of the escalation policies that count; nil for all
	Region    string           // PagerDuty: "us" or "eu"
	TokenFile string           // PagerDuty: holds the REST API key
	Calendars map[Layer]Source // iCal: a calendar for each layer
	File      string           // YAML
}

// Source is a calendar on the web: its address, or the file that holds it
// where the address itself is a secret.
type Source struct {
	URL     string
	URLFile string
}

// Shift is somebody's turn.
type Shift struct {
	Layer      Layer
	Name       string // as the source calls them
	Start, End time.Time
}

// RotaState is what is known of a rota. It is not changed once it is part of
// a [Roster].
type RotaState struct {
	Rota   Rota
	Shifts []Shift   // those around At
	At     time.Time // when the source said so; zero: never
	Why    string    // why the source could not be asked the last time; "" if it could
}

// Roster is what is known of all rotas at a moment. It never changes and may
// be used by many goroutines; a nil Roster knows nothing and has nobody on
// duty.
type Roster struct{ rotas map[string]RotaState }

// NewRoster puts states together, one for each rota.
func NewRoster(states ...RotaState) *Roster {
	r := &Roster{rotas: make(map[string]RotaState, len(states))}
	for _, s := range states {
		r.rotas[s.Rota.Name] = s
	}
	return r
}

// State returns what is known of a rota.
func (r *Roster) State(rota string) (RotaState, bool) {
	if r == nil {
		return RotaState{}, false
	}
	s, ok := r.rotas[rota]
	return s, ok
}

// Names returns the names of the rotas, sorted.
func (r *Roster) Names() []string {
	if r == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(r.rotas))
}

// Until reports whether the person is on duty at now by name, which is NAME
// or NAME/secondary, and when that shift ends. Facts that are too old put
// nobody on duty.
func (r *Roster) Until(name string, h Handle, now time.Time) (end time.Time, ok bool) {
	rota, layer := SplitRota(name)
	s, known := r.State(rota)
	if !known || h == "" || !s.Known(now) {
		return end, false
	}
	for _, shift := range s.Shifts {
		if shift.Layer == layer && shift.covers(now) && s.Rota.People[shift.Name] == h && shift.End.After(end) {
			end, ok = shift.End, true
		}
	}
	return end, ok
}

// Of returns those of the names by which the person is on duty at now.
func (r *Roster) Of(h Handle, names []string, now time.Time) []string {
	var out []string
	for _, n := range names {
		if _, ok := r.Until(n, h, now); ok {
			out = append(out, n)
		}
	}
	return out
}

// On returns who is on duty at now by name, in the order of the source.
func (r *Roster) On(name string, now time.Time) []Handle {
	rota, layer := SplitRota(name)
	s, known := r.State(rota)
	if !known || !s.Known(now) {
		return nil
	}
	var out []Handle
	for _, shift := range s.Shifts {
		h := s.Rota.People[shift.Name]
		if shift.Layer == layer && shift.covers(now) && h != "" && !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	return out
}

// Say tells people who is on duty by name at now, or why that is not known.
func (r *Roster) Say(name string, now time.Time) string {
	rota, _ := SplitRota(name)
	s, known := r.State(rota)
	switch {
	case !known:
		return "rota " + rota + " has not been asked yet, so nobody is on duty"
	case !s.Known(now) && s.Why != "":
		return "rota " + rota + " could not be asked (" + s.Why + "), so nobody is on duty"
	case !s.Known(now):
		return "rota " + rota + " was asked too long ago, so nobody is on duty"
	}
	on := r.On(name, now)
	if on == nil {
		return "rota " + name + " has nobody on duty now"
	}
	end, _ := r.Until(name, on[0], now)
	var names []string
	for _, h := range on {
		names = append(names, string(h))
	}
	return "rota " + name + " has " + strings.Join(names, ", ") + " on duty, until " + end.UTC().Format(time.RFC3339)
}

// Known reports whether the facts are young enough to count at now.
func (s RotaState) Known(now time.Time) bool {
	age := now.Sub(s.At)
	return !s.At.IsZero() && age <= DutyWithin && age >= -DutyWithin
}

func (s Shift) covers(now time.Time) bool { return !now.Before(s.Start) && now.Before(s.End) }

// SplitRota takes NAME/secondary apart; a NAME alone stands for the primary
// layer.
func SplitRota(name string) (rota string, layer Layer) {
	if rota, ok := strings.CutSuffix(name, "/"+string(Secondary)); ok {
		return rota, Secondary
	}
	return name, Primary
}

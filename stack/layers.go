package stack

import "slices"

// LayerRow says what stands between one threat and the account when layers
// have fallen: how many of its moves each layer stops, or sees, alone.
type LayerRow struct {
	Threat      Threat   `json:"threat"`
	Fallen      []Layer  `json:"fallen"`            // what the threat has broken to begin with
	Moves       int      `json:"moves"`             // that were tried
	Trust       int      `json:"trust"`             // stopped by the trust policies alone
	Permissions int      `json:"permissions"`       // stopped by permissions and boundary alone
	Record      int      `json:"record"`            // recorded or told, with the record alone
	Nothing     []string `json:"nothing,omitempty"` // claims whose moves nothing stops
}

// threats are the rows, and what each has broken.
var threats = []struct {
	threat Threat
	fallen []Layer
}{
	{StolenKey, []Layer{LayerBroker}},     // any token can be signed, but not from the broker's address
	{StolenLaptop, nil},                   // somebody acts as the person
	{HostileEngineer, nil},                // the person itself
	{HostileBroker, []Layer{LayerBroker}}, // any token, from the broker's address, without a session policy
}

// walls are the layers that are tried alone.
var walls = []Layer{LayerTrust, LayerPermissions, LayerRecord}

// alone judges a scenario with one wall standing: whether that stops every
// attempt, or sees it.
func (l *lab) alone(s Scenario, wall Layer, broken []Layer) bool {
	fallen := map[Layer]bool{LayerTrust: true, LayerPermissions: true, LayerRecord: true}
	for _, b := range broken {
		fallen[b] = true
	}
	delete(fallen, wall)
	if wall != LayerRecord || s.Expect != Refused && s.Expect != Unenforceable {
		o := l.prove(s, fallen)
		return o.Result == s.Expect && s.Expect != Unenforceable
	}
	w, err := l.world(s.With)
	if err != nil {
		return false
	}
	w.fallen = fallen
	tries := s.tries(w)
	for _, t := range tries {
		f := t.run(w)
		if f.event == nil || w.goes(f.event, w.side.Account.Region, recordTarget) == "" {
			return false
		}
	}
	return len(tries) > 0
}

// move reports whether a scenario is a move of a threat.
func (s Scenario) move(t Threat) bool {
	attack := s.Expect == Refused || s.Expect == Recorded || s.Expect == Unenforceable || s.Expect == Present && len(s.Threats) > 0
	if !attack || len(s.Threats) == 0 {
		return false
	}
	// whoever has a session may try what any session may try
	return slices.Contains(s.Threats, t) || slices.Contains(s.Layers, LayerPermissions) && slices.Contains(s.Threats, HostileEngineer)
}

// Layers returns what each layer still stops when all others have fallen, for
// each threat. The error is that of [Prove].
func Layers(s Stacks, scenarios []Scenario) ([]LayerRow, error) {
	l := newLab(s)
	if _, err := l.world(nil); err != nil {
		return nil, err
	}
	var out []LayerRow
	for _, t := range threats {
		row := LayerRow{Threat: t.threat, Fallen: t.fallen}
		if row.Fallen == nil {
			row.Fallen = []Layer{}
		}
		counts := map[Layer]*int{LayerTrust: &row.Trust, LayerPermissions: &row.Permissions, LayerRecord: &row.Record}
		for _, sc := range scenarios {
			if !sc.move(t.threat) {
				continue
			}
			row.Moves++
			stopped := false
			for _, wall := range walls {
				if l.alone(sc, wall, t.fallen) {
					*counts[wall]++
					stopped = stopped || wall != LayerRecord || sc.Expect != Refused && sc.Expect != Unenforceable
				}
			}
			if !stopped {
				row.Nothing = append(row.Nothing, sc.Claim)
			}
		}
		out = append(out, row)
	}
	return out, nil
}

// Alone adds to each outcome the walls that hold by themselves when all
// others have fallen. The outcomes are those of the scenarios, in order.
func Alone(s Stacks, scenarios []Scenario, outcomes []Outcome) {
	l := newLab(s)
	for i, sc := range scenarios {
		if i >= len(outcomes) || len(sc.Threats) == 0 {
			continue
		}
		outcomes[i].Alone = []Layer{}
		for _, wall := range walls {
			if l.alone(sc, wall, nil) {
				outcomes[i].Alone = append(outcomes[i].Alone, wall)
			}
		}
	}
}

// Counts returns how many claims hold, are missed, and cannot be enforced.
func Counts(outcomes []Outcome) (held, missed, open int) {
	for _, o := range outcomes {
		switch {
		case o.Expected == Unenforceable:
			open++
		case o.OK():
			held++
		default:
			missed++
		}
	}
	return held, missed, open
}

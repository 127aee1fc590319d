package iam

// Extent says where something may be done.
type Extent int

// The extents.
const (
	Nowhere    Extent = iota
	Somewhere         // on some resources, or under some condition
	Everywhere        // on every resource
)

// MayDo returns the most that policies of an identity could allow of an
// action, whatever the resource: what people should be told of a role before
// they hand it out. It errs to the dangerous side. An Allow counts whatever
// its condition says; only a Deny of every resource without a condition takes
// anything away. What a request is decided by is [Evaluate].
func MayDo(policies []*Policy, action string) Extent {
	most := Nowhere
	for _, p := range policies {
		for i := range p.Statements {
			s := &p.Statements[i]
			if !s.speaksOf(action) {
				continue
			}
			everywhere := len(s.Conditions) == 0 && len(s.Resource) > 0 && all(s.Resource)
			switch {
			case s.Effect == EffectDeny && everywhere:
				return Nowhere
			case s.Effect == EffectAllow && everywhere:
				most = Everywhere
			case s.Effect == EffectAllow:
				most = max(most, Somewhere)
			}
		}
	}
	return most
}

// speaksOf reports whether the statement's actions cover this one.
func (s *Statement) speaksOf(action string) bool {
	covers := func(patterns []string) bool {
		for _, p := range patterns {
			if (pattern{text: p}).match(action, true) {
				return true
			}
		}
		return false
	}
	if s.NotAction != nil {
		return !covers(s.NotAction)
	}
	return covers(s.Action)
}

// all reports whether one of the patterns is every resource.
func all(resources []string) bool {
	for _, r := range resources {
		if r == "*" {
			return true
		}
	}
	return false
}

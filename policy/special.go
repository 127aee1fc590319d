package policy

import (
	"errors"
	"slices"
	"time"

	"github.com/brevet-access/brevet"
)

// shared puts names where an entitlement leaves them to the holders of decide.
func (s *Set) shared(e brevet.Entitlement) (*entitlement, error) {
	if e.BreakGlass != nil {
		return s.urgent(e)
	}
	out := &entitlement{Entitlement: e}
	var err error
	if out.approval, err = s.expand(e, e.Approval); err != nil {
		return nil, err
	}
	out.extend = out.approval
	if e.Extend != nil {
		out.extend, err = s.expand(e, *e.Extend)
	}
	return out, err
}

// urgent is shared for an entitlement for emergencies: nobody approves, and
// there is no extension.
func (s *Set) urgent(e brevet.Entitlement) (*entitlement, error) {
	glass := *e.BreakGlass
	if glass.Review.Empty() {
		glass.Review = s.Holders(e.Customer, brevet.RightDecide)
	}
	if glass.Review.Empty() {
		return nil, errors.New("nobody reviews this: name somebody in review, or give somebody the right decide")
	}
	glass.Most = max(glass.Most, 1)
	e.BreakGlass, e.Activate, e.Approval = &glass, brevet.OnApproval, brevet.Approval{Automatic: true}
	return &entitlement{Entitlement: e, approval: e.Approval}, nil
}

// pickSpecial is pick for what is no plain request: an emergency, or the
// extension of a grant under one entitlement.
func (c *cell) pickSpecial(q *Query) *rule {
	rules := c.special(q)
	i := slices.IndexFunc(rules, func(r rule) bool { return r.covers(q) && (q.Extends == "" || q.Extends == r.Name) })
	if i < 0 || q.BreakGlass && q.Extends != "" {
		return nil
	}
	return &rules[i]
}

// special returns the rules that count for what is no plain request.
func (c *cell) special(q *Query) []rule {
	switch {
	case q.Codes && q.BreakGlass:
		return slices.DeleteFunc(slices.Clone(c.urgent), func(r rule) bool { return r.BreakGlass.Codes.Empty() })
	case q.Codes:
		return nil
	case q.BreakGlass:
		return c.urgent
	}
	return c.rules
}

// terms returns how long a grant may be for what q asks, and who approves.
func (r *rule) terms(q *Query) (time.Duration, brevet.Approval) {
	switch {
	case q.Extends == "":
		return r.longest, r.approval
	case r.ExtendLongest > 0:
		return r.ExtendLongest, r.extend
	}
	return r.longest, r.extend
}

// Urgent returns the entitlement for emergencies that covers the person for
// the role, and whether there is one. It says what to mention, never what is
// allowed.
func (s *Set) Urgent(q Query) (brevet.Entitlement, bool) {
	c := s.cell(&q)
	if c == nil {
		return brevet.Entitlement{}, false
	}
	q.BreakGlass, q.Extends = true, ""
	r := c.pick(&q)
	if r == nil {
		return brevet.Entitlement{}, false
	}
	return r.Entitlement, true
}

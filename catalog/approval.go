package catalog

import (
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/brevet-access/brevet"
)

// The bounds on approval.
const (
	maxWait      = 7 * 24 * time.Hour // that a request may wait for an answer
	maxMember    = 30 * 24 * time.Hour
	maxFallbacks = 5
	maxQuorum    = 10
)

// readApproval reads automatic, {by, quorum, or} or {steps: [{by, …}, …]}.
func (p *parser) readApproval(e *entitlement, v value) {
	e.approval = v
	if v.Kind != yaml.MappingNode {
		if v.Value != "automatic" {
			p.errorf(v, "must be automatic, {by: […]} or {steps: [{by: […]}, …]}")
			return
		}
		e.Approval, e.steps, e.by = brevet.Approval{Automatic: true}, nil, nil
		return
	}
	e.Approval.Steps, e.steps, e.by = nil, nil, nil
	add := func(v value) {
		step, by := p.readStep(v, nil)
		e.Approval.Steps = append(e.Approval.Steps, step)
		e.steps, e.by = append(e.steps, v), append(e.by, by)
	}
	if _, ok := lookup(v, "steps"); ok {
		p.mapping(v, fields{"steps": func(v value) { p.list(v, add) }})
		if len(e.steps) == 0 {
			p.errorf(v, "steps must hold at least one step")
		}
		return
	}
	add(v)
}

// readStep reads {by, quorum, or} and what more says; by is where the
// approvers stood.
func (p *parser) readStep(v value, more fields) (step brevet.Step, by value) {
	step.Quorum, by = 1, v
	keys := fields{
		"by": func(v value) {
			step.By, by = p.subjects(v).Subjects, v
			if v.Kind == yaml.SequenceNode && len(v.Content) == 0 {
				p.errorf(v, "must name somebody; leave it out for the holders of decide")
			}
		},
		"quorum": func(v value) {
			if step.Quorum = p.integer(v, 1); step.Quorum > maxQuorum {
				p.errorf(v, "more than %d approvers are not supported", maxQuorum)
			}
		},
		"or": func(v value) {
			p.list(v, func(v value) { step.Else = append(step.Else, p.readFallback(v)) })
			if len(step.Else) > maxFallbacks {
				p.errorf(v, "%d fallbacks are too many; at most %d", len(step.Else), maxFallbacks)
			}
		},
	}
	for k, f := range more {
		keys[k] = f
	}
	p.mapping(v, keys)
	slices.SortStableFunc(step.Else, func(a, b brevet.Fallback) int { return int(a.After - b.After) })
	return step, by
}

// readFallback reads {by, after}.
func (p *parser) readFallback(v value) (f brevet.Fallback) {
	p.mapping(v, fields{
		"by": func(v value) {
			f.By = p.subjects(v).Subjects
			if v.Kind == yaml.SequenceNode && len(v.Content) == 0 {
				p.errorf(v, "must name somebody")
			}
		},
		"after": func(v value) { f.After = p.duration(v, time.Minute, maxWait) },
	}, "by", "after")
	return f
}

// approvers reads known, or {known, member_for}.
func (p *parser) approvers(v value) (known bool, member time.Duration) {
	if v.Kind != yaml.MappingNode {
		if v.Value != "known" {
			p.errorf(v, "must be known, or {known: true, member_for: 24h}")
		}
		return true, 0
	}
	p.mapping(v, fields{
		"known":      func(v value) { known = p.boolean(v) },
		"member_for": func(v value) { member = p.duration(v, time.Minute, maxMember) },
	})
	return known, member
}

// readConsent reads what a customer says to requests for its accounts: {by,
// quorum, or, envs, always}.
func (p *parser) readConsent(k *customer, v value) {
	c := &brevet.Consent{}
	var envs []named
	c.Step, _ = p.readStep(v, fields{
		"envs":   func(v value) { envs = p.names(v) },
		"always": func(v value) { c.Always = p.boolean(v) },
	})
	if c.By.Empty() {
		p.errorf(v, "by must name the customer's own approvers")
	}
	for _, n := range envs {
		c.Envs = append(c.Envs, n.name)
	}
	k.Approval, k.envs = c, envs
	if why := lacks(brevet.Subjects{}, c.Everybody(), c.Quorum); why != "" {
		p.errorf(v, "%s", why)
	}
}

// checkConsent checks that the environments that a customer wants to be asked
// about exist.
func (p *parser) checkConsent(k *customer) {
	for _, n := range k.envs {
		if !slices.ContainsFunc(k.accounts, func(a *account) bool { return a.Env == n.name }) {
			p.errorf(n.at, "customer %s has no account with env: %s", k.Name, quote(n.name))
		}
	}
}

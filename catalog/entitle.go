package catalog

import (
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/brevet-access/brevet"
)

// entitlement is an entitlement and where its parts stood.
type entitlement struct {
	brevet.Entitlement
	self, at value // at: its name
	who      value
	customer named
	accounts []named // names, numbers, env:NAME or *
	roles    []named
	longest  value
	approval value
	ticket   value
	steps    []value      // where each step of the approval stood
	by       []value      // where each step's approvers stood; its own place if there are none
	extend   *entitlement // its approval is that of extensions; nil where they have none of their own
	most     value        // where extend_longest stood
	glass    value        // where break_glass stood
	review   value
	codes    value
	activate value
}

// subjects is brevet's, read from a list of handles and group:NAME.
type subjects struct {
	brevet.Subjects
}

func (p *parser) readEntitlement(v value) {
	e := &entitlement{self: v, at: v, who: v, longest: v, approval: v, ticket: v}
	e.Activate = brevet.OnApproval
	e.Reason.Required = true
	e.Approval.Steps = []brevet.Step{{Quorum: 1}}
	e.steps, e.by = []value{v}, []value{v}
	var known bool
	var unanswered, member time.Duration
	p.mapping(v, fields{
		"name": func(v value) {
			e.Name = p.matching(v, brevet.ValidName, "a name: 1 to 63 letters, digits, . _ -")
			e.at = v
		},
		"who":      func(v value) { e.Who, e.who = p.subjects(v).Subjects, v },
		"customer": func(v value) { e.customer = named{p.text(v), v} },
		"accounts": func(v value) { e.accounts = p.names(v) },
		"roles":    func(v value) { e.roles = p.names(v) },
		"longest": func(v value) {
			e.Longest, e.longest = p.duration(v, minGrant, maxGrant), v
		},
		"approval": func(v value) { p.readApproval(e, v) },
		"mfa":      func(v value) { e.MFA = p.rung(v) },
		"activate": func(v value) { e.Activate, e.activate = p.activation(v), v },
		"extend": func(v value) {
			e.extend = &entitlement{at: v, approval: v}
			e.extend.Approval.Steps, e.extend.steps, e.extend.by = []brevet.Step{{Quorum: 1}}, []value{v}, []value{v}
			p.readApproval(e.extend, v)
			e.Extend = &e.extend.Approval
		},
		"extend_longest": func(v value) { e.ExtendLongest, e.most = p.duration(v, minGrant, maxGrant), v },
		"break_glass":    func(v value) { p.readBreakGlass(e, v) },
		"groups_within":  func(v value) { e.GroupsWithin = p.duration(v, time.Minute, 24*time.Hour) },
		"reason":         func(v value) { e.Reason = p.textRule(v, e.Reason) },
		"ticket":         func(v value) { e.Ticket, e.ticket = p.textRule(v, e.Ticket), v },
		"ahead":          func(v value) { e.Ahead = p.duration(v, time.Minute, maxAhead) },
		"unanswered":     func(v value) { unanswered = p.duration(v, time.Minute, maxWait) },
		"approvers":      func(v value) { known, member = p.approvers(v) },
	}, "name", "who", "customer", "accounts", "roles", "longest")
	e.Approval.Known, e.Approval.Member, e.Approval.Unanswered = known, member, unanswered
	if e.extend != nil {
		e.Extend.Known, e.Extend.Member, e.Extend.Unanswered = known, member, unanswered
	}
	if e.who != v && e.who.Kind == yaml.SequenceNode && len(e.who.Content) == 0 {
		p.errorf(e.who, "must name somebody")
	}
	for _, n := range e.roles {
		e.Roles = append(e.Roles, brevet.RoleName(n.name))
	}
	p.entitlements = append(p.entitlements, e)
}

// mostBreakGlass bounds how often one person may break the glass in a day.
const mostBreakGlass = 10

// readBreakGlass reads {review, codes, most}.
func (p *parser) readBreakGlass(e *entitlement, v value) {
	e.BreakGlass, e.glass, e.review = &brevet.BreakGlass{Most: 3}, v, v
	p.mapping(v, fields{
		"review": func(v value) {
			e.BreakGlass.Review, e.review = p.subjects(v).Subjects, v
			if v.Kind == yaml.SequenceNode && len(v.Content) == 0 {
				p.errorf(v, "must name somebody; leave it out for the holders of decide")
			}
		},
		"codes": func(v value) {
			e.BreakGlass.Codes, e.codes = p.subjects(v).Subjects, v
			if v.Kind == yaml.SequenceNode && len(v.Content) == 0 {
				p.errorf(v, "must name somebody; leave it out, and codes open nothing")
			}
		},
		"most": func(v value) {
			if e.BreakGlass.Most = p.integer(v, 1); e.BreakGlass.Most > mostBreakGlass {
				p.errorf(v, "at most %d times in 24 h", mostBreakGlass)
			}
		},
	})
}

func (p *parser) activation(v value) brevet.Activation {
	return brevet.Activation(p.matching(v, func(s string) bool { return s == string(brevet.OnApproval) || s == string(brevet.OnUse) },
		"when a grant starts: on-approval or on-use"))
}

// maxAhead is how far in the future a start may be at most.
const maxAhead = 90 * 24 * time.Hour

// textRule reads {required, pattern, check} over what holds by default.
func (p *parser) textRule(v value, rule brevet.TextRule) brevet.TextRule {
	p.mapping(v, fields{
		"required": func(v value) { rule.Required = p.boolean(v) },
		"pattern": func(v value) {
			rule.Pattern = p.text(v)
			if _, err := CompileText(rule); err != nil {
				p.errorf(v, "%s", err)
			}
		},
		"check": func(v value) {
			rule.Check = p.matching(v, brevet.ValidName, "the name of a check in brevet.yaml: 1 to 63 letters, digits, . _ -")
		},
	})
	return rule
}

// checkTexts refuses rules that nothing could meet: what opens by itself at
// first use asks nobody for a ticket.
func (p *parser) checkTexts(e *entitlement) {
	if e.Approval.Automatic && e.Activate == brevet.OnUse && e.Ticket.Required {
		p.errorf(e.ticket, "what opens by itself on first use asks nobody for a ticket: leave out activate: on-use, or required")
	}
}

func lookup(v value, key string) (*yaml.Node, bool) {
	if v.Kind != yaml.MappingNode {
		return nil, false
	}
	for i := 0; i < len(v.Content); i += 2 {
		if v.Content[i].Value == key {
			return v.Content[i+1], true
		}
	}
	return nil, false
}

// subjects reads a list of handles, group:NAME and rota:NAME.
func (p *parser) subjects(v value) subjects {
	var out subjects
	if len(v.Content) > maxSubjects {
		p.errorf(v, "%d people and groups are too many; at most %d", len(v.Content), maxSubjects)
		return out
	}
	p.list(v, func(v value) {
		s := p.text(v)
		if s == "" {
			return
		}
		if name, ok := strings.CutPrefix(s, "group:"); ok {
			clean, err := brevet.CleanText("x", name, brevet.MaxName)
			switch {
			case err != nil:
				p.errorf(v, "%s", strings.TrimPrefix(err.Error(), "x: "))
			case clean != name:
				p.errorf(v, "space around the name of a group")
			case slices.Contains(out.Groups, name):
				p.errorf(v, "%s stands there twice", quote(s))
			}
			out.Groups = append(out.Groups, name)
			return
		}
		if name, ok := strings.CutPrefix(s, "rota:"); ok {
			if name = p.rotaNamed(v, name); slices.Contains(out.Rotas, name) {
				p.errorf(v, "%s stands there twice", quote(s))
			}
			out.Rotas = append(out.Rotas, name)
			return
		}
		h, err := brevet.ParseHandle(s)
		switch {
		case err != nil:
			p.errorf(v, "%s; a group is written group:NAME, whoever is on duty rota:NAME", err)
		case slices.Contains(out.People, h):
			p.errorf(v, "%s stands there twice", s)
		}
		out.People = append(out.People, h)
	})
	return out
}

func (p *parser) readRights(k *customer, v value) {
	p.each(v, func(name string, key, v value) {
		right := brevet.Right(name)
		if !slices.Contains(brevet.AllRights, right) {
			p.errorf(key, "unknown right; there are view, decide, revoke, audit, catalog, operate")
			return
		}
		k.rights[right] = p.subjects(v)
		if len(k.rights[right].Rotas) > 0 {
			p.errorf(v, "rights are held by people and groups; who is on duty changes")
		}
	})
}

package catalog

import (
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/brevet-access/brevet"
)

// engagement is an engagement and where its parts stood.
type engagement struct {
	brevet.Engagement
	at       value
	accounts []named
}

func (p *parser) readEngagement(k *customer, v value) {
	e := &engagement{at: v}
	end := v
	p.mapping(v, fields{
		"name": func(v value) {
			e.Name = p.matching(v, brevet.ValidName, "a name: 1 to 63 letters, digits, . _ -")
			e.at = v
		},
		"people": func(v value) {
			e.People = p.subjects(v).Subjects
			if v.Kind == yaml.SequenceNode && len(v.Content) == 0 {
				p.errorf(v, "must name somebody")
			}
			if len(e.People.Rotas) > 0 {
				p.errorf(v, "names people and groups; who is on duty changes")
			}
		},
		"accounts": func(v value) { e.accounts = p.names(v) },
		"start":    func(v value) { e.Start = p.moment(v, 0) },
		"end":      func(v value) { e.End, end = p.moment(v, 24*time.Hour), v },
	}, "name", "people", "accounts", "start", "end")
	if !e.Start.IsZero() && !e.End.IsZero() && !e.Start.Before(e.End) {
		p.errorf(end, "ends before it starts")
	}
	k.engagements = append(k.engagements, e)
}

// moment reads 2026-12-31T18:00:00Z, or a day in UTC: that is its first
// moment, and beyond later.
func (p *parser) moment(v value, beyond time.Duration) time.Time {
	if v.Kind != yaml.ScalarNode || v.Tag != "!!str" && v.Tag != "!!timestamp" {
		p.errorf(v, "must be a day such as 2026-12-31, or a time such as 2026-12-31T18:00:00Z")
		return time.Time{}
	}
	t, err := time.Parse(time.DateOnly, v.Value)
	if err != nil {
		beyond = 0
		t, err = time.Parse(time.RFC3339, v.Value)
	}
	if err != nil || t.Year() < 2000 || t.Year() > 2999 {
		p.errorf(v, "%s is neither a day such as 2026-12-31 nor a time such as 2026-12-31T18:00:00Z", quote(v.Value))
		return time.Time{}
	}
	return brevet.Instant(t.Add(beyond))
}

// checkEngagements resolves the accounts that engagements name.
func (p *parser) checkEngagements(k *customer) {
	for _, e := range k.engagements {
		for _, n := range e.accounts {
			for _, a := range p.reach(k, n) {
				if !e.At(a.ID) {
					e.Accounts = append(e.Accounts, a.ID)
				}
			}
		}
	}
}

// catalogEngagements returns the engagements that were read.
func (p *parser) catalogEngagements() []brevet.Engagement {
	var out []brevet.Engagement
	for _, k := range p.customers {
		for _, e := range k.engagements {
			e.Customer = k.ID
			out = append(out, e.Engagement)
		}
	}
	return out
}

// engagement says what changes about an engagement. It bounds those it
// names, so one that goes sets them free.
func (d *differ) engagement(o, n *brevet.Engagement) {
	switch {
	case o == nil:
		d.tighter("engagement %s: new, of customer %s: %s get nothing but %s, from %s to %s", n.Name, d.customerName(n.Customer), n.People,
			strings.Join(d.accounts(n.Accounts), ", "), moment(n.Start), moment(n.End))
		return
	case n == nil:
		d.wider("engagement %s: gone; it does not bound %s any more", o.Name, o.People)
		return
	}
	what := "engagement " + n.Name
	if was, is := d.customerName(o.Customer), d.customerName(n.Customer); was != is {
		d.wider("%s: customer: %s -> %s", what, was, is)
	}
	d.set(what+": accounts", d.accounts(o.Accounts), d.accounts(n.Accounts))
	if !o.Start.Equal(n.Start) {
		d.either(n.Start.Before(o.Start), "%s: start: %s -> %s", what, moment(o.Start), moment(n.Start))
	}
	if !o.End.Equal(n.End) {
		d.either(n.End.After(o.End), "%s: end: %s -> %s", what, moment(o.End), moment(n.End))
	}
	was, is := setOf(names(o.People)), setOf(names(n.People))
	for _, s := range names(n.People) {
		if !was[s] {
			d.wider("%s: and for %s", what, s)
		}
	}
	for _, s := range names(o.People) {
		if !is[s] {
			d.wider("%s: no longer bounds %s", what, s)
		}
	}
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

package catalog

import (
	"net/url"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/brevet-access/brevet"
)

// rota is a rota and where its name stood.
type rota struct {
	brevet.Rota
	at value
	of *customer // nil: everybody's
}

var (
	rotaFile  = lazy(`^rotas/[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)
	pagerduty = lazy(`^[A-Z0-9]{3,30}$`)
)

// maxRotaPeople bounds whom one rota may put on duty.
const maxRotaPeople = 1000

// readRotas reads rotas by name, those of a customer or (nil) of everybody.
func (p *parser) readRotas(of *customer, v value) {
	p.each(v, func(name string, k, v value) {
		if !brevet.ValidName(name) {
			p.errorf(k, "%s cannot name a rota: 1 to 63 letters, digits, . _ -", quote(name))
		}
		r := &rota{Rota: brevet.Rota{Name: name, People: map[string]brevet.Handle{}}, at: k, of: of}
		kinds := 0
		source := func(kind string, read func(value)) func(value) {
			return func(v value) {
				kinds++
				r.Source.Kind = kind
				read(v)
			}
		}
		p.mapping(v, fields{
			"people":    func(v value) { r.People = p.rotaPeople(v) },
			"yaml":      source(brevet.RotaYAML, func(v value) { r.Source.File = p.rotaFile(v) }),
			"ical":      source(brevet.RotaICal, func(v value) { r.Source.Calendars = p.calendars(v) }),
			"pagerduty": source(brevet.RotaPagerDuty, func(v value) { p.pagerDuty(&r.Source, v) }),
		}, "people")
		if kinds != 1 {
			p.errorf(k, "needs one source: yaml, ical or pagerduty")
		}
		p.rotas = append(p.rotas, r)
	})
}

// rotaPeople reads who may be on duty: a list of handles, where the source
// names people by them, or a mapping from what it calls them.
func (p *parser) rotaPeople(v value) map[string]brevet.Handle {
	out := map[string]brevet.Handle{}
	handle := func(v value) brevet.Handle {
		s := p.text(v)
		if s == "" {
			return ""
		}
		h, err := brevet.ParseHandle(s)
		if err != nil {
			p.errorf(v, "%s", err)
		}
		return h
	}
	if v.Kind == yaml.SequenceNode {
		p.list(v, func(v value) {
			if h := handle(v); h != "" {
				out[string(h)] = h
			}
		})
	} else {
		p.each(v, func(name string, k, v value) {
			if clean, err := brevet.CleanText("x", name, brevet.MaxName); err != nil || clean != name {
				p.errorf(k, "%s is not what a source could call somebody", quote(name))
			}
			if h := handle(v); h != "" {
				out[name] = h
			}
		})
	}
	if n := len(v.Content); n == 0 || n > maxRotaPeople {
		p.errorf(v, "must name 1 to %d people: nobody else is ever on duty by this rota", maxRotaPeople)
	}
	return out
}

// rotaFile reads the name of a file beside brevet.yaml. Catalogs are edited
// by people who must not be able to have any file of the server read.
func (p *parser) rotaFile(v value) string {
	return p.matching(v, rotaFile().MatchString, "a file in the folder rotas beside brevet.yaml, such as rotas/sre.yaml")
}

func (p *parser) pagerDuty(s *brevet.RotaSource, v value) {
	s.Region = "us"
	ids := func(v value) []string {
		var out []string
		for _, n := range p.names(v) {
			if !pagerduty().MatchString(n.name) {
				p.errorf(n.at, "%s is not an id of PagerDuty's, such as PI7DH85", quote(n.name))
			}
			out = append(out, n.name)
		}
		return out
	}
	p.mapping(v, fields{
		"schedules":           func(v value) { s.Schedules = ids(v) },
		"escalation_policies": func(v value) { s.Policies = ids(v) },
		"token_file":          func(v value) { s.TokenFile = p.rotaFile(v) },
		"region": func(v value) {
			s.Region = p.matching(v, func(s string) bool { return s == "us" || s == "eu" }, "a service region of PagerDuty: us or eu")
		},
	}, "schedules", "token_file")
}

// calendars reads {primary: …, secondary: …}.
func (p *parser) calendars(v value) map[brevet.Layer]brevet.Source {
	out := map[brevet.Layer]brevet.Source{}
	read := func(l brevet.Layer) func(value) {
		return func(v value) {
			var s brevet.Source
			places := 0
			p.mapping(v, fields{
				"url":      func(v value) { s.URL = p.calendarURL(v); places++ },
				"url_file": func(v value) { s.URLFile = p.rotaFile(v); places++ },
			})
			if places != 1 {
				p.errorf(v, "needs url, or url_file where the address is a secret")
			}
			out[l] = s
		}
	}
	p.mapping(v, fields{string(brevet.Primary): read(brevet.Primary), string(brevet.Secondary): read(brevet.Secondary)}, string(brevet.Primary))
	return out
}

func (p *parser) calendarURL(v value) string {
	s := p.text(v)
	if s == "" {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || len(s) > 2000 {
		p.errorf(v, "must be https://HOST/…, without user and password")
		return ""
	}
	return s
}

// rotaNamed reads what follows "rota:" among subjects; whether there is such a
// rota is checked later, by knownRotas.
func (p *parser) rotaNamed(v value, name string) string {
	if rota, _ := brevet.SplitRota(name); !brevet.ValidName(rota) {
		p.errorf(v, "%s is not a rota: rota:NAME for its primary layer, or rota:NAME/secondary", quote(name))
		return ""
	}
	p.duties = append(p.duties, named{name, v})
	return name
}

func (p *parser) rotaCalled(name string) *rota {
	i := slices.IndexFunc(p.rotas, func(r *rota) bool { return r.Name == name })
	if i < 0 {
		return nil
	}
	return p.rotas[i]
}

// knownRotas checks that every rota that is named is there.
func (p *parser) knownRotas() {
	for _, n := range p.duties {
		rota, layer := brevet.SplitRota(n.name)
		r := p.rotaCalled(rota)
		switch {
		case r == nil:
			p.errorf(n.at, "there is no rota %s", quote(rota))
		case r.Source.Kind == brevet.RotaICal && layer == brevet.Secondary && len(r.Source.Calendars) == 1:
			p.errorf(n.at, "rota %s has no secondary calendar", rota)
		}
	}
}

// ownRotas checks that a customer's rules name rotas that are its own or
// everybody's.
func (p *parser) ownRotas(k *customer, who brevet.Subjects, at value) {
	for _, name := range who.Rotas {
		rota, _ := brevet.SplitRota(name)
		if r := p.rotaCalled(rota); r != nil && r.of != nil && r.of != k {
			p.errorf(at, "customer %s has no rota %s", k.Name, quote(rota))
		}
	}
}

// catalogRotas returns the rotas that were read.
func (p *parser) catalogRotas() []brevet.Rota {
	var out []brevet.Rota
	for _, r := range p.rotas {
		if r.of != nil {
			r.Customer = r.of.ID
		}
		out = append(out, r.Rota)
	}
	return out
}

// RotasOf returns the rotas that may put the person on duty.
func (c *Catalog) RotasOf(h brevet.Handle) []brevet.Rota { return c.rotasOf[h] }

func indexRotas(rotas []brevet.Rota) map[brevet.Handle][]brevet.Rota {
	out := map[brevet.Handle][]brevet.Rota{}
	for _, r := range rotas {
		seen := map[brevet.Handle]bool{}
		for _, h := range r.People {
			if !seen[h] {
				seen[h] = true
				out[h] = append(out[h], r)
			}
		}
	}
	return out
}

// rota says what changes about a rota.
func (d *differ) rota(o, n *brevet.Rota) {
	switch {
	case o == nil:
		d.wider("rota %s: new, from %s, for %s", n.Name, sourceOf(n.Source), strings.Join(rotaNames(n.People), ", "))
		return
	case n == nil:
		d.tighter("rota %s: gone", o.Name)
		return
	}
	what := "rota " + n.Name
	if was, is := d.customerName(o.Customer), d.customerName(n.Customer); was != is {
		d.wider("%s: customer: %s -> %s", what, orNone(was), orNone(is))
	}
	if was, is := sourceOf(o.Source), sourceOf(n.Source); was != is {
		d.wider("%s: source: %s -> %s", what, was, is)
	}
	d.set(what+": people", rotaNames(o.People), rotaNames(n.People))
}

// rotaNames writes whom a rota may put on duty.
func rotaNames(people map[string]brevet.Handle) []string {
	var out []string
	for name, h := range people {
		if name != string(h) {
			name += " = " + string(h)
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// sourceOf names a source for people.
func sourceOf(s brevet.RotaSource) string {
	switch s.Kind {
	case brevet.RotaYAML:
		return s.File
	case brevet.RotaICal:
		var out []string
		for _, l := range []brevet.Layer{brevet.Primary, brevet.Secondary} {
			if c, ok := s.Calendars[l]; ok {
				out = append(out, string(l)+" "+c.URL+c.URLFile)
			}
		}
		return "iCal " + strings.Join(out, ", ")
	}
	out := "PagerDuty " + s.Region + " schedules " + strings.Join(s.Schedules, ", ") + " by " + s.TokenFile
	if s.Policies != nil {
		out += " in " + strings.Join(s.Policies, ", ")
	}
	return out
}

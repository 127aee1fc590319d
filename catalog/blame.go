package catalog

import "go.yaml.in/yaml/v3"

// Fault is something that shows only when the rules are compiled: in the Cedar
// texts, or in an entitlement.
type Fault struct {
	Where   string // "guardrails", "automatic", or the entitlement's name
	Line    int    // of the Cedar text, from 1; 0 where there is none
	Column  int    // likewise
	Message string
}

// Blame says where the faults are: the error is that of [Parse], one line a
// fault, as FILE:LINE: path.to.field: message. It is nil without faults.
func (c *Catalog) Blame(faults ...Fault) error {
	r := reader{file: c.places.file}
	for _, f := range faults {
		at, text := c.places.of(f.Where)
		if !text {
			r.errorf(at.value(), "%s", f.Message)
			continue
		}
		if at.block {
			at.line += f.Line
		}
		r.errorf(at.value(), "%s (line %d, column %d of the text)", f.Message, f.Line, f.Column)
	}
	return r.err()
}

// places is where the parts of a catalog stood that [Catalog.Blame] names.
type places struct {
	file                       string
	top, guardrails, automatic place
	entitlements               []place // as in the catalog, by name
	contracts                  []place // of the accounts, as in the catalog
}

// place is a field of the text. In a block scalar (|) the value starts on the
// line after the mark.
type place struct {
	name  string // of an entitlement
	line  int
	path  string
	block bool
}

func (p place) value() value { return value{&yaml.Node{Line: p.line}, p.path} }

// of returns the place of a part, and whether that is a Cedar text.
func (p places) of(where string) (at place, text bool) {
	switch where {
	case "guardrails":
		return p.guardrails, true
	case "automatic":
		return p.automatic, true
	}
	for _, e := range p.entitlements {
		if e.name == where {
			return e, false
		}
	}
	return p.top, false
}

func (p *parser) places() places {
	out := places{file: p.file, top: placeOf(p.top), guardrails: placeOf(p.guardrails.at), automatic: placeOf(p.automatic.at)}
	for _, e := range p.entitlements {
		at := placeOf(e.at)
		at.name = e.Name
		out.entitlements = append(out.entitlements, at)
	}
	for _, k := range p.customers {
		for _, a := range k.accounts {
			out.contracts = append(out.contracts, placeOf(a.contract))
		}
	}
	return out
}

// placeOf copies what is needed of a node, so that the tree can go.
func placeOf(v value) place {
	if v.Node == nil {
		return place{line: 1, path: v.path}
	}
	return place{line: v.Line, path: v.path, block: v.Style&yaml.LiteralStyle != 0}
}

package stack

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/brevet-access/brevet"
)

// Parameter is a value that whoever deploys a template chooses.
type Parameter struct {
	Name        string
	Type        string // String, Number, CommaDelimitedList or List<Number>
	Description string
	Default     string
	HasDefault  bool
	Allowed     []string // empty: any
	NoEcho      bool

	pattern    *regexp.Regexp // of the whole value; nil: any
	constraint string
	min, max   *float64 // of a Number
	short      int      // of a text, in characters
	long       int
	line       int
}

func (r *reader) parameter(n *node) Parameter {
	r.logical(n)
	r.still(n)
	p := Parameter{Name: n.key, long: 4096, line: n.line}
	number := func(to **float64) func(*node) {
		return func(n *node) {
			f, err := strconv.ParseFloat(r.text(n), 64)
			if err != nil {
				r.errorf(n, "must be a number")
			}
			*to = &f
		}
	}
	length := func(to *int) func(*node) {
		return func(n *node) {
			i, err := strconv.Atoi(r.text(n))
			if err != nil || i < 0 {
				r.errorf(n, "must be a whole number from 0 on")
			}
			*to = i
		}
	}
	r.fields(n, map[string]func(*node){
		"Type": func(n *node) {
			p.Type = r.text(n)
			if !slices.Contains([]string{"String", "Number", "CommaDelimitedList", "List<Number>"}, p.Type) {
				r.errorf(n, "the type %s is not supported here; String, Number, CommaDelimitedList and List<Number> are", quote(p.Type))
			}
		},
		"Description":           func(n *node) { p.Description = r.text(n) },
		"ConstraintDescription": func(n *node) { p.constraint = r.text(n) },
		"Default":               func(n *node) { p.Default, p.HasDefault = r.text(n), true },
		"AllowedValues": func(n *node) {
			if n.kind != listNode || len(n.items) == 0 {
				r.errorf(n, "must be a list of values")
				return
			}
			for _, item := range n.items {
				p.Allowed = append(p.Allowed, r.text(item))
			}
		},
		"AllowedPattern": func(n *node) {
			var err error
			if p.pattern, err = regexp.Compile(`\A(?:` + r.text(n) + `)\z`); err != nil {
				r.errorf(n, "is not a regular expression that can be checked here")
			}
		},
		"MinLength": length(&p.short), "MaxLength": length(&p.long),
		"MinValue": number(&p.min), "MaxValue": number(&p.max),
		"NoEcho": func(n *node) { p.NoEcho = r.text(n) == "true" },
	}, "Type")
	if why := p.refuses(p.Default); p.HasDefault && p.Type != "" && why != "" {
		r.errorf(n, "the default %s %s", p.shown(p.Default), why)
	}
	return p
}

// shown is a value as a message may show it.
func (p Parameter) shown(v string) string {
	if p.NoEcho {
		return "value"
	}
	return quote(v)
}

// values are the parts of a value that the constraints are about.
func (p Parameter) values(v string) []string {
	if p.Type != "CommaDelimitedList" && p.Type != "List<Number>" {
		return []string{v}
	}
	parts := strings.Split(v, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// refuses says why a value is not taken, "" if it is.
func (p Parameter) refuses(v string) string {
	for _, part := range p.values(v) {
		why := ""
		switch {
		case p.Type == "Number" || p.Type == "List<Number>":
			why = p.refusesNumber(part)
		case len([]rune(part)) < p.short:
			why = "is shorter than " + strconv.Itoa(p.short) + " characters"
		case len([]rune(part)) > p.long:
			why = "is longer than " + strconv.Itoa(p.long) + " characters"
		}
		switch {
		case why != "":
		case len(p.Allowed) > 0 && !slices.Contains(p.Allowed, part):
			why = "is none of " + strings.Join(p.Allowed, ", ")
		case p.pattern != nil && !p.pattern.MatchString(part):
			why = "does not have the form " + strings.TrimSuffix(strings.TrimPrefix(p.pattern.String(), `\A(?:`), `)\z`)
			if p.constraint != "" {
				why = "is not right: " + p.constraint
			}
		}
		if why != "" {
			return why
		}
	}
	return ""
}

func (p Parameter) refusesNumber(v string) string {
	f, err := strconv.ParseFloat(v, 64)
	switch {
	case err != nil || f-f != 0:
		return "is not a number"
	case p.min != nil && f < *p.min:
		return "is less than " + strconv.FormatFloat(*p.min, 'f', -1, 64)
	case p.max != nil && f > *p.max:
		return "is more than " + strconv.FormatFloat(*p.max, 'f', -1, 64)
	}
	return ""
}

// parameters returns every parameter's value. The error names each that is
// unknown, missing or refused.
func (t *Template) parameters(given map[string]string) (map[string]string, error) {
	r := &reader{file: t.Name}
	out := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if _, ok := t.Parameter(name); !ok {
			r.errorf(&node{line: 1, path: "Parameters"}, "there is no parameter %s%s", quote(name), t.knownParameters())
		}
	}
	for _, p := range t.Parameters {
		at := &node{line: p.line, path: "Parameters." + p.Name}
		v, ok := given[p.Name]
		switch {
		case !ok && !p.HasDefault:
			r.errorf(at, "needs a value")
			continue
		case !ok:
			v = p.Default
		}
		if why := p.refuses(v); why != "" {
			r.errorf(at, "%s %s", p.shown(v), brevet.Printable(why))
		}
		out[p.Name] = v
	}
	return out, r.err()
}

func (t *Template) knownParameters() string {
	var names []string
	for _, p := range t.Parameters {
		names = append(names, p.Name)
	}
	if len(names) == 0 {
		return "; the template has none"
	}
	return "; there are " + strings.Join(names, ", ")
}

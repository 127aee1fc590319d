package stack

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/brevet-access/brevet"
)

// ChangeKind says what a redeployment does to a thing.
type ChangeKind string

// The kinds of change.
const (
	Added   ChangeKind = "added"
	Removed ChangeKind = "removed"
	Changed ChangeKind = "changed"
)

// Change is what a redeployment would do to one thing of a stack.
type Change struct {
	Template string     `json:"template"` // access.yaml, events.yaml or events-forward.yaml
	Kind     ChangeKind `json:"kind"`
	What     string     `json:"what"`           // "contract", "parameter", "resource" or "output"
	Name     string     `json:"name"`           // as in the template
	Type     string     `json:"type,omitempty"` // of a resource: AWS::IAM::Role
	Details  []string   `json:"details,omitempty"`
}

// Diff says what it would change to deploy what is generated for a side in
// the place of a deployed template. It compares what the two come to, so that
// comments, order and spelling do not count; what depends on a switch counts
// as if it were on. The values that parameters have in the account are not
// known, and stay as they are. The error is of kind [brevet.Invalid].
func Diff(s Side, deployed *Template) ([]Change, error) {
	kind := TemplateKind(deployed)
	files, err := CloudFormation(s)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(files, func(f File) bool { return f.Name == kind })
	if i < 0 {
		return nil, brevet.Errorf(brevet.Invalid, "%s is none of %s, %s and %s", deployed.Name, fileAccess, fileEvents, fileForward)
	}
	today, err := ReadTemplate(kind, files[i].Text)
	if err != nil {
		return nil, brevet.Errorf(brevet.Internal, "what is generated cannot be read").WithCause(err)
	}
	d := differ{kind: kind, place: newLab(Stacks{Side: s}).place(kind)}
	d.contract(deployed, today)
	d.parameters(deployed, today)
	if err := d.resources(deployed, today); err != nil {
		return nil, err
	}
	return d.changes, nil
}

type differ struct {
	kind    string
	place   Place
	changes []Change
}

func (d *differ) add(c Change) {
	c.Template = d.kind
	d.changes = append(d.changes, c)
}

func (d *differ) contract(old, today *Template) {
	version := func(t *Template) string {
		own, _ := t.Metadata["Brevet"].(map[string]any)
		s, _ := asText(own["Contract"])
		return s
	}
	if o, n := version(old), version(today); o != n {
		d.add(Change{Kind: Changed, What: "contract", Name: n, Details: []string{
			fmt.Sprintf("was %s; once it is deployed write contract: %s to the account in the catalog", orNone(o), n)}})
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// parameters compares what can be chosen. A deployed stack keeps the value
// that it has, so another default changes nothing by itself; it is told.
func (d *differ) parameters(old, today *Template) {
	for _, p := range old.Parameters {
		n, ok := today.Parameter(p.Name)
		switch {
		case !ok:
			d.add(Change{Kind: Removed, What: "parameter", Name: p.Name})
		case p.Default != n.Default:
			d.add(Change{Kind: Changed, What: "parameter", Name: p.Name, Details: []string{
				fmt.Sprintf("default: %s, was %s; the stack keeps its value unless another is given", briefly(n.Default), briefly(p.Default))}})
		}
	}
	for _, p := range today.Parameters {
		if _, ok := old.Parameter(p.Name); !ok {
			d.add(Change{Kind: Added, What: "parameter", Name: p.Name, Details: []string{"default: " + briefly(p.Default)}})
		}
	}
}

// resources compares what the templates make: with every switch off, and for
// what is there only if a switch is on, with all of them on.
func (d *differ) resources(old, today *Template) error {
	seen := map[string]bool{}
	for _, on := range []string{"false", "true"} {
		o, err := d.deploy(old, today, on)
		if err != nil {
			return err
		}
		n, err := d.deploy(today, old, on)
		if err != nil {
			return err
		}
		for _, r := range append(slices.Clone(o.Resources), n.Resources...) {
			if !seen[r.ID] {
				seen[r.ID] = true
				d.resource(o, n, r.ID)
			}
		}
		if on == "false" {
			d.outputs(o, n)
		}
	}
	return nil
}

// deploy deploys t as it would be beside other: where both have a parameter,
// with the default of today's for both.
func (d *differ) deploy(t, other *Template, on string) (*Deployment, error) {
	parameters := map[string]string{}
	for _, p := range t.Parameters {
		o, both := other.Parameter(p.Name)
		switch {
		case slices.Contains(p.Allowed, "true") && slices.Contains(p.Allowed, "false"):
			parameters[p.Name] = on
		case both && t.Name != d.kind && o.HasDefault:
			parameters[p.Name] = o.Default
		case !p.HasDefault && both && o.HasDefault:
			parameters[p.Name] = o.Default
		}
	}
	return t.Deploy(d.place, parameters)
}

func (d *differ) resource(o, n *Deployment, id string) {
	was, had := o.Resource(id)
	is, has := n.Resource(id)
	switch {
	case !had:
		d.add(Change{Kind: Added, What: "resource", Name: id, Type: is.Type, Details: summary(is.Properties)})
	case !has:
		d.add(Change{Kind: Removed, What: "resource", Name: id, Type: was.Type})
	default:
		var details []string
		if was.Type != is.Type {
			details = append(details, "type: "+is.Type+", was "+was.Type)
		}
		if details = append(details, compare("", was.Properties, is.Properties)...); len(details) > 0 {
			d.add(Change{Kind: Changed, What: "resource", Name: id, Type: is.Type, Details: details})
		}
	}
}

func (d *differ) outputs(o, n *Deployment) {
	for _, name := range slices.Sorted(maps.Keys(o.Outputs)) {
		switch v, ok := n.Outputs[name]; {
		case !ok:
			d.add(Change{Kind: Removed, What: "output", Name: name})
		case v != o.Outputs[name]:
			d.add(Change{Kind: Changed, What: "output", Name: name, Details: []string{briefly(v) + ", was " + briefly(o.Outputs[name])}})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(n.Outputs)) {
		if _, ok := o.Outputs[name]; !ok {
			d.add(Change{Kind: Added, What: "output", Name: name})
		}
	}
}

// compare says how a property differs. Policies are told statement by
// statement, everything else by its path.
func compare(path string, was, is any) []string {
	if o, n, ok := policies(was, is); ok {
		return comparePolicies(path, o, n)
	}
	wasMap, isMap := asMap(was), asMap(is)
	wasList, ok1 := was.([]any)
	isList, ok2 := is.([]any)
	var out []string
	switch {
	case wasMap != nil && isMap != nil:
		keys := map[string]bool{}
		for k := range wasMap {
			keys[k] = true
		}
		for k := range isMap {
			keys[k] = true
		}
		for _, k := range slices.Sorted(maps.Keys(keys)) {
			out = append(out, compare(joinPath(path, k), wasMap[k], isMap[k])...)
		}
	case ok1 && ok2:
		return compareLists(path, wasList, isList)
	case strings.Contains(asString(was), "\n") && asString(was) != asString(is):
		out = append(out, compareLines(path, asString(was), asString(is)))
	case canonical(was) != canonical(is):
		out = append(out, fmt.Sprintf("%s: %s, was %s", path, brieflyValue(is), brieflyValue(was)))
	}
	return out
}

func asString(v any) string {
	s, _ := v.(string)
	return s
}

// compareLines says where two long texts, such as a function's, first differ.
func compareLines(path, was, is string) string {
	o, n := strings.Split(was, "\n"), strings.Split(is, "\n")
	line := func(lines []string, i int) string {
		if i < len(lines) {
			return briefly(strings.TrimSpace(lines[i]))
		}
		return "nothing"
	}
	i := 0
	for i < len(o) && i < len(n) && o[i] == n[i] {
		i++
	}
	return fmt.Sprintf("%s: from line %d on: %s, was %s", path, i+1, line(n, i), line(o, i))
}

// compareLists compares lists item by item if they are equally long, else as
// sets.
func compareLists(path string, was, is []any) []string {
	var out []string
	if len(was) == len(is) {
		for i := range was {
			out = append(out, compare(fmt.Sprintf("%s[%d]", path, i), was[i], is[i])...)
		}
		return out
	}
	has := func(list []any, v any) bool {
		return slices.ContainsFunc(list, func(o any) bool { return canonical(o) == canonical(v) })
	}
	for _, v := range is {
		if !has(was, v) {
			out = append(out, path+": also "+brieflyValue(v))
		}
	}
	for _, v := range was {
		if !has(is, v) {
			out = append(out, path+": no longer "+brieflyValue(v))
		}
	}
	return out
}

// summary says what the policies of a new resource do.
func summary(properties map[string]any) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(properties)) {
		if p := asPolicy(properties[k]); p != nil {
			for _, s := range p.Statements {
				out = append(out, strings.TrimPrefix(k+": ", "PolicyDocument: ")+sentence(s))
			}
		}
	}
	return out
}

package stack

import (
	"maps"
	"slices"
)

// LongestTemplate is how many bytes CloudFormation takes in a call
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html).
const LongestTemplate = 51_200

// CloudFormation's own limits, from the same page.
const (
	maxParameters = 200
	maxResources  = 500
	maxOutputs    = 200
	maxMappings   = 200
)

// Template is a CloudFormation template as it is written. What it holds was
// checked as far as that can be done without parameters; [Template.Deploy]
// does the rest. It must not be changed and may be used by several goroutines
// at once.
type Template struct {
	Name        string // what messages call it: the file's name
	Description string
	Metadata    map[string]any
	Parameters  []Parameter // in the order of the text

	mappings   map[string]*node
	conditions map[string]*node
	resources  map[string]*declared
	order      []string // of the resources, as in the text
	outputs    []output
	size       int
}

// declared is a resource as it is written.
type declared struct {
	id, kind  string
	line      int
	condition string // "": always
	after     []string
	retain    bool  // DeletionPolicy: Retain, or RetainExceptOnCreate
	props     *node // nil: none
}

type output struct {
	name, condition string
	value           *node
}

// ReadTemplate reads a CloudFormation template, in YAML or JSON; name is what
// messages call it. It is stricter than CloudFormation: a key that stands
// twice, an anchor, an attribute or a property that does not exist, a
// function in a wrong place, one that only AWS can compute, and a name that
// is defined nowhere are errors. The error is of kind [brevet.Invalid] and
// has a line "NAME:LINE: path: message" for each problem.
func ReadTemplate(name string, text []byte) (*Template, error) {
	r := &reader{file: name}
	t := &Template{Name: name, mappings: map[string]*node{}, conditions: map[string]*node{}, resources: map[string]*declared{}, size: len(text)}
	if root := r.document(text); root != nil {
		r.sections(t, root)
		if len(r.problems) == 0 {
			r.check(t)
		}
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return t, nil
}

// Parameter returns the parameter of that name.
func (t *Template) Parameter(name string) (Parameter, bool) {
	i := slices.IndexFunc(t.Parameters, func(p Parameter) bool { return p.Name == name })
	if i < 0 {
		return Parameter{}, false
	}
	return t.Parameters[i], true
}

// Types returns the types of the resources that the template declares, each
// once, sorted.
func (t *Template) Types() []string {
	seen := map[string]bool{}
	for _, d := range t.resources {
		seen[d.kind] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

func (r *reader) sections(t *Template, root *node) {
	read := map[string]func(*node){
		"AWSTemplateFormatVersion": func(n *node) {
			if s, _ := n.value.(string); s != "2010-09-09" {
				r.errorf(n, "must be 2010-09-09")
			}
		},
		"Description": func(n *node) { t.Description = r.text(n) },
		"Metadata": func(n *node) {
			r.still(n)
			t.Metadata, _ = n.plain().(map[string]any)
		},
		"Parameters": func(n *node) { r.each(n, func(n *node) { t.Parameters = append(t.Parameters, r.parameter(n)) }) },
		"Mappings":   func(n *node) { r.each(n, func(n *node) { r.mapping(n); t.mappings[n.key] = n }) },
		"Conditions": func(n *node) { r.each(n, func(n *node) { r.logical(n); t.conditions[n.key] = n }) },
		"Resources": func(n *node) {
			r.each(n, func(n *node) {
				t.order = append(t.order, n.key)
				t.resources[n.key] = r.resource(n)
			})
		},
		"Outputs": func(n *node) { r.each(n, func(n *node) { t.outputs = append(t.outputs, r.output(n)) }) },
	}
	for _, key := range []string{"Transform", "Rules", "Hooks"} {
		read[key] = func(n *node) { r.errorf(n, "%s is not supported here", key) }
	}
	r.fields(root, read, "Resources")
	for _, limit := range []struct {
		what      string
		has, most int
	}{{"Parameters", len(t.Parameters), maxParameters}, {"Resources", len(t.order), maxResources}, {"Outputs", len(t.outputs), maxOutputs}, {"Mappings", len(t.mappings), maxMappings}} {
		if limit.has > limit.most {
			r.errorf(root.child(limit.what, root), "%d are too many; CloudFormation takes %d", limit.has, limit.most)
		}
	}
	if root.kind == mappingNode && len(t.order) == 0 && len(r.problems) == 0 {
		r.errorf(root.child("Resources", root), "must hold a resource")
	}
}

// mapping checks a mapping of two levels whose leaves are texts or lists.
func (r *reader) mapping(n *node) {
	r.logical(n)
	r.each(n, func(n *node) {
		r.each(n, func(n *node) {
			r.still(n)
			if n.kind == mappingNode {
				r.errorf(n, "must be text or a list, not %s", n.name())
			}
		})
	})
}

// logical checks the name of what a section declares.
func (r *reader) logical(n *node) {
	if n.key == "" || len(n.key) > 255 || !alphanumeric(n.key) {
		r.errorf(n, "%s must be a name of letters and digits", quote(n.key))
	}
}

func alphanumeric(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// resource reads one resource.
func (r *reader) resource(n *node) *declared {
	r.logical(n)
	d := &declared{id: n.key, line: n.line}
	ignored := func(n *node) { r.stillIn(n, "a policy of the stack") }
	r.fields(n, map[string]func(*node){
		"Type":      func(n *node) { d.kind = r.text(n) },
		"Condition": func(n *node) { d.condition = r.text(n) },
		"DependsOn": func(n *node) {
			if n.kind == listNode {
				for _, item := range n.items {
					d.after = append(d.after, r.text(item))
				}
				return
			}
			d.after = []string{r.text(n)}
		},
		"Properties": func(n *node) {
			if n.kind != mappingNode {
				r.errorf(n, "must be a mapping (key: value), not %s", n.name())
				return
			}
			d.props = n
		},
		"Metadata": func(*node) {},
		"DeletionPolicy": func(n *node) {
			ignored(n)
			d.retain = n.value == "Retain" || n.value == "RetainExceptOnCreate"
		},
		"UpdateReplacePolicy": ignored,
		"CreationPolicy":      ignored,
		"UpdatePolicy":        ignored,
	}, "Type")
	if known, ok := properties()[d.kind]; ok && d.props != nil {
		for _, p := range d.props.items {
			if !slices.Contains(known, p.key) {
				r.errorf(p, "%s has no such property", d.kind)
			}
		}
	}
	return d
}

func (r *reader) output(n *node) output {
	r.logical(n)
	o := output{name: n.key}
	r.fields(n, map[string]func(*node){
		"Description": func(n *node) { r.text(n) },
		"Value":       func(n *node) { o.value = n },
		"Export":      func(n *node) { r.fields(n, map[string]func(*node){"Name": func(*node) {}}, "Name") },
		"Condition":   func(n *node) { o.condition = r.text(n) },
	}, "Value")
	return o
}

// check looks for functions out of place and for names that are not defined.
func (r *reader) check(t *Template) {
	s := &scope{reader: r, t: t}
	for _, n := range t.conditions {
		s.condition(n)
	}
	for _, id := range t.order {
		d := t.resources[id]
		at := &node{line: d.line, path: "Resources." + id}
		if d.condition != "" && t.conditions[d.condition] == nil {
			r.errorf(at, "there is no condition %s", quote(d.condition))
		}
		for _, other := range d.after {
			if t.resources[other] == nil {
				r.errorf(at, "DependsOn: there is no resource %s", quote(other))
			}
		}
		if d.props != nil {
			s.value(d.props)
		}
	}
	for _, o := range t.outputs {
		if o.condition != "" && t.conditions[o.condition] == nil {
			r.errorf(o.value, "there is no condition %s", quote(o.condition))
		}
		s.value(o.value)
	}
}

// errorAt is an error about a template that was read.
func (t *Template) errorAt(line int, path, format string, args ...any) error {
	r := reader{file: t.Name}
	r.errorf(&node{line: line, path: path}, format, args...)
	return r.err()
}

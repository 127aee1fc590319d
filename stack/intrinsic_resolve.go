package stack

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/brevet-access/brevet"
)

// Place is where a template is deployed.
type Place struct{ Partition, Account, Region, Stack string }

// Deployment is a template with its parameters: what CloudFormation would
// create. It must not be changed.
type Deployment struct {
	Place
	Template   *Template
	Parameters map[string]string
	Resources  []Resource // in the order of the text; those alone whose condition holds
	Outputs    map[string]string
}

// Resource is a resource of a stack.
type Resource struct {
	ID, Type   string
	Physical   string // what Ref gives: a name or an ARN
	Properties map[string]any
	Retain     bool // it outlives its stack (DeletionPolicy)
	Line       int
}

// Resource returns the resource of a logical id.
func (d *Deployment) Resource(id string) (Resource, bool) {
	i := slices.IndexFunc(d.Resources, func(r Resource) bool { return r.ID == id })
	if i < 0 {
		return Resource{}, false
	}
	return d.Resources[i], true
}

// removed is the value of AWS::NoValue.
type removed struct{}

// resolver works out what one deployment of a template holds.
type resolver struct {
	t          *Template
	place      Place
	parameters map[string]any
	conditions map[string]bool
	done       map[string]*Resource
	busy       map[string]bool // resources and conditions that are being worked out
}

// Deploy works out what the template creates at a place with these
// parameters; those that are not given take their default. The error is of
// kind [brevet.Invalid], and names each parameter that is unknown, missing or
// refused, or the place in the template that cannot be worked out.
func (t *Template) Deploy(p Place, parameters map[string]string) (*Deployment, error) {
	if p.Partition == "" || p.Region == "" || p.Stack == "" || !brevet.ValidAWSAccount(p.Account) {
		return nil, brevet.Errorf(brevet.Invalid, "%s cannot be deployed in partition %q, account %q, region %q as stack %q", t.Name,
			brevet.Printable(p.Partition), brevet.Printable(p.Account), brevet.Printable(p.Region), brevet.Printable(p.Stack))
	}
	given, err := t.parameters(parameters)
	if err != nil {
		return nil, err
	}
	r := &resolver{t: t, place: p, parameters: map[string]any{}, conditions: map[string]bool{}, done: map[string]*Resource{}, busy: map[string]bool{}}
	for _, q := range t.Parameters {
		r.parameters[q.Name] = given[q.Name]
		if q.Type == "CommaDelimitedList" || q.Type == "List<Number>" {
			list := []any{}
			for _, v := range q.values(given[q.Name]) {
				list = append(list, v)
			}
			r.parameters[q.Name] = list
		}
	}
	d := &Deployment{Place: p, Template: t, Parameters: given, Outputs: map[string]string{}}
	if err := r.resources(d); err != nil {
		return nil, err
	}
	return d, r.outputs(d)
}

func (r *resolver) resources(d *Deployment) error {
	for _, name := range slices.Sorted(maps.Keys(r.t.conditions)) {
		if _, err := r.holds(r.t.conditions[name], name); err != nil {
			return err
		}
	}
	for _, id := range r.t.order {
		if !r.created(id) {
			continue
		}
		got, err := r.resource(r.t.resources[id])
		if err != nil {
			return err
		}
		d.Resources = append(d.Resources, *got)
	}
	return nil
}

func (r *resolver) outputs(d *Deployment) error {
	for _, o := range r.t.outputs {
		if o.condition != "" && !r.conditions[o.condition] {
			continue
		}
		v, err := r.value(o.value)
		if err != nil {
			return err
		}
		text, ok := asText(v)
		if !ok {
			return r.errorf(o.value, "must come out as text")
		}
		d.Outputs[o.name] = text
	}
	return nil
}

func (r *resolver) errorf(n *node, format string, args ...any) error {
	return r.t.errorAt(n.line, n.path, format, args...)
}

func (r *resolver) created(id string) bool {
	c := r.t.resources[id].condition
	return c == "" || r.conditions[c]
}

// holds works out a named condition.
func (r *resolver) holds(n *node, name string) (bool, error) {
	if v, ok := r.conditions[name]; ok {
		return v, nil
	}
	if r.busy["condition "+name] {
		return false, r.errorf(n, "the condition depends on itself")
	}
	r.busy["condition "+name] = true
	v, err := r.truth(n)
	if err == nil {
		r.conditions[name] = v
	}
	return v, err
}

func (r *resolver) truth(n *node) (bool, error) {
	arg := n.items[0]
	switch n.fn {
	case "Condition":
		name, _ := asText(arg.value)
		return r.holds(r.t.conditions[name], name)
	case "Fn::Equals":
		a, err := r.value(arg.items[0])
		if err != nil {
			return false, err
		}
		b, err := r.value(arg.items[1])
		return same(a, b), err
	}
	all, some := true, false
	for _, item := range arg.items {
		v, err := r.truth(item)
		if err != nil {
			return false, err
		}
		all, some = all && v, some || v
	}
	switch n.fn {
	case "Fn::And":
		return all, nil
	case "Fn::Not":
		return !some, nil
	}
	return some, nil
}

// same compares as CloudFormation does: scalars by their text.
func same(a, b any) bool {
	x, ok1 := asText(a)
	y, ok2 := asText(b)
	if ok1 && ok2 {
		return x == y
	}
	return fmt.Sprintf("%T%v", a, a) == fmt.Sprintf("%T%v", b, b)
}

// resource works out a resource and those that it depends on.
func (r *resolver) resource(d *declared) (*Resource, error) {
	at := &node{line: d.line, path: "Resources." + d.id}
	if got := r.done[d.id]; got != nil {
		return got, nil
	}
	if r.busy[d.id] {
		return nil, r.errorf(at, "the resource depends on itself")
	}
	r.busy[d.id] = true
	for _, id := range d.after {
		if r.created(id) {
			if _, err := r.resource(r.t.resources[id]); err != nil {
				return nil, err
			}
		}
	}
	out := &Resource{ID: d.id, Type: d.kind, Properties: map[string]any{}, Retain: d.retain, Line: d.line}
	if d.props != nil {
		v, err := r.value(d.props)
		if err != nil {
			return nil, err
		}
		out.Properties = v.(map[string]any)
	}
	out.Physical = physical(r.place, out)
	r.done[d.id] = out
	return out, nil
}

// value works out a value. That of AWS::NoValue is removed{}, and lists and
// mappings leave it out.
func (r *resolver) value(n *node) (any, error) {
	switch n.kind {
	case listNode:
		list := []any{}
		for _, item := range n.items {
			v, err := r.value(item)
			if err != nil {
				return nil, err
			}
			if v != (removed{}) {
				list = append(list, v)
			}
		}
		return list, nil
	case mappingNode:
		m := make(map[string]any, len(n.items))
		for _, item := range n.items {
			v, err := r.value(item)
			if err != nil {
				return nil, err
			}
			if _, gone := v.(removed); !gone {
				m[item.key] = v
			}
		}
		return m, nil
	case callNode:
		return r.call(n, n.items[0])
	}
	return n.value, nil
}

func (r *resolver) call(n, arg *node) (any, error) {
	switch n.fn {
	case "Ref":
		name, _ := asText(arg.value)
		return r.ref(n, name)
	case "Fn::Sub":
		return r.sub(n, arg)
	case "Fn::GetAtt":
		id, _ := asText(arg.items[0].value)
		attr, _ := asText(arg.items[1].value)
		return r.attribute(n, id, attr)
	case "Fn::If":
		name, _ := asText(arg.items[0].value)
		if r.conditions[name] {
			return r.value(arg.items[1])
		}
		return r.value(arg.items[2])
	case "Fn::Join":
		return r.join(n, arg)
	case "Fn::Split":
		sep, err := r.text(arg.items[0])
		if err != nil {
			return nil, err
		}
		text, err := r.text(arg.items[1])
		if err != nil || sep == "" {
			return nil, cmp.Or(err, r.errorf(n, "Fn::Split needs a separator"))
		}
		list := []any{}
		for _, s := range strings.Split(text, sep) {
			list = append(list, s)
		}
		return list, nil
	case "Fn::Select":
		return r.pick(n, arg)
	case "Fn::FindInMap":
		return r.find(n, arg)
	}
	return nil, r.errorf(n, "%s cannot be worked out here", n.fn)
}

// text works out a value that must be text.
func (r *resolver) text(n *node) (string, error) {
	v, err := r.value(n)
	if err != nil {
		return "", err
	}
	s, ok := asText(v)
	if !ok {
		return "", r.errorf(n, "must come out as text")
	}
	return s, nil
}

func (r *resolver) list(n *node) ([]any, error) {
	v, err := r.value(n)
	if err != nil {
		return nil, err
	}
	list, ok := v.([]any)
	if !ok {
		return nil, r.errorf(n, "must come out as a list")
	}
	return list, nil
}

func (r *resolver) join(n, arg *node) (any, error) {
	sep, err := r.text(arg.items[0])
	if err != nil {
		return nil, err
	}
	list, err := r.list(arg.items[1])
	if err != nil {
		return nil, err
	}
	parts := make([]string, len(list))
	for i, v := range list {
		var ok bool
		if parts[i], ok = asText(v); !ok {
			return nil, r.errorf(n, "Fn::Join takes a list of texts")
		}
	}
	return r.bounded(n, strings.Join(parts, sep))
}

// bounded keeps texts that grow out of each other from growing without end.
func (r *resolver) bounded(n *node, s string) (any, error) {
	if len(s) > LongestTemplate {
		return nil, r.errorf(n, "%s comes out longer than %d bytes", n.fn, LongestTemplate)
	}
	return s, nil
}

func (r *resolver) pick(n, arg *node) (any, error) {
	index, err := r.text(arg.items[0])
	if err != nil {
		return nil, err
	}
	list, err := r.list(arg.items[1])
	if err != nil {
		return nil, err
	}
	i, err := strconv.Atoi(index)
	if err != nil || i < 0 || i >= len(list) {
		return nil, r.errorf(n, "Fn::Select: there is no item %s among %d", quote(index), len(list))
	}
	return list[i], nil
}

func (r *resolver) find(n, arg *node) (any, error) {
	var keys [3]string
	for i := range keys {
		var err error
		if keys[i], err = r.text(arg.items[i]); err != nil {
			return nil, err
		}
	}
	v := r.t.mappings[keys[0]].field(keys[1]).field(keys[2])
	if v == nil {
		return nil, r.errorf(n, "there is no %s", quote(strings.Join(keys[:], ".")))
	}
	return v.plain(), nil
}

func (r *resolver) ref(n *node, name string) (any, error) {
	if v, ok := r.parameters[name]; ok {
		return v, nil
	}
	if v, ok := r.pseudo(name); ok {
		return v, nil
	}
	got, err := r.other(n, name)
	if err != nil {
		return nil, err
	}
	return got.Physical, nil
}

func (r *resolver) pseudo(name string) (any, bool) {
	p := r.place
	switch name {
	case "AWS::NoValue":
		return removed{}, true
	case "AWS::AccountId":
		return p.Account, true
	case "AWS::Partition":
		return p.Partition, true
	case "AWS::Region":
		return p.Region, true
	case "AWS::StackName":
		return p.Stack, true
	case "AWS::StackId":
		return stackARN(p), true
	case "AWS::URLSuffix":
		return suffix(p.Partition), true
	}
	return nil, false
}

// other returns a resource that another one names.
func (r *resolver) other(n *node, id string) (*Resource, error) {
	if !r.created(id) {
		return nil, r.errorf(n, "the resource %s is not created with these parameters", id)
	}
	return r.resource(r.t.resources[id])
}

func (r *resolver) attribute(n *node, id, name string) (any, error) {
	got, err := r.other(n, id)
	if err != nil {
		return nil, err
	}
	v, ok := attribute(r.place, got, name)
	if !ok {
		return nil, r.errorf(n, "the attribute %s of %s is not supported here", quote(name), got.Type)
	}
	return v, nil
}

func (r *resolver) sub(n, arg *node) (any, error) {
	own := map[string]string{}
	text := arg
	if arg.kind == listNode {
		text = arg.items[0]
		for _, item := range arg.items[1].items {
			s, err := r.text(item)
			if err != nil {
				return nil, err
			}
			own[item.key] = s
		}
	}
	written, _ := asText(text.value)
	parts, _ := parseSub(written)
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.text)
		if p.name == "" {
			continue
		}
		s, err := r.named(n, p.name, own)
		if err != nil {
			return nil, err
		}
		b.WriteString(s)
		if _, err := r.bounded(n, b.String()); err != nil {
			return nil, err
		}
	}
	return b.String(), nil
}

// named works out a name in the text of Fn::Sub.
func (r *resolver) named(n *node, name string, own map[string]string) (string, error) {
	if s, ok := own[name]; ok {
		return s, nil
	}
	var v any
	var err error
	if id, attr, ok := strings.Cut(name, "."); ok {
		v, err = r.attribute(n, id, attr)
	} else {
		v, err = r.ref(n, name)
	}
	if err != nil {
		return "", err
	}
	s, ok := asText(v)
	if !ok {
		return "", r.errorf(n, "${%s} is no text", name)
	}
	return s, nil
}

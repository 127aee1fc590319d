package stack

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// functions are the functions of CloudFormation that are supported, by the
// tag of their short form.
var functions = map[string]string{
	"Ref": "Ref", "Condition": "Condition", "Sub": "Fn::Sub", "GetAtt": "Fn::GetAtt", "If": "Fn::If", "Equals": "Fn::Equals", "And": "Fn::And",
	"Or": "Fn::Or", "Not": "Fn::Not", "Join": "Fn::Join", "Select": "Fn::Select", "Split": "Fn::Split", "FindInMap": "Fn::FindInMap",
}

// logic are the functions that have their place in Conditions only.
var logic = []string{"Condition", "Fn::Equals", "Fn::And", "Fn::Or", "Fn::Not"}

// pseudo are CloudFormation's pseudo parameters that have a value here
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/pseudo-parameter-reference.html).
var pseudo = []string{"AWS::AccountId", "AWS::NoValue", "AWS::Partition", "AWS::Region", "AWS::StackId", "AWS::StackName", "AWS::URLSuffix"}

// tagged reads a value with a tag: the short form of a function.
func (r *reader) tagged(n *node, y *yaml.Node, depth int) *node {
	tag, ok := strings.CutPrefix(y.Tag, "!")
	fn := functions[tag]
	switch {
	case r.simple || !ok || strings.HasPrefix(tag, "!"):
		r.errorf(n, "the tag %s is not allowed", quote(y.Tag))
		return n
	case fn == "":
		r.errorf(n, "the function !%s is not supported here", strings.Trim(quote(tag), `"`))
		return n
	}
	n.kind, n.fn = callNode, fn
	arg := &node{line: n.line, path: n.path}
	plain := *y
	plain.Style &^= yaml.TaggedStyle
	if y.Kind == yaml.ScalarNode {
		arg.value = y.Value
	} else {
		r.fill(arg, &plain, depth)
	}
	if fn == "Fn::GetAtt" && arg.kind == scalarNode {
		arg = r.attribute(arg)
	}
	n.items = []*node{arg}
	return n
}

// long turns a mapping of one function's long form into a call. A mapping of
// the one key Condition is one only in Conditions; scope.condition sees to
// that.
func (r *reader) long(n *node) {
	for _, item := range n.items {
		if item.key != "Ref" && !strings.HasPrefix(item.key, "Fn::") {
			continue
		}
		known := item.key == "Ref"
		for _, fn := range functions {
			known = known || fn == item.key
		}
		switch {
		case !known:
			r.errorf(item, "the function %s is not supported here", strings.Trim(quote(item.key), `"`))
			n.kind, n.items = scalarNode, nil
			return
		case len(n.items) != 1:
			r.errorf(item, "%s must stand alone in its mapping", item.key)
			n.kind, n.items = scalarNode, nil
			return
		}
		n.kind, n.fn = callNode, item.key
		if n.fn == "Fn::GetAtt" && item.kind == scalarNode {
			n.items[0] = r.attribute(item)
		}
		return
	}
}

// attribute splits "Resource.Attribute".
func (r *reader) attribute(n *node) *node {
	id, attr, ok := strings.Cut(r.text(n), ".")
	if !ok {
		r.errorf(n, "Fn::GetAtt takes RESOURCE.ATTRIBUTE")
	}
	return &node{kind: listNode, line: n.line, path: n.path, items: []*node{{line: n.line, path: n.path, value: id}, {line: n.line, path: n.path, value: attr}}}
}

// scope checks calls against what a template declares.
type scope struct {
	*reader
	t         *Template
	inside    bool // of Conditions: no resources there
	variables []string
}

// condition checks an entry of Conditions.
func (s *scope) condition(n *node) {
	in := &scope{reader: s.reader, t: s.t, inside: true}
	in.truth(n)
}

// truth checks what must come out as true or false.
func (s *scope) truth(n *node) {
	if n.kind == mappingNode && len(n.items) == 1 && n.items[0].key == "Condition" {
		n.kind, n.fn = callNode, "Condition"
	}
	if n.kind != callNode || !slices.Contains(logic, n.fn) {
		s.errorf(n, "must be one of %s, not %s", strings.Join(logic, ", "), n.name())
		return
	}
	arg := n.items[0]
	switch n.fn {
	case "Condition":
		if name := s.text(arg); s.t.conditions[name] == nil {
			s.errorf(n, "there is no condition %s", quote(name))
		}
	case "Fn::Equals":
		s.args(n, 2, 2)
		for _, item := range arg.items {
			s.value(item)
		}
	case "Fn::Not":
		s.args(n, 1, 1)
	default:
		s.args(n, 2, 10)
	}
	if n.fn != "Condition" && n.fn != "Fn::Equals" {
		for _, item := range arg.items {
			s.truth(item)
		}
	}
}

// args checks how many arguments a call has; false if it is wrong.
func (s *scope) args(n *node, least, most int) bool {
	arg := n.items[0]
	if arg.kind == listNode && len(arg.items) >= least && len(arg.items) <= most {
		return true
	}
	switch {
	case least != most:
		s.errorf(n, "%s takes a list of %d to %d", n.fn, least, most)
	default:
		s.errorf(n, "%s takes a list of %d", n.fn, least)
	}
	n.items = []*node{{kind: listNode, line: n.line, path: n.path}}
	return false
}

// value checks a value in which functions may stand.
func (s *scope) value(n *node) {
	if n.kind != callNode {
		for _, item := range n.items {
			s.value(item)
		}
		return
	}
	arg := n.items[0]
	switch n.fn {
	case "Ref":
		s.ref(n, s.text(arg))
	case "Fn::Sub":
		s.sub(n, arg)
	case "Fn::GetAtt":
		s.getAtt(n, arg)
	case "Fn::If":
		s.choice(n, arg)
	case "Fn::Join", "Fn::Split", "Fn::Select":
		if s.args(n, 2, 2) {
			s.value(arg.items[0])
			s.value(arg.items[1])
		}
	case "Fn::FindInMap":
		if s.args(n, 3, 3) {
			s.find(n, arg)
		}
	default:
		s.errorf(n, "%s has its place in Conditions only", n.fn)
	}
}

// choice checks Fn::If.
func (s *scope) choice(n, arg *node) {
	switch {
	case s.inside:
		s.errorf(n, "Fn::If has no place in Conditions")
	case s.args(n, 3, 3):
		if name := s.text(arg.items[0]); s.t.conditions[name] == nil {
			s.errorf(n, "there is no condition %s", quote(name))
		}
		s.value(arg.items[1])
		s.value(arg.items[2])
	}
}

// find checks Fn::FindInMap as far as its keys are written out.
func (s *scope) find(n, arg *node) {
	for _, item := range arg.items {
		s.value(item)
	}
	name, ok := arg.items[0].value.(string)
	if arg.items[0].kind == scalarNode && ok && s.t.mappings[name] == nil {
		s.errorf(n, "there is no mapping %s", quote(name))
	}
}

// ref checks a name that Ref or Fn::Sub stands for.
func (s *scope) ref(n *node, name string) {
	_, parameter := s.t.Parameter(name)
	switch {
	case parameter, slices.Contains(pseudo, name), slices.Contains(s.variables, name):
	case strings.HasPrefix(name, "AWS::"):
		s.errorf(n, "%s is not supported here", strings.Trim(quote(name), `"`))
	case s.t.resources[name] == nil:
		s.errorf(n, "there is no parameter or resource %s", quote(name))
	case s.inside:
		s.errorf(n, "a condition cannot depend on the resource %s", name)
	}
}

func (s *scope) getAtt(n, arg *node) {
	if !s.args(n, 2, 2) {
		return
	}
	id := s.text(arg.items[0])
	s.text(arg.items[1])
	switch {
	case s.inside:
		s.errorf(n, "Fn::GetAtt has no place in Conditions")
	case s.t.resources[id] == nil:
		s.errorf(n, "there is no resource %s", quote(id))
	}
}

// sub checks Fn::Sub.
func (s *scope) sub(n, arg *node) {
	in := &scope{reader: s.reader, t: s.t, inside: s.inside}
	text := arg
	if arg.kind == listNode {
		if !s.args(n, 2, 2) {
			return
		}
		text = arg.items[0]
		s.each(arg.items[1], func(n *node) {
			s.value(n)
			in.variables = append(in.variables, n.key)
		})
	}
	parts, problem := parseSub(s.text(text))
	if problem != "" {
		s.errorf(n, "%s", problem)
	}
	for _, p := range parts {
		if p.name == "" {
			continue
		}
		id, _, attribute := strings.Cut(p.name, ".")
		switch {
		case !attribute || slices.Contains(in.variables, p.name):
			in.ref(n, p.name)
		case s.t.resources[id] == nil:
			s.errorf(n, "there is no resource %s", quote(id))
		case s.inside:
			s.errorf(n, "a condition cannot depend on the resource %s", id)
		}
	}
}

// part is a piece of the text of Fn::Sub: a text, or a name in ${}.
type part struct{ text, name string }

// parseSub splits the text of Fn::Sub. ${!name} is the text ${name}.
func parseSub(s string) (parts []part, problem string) {
	for s != "" {
		before, rest, found := strings.Cut(s, "${")
		parts = append(parts, part{text: before})
		if !found {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, "a ${ is not closed"
		}
		s = after
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			parts = append(parts, part{text: "${" + literal + "}"})
			continue
		}
		if name == "" || strings.Trim(name, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz:.") != "" {
			return nil, "${" + strings.Trim(quote(name), `"`) + "} is no name; a variable of IAM is written ${!NAME}"
		}
		parts = append(parts, part{name: name})
	}
	return parts, ""
}

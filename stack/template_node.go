package stack

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/brevet-access/brevet"
)

// The limits on what is read.
const (
	deepest      = 40
	mostProblems = 50 // so many are reported
)

type nodeKind byte

const (
	scalarNode nodeKind = iota
	listNode
	mappingNode
	callNode // a function of CloudFormation
)

// node is a value of a YAML or JSON text, and where it stands.
type node struct {
	kind  nodeKind
	line  int
	path  string
	key   string  // under which it stands in its mapping
	value any     // of a scalar: string, bool, int64, float64 or nil
	fn    string  // of a call: Ref, Condition, Fn::Sub, …
	items []*node // of a list and a mapping; the one argument of a call
}

// child is a place below n, for what has none of its own.
func (n *node) child(key string, at *node) *node {
	return &node{line: at.line, path: joinPath(n.path, key), key: key}
}

func joinPath(path, key string) string {
	key = brevet.Printable(key)
	if path == "" {
		return key
	}
	return path + "." + key
}

// name says what a node is, for people.
func (n *node) name() string {
	switch n.kind {
	case listNode:
		return "a list"
	case mappingNode:
		return "a mapping"
	case callNode:
		return n.fn
	}
	switch n.value.(type) {
	case string:
		return "text"
	case bool:
		return "true or false"
	case nil:
		return "nothing"
	}
	return "a number"
}

// field returns the value of a key of a mapping, nil if there is none.
func (n *node) field(key string) *node {
	if n == nil || n.kind != mappingNode {
		return nil
	}
	i := slices.IndexFunc(n.items, func(n *node) bool { return n.key == key })
	if i < 0 {
		return nil
	}
	return n.items[i]
}

// plain returns the value of a node without calls.
func (n *node) plain() any {
	switch n.kind {
	case listNode:
		list := make([]any, len(n.items))
		for i, item := range n.items {
			list[i] = item.plain()
		}
		return list
	case mappingNode:
		m := make(map[string]any, len(n.items))
		for _, item := range n.items {
			m[item.key] = item.plain()
		}
		return m
	}
	return n.value
}

type problem struct {
	line          int
	path, message string
}

// reader reads a text strictly and collects what is wrong with it.
type reader struct {
	file     string
	simple   bool // no functions: a text that is not a template
	problems []problem
}

func (r *reader) errorf(n *node, format string, args ...any) {
	r.problems = append(r.problems, problem{n.line, n.path, fmt.Sprintf(format, args...)})
}

// err returns all problems as one error, in the order of the lines.
func (r *reader) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(r.problems, func(a, b problem) int { return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.path, b.path)) })
	var lines []string
	for _, p := range r.problems[:min(len(r.problems), mostProblems)] {
		if p.path != "" {
			p.message = p.path + ": " + p.message
		}
		lines = append(lines, fmt.Sprintf("%s:%d: %s", brevet.Printable(r.file), p.line, p.message))
	}
	if more := len(r.problems) - mostProblems; more > 0 {
		lines = append(lines, fmt.Sprintf("%s: and %d more", brevet.Printable(r.file), more))
	}
	return brevet.Errorf(brevet.Invalid, "%s", strings.Join(lines, "\n"))
}

// document reads the text; nil if there is none to go on with.
func (r *reader) document(text []byte) *node {
	top := &node{line: 1}
	if len(text) > LongestTemplate {
		r.errorf(top, "%d bytes are too many; CloudFormation takes at most %d in a call", len(text), LongestTemplate)
		return nil
	}
	if line, what := foul(text); what != "" {
		top.line = line
		r.errorf(top, "%s", what)
		return nil
	}
	var doc, more yaml.Node
	if json.Valid(text) {
		text = unslash(text)
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		r.errorf(top, "the file is empty")
		return nil
	} else if err != nil {
		r.syntax(err)
		return nil
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		top.line = max(more.Line, 1)
		r.errorf(top, "only one YAML document is allowed")
		return nil
	}
	return r.node(doc.Content[0], "", "", 0)
}

// unslash writes / for JSON's escape \/, which the YAML reader does not know.
func unslash(text []byte) []byte {
	var out []byte
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) {
			if text[i+1] != '/' {
				out = append(out, text[i])
			}
			i++
		}
		out = append(out, text[i])
	}
	return out
}

// syntax reports an error of the YAML reader, "yaml: line 3: …".
func (r *reader) syntax(err error) {
	at := &node{line: 1}
	text := strings.TrimPrefix(brevet.Printable(strings.ReplaceAll(err.Error(), "\n", " ")), "yaml: ")
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if number, message, ok := strings.Cut(rest, ": "); ok {
			if line, err := strconv.Atoi(number); err == nil {
				at.line, text = line, message
			}
		}
	}
	r.errorf(at, "not YAML: %s", text)
}

// foul finds characters that would make the text look other than it is read.
func foul(text []byte) (line int, what string) {
	line = 1
	for i := 0; i < len(text); {
		c, n := utf8.DecodeRune(text[i:])
		switch {
		case c == '\n':
			line++
		case c == '\r' && i+1 < len(text) && text[i+1] == '\n', c == '\t':
		case c == utf8.RuneError && n == 1:
			return line, "not valid UTF-8"
		case brevet.Printable(string(c)) != string(c):
			return line, fmt.Sprintf("character U+%04X is not allowed", c)
		}
		i += n
	}
	return line, ""
}

// node turns a YAML node into one of ours. What it refuses becomes a null, so
// that reading goes on.
func (r *reader) node(y *yaml.Node, path, key string, depth int) *node {
	n := &node{line: max(y.Line, 1), path: path, key: key}
	switch {
	case y.Kind == yaml.AliasNode || y.Anchor != "":
		r.errorf(n, "anchors and aliases are not allowed: write it out")
		return n
	case depth > deepest:
		r.errorf(n, "nested too deeply")
		return n
	case y.Style&yaml.TaggedStyle != 0:
		return r.tagged(n, y, depth)
	}
	r.fill(n, y, depth)
	if n.kind == mappingNode && !r.simple {
		r.long(n)
	}
	return n
}

// fill reads what y holds into n.
func (r *reader) fill(n *node, y *yaml.Node, depth int) {
	switch y.Kind {
	case yaml.SequenceNode:
		n.kind = listNode
		for i, item := range y.Content {
			n.items = append(n.items, r.node(item, fmt.Sprintf("%s[%d]", n.path, i), "", depth+1))
		}
	case yaml.MappingNode:
		n.kind = mappingNode
		r.members(n, y, depth)
	default:
		n.value = r.scalar(n, y)
	}
}

func (r *reader) members(n *node, y *yaml.Node, depth int) {
	seen := map[string]int{}
	for i := 0; i+1 < len(y.Content); i += 2 {
		k, v := y.Content[i], y.Content[i+1]
		at := &node{line: max(k.Line, 1), path: n.path}
		if k.Kind != yaml.ScalarNode || k.Tag == "!!merge" || k.Anchor != "" || k.Style&yaml.TaggedStyle != 0 {
			r.errorf(at, "a key must be plain text")
			continue
		}
		at.path = joinPath(n.path, k.Value)
		if line, twice := seen[k.Value]; twice {
			r.errorf(at, "stands there twice; first in line %d", line)
			continue
		}
		seen[k.Value] = k.Line
		n.items = append(n.items, r.node(v, at.path, k.Value, depth+1))
	}
}

// scalar reads text, a number, true or false, or nothing. A number that is
// not written as it counts, such as an account that begins with 0, is refused.
func (r *reader) scalar(n *node, y *yaml.Node) any {
	switch y.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		return y.Value == "true" || y.Value == "True" || y.Value == "TRUE"
	case "!!int":
		i, err := strconv.ParseInt(y.Value, 10, 64)
		if err != nil || strconv.FormatInt(i, 10) != y.Value {
			r.errorf(n, "the number %s could be read in two ways: put it in quotes", quote(y.Value))
		}
		return i
	case "!!float":
		f, err := strconv.ParseFloat(y.Value, 64)
		if strings.Trim(y.Value, "0123456789_") == "" {
			r.errorf(n, "the number %s could be read in two ways: put it in quotes", quote(y.Value))
			return nil
		}
		if err != nil || f != f || f-f != 0 {
			r.errorf(n, "%s is not a number: put it in quotes", quote(y.Value))
			return nil
		}
		return f
	}
	return y.Value // dates too: CloudFormation knows none
}

// text reads a text, also one that is written as a number.
func (r *reader) text(n *node) string {
	s, ok := asText(n.value)
	if n.kind != scalarNode || !ok {
		r.errorf(n, "must be text, not %s", n.name())
		return ""
	}
	return s
}

// asText returns a scalar as CloudFormation would put it into a text.
func asText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

// each calls do for every member of a mapping.
func (r *reader) each(n *node, do func(*node)) {
	if n.kind != mappingNode {
		r.errorf(n, "must be a mapping (key: value), not %s", n.name())
		return
	}
	for _, item := range n.items {
		do(item)
	}
}

// fields reads a mapping whose keys are known; those in need must be there.
func (r *reader) fields(n *node, known map[string]func(*node), need ...string) {
	r.each(n, func(n *node) {
		if read, ok := known[n.key]; ok {
			read(n)
			return
		}
		var all []string
		for k := range known {
			all = append(all, k)
		}
		slices.Sort(all)
		r.errorf(n, "unknown key; known here: %s", strings.Join(all, ", "))
	})
	for _, key := range need {
		if n.kind == mappingNode && n.field(key) == nil {
			r.errorf(n.child(key, n), "is missing")
		}
	}
}

// still refuses functions where CloudFormation evaluates none.
func (r *reader) still(n *node) { r.stillIn(n, "this place") }

func (r *reader) stillIn(n *node, where string) {
	if n.kind == callNode {
		r.errorf(n, "%s has no place in %s", n.fn, where)
		return
	}
	for _, item := range n.items {
		r.stillIn(item, where)
	}
}

// quote makes a text of any length and origin safe for a message.
func quote(s string) string {
	if len(s) > 80 {
		s = strings.ToValidUTF8(s[:80], "") + "…"
	}
	return strconv.Quote(brevet.Printable(s))
}

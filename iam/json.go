package iam

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ParseError says what is wrong with a policy document, and where.
type ParseError struct {
	Path    string // "Statement[1].Condition.StringEquals"; "" for the whole
	Problem string // one lower-case sentence without a full stop
}

// Error returns the path and the problem.
func (e *ParseError) Error() string {
	if e.Path == "" {
		return "policy: " + e.Problem
	}
	return "policy: " + e.Path + ": " + e.Problem
}

func problem(path, format string, args ...any) error {
	return &ParseError{path, fmt.Sprintf(format, args...)}
}

// Limits on a document, far beyond AWS's own (its biggest managed policy has
// 95 kB).
const (
	maxDocument = 1 << 20 // bytes
	maxDepth    = 8
)

// node is a JSON value whose objects keep their order.
type node struct {
	kind    byte // { [ s n b 0: object, array, string, number, boolean, null
	text    string
	members []member
	items   []node
}

type member struct {
	name  string
	value node
}

var kinds = map[byte]string{'{': "an object", '[': "a list", 's': "a string", 'n': "a number", 'b': "a boolean", '0': "null"}

func (n node) String() string { return kinds[n.kind] }

// read reads one JSON text and nothing after it. No object may hold a name
// twice.
func read(data []byte) (node, error) {
	switch {
	case len(data) > maxDocument:
		return node{}, problem("", "%d bytes are too many; at most %d", len(data), maxDocument)
	case !utf8.Valid(data):
		return node{}, problem("", "not valid UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	n, err := readValue(d, "", 0)
	if err != nil {
		return node{}, err
	}
	if _, err := d.Token(); err != io.EOF {
		return node{}, problem("", "there is more after the end of the document")
	}
	return n, nil
}

func readValue(d *json.Decoder, path string, depth int) (node, error) {
	t, err := d.Token()
	if err != nil {
		return node{}, problem(path, "not valid JSON at byte %d", d.InputOffset())
	}
	switch v := t.(type) {
	case string:
		return node{kind: 's', text: v}, nil
	case json.Number:
		return node{kind: 'n', text: v.String()}, nil
	case bool:
		return node{kind: 'b', text: strconv.FormatBool(v)}, nil
	case json.Delim:
		if depth >= maxDepth {
			return node{}, problem(path, "nested too deeply")
		}
		if v == '{' {
			return readObject(d, path, depth+1)
		}
		return readArray(d, path, depth+1)
	}
	return node{kind: '0'}, nil
}

func readObject(d *json.Decoder, path string, depth int) (node, error) {
	n := node{kind: '{'}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return node{}, problem(path, "not valid JSON at byte %d", d.InputOffset())
		}
		at := join(path, name)
		if seen[name] {
			return node{}, problem(at, "comes twice")
		}
		seen[name] = true
		value, err := readValue(d, at, depth)
		if err != nil {
			return node{}, err
		}
		n.members = append(n.members, member{name, value})
	}
	return n, closing(d, path)
}

func readArray(d *json.Decoder, path string, depth int) (node, error) {
	n := node{kind: '['}
	for d.More() {
		item, err := readValue(d, index(path, len(n.items)), depth)
		if err != nil {
			return node{}, err
		}
		n.items = append(n.items, item)
	}
	return n, closing(d, path)
}

func closing(d *json.Decoder, path string) error {
	if _, err := d.Token(); err != nil {
		return problem(path, "not valid JSON at byte %d", d.InputOffset())
	}
	return nil
}

// join appends a name to a path, quoted where it could be misread.
func join(path, name string) string {
	if name == "" || len(name) > 80 || strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`.["`, r)
	}) {
		name = quote(name)
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// quote makes a text of the document safe for a message.
func quote(s string) string {
	if len(s) > 80 {
		s = strings.ToValidUTF8(s[:80], "") + "…"
	}
	return strconv.QuoteToASCII(s)
}

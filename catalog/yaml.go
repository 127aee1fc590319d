package catalog

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/brevet-access/brevet"
)

// The limits on a catalog's text.
const (
	maxText     = 1 << 20
	maxDepth    = 20  // the deepest field lies at 9
	maxProblems = 100 // so many are reported
	maxRoles    = 200
	maxSubjects = 1000 // in one list of people and groups
)

// problem is one thing that is wrong, and where.
type problem struct {
	line    int
	path    string
	message string
}

// reader collects what is wrong instead of stopping at it.
type reader struct {
	file     string
	problems []problem
}

// value is a node of the text and the path that leads to it.
type value struct {
	*yaml.Node
	path string
}

func (r *reader) errorf(v value, format string, args ...any) {
	r.problems = append(r.problems, problem{v.Line, v.path, fmt.Sprintf(format, args...)})
}

// err returns all problems as one error, in the order of the lines.
func (r *reader) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(r.problems, func(a, b problem) int { return cmp.Compare(a.line, b.line) })
	var lines []string
	for _, p := range r.problems[:min(len(r.problems), maxProblems)] {
		if p.path != "" {
			p.message = p.path + ": " + p.message
		}
		lines = append(lines, fmt.Sprintf("%s:%d: %s", r.file, p.line, p.message))
	}
	if more := len(r.problems) - maxProblems; more > 0 {
		lines = append(lines, fmt.Sprintf("%s: and %d more", r.file, more))
	}
	return brevet.Errorf(brevet.Invalid, "%s", strings.Join(lines, "\n"))
}

// document reads the text into a tree; false if there is none to go on with.
func (r *reader) document(text []byte) (value, bool) {
	none := value{&yaml.Node{Line: 1}, ""}
	if len(text) > maxText {
		r.errorf(none, "%d bytes are too many; at most %d", len(text), maxText)
		return none, false
	}
	if line, what := foul(text); what != "" {
		none.Line = line
		r.errorf(none, "%s", what)
		return none, false
	}
	var doc, more yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(text))
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		r.errorf(none, "the catalog is empty")
		return none, false
	} else if err != nil {
		r.syntax(err)
		return none, false
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		none.Line = max(more.Line, 1)
		r.errorf(none, "only one YAML document is allowed")
		return none, false
	}
	root := value{doc.Content[0], ""}
	before := len(r.problems)
	r.plain(root, 1)
	return root, len(r.problems) == before
}

// lazy compiles an expression at its first use: the client links this package
// and runs at every aws call, where a catalog is never read.
func lazy(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

var syntaxLine = lazy(`^yaml: (?:line (\d+): )?(.*)$`)

func (r *reader) syntax(err error) {
	at := value{&yaml.Node{Line: 1}, ""}
	text := brevet.Printable(strings.ReplaceAll(err.Error(), "\n", " "))
	if m := syntaxLine().FindStringSubmatch(text); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			at.Line = n
		}
		text = m[2]
	}
	r.errorf(at, "not YAML: %s", text)
}

// foul finds characters that would make the text look other than it is read:
// invalid UTF-8, control characters, odd line breaks, bidi controls.
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

// plain refuses what makes YAML hard to review or costly to read: anchors,
// aliases, tags, deep nesting.
func (r *reader) plain(v value, depth int) {
	switch {
	case v.Kind == yaml.AliasNode || v.Anchor != "":
		r.errorf(v, "anchors and aliases are not allowed: write it out")
		return
	case v.Style&yaml.TaggedStyle != 0:
		r.errorf(v, "the tag %s is not allowed", brevet.Printable(v.Tag))
		return
	case depth > maxDepth:
		r.errorf(v, "nested too deeply")
		return
	}
	for i, n := range v.Content {
		child := value{n, v.path}
		switch {
		case v.Kind == yaml.SequenceNode:
			child.path = fmt.Sprintf("%s[%d]", v.path, i)
		case v.Kind == yaml.MappingNode && i%2 == 1:
			child = v.field(v.Content[i-1].Value, n)
		}
		r.plain(child, depth+1)
	}
}

func (v value) field(key string, n *yaml.Node) value {
	key = brevet.Printable(key)
	if v.path != "" {
		key = v.path + "." + key
	}
	return value{n, key}
}

// kind names what a node is, for people.
func (v value) kind() string {
	switch v.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch v.Tag {
	case "!!str":
		return "text"
	case "!!null":
		return "nothing"
	case "!!bool":
		return "true or false"
	case "!!timestamp":
		return "a date"
	}
	return "a number"
}

// each calls do for every key of a mapping, in the order of the text. Keys
// that are no text or stand there twice are problems.
func (r *reader) each(v value, do func(key string, k, v value)) {
	if v.Kind != yaml.MappingNode {
		r.errorf(v, "must be a mapping (key: value), not %s", v.kind())
		return
	}
	seen := map[string]int{}
	for i := 0; i < len(v.Content); i += 2 {
		k := value{v.Content[i], v.path}
		if k.Kind != yaml.ScalarNode || k.Tag == "!!merge" {
			r.errorf(k, "a key must be text, not %s", k.kind())
			continue
		}
		field := v.field(k.Value, v.Content[i+1])
		if line, twice := seen[k.Value]; twice {
			r.errorf(value{k.Node, field.path}, "stands there twice; first in line %d", line)
			continue
		}
		seen[k.Value] = k.Line
		do(k.Value, value{k.Node, field.path}, field)
	}
}

// fields is how the keys of a mapping are read.
type fields map[string]func(v value)

// mapping reads a mapping whose keys are known. The keys in need must be
// there.
func (r *reader) mapping(v value, known fields, need ...string) {
	found := map[string]bool{}
	r.each(v, func(key string, k, v value) {
		read, ok := known[key]
		if !ok {
			r.errorf(k, "unknown key%s", didYouMean(key, known))
			return
		}
		found[key] = true
		read(v)
	})
	for _, key := range need {
		if !found[key] && v.Kind == yaml.MappingNode {
			r.errorf(v.field(key, v.Node), "missing")
		}
	}
}

// didYouMean suggests the known key that differs by case, - and _ only, else
// lists all.
func didYouMean(key string, known fields) string {
	var all []string
	for k := range known {
		if fold(k) == fold(key) {
			return "; do you mean " + k + "?"
		}
		all = append(all, k)
	}
	slices.Sort(all)
	return "; known here: " + strings.Join(all, ", ")
}

func fold(s string) string {
	return strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(s))
}

// list calls do for every item of a list.
func (r *reader) list(v value, do func(v value)) {
	if v.Kind != yaml.SequenceNode {
		r.errorf(v, "must be a list, not %s", v.kind())
		return
	}
	for i, n := range v.Content {
		do(value{n, fmt.Sprintf("%s[%d]", v.path, i)})
	}
}

// text reads a text that is not empty; "" after a problem.
func (r *reader) text(v value) string {
	switch {
	case v.Kind != yaml.ScalarNode || v.Tag == "!!null":
		r.errorf(v, "must be text, not %s", v.kind())
	case v.Tag != "!!str":
		r.errorf(v, "must be text, not %s: put it in quotes", v.kind())
	case strings.TrimSpace(v.Value) == "":
		r.errorf(v, "must not be empty")
	default:
		return v.Value
	}
	return ""
}

// line reads one line of text for people.
func (r *reader) line(v value) string {
	s := r.text(v)
	if s == "" {
		return ""
	}
	clean, err := brevet.CleanText("x", s, brevet.MaxName)
	if err != nil {
		r.errorf(v, "%s", strings.TrimPrefix(err.Error(), "x: "))
	}
	return clean
}

// matching reads a text that ok accepts; what says what it must be.
func (r *reader) matching(v value, ok func(string) bool, what string) string {
	s := r.text(v)
	if s != "" && !ok(s) {
		r.errorf(v, "%s is not %s", quote(s), what)
		return ""
	}
	return s
}

// quote quotes a text of any length for a message.
func quote(s string) string {
	if len(s) > 80 {
		s = strings.ToValidUTF8(s[:80], "") + "…"
	}
	return strconv.Quote(s)
}

// duration reads a duration between lo and hi; 0 after a problem.
func (r *reader) duration(v value, lo, hi time.Duration) time.Duration {
	s := r.text(v)
	if s == "" {
		return 0
	}
	d, err := brevet.ParseDuration(s)
	switch {
	case err != nil:
		r.errorf(v, "%s; write it like 4h or 1h30m", err)
	case d < lo || d > hi:
		r.errorf(v, "%s is not between %s and %s", s, brevet.FormatDuration(lo), brevet.FormatDuration(hi))
	default:
		return d
	}
	return 0
}

func (r *reader) rung(v value) brevet.Rung {
	s := r.text(v)
	if s == "" {
		return ""
	}
	rung, err := brevet.ParseRung(s)
	if err != nil {
		r.errorf(v, "%s", err)
	}
	return rung
}

func (r *reader) boolean(v value) bool {
	if v.Kind != yaml.ScalarNode || v.Tag != "!!bool" {
		r.errorf(v, "must be true or false")
	}
	return v.Value == "true"
}

// integer reads a decimal integer of at least lo and at most a million.
func (r *reader) integer(v value, lo int) int {
	n, err := strconv.Atoi(v.Value)
	if v.Kind != yaml.ScalarNode || v.Tag != "!!int" || err != nil || n < lo || n > 1e6 {
		r.errorf(v, "must be a whole number from %d on", lo)
		return lo
	}
	return n
}

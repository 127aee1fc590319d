package oncall

import (
	"strings"
	"unicode/utf8"
)

// maxDepth bounds how components nest; RFC 5545 needs three.
const maxDepth = 5

// property is a content line.
type property struct {
	name   string // upper case
	params map[string]string
	value  string
}

// component is what stands between BEGIN and END.
type component struct {
	name  string
	lines []property
	parts []*component
}

// components reads a VCALENDAR.
func components(text string) (*component, error) {
	if !utf8.ValidString(text) {
		return nil, bad("it is not UTF-8")
	}
	top := &component{}
	open := []*component{top}
	for line := range strings.SplitSeq(unfold(text), "\n") {
		if line = strings.TrimRight(line, "\r"); line == "" {
			continue
		}
		p, ok := parseLine(line)
		if !ok {
			return nil, bad("it is not a calendar: a line is malformed")
		}
		at := open[len(open)-1]
		switch name := strings.ToUpper(p.value); {
		case p.name == "BEGIN" && len(open) <= maxDepth:
			c := &component{name: name}
			at.parts = append(at.parts, c)
			open = append(open, c)
		case p.name == "BEGIN":
			return nil, bad("it is not a calendar: nested too deeply")
		case p.name == "END" && len(open) > 1 && at.name == name:
			open = open[:len(open)-1]
		case p.name == "END" || len(open) == 1:
			return nil, bad("it is not a calendar: BEGIN and END do not match")
		default:
			at.lines = append(at.lines, p)
		}
	}
	if len(open) != 1 || len(top.parts) != 1 || top.parts[0].name != "VCALENDAR" {
		return nil, bad("it is not one whole VCALENDAR")
	}
	return top.parts[0], nil
}

// unfold joins lines that were folded (RFC 5545, 3.1).
func unfold(text string) string {
	return strings.NewReplacer("\r\n ", "", "\r\n\t", "", "\n ", "", "\n\t", "").Replace(text)
}

// parseLine reads NAME;PARAM=VALUE;PARAM="VALUE":VALUE.
func parseLine(line string) (p property, ok bool) {
	end := strings.IndexAny(line, ":;")
	if end <= 0 {
		return p, false
	}
	p.name, p.params = strings.ToUpper(line[:end]), map[string]string{}
	rest := line[end:]
	for strings.HasPrefix(rest, ";") {
		key, after, found := strings.Cut(rest[1:], "=")
		if !found || key == "" || strings.ContainsAny(key, `:;"`) {
			return p, false
		}
		value := ""
		if strings.HasPrefix(after, `"`) {
			if value, after, found = strings.Cut(after[1:], `"`); !found {
				return p, false
			}
		} else {
			end := strings.IndexAny(after, ":;")
			if end < 0 {
				return p, false
			}
			value, after = after[:end], after[end:]
		}
		p.params[strings.ToUpper(key)] = value
		for strings.HasPrefix(after, ",") { // further values of the parameter are not needed
			end := strings.IndexAny(after, ":;")
			if end < 0 {
				return p, false
			}
			after = after[end:]
		}
		rest = after
	}
	p.value, ok = strings.CutPrefix(rest, ":")
	return p, ok
}

// all returns the parts of that name.
func (c *component) all(name string) []*component {
	var out []*component
	for _, p := range c.parts {
		if p.name == name {
			out = append(out, p)
		}
	}
	return out
}

func (c *component) props(name string) []property {
	var out []property
	for _, p := range c.lines {
		if p.name == name {
			out = append(out, p)
		}
	}
	return out
}

func (c *component) first(name string) *property {
	for i := range c.lines {
		if c.lines[i].name == name {
			return &c.lines[i]
		}
	}
	return nil
}

// value returns the text of the first property of that name.
func (c *component) value(name string) string {
	p := c.first(name)
	if p == nil {
		return ""
	}
	return unescape.Replace(p.value)
}

// unescape reads TEXT (RFC 5545, 3.3.11).
var unescape = strings.NewReplacer(`\\`, `\`, `\;`, `;`, `\,`, `,`, `\n`, " ", `\N`, " ")

package stack

import (
	"encoding/json"
	"fmt"
	"strings"
)

// yamlMap is a YAML mapping that keeps its order, yamlList a sequence. They
// hold each other, strings, numbers and truth values. A string with a
// reference in it (${…}) is printed with !Sub.
type (
	yamlMap  []yamlPair
	yamlPair struct {
		key   string
		value any
	}
	yamlList []any
	yamlRef  string // CloudFormation's !Ref
)

func refTo(name string) yamlRef { return yamlRef(name) }

// plainJSON is json.Marshal that leaves < > & as they are.
func plainJSON(v any) ([]byte, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return []byte(strings.TrimSuffix(b.String(), "\n")), nil
}

// yamlText prints the value as YAML, without indentation at its first level.
func printYAML(v any) string {
	var b strings.Builder
	writeYAML(&b, v, "")
	return strings.TrimPrefix(b.String(), "\n")
}

func writeYAML(b *strings.Builder, v any, indent string) {
	switch v := v.(type) {
	case yamlMap:
		for _, p := range v {
			b.WriteString("\n" + indent + yamlScalar(p.key) + ":")
			writeYAML(b, p.value, indent+"  ")
		}
	case yamlList:
		for _, e := range v {
			var item strings.Builder
			writeYAML(&item, e, indent+"  ")
			b.WriteString("\n" + indent + "- " + strings.TrimLeft(item.String(), " \n"))
		}
	case string:
		b.WriteString(" " + yamlScalar(v))
	case yamlRef:
		b.WriteString(" !Ref " + string(v))
	default:
		fmt.Fprintf(b, " %v", v)
	}
}

// plainScalar is what YAML and everybody reads as a text without quotes.
var plainScalar = lazy{expr: `^[A-Za-z$][A-Za-z0-9_./$-]*(::[A-Za-z0-9]+)*( [A-Za-z0-9_./-]+)*$`}

func yamlScalar(s string) string {
	tag := ""
	if strings.Contains(s, "${") {
		tag = "!Sub "
	}
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "null", "y", "n":
	default:
		if tag == "" && plainScalar.regexp().MatchString(s) {
			return s
		}
	}
	return tag + "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

// fill replaces @name@ by its value. A line that holds nothing else becomes
// the lines of the value, each indented as it was. A line that begins with a
// flag, @name@ too, is kept without it where the flag is true, and dropped
// where it is false.
func fillSkeleton(skeleton string, values map[string]string, flags map[string]bool) string {
	var pairs []string
	for name, value := range values {
		pairs = append(pairs, "@"+name+"@", value)
	}
	replace := strings.NewReplacer(pairs...)
	var b strings.Builder
	for line := range strings.Lines(skeleton) {
		keep := true
		for name, on := range flags {
			if rest, ok := strings.CutPrefix(line, "@"+name+"@"); ok {
				line, keep = rest, on
			}
		}
		if !keep {
			continue
		}
		name := strings.TrimSpace(line)
		indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
		value, ok := values[strings.Trim(name, "@")]
		if !ok || name != "@"+strings.Trim(name, "@")+"@" {
			b.WriteString(replace.Replace(line))
			continue
		}
		for l := range strings.Lines(strings.TrimSuffix(value, "\n") + "\n") {
			if l != "\n" {
				b.WriteString(indent)
			}
			b.WriteString(l)
		}
	}
	return b.String()
}

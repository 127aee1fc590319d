package stack

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/brevet-access/brevet/iam"
)

// Values for Terraform. They are mappings, lists, strings, numbers and truth
// values as those of the templates; besides, what Terraform alone computes.
type (
	hclExpr  string // an expression, printed as it is
	hclMerge struct {
		first yamlMap
		with  hclExpr // an expression: a map that is merged into first
	}
	hclSaid struct {
		why   string // comment lines above the value
		value any
	}
)

// policyHCL returns the elements of a policy, for jsonencode. A text with a
// placeholder becomes a template; IAM's own variables stay what they are.
func policyHCL(clauses []clause) yamlMap {
	return policyWith(clauses, "", "")
}

// policyWith is policyHCL with another effect and further conditions for
// every statement, both expressions; "" changes nothing.
func policyWith(clauses []clause, effect, conditions hclExpr) yamlMap {
	var list yamlList
	for _, c := range clauses {
		list = append(list, hclSaid{c.why, statementHCL(c.Statement, effect, conditions)})
	}
	return yamlMap{{"Version", iam.Version2012}, {"Statement", list}}
}

func statementHCL(s iam.Statement, effect, conditions hclExpr) yamlMap {
	var m yamlMap
	put := func(key string, value any) { m = append(m, yamlPair{key, value}) }
	if s.Sid != "" {
		put("Sid", s.Sid)
	}
	if effect != "" {
		put("Effect", effect)
	} else {
		put("Effect", string(s.Effect))
	}
	if s.Principal != nil {
		put("Principal", principalsHCL(s.Principal))
	}
	for _, e := range []struct {
		key    string
		values []string
	}{{"Action", s.Action}, {"NotAction", s.NotAction}, {"Resource", s.Resource}, {"NotResource", s.NotResource}} {
		if len(e.values) > 0 {
			put(e.key, oneOrMany(e.values))
		}
	}
	switch given := conditionsHCL(s.Conditions); {
	case conditions != "":
		put("Condition", hclMerge{given, conditions})
	case given != nil:
		put("Condition", given)
	}
	return m
}

func principalsHCL(p *iam.Principals) any {
	if p.Everyone {
		return "*"
	}
	var m yamlMap
	for _, e := range []struct {
		key    string
		values []string
	}{{"AWS", p.AWS}, {"Federated", p.Federated}, {"Service", p.Service}, {"CanonicalUser", p.CanonicalUser}} {
		if len(e.values) > 0 {
			m = append(m, yamlPair{e.key, oneOrMany(e.values)})
		}
	}
	return m
}

func conditionsHCL(list []iam.Condition) (m yamlMap) {
	for _, c := range slices.SortedStableFunc(slices.Values(list), func(a, b iam.Condition) int {
		if d := strings.Compare(a.Operator, b.Operator); d != 0 {
			return d
		}
		return strings.Compare(a.Key, b.Key)
	}) {
		if n := len(m); n == 0 || m[n-1].key != c.Operator {
			m = append(m, yamlPair{c.Operator, yamlMap{}})
		}
		last := &m[len(m)-1]
		last.value = append(last.value.(yamlMap), yamlPair{c.Key, oneOrMany(c.Values)})
	}
	return m
}

func oneOrMany(values []string) any {
	if len(values) == 1 {
		return values[0]
	}
	var out yamlList
	for _, v := range values {
		out = append(out, v)
	}
	return out
}

// hclInner prints the elements of a mapping, without its braces.
func hclInner(m yamlMap) string {
	var b strings.Builder
	for _, p := range m {
		writeComment(&b, p.value, "")
		b.WriteString(hclKey(p.key) + " = ")
		writeHCL(&b, p.value, "")
		b.WriteByte('\n')
	}
	return b.String()
}

// writeHCL prints a value whose first line is begun already.
func writeHCL(b *strings.Builder, v any, indent string) {
	deeper := indent + "  "
	switch v := v.(type) {
	case yamlMap:
		b.WriteString("{\n")
		for _, p := range v {
			writeComment(b, p.value, deeper)
			b.WriteString(deeper + hclKey(p.key) + " = ")
			writeHCL(b, p.value, deeper)
			b.WriteByte('\n')
		}
		b.WriteString(indent + "}")
	case yamlList:
		if short, ok := shortList(v); ok && len(indent)+len(short) <= width {
			b.WriteString(short)
			return
		}
		b.WriteString("[\n")
		for _, e := range v {
			writeComment(b, e, deeper)
			b.WriteString(deeper)
			writeHCL(b, e, deeper)
			b.WriteString(",\n")
		}
		b.WriteString(indent + "]")
	case hclSaid:
		writeHCL(b, v.value, indent)
	case hclMerge:
		b.WriteString("merge(")
		writeHCL(b, v.first, indent)
		b.WriteString(", " + string(v.with) + ")")
	case hclExpr:
		b.WriteString(string(v))
	case yamlRef:
		b.WriteString(hclName(string(v)))
	case string:
		b.WriteString(hclText(v))
	default:
		fmt.Fprint(b, v)
	}
}

func writeComment(b *strings.Builder, v any, indent string) {
	if said, ok := v.(hclSaid); ok && said.why != "" {
		for line := range strings.Lines(said.why) {
			b.WriteString(indent + "# " + strings.TrimSpace(line) + "\n")
		}
	}
}

// shortList prints a list of scalars on one line.
func shortList(l yamlList) (string, bool) {
	var b strings.Builder
	b.WriteByte('[')
	for i, e := range l {
		switch e.(type) {
		case yamlMap, yamlList, hclSaid, hclMerge:
			return "", false
		}
		if i > 0 {
			b.WriteString(", ")
		}
		writeHCL(&b, e, "")
	}
	b.WriteByte(']')
	return b.String(), true
}

var (
	hclWord   = lazy{expr: `^[A-Za-z][A-Za-z0-9_]*$`}
	hclHolder = lazy{expr: `\$\{(AWS::)?[A-Z][A-Za-z]+\}`}
	hclCamel  = lazy{expr: `[A-Z][a-z]*`}
)

func hclKey(s string) string {
	if hclWord.regexp().MatchString(s) {
		return s
	}
	return hclText(s)
}

// hclName returns what stands in the module for a parameter or pseudo
// parameter of the templates.
func hclName(parameter string) string {
	switch parameter {
	case "AWS::Partition":
		return "local.partition"
	case "AWS::AccountId":
		return "local.account"
	case "AWS::Region":
		return "local.region"
	}
	return "var." + strings.ToLower(strings.TrimPrefix(hclCamel.regexp().ReplaceAllString(parameter, "_$0"), "_"))
}

// hclText prints a string. One that is nothing but a placeholder becomes the
// expression itself.
func hclText(s string) string {
	if m := hclHolder.regexp().FindString(s); m == s && m != "" {
		return hclName(m[2 : len(m)-1])
	}
	return `"` + hclTemplate(s, func(part string) string {
		q := strconv.Quote(part)
		return q[1 : len(q)-1]
	}) + `"`
}

// hclTemplate returns s with placeholders as Terraform's, and with whatever
// else Terraform would take for one written so that it does not.
func hclTemplate(s string, plain func(string) string) string {
	var b strings.Builder
	at := 0
	text := func(part string) {
		part = strings.ReplaceAll(part, "${", "$${")
		b.WriteString(plain(strings.ReplaceAll(part, "%{", "%%{")))
	}
	for _, m := range hclHolder.regexp().FindAllStringIndex(s, -1) {
		text(s[at:m[0]])
		b.WriteString("${" + hclName(s[m[0]+2:m[1]-1]) + "}")
		at = m[1]
	}
	text(s[at:])
	return b.String()
}

var hclAssignment = lazy{expr: `^(\s*(?:"[^"]*"|[A-Za-z0-9_.-]+)) += (.*)$`}

// alignHCL puts the equals signs of neighbouring lines below each other, as
// terraform fmt does: of lines that follow one another and each hold a whole
// assignment. What stands in a heredoc is left alone.
func alignHCL(text string) string {
	lines := strings.Split(text, "\n")
	var run [][]string // the assignments of the present run, which ends before line i
	flush := func(i int) {
		longest := 0
		for _, m := range run {
			longest = max(longest, len(m[1]))
		}
		for j, m := range run {
			lines[i-len(run)+j] = m[1] + strings.Repeat(" ", longest-len(m[1])) + " = " + m[2]
		}
		run = nil
	}
	heredoc := ""
	for i, line := range lines {
		if heredoc != "" {
			if strings.TrimSpace(line) == heredoc {
				heredoc = ""
			}
			continue
		}
		m := hclAssignment.regexp().FindStringSubmatch(line)
		if _, end, ok := strings.Cut(line, "<<-"); ok {
			heredoc = strings.TrimSpace(end)
		}
		if m == nil || heredoc != "" || !balanced(m[2]) {
			flush(i)
			continue
		}
		run = append(run, m)
	}
	flush(len(lines))
	return strings.Join(lines, "\n")
}

// balanced reports whether every bracket that s opens is closed, strings left
// out.
func balanced(s string) bool {
	depth, inside := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case inside && c == '\\':
			i++
		case c == '"':
			inside = !inside
		case inside:
		case strings.IndexByte("([{", c) >= 0:
			depth++
		case strings.IndexByte(")]}", c) >= 0:
			depth--
		}
	}
	return depth == 0 && !inside
}

package stack

import (
	"slices"
	"strconv"
	"strings"

	"github.com/brevet-access/brevet/iam"
)

// width is the column up to which a list stays on one line.
const width = 100

// policyYAML prints a policy for a CloudFormation template. Text with a placeholder of ours
// becomes !Sub or !Ref; IAM's own variables stay what they are. Elements have
// AWS's order, conditions are sorted, so that the same policy is always the
// same text.
type policyYAML struct {
	indent    int      // of the place where it will stand, which fillSkeleton adds
	effect    string   // written for the effect of every statement, "": its own
	condition []string // lines added to the condition of every statement

	out strings.Builder
}

func (w *policyYAML) print(clauses []clause) string {
	w.line(0, "Version: '"+iam.Version2012+"'")
	w.line(0, "Statement:")
	for _, c := range clauses {
		for why := range strings.Lines(c.why) {
			w.line(2, "# "+strings.TrimSpace(why))
		}
		w.statement(&c.Statement)
	}
	return w.out.String()
}

func (w *policyYAML) line(deeper int, s string) {
	w.out.WriteString(strings.Repeat(" ", deeper))
	w.out.WriteString(s)
	w.out.WriteByte('\n')
}

func (w *policyYAML) statement(s *iam.Statement) {
	first := "- "
	put := func(name, value string) {
		w.line(2, first+name+": "+value)
		first = "  "
	}
	if s.Sid != "" {
		put("Sid", yamlString(s.Sid))
	}
	if w.effect != "" {
		put("Effect", w.effect)
	} else {
		put("Effect", yamlString(string(s.Effect)))
	}
	w.principals("Principal", s.Principal)
	w.principals("NotPrincipal", s.NotPrincipal)
	w.list(4, "Action", s.Action)
	w.list(4, "NotAction", s.NotAction)
	w.list(4, "Resource", s.Resource)
	w.list(4, "NotResource", s.NotResource)
	w.conditions(s.Conditions)
}

func (w *policyYAML) principals(name string, p *iam.Principals) {
	if p == nil {
		return
	}
	if p.Everyone {
		w.line(4, name+": '*'")
		return
	}
	w.line(4, name+":")
	w.list(6, "AWS", p.AWS)
	w.list(6, "Federated", p.Federated)
	w.list(6, "Service", p.Service)
	w.list(6, "CanonicalUser", p.CanonicalUser)
}

func (w *policyYAML) conditions(list []iam.Condition) {
	if len(list)+len(w.condition) == 0 {
		return
	}
	w.line(4, "Condition:")
	last := ""
	for _, c := range slices.SortedStableFunc(slices.Values(list), func(a, b iam.Condition) int {
		if d := strings.Compare(a.Operator, b.Operator); d != 0 {
			return d
		}
		return strings.Compare(a.Key, b.Key)
	}) {
		if c.Operator != last {
			w.line(6, yamlString(c.Operator)+":")
			last = c.Operator
		}
		w.list(8, yamlString(c.Key), c.Values)
	}
	for _, s := range w.condition {
		w.line(6, s)
	}
}

// list writes one value as itself, few on one line, many below each other.
func (w *policyYAML) list(deeper int, name string, values []string) {
	if values == nil {
		return
	}
	items := make([]string, len(values))
	for i, v := range values {
		items[i] = yamlString(v)
	}
	short := name + ": [" + strings.Join(items, ", ") + "]"
	switch {
	case len(items) == 1:
		w.line(deeper, name+": "+items[0])
	case w.indent+deeper+len(short) <= width:
		w.line(deeper, short)
	default:
		w.line(deeper, name+":")
		for _, v := range items {
			w.line(deeper+2, "- "+v)
		}
	}
}

var (
	placeholder = lazy{expr: `\$\{(AWS::[A-Za-z]+|Audience|BrokerRoleArn|ExternalId|LogGroupName|WorkloadPath)\}`}
	wholly      = lazy{expr: `^\$\{([A-Za-z:]+)\}$`}
	bare        = lazy{expr: `^[A-Za-z_/](?:[A-Za-z0-9_./:*?@=+-]*[A-Za-z0-9_./*?@=+-])?$`}
	notText     = lazy{expr: `(?i)^(true|false|yes|no|on|off|y|n|null)$`}
)

// yamlString writes a string so that YAML reads the same string: what could be
// a number, a date, a truth value or an alias is quoted. One with a
// placeholder is written for CloudFormation to fill in, and what IAM fills in
// is kept from it.
func yamlString(s string) string {
	if !placeholder.regexp().MatchString(s) {
		return yamlPlain(s)
	}
	if m := wholly.regexp().FindStringSubmatch(s); m != nil {
		return "!Ref " + m[1]
	}
	var b strings.Builder
	at := 0
	for _, m := range placeholder.regexp().FindAllStringIndex(s, -1) {
		b.WriteString(strings.ReplaceAll(s[at:m[0]], "${", "${!"))
		b.WriteString(s[m[0]:m[1]])
		at = m[1]
	}
	b.WriteString(strings.ReplaceAll(s[at:], "${", "${!"))
	return "!Sub " + yamlQuoted(b.String())
}

func yamlPlain(s string) string {
	if bare.regexp().MatchString(s) && !notText.regexp().MatchString(s) {
		return s
	}
	return yamlQuoted(s)
}

func yamlQuoted(s string) string {
	for _, c := range s {
		if c < ' ' || c == 0x7f || c > 0x7e && !strconv.IsPrint(c) || c == '\uFFFD' {
			return strconv.QuoteToASCII(s)
		}
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

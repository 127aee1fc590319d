package iam

import (
	"slices"
	"strings"
)

// meant is the subjects that a policy has in mind: what its patterns say when
// their wildcards are taken away.
type meant struct {
	tenants  map[string]bool
	projects map[string]bool // tenant and project, joined as in the subject
	details  map[string]bool // tenant, project and detail, where the pattern of the last has no wildcard
}

// stray is a subject of the hostile corpus, in its fields.
type stray struct {
	fields  []string
	foreign part // the first part that is not as meant
	meant   bool // everything is
}

// split takes a pattern of a subject into its fields; what a wildcard
// swallows is "*". It is not ok if the pattern has another form.
func (is *issuer) split(pattern string) (fields []string, ok bool) {
	fields = slices.Repeat([]string{"*"}, len(is.subject))
	if len(fields) == 0 {
		return nil, true
	}
	rest, found := strings.CutPrefix(pattern, is.subject[0].before)
	if !found {
		return fields, wildBefore(pattern, is.subject[0].before)
	}
	for i := 0; i < len(fields); {
		value, next, after := is.cut(rest, i)
		fields[i] = value
		if next < 0 {
			return fields, i == len(fields)-1 || wild(rest)
		}
		i, rest = next, after
	}
	return fields, true
}

// cut takes the value of field i off a pattern: up to the separator that
// comes first, of whichever field. No value has a colon in it, but the
// last's; a wildcard behind one has swallowed the rest.
func (is *issuer) cut(rest string, i int) (value string, next int, after string) {
	if i == len(is.subject)-1 {
		return rest, -1, ""
	}
	end, next := len(rest), -1
	for j := i + 1; j < len(is.subject); j++ {
		if at := strings.Index(rest, is.subject[j].before); at >= 0 && at < end {
			end, next = at, j
		}
	}
	if next >= 0 {
		return rest[:end], next, rest[end+len(is.subject[next].before):]
	}
	value, _, _ = strings.Cut(rest, ":")
	return value, -1, ""
}

// wildBefore reports whether a wildcard stands in a pattern before it differs
// from a prefix.
func wildBefore(pattern, prefix string) bool {
	n := 0
	for n < len(pattern) && n < len(prefix) && pattern[n] == prefix[n] {
		n++
	}
	return n < len(pattern) && (pattern[n] == '*' || pattern[n] == '?')
}

func (is *issuer) join(fields []string) string {
	var b strings.Builder
	for i, f := range is.subject {
		b.WriteString(f.before + fields[i])
	}
	return b.String()
}

func wild(s string) bool { return strings.ContainsAny(s, "*?") }

// bare is a pattern without its wildcards.
func bare(s string) string { return strings.NewReplacer("*", "", "?", "").Replace(s) }

// lookalikes are names that a stranger could take to be mistaken for name.
func lookalikes(name string) []string {
	out := []string{"attacker"}
	if name == "" {
		return append(out, "x", "evil", "attacker@1", digitsOfEvil)
	}
	out = append(out, swapCase(name), name+"-evil", name+"evil", "evil-"+name, "evil"+name, name+"@1", "attacker@1", name+"@"+digitsOfEvil, name+"%3Aevil", name+".evil", name+"2", "evil-"+name+"-evil")
	if len(name) > 1 {
		out = append(out, name[:len(name)-1], name[1:])
	}
	if before, _, ok := strings.Cut(name, "@"); ok { // the name was given to somebody else
		out = append(out, before+"@"+digitsOfEvil, before)
	}
	return slices.DeleteFunc(out, func(s string) bool { return s == name })
}

func swapCase(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 32
		case 'A' <= r && r <= 'Z':
			return r + 32
		}
		return r
	}, s)
}

// mostPatterns is how many patterns of subjects are searched around; a trust
// policy of the length that AWS allows has no room for more.
const mostPatterns = 64

// hostile returns the corpus for patterns of subjects: every foreign tenant
// and look-alike with the rest as the pattern wants it, every other project
// of the same tenant, every other run of the same project.
func (is *issuer) hostile(patterns []string, m meant) []stray {
	var out []stray
	for _, p := range patterns[:min(len(patterns), mostPatterns)] {
		if fields, ok := is.split(p); ok {
			out = append(out, is.around(fields, p, m)...)
		}
	}
	return out
}

func (is *issuer) around(pattern []string, whole string, m meant) []stray {
	choices := make([][]string, len(pattern)) // the first few are what the pattern may stand for
	for i, f := range is.subject {
		name := bare(pattern[i])
		choices[i] = append(choices[i], f.plausible(pattern[i]))
		if name != "" && f.part != detail {
			choices[i] = append(choices[i], name)
		}
		switch f.part {
		case tenant:
			choices[i] = append(choices[i], lookalikes(name)...)
		case project:
			choices[i] = append(choices[i], "other", name+"-evil", "evil-"+name, name+"evil", swapCase(name), name+"@1")
		case detail:
			choices[i] = append(choices[i], is.injected(whole))
			choices[i] = append(choices[i], f.others...)
			choices[i] = append(choices[i], f.plausible(pattern[i])+"-evil")
		}
	}
	var out []stray
	fields := make([]string, len(choices))
	var fill func(i int, foreign bool)
	fill = func(i int, foreign bool) {
		if i == len(choices) {
			out = append(out, is.judge(slices.Clone(fields), m))
			return
		}
		for n, c := range choices[i] {
			if foreign && n > 2 || !wild(whole) && n > 4 { // one thing is wrong already, or few can fit
				break
			}
			if fields[i] = c; c != "" || i == len(choices)-1 {
				fill(i+1, foreign || !is.known(fields[:i+1], m))
			}
		}
	}
	fill(0, false)
	return out
}

// known reports whether the policy means a tenant, or a project of it.
func (is *issuer) known(fields []string, m meant) bool {
	who, what := is.names(fields)
	switch {
	case is.subject[len(fields)-1].part == tenant:
		return m.tenants[who]
	case len(fields) < len(is.subject) && is.subject[len(fields)].part == detail:
		return m.projects[what]
	}
	return true
}

// names are the tenant, and the tenant and project, of a subject.
func (is *issuer) names(fields []string) (who, what string) {
	for i, value := range fields {
		if is.subject[i].part == tenant {
			who += "/" + value
		}
		if is.subject[i].part != detail {
			what += "/" + value
		}
	}
	return who, what
}

// plausible is what a pattern of the field may stand for.
func (f field) plausible(pattern string) string {
	if bare(pattern) != "" {
		return concrete(pattern)
	}
	if len(f.others) > 0 {
		return f.others[len(f.others)-1]
	}
	if f.part == tenant {
		return "attacker"
	}
	return "evil"
}

// injected is a branch that is named like what the policy looks for. GitHub
// and GitLab write a colon in a name as %3A.
func (is *issuer) injected(pattern string) string {
	name := concrete(pattern)
	if !is.injects {
		name = strings.ReplaceAll(name, ":", "%3A")
	}
	switch is.name {
	case "GitHub":
		return "ref:refs/heads/" + name
	case "GitLab":
		return "branch:ref:" + name
	case "Buildkite":
		return "refs/heads/" + name
	}
	return name
}

// judge says how far a subject is what the policy means.
func (is *issuer) judge(fields []string, m meant) stray {
	s := stray{fields: fields, foreign: detail}
	who, what := is.names(fields)
	switch {
	case !m.tenants[who]:
		s.foreign = tenant
	case !m.projects[what]:
		s.foreign = project
	case m.details[what+"/"+essence(fields[len(fields)-1])]:
		s.meant = true
	}
	return s
}

// essence is what matters of the last field: no policy names a commit.
func essence(detail string) string {
	before, _, _ := strings.Cut(detail, ":commit:")
	return before
}

// meaning collects what the policy means by its patterns.
func (is *issuer) meaning(patterns []string) meant {
	m := meant{tenants: map[string]bool{}, projects: map[string]bool{}, details: map[string]bool{}}
	for _, p := range patterns {
		fields, ok := is.split(p)
		if !ok || len(fields) == 0 {
			continue
		}
		names, whole := make([]string, len(fields)), true
		for i, f := range fields {
			names[i] = bare(f)
			whole = whole && names[i] != ""
		}
		who, what := is.names(names)
		m.tenants[who] = m.tenants[who] || who != "/"
		m.projects[what] = m.projects[what] || !strings.HasSuffix(what, "/") && !strings.Contains(what, "//")
		if last := essence(fields[len(fields)-1]); whole && !wild(last) {
			m.details[what+"/"+last] = true
		}
	}
	return m
}

// tell puts the claims of a subject into the context: those that follow from
// what is foreign in it. Others stay as the policy wants them, since whoever
// runs a job chooses them. Those that nobody asked for are left out.
func (is *issuer) tell(ctx Context, host string, s stray, asked func(claim string) bool) {
	set := func(name, value string) {
		key := strings.ToLower(host + ":" + name)
		if delete(ctx, key); value != "" {
			ctx[key] = []string{value}
		}
	}
	for _, c := range is.claims {
		if s.foreign > c.part || c.part == detail || !asked(c.name) {
			continue
		}
		value := c.form
		if value == "" {
			value = digitsOfEvil
		}
		for i, f := range s.fields {
			value = strings.ReplaceAll(value, "{"+string(rune('0'+i))+"}", f)
		}
		if strings.Contains(value, "{") {
			value = "attacker"
		}
		set(c.name, value)
	}
	if is.onDetail != nil && s.foreign == detail && len(s.fields) > 0 {
		for name, value := range is.onDetail(s.fields[len(s.fields)-1]) {
			set(name, value)
		}
	}
	set("sub", is.join(s.fields))
}

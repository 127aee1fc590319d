package iam

import (
	"slices"
	"strings"
)

// federated searches the tokens of one provider.
func (c *search) federated(provider string) {
	if strings.Contains(provider, ":saml-provider/") {
		c.saml(provider)
		return
	}
	action, resource, ok := c.what("sts:AssumeRoleWithWebIdentity")
	if !ok || c.kind != TrustPolicy {
		return
	}
	is, host := issuerOf(provider)
	t := &tokens{search: c, issuer: is, host: host, sub: host + ":sub", aud: host + ":aud",
		base: try{caller: Caller{Kind: KindFederated, Federated: provider}, action: action, resource: resource, issuer: host}}
	t.base.context = t.usual()
	t.run()
}

// tokens is the search among the tokens of one issuer.
type tokens struct {
	*search
	issuer   *issuer
	host     string
	sub, aud string // the condition keys
	base     try    // a token that the statement wants
	meant    meant
}

// usual is a context that meets the conditions, with every claim that tokens
// of the issuer have, sent from where strangers are.
func (t *tokens) usual() Context {
	ctx := copyOf(t.meets)
	for _, key := range []string{t.sub, t.aud} {
		if _, ok := ctx[strings.ToLower(key)]; !ok {
			ctx[strings.ToLower(key)] = []string{"x"}
		}
	}
	elsewhere(ctx)
	if t.issuer.shared { // such tokens carry no tags
		for k := range ctx {
			if strings.HasPrefix(k, "aws:requesttag/") || k == "aws:tagkeys" || k == "sts:sourceidentity" {
				delete(ctx, k)
			}
		}
	}
	return ctx
}

// elsewhere moves a request to where strangers are.
func elsewhere(ctx Context) {
	for k, v := range map[string]string{"aws:sourceip": "198.51.100.66", "aws:vpcsourceip": "198.51.100.66", "aws:sourcevpc": "vpc-66666666",
		"aws:sourcevpce": "vpce-66666666"} {
		if _, ok := ctx[k]; ok || k == "aws:sourceip" {
			ctx[k] = []string{v}
		}
	}
}

func (t *tokens) run() {
	patterns := t.intended()
	t.meant = t.issuer.meaning(patterns)
	t.audience()
	t.absent()
	switch {
	case t.issuer.byAud:
		t.tenantByAudience()
	case t.issuer.subject != nil:
		t.strays(patterns)
	default:
		t.anyone()
	}
	t.customSubject()
	t.mutable()
	t.borrowed()
	t.withheld()
	t.runners()
	t.phases(patterns)
}

// intended is the patterns of subjects that the conditions ask for, some of
// which come from other claims.
func (t *tokens) intended() []string {
	out := t.statement.patterns(t.sub)
	for _, cl := range t.issuer.claims {
		if !strings.HasPrefix(cl.form, "{0}") {
			continue
		}
		for _, v := range t.statement.patterns(t.host + ":" + cl.name) {
			fields := slices.Repeat([]string{"*"}, len(t.issuer.subject))
			for i, part := range strings.SplitN(v, "/", 3) {
				if i < strings.Count(cl.form, "{") && i < len(fields) {
					fields[i] = part
				}
			}
			out = append(out, t.issuer.join(fields))
		}
	}
	if len(out) == 0 {
		out = []string{"*"}
	}
	return out
}

// tell makes the try of a stray.
func (t *tokens) tell(s stray, who string) try {
	out := t.base
	out.who = who
	out.context = copyOf(t.base.context)
	t.issuer.tell(out.context, t.host, s, t.asked)
	return out
}

// asked reports whether the policy has a condition on a claim.
func (t *tokens) asked(claim string) bool { return t.alone.mentions(t.host + ":" + claim) }

// strays runs the corpus and says of each kind of stray the first that gets
// in.
func (t *tokens) strays(patterns []string) {
	in := map[string]try{} // by the rule that it breaks
	for _, s := range append(t.issuer.hostile(patterns, t.meant), t.unnamed()...) {
		rule, who := t.breaks(s)
		if _, known := in[rule]; rule == "" || known {
			continue
		}
		if one := t.tell(s, who); t.lets(one) {
			in[rule] = one
		}
	}
	t.say(in)
}

// unnamed is strays of a tenant that the policy means without its name: by a
// number, or by the issuer itself.
func (t *tokens) unnamed() []stray {
	for _, ok := range t.meant.tenants {
		if ok {
			return nil
		}
	}
	if !t.issuer.own && !slices.ContainsFunc(t.issuer.claims, func(c claim) bool { return !slices.Contains(borrowable, c.name) && t.statement.pins(t.host+":"+c.name) }) {
		return nil
	}
	fields := make([]string, len(t.issuer.subject))
	for i, f := range t.issuer.subject {
		fields[i] = f.plausible("some-" + strings.ReplaceAll(f.what, " ", "-"))
	}
	out := []stray{{fields: slices.Clone(fields), foreign: project}}
	for _, d := range t.issuer.subject[len(fields)-1].others {
		fields[len(fields)-1] = d
		out = append(out, stray{fields: slices.Clone(fields), foreign: detail})
	}
	return out
}

// breaks returns the rule that a stray breaks if it gets in, and who it is.
func (t *tokens) breaks(s stray) (rule, who string) {
	is := t.issuer
	last := s.fields[len(s.fields)-1]
	switch {
	case s.foreign == tenant && is.own:
		return "", ""
	case s.foreign == tenant:
		what := "a foreign " + is.subject[0].what + " at " + is.name
		switch {
		case !t.narrow():
			return "L01", what
		case t.caseOnly(s.fields[0]):
			return "L06", "another " + is.subject[0].what + " whose name differs by case only"
		case t.recycled(s.fields[0]):
			return "L42", "whoever took over the name of the " + is.subject[0].what
		case is.name == "GitHub" || !is.shared || is.name == "GitLab" && t.host != "gitlab.com":
			return "L02", what
		}
		return "L08", what
	case s.foreign == project:
		return "L40", "another " + is.subject[1].what + " of the same " + is.subject[0].what
	case s.meant:
		return t.meantToo(last)
	}
	return t.breaksDetail(last)
}

// narrow reports whether any condition tells tenants apart.
func (t *tokens) narrow() bool {
	if len(t.statement.patterns(t.sub)) > 0 {
		return true
	}
	for _, cl := range t.issuer.claims {
		if len(t.statement.patterns(t.host+":"+cl.name)) > 0 {
			return true
		}
	}
	return false
}

func (t *tokens) caseOnly(name string) bool {
	for m, ok := range t.meant.tenants {
		if m = m[1:]; ok && m != name && strings.EqualFold(m, name) {
			return true
		}
	}
	return false
}

// recycled reports whether a name is one that is meant, with another number
// behind it.
func (t *tokens) recycled(name string) bool {
	before, after, ok := strings.Cut(name, "@")
	for m := range t.meant.tenants {
		m = m[1:]
		if b, _, immutable := strings.Cut(m, "@"); ok && immutable && after != "" && b == before && m != name {
			return true
		}
	}
	return false
}

// breaksDetail judges another run of a project that is meant.
func (t *tokens) breaksDetail(detail string) (rule, who string) {
	switch t.issuer.name {
	case "GitHub":
		ref, _ := strings.CutPrefix(detail, "ref:")
		switch {
		case slices.Contains(t.statement.patterns(t.host+":ref"), ref):
			return "", ""
		case detail == "pull_request" || strings.HasPrefix(detail, "ref:refs/pull/"):
			return "L20", "a pull request to the repository"
		case strings.HasPrefix(detail, "ref:refs/tags/"):
			return "L24", "whoever may push a tag"
		case strings.HasPrefix(detail, "environment:") && t.statement.pins(t.host+":ref"):
			return "", ""
		case strings.HasPrefix(detail, "environment:"):
			return "L25", "a run in an environment of any name"
		}
		return "L25", "whoever may push a branch"
	case "GitLab":
		return "L35", "a branch or tag that is not protected"
	case "CircleCI":
		if strings.Contains(detail, "attacker/fork") {
			return "L32", "a pipeline of a fork"
		}
	case "Buildkite":
		return "L25", "whoever may start a build"
	}
	return "", ""
}

// meantToo judges a run that the policy names in full.
func (t *tokens) meantToo(detail string) (rule, who string) {
	if t.issuer.name != "GitHub" {
		return "", ""
	}
	switch {
	case detail == "pull_request":
		return "L21", "a pull request to the repository"
	case strings.HasPrefix(detail, "environment:") && !t.statement.pins(t.host+":ref"):
		return "L23", "a run in the environment " + strings.TrimPrefix(detail, "environment:")
	case strings.HasPrefix(detail, "ref:refs/tags/"):
		return "L24", "whoever may push the tag"
	}
	return "", ""
}

// say adds the findings; where strangers get in, so do siblings, which goes
// without saying.
func (t *tokens) say(in map[string]try) {
	path := t.pathOf(t.sub)
	closed := true
	for _, rule := range []string{"L01", "L02", "L08", "L06", "L42"} {
		one, ok := in[rule]
		if !ok || !closed && rule == "L06" {
			continue
		}
		t.add(rule, path, "lets in "+one.who, one.witness(t.alone))
		closed = false
		if t.issuer.name == "Buildkite" && rule != "L01" {
			t.add("L34", path, "a wildcard in front of pipeline: takes in other organizations", one.witness(t.alone))
		}
	}
	for _, rule := range []string{"L40", "L20", "L24", "L25", "L21", "L23", "L32", "L35"} {
		one, ok := in[rule]
		_, project := in["L40"]
		_, pull := in["L20"]
		if !ok || !closed || project && rule != "L40" || pull && (rule == "L24" || rule == "L25") {
			continue
		}
		t.add(rule, path, "lets in "+one.who, one.witness(t.alone))
	}
}

package iam

import (
	"slices"
	"strings"
)

// audience tries tokens that were made for somebody else.
func (t *tokens) audience() {
	if t.issuer.byAud || t.issuer.name == "Facebook" || t.issuer.name == "Login with Amazon" {
		return
	}
	others := []string{"https://attacker.example", "attacker", digitsOfEvil, "https://github.com/attacker"}
	known := map[string]bool{}
	for _, p := range t.statement.patterns(t.aud) {
		known[bare(p)] = true
		if b := bare(p); b != "" {
			others = append(others, b+"-evil", "evil-"+b, swapCase(b), anotherAccount(b))
		}
	}
	for _, a := range others {
		if known[a] {
			continue
		}
		one := t.base
		one.who = "a token that was made for another service"
		one.context = t.base.context.with(t.aud, a)
		if len(t.statement.patterns(t.sub)) == 0 {
			one.context = one.context.with(t.sub, "attacker")
		}
		rule, why := "L03", "no condition says for whom the token must be made"
		if len(known) > 0 {
			why = "the condition on aud holds for tokens that were made for others"
			for k := range known {
				if strings.EqualFold(k, a) {
					rule, why = "L06", "the condition on aud does not regard case"
				}
			}
		}
		if t.hole(rule, t.pathOf(t.aud), why, one) {
			return
		}
	}
}

// anotherAccount puts another customer's account into a text.
func anotherAccount(s string) string {
	for i := 0; i+12 <= len(s); i++ {
		if digits(s[i : i+12]) {
			return s[:i] + digitsOfEvil + s[i+12:]
		}
	}
	return s + "2"
}

// absent tries tokens that lack what a condition is about.
func (t *tokens) absent() {
	for _, key := range []string{t.sub, t.aud} {
		if len(t.statement.patterns(key)) == 0 {
			continue
		}
		one := t.base
		one.who = "a token without " + key[strings.LastIndex(key, ":")+1:]
		one.context = t.base.context.with(key)
		t.hole("L04", t.pathOf(key), "the condition holds where there is no "+key[strings.LastIndex(key, ":")+1:], one)
	}
}

// tenantByAudience tries tokens of issuers whose audience says whose they
// are.
func (t *tokens) tenantByAudience() {
	one := t.base
	one.who = "a token of another customer of " + t.issuer.name
	one.context = t.base.context.with(t.aud, "attacker")
	if t.issuer.subject != nil {
		one.context = one.context.with(t.sub, t.issuer.join(append([]string{"attacker", "evil"}, "production")))
	} else if len(t.statement.about(t.sub)) == 0 {
		one.context = one.context.with(t.sub, "attacker")
	}
	rule := "L01"
	if len(t.statement.about(t.sub)) > 0 && t.issuer.subject == nil {
		rule = "L03"
	}
	if t.hole(rule, t.pathOf(t.aud), "lets in "+one.who, one) {
		return
	}
	if t.issuer.subject != nil {
		t.strays(t.intended())
	}
	if t.issuer.name == "Cognito" {
		one.who = "somebody who did not sign in"
		one.context = t.base.context.with(t.host+":amr", "unauthenticated")
		t.hole("L41", t.path(""), "lets in guests of the identity pool", one)
	}
}

// anyone tries subjects at an issuer whose subjects have no known form.
func (t *tokens) anyone() {
	patterns := t.statement.patterns(t.sub)
	for _, sub := range []string{"attacker", "user:attacker", "system:serviceaccount:attacker:default", digitsOfEvil, "attacker@attacker.example",
		"repo:attacker/evil:pull_request", "organization:attacker:evil", "spiffe://attacker.example/evil", "auth0|attacker", "client:attacker"} {
		one := t.base
		one.who = "any subject of the issuer"
		one.context = t.base.context.with(t.sub, sub)
		if t.issuer.shared {
			t.issuer.tell(one.context, t.host, stray{fields: []string{}, foreign: tenant}, t.asked)
			one.context = one.context.with(t.sub, sub)
		}
		if matchesNarrow(patterns, sub) {
			continue
		}
		rule := "L02"
		if len(patterns) == 0 {
			rule = "L01"
		}
		if t.hole(rule, t.pathOf(t.sub), "lets in "+one.who, one) {
			return
		}
	}
	for _, p := range patterns {
		name := bare(p)
		if name == "" || strings.ContainsRune(":/_-@.|", rune(name[len(name)-1])) || strings.ContainsRune(":/_-@.|", rune(name[0])) {
			continue
		}
		for _, sub := range []string{name + "-evil", "evil-" + name, swapCase(name)} {
			one := t.base
			one.who = "a subject that looks like the one that is meant"
			one.context = t.base.context.with(t.sub, sub)
			rule := "L02"
			if strings.EqualFold(sub, name) {
				rule = "L06"
			}
			if sub != name && t.hole(rule, t.pathOf(t.sub), "lets in "+one.who, one) {
				return
			}
		}
	}
}

// matchesNarrow reports whether a subject is taken in by a pattern that has
// more to it than wildcards: that is what its author means.
func matchesNarrow(patterns []string, sub string) bool {
	for _, p := range patterns {
		if bare(p) != "" && (pattern{text: p}).match(sub, false) {
			return true
		}
	}
	return false
}

// customSubject finds subjects of a form of their own that do not say whose
// they are: on a shared issuer anybody can choose the same form.
func (t *tokens) customSubject() {
	if !t.issuer.shared || t.issuer.subject == nil {
		return
	}
	for _, p := range t.statement.patterns(t.sub) {
		if _, ok := t.issuer.split(p); ok || saysWhose(p) {
			continue
		}
		s := stray{fields: []string{"attacker", "evil", "evil", "evil"}[:len(t.issuer.subject)], foreign: tenant}
		one := t.tell(s, "a foreign "+t.issuer.subject[0].what+" with the same form of subject")
		one.context = one.context.with(t.sub, concrete(p))
		t.hole("L26", t.pathOf(t.sub), "the subject does not say whose it is", one)
	}
}

func saysWhose(p string) bool {
	for _, name := range []string{"repo:", "repository:", "repository_owner:", "repository_id:", "repository_owner_id:", "enterprise:", "enterprise_id:",
		"job_workflow_ref:", "workflow_ref:", "project_id:", "project_path:", "namespace_id:", "namespace_path:", "organization:", "organization_id:", "pipeline_id:"} {
		if i := strings.Index(p, name); i >= 0 && !strings.HasPrefix(p[i+len(name):], "*") {
			return true
		}
	}
	return false
}

// mutable notes subjects by name: whoever takes over the name gets in.
func (t *tokens) mutable() {
	if t.issuer.name != "GitHub" && t.issuer.name != "GitLab" {
		return
	}
	for _, c := range t.issuer.claims {
		if c.form == "" && t.statement.pins(t.host+":"+c.name) && !strings.HasPrefix(c.name, "actor") && !strings.HasPrefix(c.name, "user") {
			return
		}
	}
	for _, p := range t.statement.patterns(t.sub) {
		fields, ok := t.issuer.split(p)
		if ok && !strings.Contains(fields[0], "@") && bare(fields[0]) != "" && !t.has("L02", t.path("")) && !t.has("L08", t.path("")) {
			t.add("L22", t.pathOf(t.sub), "the subject names its "+t.issuer.subject[0].what+" by a name that somebody else can take once it is free", nil)
			return
		}
	}
}

// passedOn are the claims of each issuer that AWS makes condition keys of,
// beside sub, aud and the few that every issuer may have (the keys of sts in
// the service authorization reference).
var passedOn = map[string][]string{
	"GitHub":    {"actor", "actor_id", "enterprise_id", "environment", "job_workflow_ref", "ref", "repository", "repository_id", "repository_owner_id", "workflow"},
	"GitLab":    {"namespace_id", "pipeline_source", "project_id", "ref_protected", "runner_environment", "user_access_level", "user_email", "user_id", "user_login"},
	"Buildkite": {"build_branch", "cluster_id", "cluster_name", "organization_id", "organization_slug", "pipeline_id", "pipeline_slug"},
	"CircleCI":  {"oidc.circleci.com/project-id"},
	"Google":    {"google/organization_number"},
	"Facebook":  {"app_id", "id"}, "Login with Amazon": {"app_id", "user_id"},
}

var everyIssuers = []string{"sub", "aud", "amr", "azp", "oaud", "email", "id"}

// withheld finds conditions on claims that AWS does not pass on.
func (t *tokens) withheld() {
	for _, c := range t.statement.Conditions {
		name, ok := strings.CutPrefix(strings.ToLower(c.Key), strings.ToLower(t.host)+":")
		if !ok || slices.Contains(everyIssuers, name) || slices.Contains(passedOn[t.issuer.name], name) {
			continue
		}
		t.add("C10", join(join(t.path(".Condition"), c.Operator), c.Key), "AWS makes no condition key of the claim "+quote(name)+" of "+t.issuer.name, nil)
	}
}

// runners notes production that any runner may deploy to.
func (t *tokens) runners() {
	if t.issuer.name != "GitLab" || t.statement.pins(t.host+":runner_environment") {
		return
	}
	for _, p := range t.statement.patterns(t.sub) {
		if strings.Contains(strings.ToLower(p), "prod") {
			t.add("L27", t.pathOf(t.sub), "lets in runs on any runner, one's own too", nil)
		}
	}
}

// borrowable are claims that do not say whose a run is.
var borrowable = []string{"job_workflow_ref", "actor", "actor_id", "user_login", "user_id", "user_email"}

// borrowed finds policies that only ask which reusable workflow runs, or who
// began the run: anybody may call a workflow that is public, and anybody may
// be lured into beginning one.
func (t *tokens) borrowed() {
	if t.issuer.subject == nil || !t.issuer.shared {
		return
	}
	for _, name := range borrowable {
		key := t.host + ":" + name
		if !t.statement.pins(key) {
			continue
		}
		fields := make([]string, len(t.issuer.subject))
		for i, f := range t.issuer.subject {
			fields[i] = f.plausible("")
		}
		one := t.tell(stray{fields: fields, foreign: tenant}, "a foreign "+t.issuer.subject[1].what+" with the same "+name)
		one.context = one.context.with(key, t.meets.Get(key)...)
		t.hole("L25", t.pathOf(key), "asks only for "+name+", not whose run it is", one)
	}
}

// phases finds roles that both phases of a Terraform run get.
func (t *tokens) phases(patterns []string) {
	if t.issuer.name != "HCP Terraform" {
		return
	}
	for _, p := range patterns {
		fields, ok := t.issuer.split(p)
		if !ok {
			continue
		}
		for i, f := range t.issuer.subject {
			fields[i] = f.plausible(fields[i])
		}
		fields[3] = "apply"
		if !t.lets(t.tell(stray{fields: fields, foreign: detail}, "")) {
			continue
		}
		fields[3] = "plan"
		if t.closed() {
			t.hole("L33", t.pathOf(t.sub), "lets in the plan phase too, which runs the code of every provider",
				t.tell(stray{fields: fields, foreign: detail}, "the plan phase of a run"))
		}
	}
}

// closed reports whether no stranger was found to get in by the statement.
func (t *tokens) closed() bool { return t.holeIn(t.i) == nil }

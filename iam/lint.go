package iam

import (
	"cmp"
	"slices"
	"strings"
)

// PolicyKind is the use that a policy document is put to; the same document
// may be sound in one and open in another.
type PolicyKind string

// The kinds of policy documents.
const (
	TrustPolicy    PolicyKind = "trust"    // who may assume a role
	IdentityPolicy PolicyKind = "identity" // attached to a user, group or role
	ResourcePolicy PolicyKind = "resource" // of a bucket, key, queue, topic…
	ControlPolicy  PolicyKind = "scp"      // service control policy of an organization
	SessionPolicy  PolicyKind = "session"  // given when a session begins
	BoundaryPolicy PolicyKind = "boundary" // permissions boundary
)

// PolicyKinds lists the kinds of policy documents.
var PolicyKinds = []PolicyKind{TrustPolicy, IdentityPolicy, ResourcePolicy, ControlPolicy, SessionPolicy, BoundaryPolicy}

// hasPrincipal reports whether statements of this kind name a principal.
func (k PolicyKind) hasPrincipal() bool { return k == TrustPolicy || k == ResourcePolicy }

// GuessKind tells from its content what a document is used for: with a
// principal and actions of STS only it is a trust policy, with a principal
// the policy of another resource, else an identity policy. The kinds that
// only limit look like identity policies.
func GuessKind(p *Policy) PolicyKind {
	kind := IdentityPolicy
	for _, s := range p.Statements {
		if s.Principal == nil && s.NotPrincipal == nil {
			continue
		}
		if s.Resource == nil && s.NotResource == nil && s.NotAction == nil && !slices.ContainsFunc(s.Action, func(a string) bool {
			return !strings.HasPrefix(strings.ToLower(a), "sts:")
		}) {
			kind = TrustPolicy
			continue
		}
		return ResourcePolicy
	}
	return kind
}

// Severity says how bad a finding is.
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"   // lets in or grants what it should not, or does not work at all
	SeverityWarning Severity = "warning" // probably not what was meant
	SeverityNote    Severity = "note"    // worth knowing
)

// Severities lists the severities, the worst first.
var Severities = []Severity{SeverityError, SeverityWarning, SeverityNote}

// AtLeast reports whether s is as bad as t, or worse.
func (s Severity) AtLeast(t Severity) bool {
	return slices.Index(Severities, s) <= slices.Index(Severities, t)
}

// Finding is what is wrong with a policy.
type Finding struct {
	Rule     string   `json:"rule"` // "L01"; docs/lint.md has them all
	Severity Severity `json:"severity"`
	Path     string   `json:"path"` // "Statement[0].Condition.StringLike"
	Why      string   `json:"why"`  // one sentence without a full stop
	Mend     string   `json:"mend"` // one sentence without a full stop
	Witness  *Witness `json:"witness,omitempty"`
}

// Linter judges policy documents. The zero value knows nothing of where they
// are used.
type Linter struct {
	Account string // whose policies they are, twelve digits; "": unknown
}

// Lint judges a policy document; see [Linter.Lint].
func Lint(kind PolicyKind, p *Policy) []Finding { return Linter{}.Lint(kind, p) }

// Lint returns what is wrong with a policy of that kind, the worst first.
// What it says of who gets in it has tried: the finding carries the witness
// that [Evaluate] let through.
func (l Linter) Lint(kind PolicyKind, p *Policy) []Finding {
	r := &report{kind: kind, policy: p, account: cmp.Or(l.Account, homeOf(p))}
	r.document()
	for i := range p.Statements {
		r.statement(i)
	}
	r.conditions()
	if kind.hasPrincipal() {
		r.entry()
	}
	if kind == IdentityPolicy {
		r.permissions()
	}
	r.redundant()
	slices.SortStableFunc(r.found, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(slices.Index(Severities, a.Severity), slices.Index(Severities, b.Severity)),
			cmp.Compare(a.Rule, b.Rule))
	})
	return r.found
}

// homeOf finds the account of a policy by the identity providers that it
// trusts, which are always the account's own.
func homeOf(p *Policy) string {
	for _, s := range p.Statements {
		if s.Principal == nil {
			continue
		}
		for _, f := range s.Principal.Federated {
			if parts := strings.SplitN(f, ":", 6); len(parts) == 6 && len(parts[4]) == 12 {
				return parts[4]
			}
		}
	}
	return ""
}

// report is one run of Lint.
type report struct {
	kind    PolicyKind
	policy  *Policy
	account string
	found   []Finding
}

// add appends a finding; one of the same rule at the same place is enough.
func (r *report) add(rule, path, why string, w *Witness) {
	def := ruleOf(rule)
	if slices.ContainsFunc(r.found, func(f Finding) bool { return f.Rule == rule && f.Path == path }) {
		return
	}
	r.found = append(r.found, Finding{Rule: rule, Severity: def.Severity, Path: path, Why: why, Mend: def.Mend, Witness: w})
}

func (r *report) has(rule, path string) bool {
	return slices.ContainsFunc(r.found, func(f Finding) bool { return f.Rule == rule && strings.HasPrefix(f.Path, path) })
}

func place(i int) string { return index("Statement", i) }

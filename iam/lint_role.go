package iam

import (
	"strings"
	"time"
)

// RoleUse is what is known of a role beside its trust policy.
type RoleUse struct {
	Managed []string      // ARNs of the managed policies attached to it
	Longest time.Duration // the longest session; 0: unknown
}

// LintRole judges what a trust policy and the rest of its role make together:
// continuous integration that gets an administrator's rights, or sessions
// that outlive a run.
func (l Linter) LintRole(trust *Policy, use RoleUse) []Finding {
	r := &report{kind: TrustPolicy, policy: trust}
	for i, s := range trust.Statements {
		if s.Effect != EffectAllow || s.Principal == nil {
			continue
		}
		for _, f := range s.Principal.Federated {
			is, _ := issuerOf(f)
			if !is.runs() {
				continue
			}
			for _, arn := range use.Managed {
				if strings.HasSuffix(arn, ":aws:policy/AdministratorAccess") {
					r.add("L31", place(i), "runs at "+is.name+" get AdministratorAccess", nil)
				}
			}
			if use.Longest > time.Hour {
				r.add("L28", place(i), "runs at "+is.name+" get sessions of up to "+use.Longest.String(), nil)
			}
		}
	}
	return r.found
}

// runs reports whether the tokens are those of runs of continuous integration.
func (is *issuer) runs() bool {
	return is.onDetail != nil || is.name == "HCP Terraform" || is.name == "Buildkite" || is.name == "Pulumi"
}

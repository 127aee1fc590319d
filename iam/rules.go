package iam

import (
	"slices"
	"sync"
)

// Rule is one thing that the linter looks for.
type Rule struct {
	ID       string
	Severity Severity
	About    string // what is wrong, a few words
	Mend     string // how to mend it, a sentence without a full stop
}

// Rules returns every rule. docs/lint.md explains them.
func Rules() []Rule {
	return slices.Concat(tokenRules, callerRules, conditionRules, documentRules, permissionRules)
}

var byID = sync.OnceValue(func() map[string]Rule {
	m := map[string]Rule{}
	for _, r := range Rules() {
		m[r.ID] = r
	}
	return m
})

func ruleOf(id string) Rule {
	r, ok := byID()[id]
	if !ok {
		panic("iam: no rule " + id) // never: a test looks at every call
	}
	return r
}

var tokenRules = []Rule{
	{"L01", SeverityError, "tokens of strangers get in: nothing says whose they must be", "add StringEquals on the provider's sub (where the audience says whose a token is, on aud)"},
	{"L02", SeverityError, "a wildcard takes in strangers", "write the owner in full, and no wildcard in front of the first separator"},
	{"L03", SeverityError, "tokens made for others get in", "add StringEquals on the provider's aud with the one audience that is yours"},
	{"L04", SeverityError, "the condition holds where the claim is missing", "write the operator without ForAllValues and without IfExists"},
	{"L05", SeverityWarning, "StringLike without a wildcard", "write StringEquals, so that nobody adds a wildcard unseen"},
	{"L06", SeverityError, "case is disregarded", "write StringEquals; names that differ by case are different people's"},
	{"L07", SeverityError, "one statement opens several doors", "write a statement for each of AssumeRole, AssumeRoleWithWebIdentity and AssumeRoleWithSAML, each with its own conditions"},
	{"L08", SeverityError, "strangers of a shared issuer get in", "begin sub with your own group or organization in full, and end that with its separator"},
	{"L11", SeverityError, "one statement is weaker than another", "give both statements the conditions of the stronger one, or take the weaker one away"},
	{"L20", SeverityWarning, "any branch, tag, environment and pull request gets in", "name the branch or the environment in sub"},
	{"L21", SeverityWarning, "pull requests get in", "give pull requests a role of their own that can only read"},
	{"L22", SeverityNote, "owner by name", "also demand the owner's number (repository_owner_id, namespace_id), or use the immutable form of sub"},
	{"L23", SeverityNote, "protected by an environment", "see that the environment has required reviewers or a list of branches; the policy cannot know"},
	{"L24", SeverityWarning, "any tag gets in", "protect the tags by a ruleset, or ask for a branch or environment"},
	{"L25", SeverityWarning, "what a run may choose is all that is asked", "ask for the repository and a protected branch or environment"},
	{"L26", SeverityError, "a subject of an own form that does not say whose it is", "put repo (or repository_id) into the form of the subject"},
	{"L27", SeverityNote, "any runner may be used for production", "demand runner_environment if only hosted runners shall get in"},
	{"L28", SeverityWarning, "sessions that outlive a run", "set the role's MaxSessionDuration to 3600"},
	{"L30", SeverityWarning, "a principal that is gone", "AWS shows the number of a role or user that was deleted; take it away or name the new one"},
	{"L31", SeverityWarning, "continuous integration as administrator", "attach what the run needs, or a permissions boundary and a policy of its own"},
	{"L32", SeverityWarning, "pipelines of forks get in", "demand oidc.circleci.com/vcs-origin and vcs-ref"},
	{"L33", SeverityWarning, "plan gets in where apply does", "give run_phase:plan a role of its own that can only read"},
	{"L34", SeverityError, "a wildcard in front of pipeline:", "write organization:YOURS:pipeline:NAME: in full"},
	{"L35", SeverityWarning, "branches that are not protected get in", "demand ref_protected, or name the branch in sub"},
	{"L40", SeverityWarning, "every project of the owner gets in", "name the project in sub"},
	{"L41", SeverityWarning, "guests get in", "demand ForAnyValue:StringLike amr authenticated"},
	{"L42", SeverityWarning, "a wildcard for the number of an owner", "write the number in full; with a wildcard the immutable form protects nothing"},
}

var callerRules = []Rule{
	{"T01", SeverityError, "anybody at AWS gets in", "name the accounts or roles, or demand aws:PrincipalOrgID"},
	{"T02", SeverityError, "another customer of the vendor gets in (confused deputy)", "demand sts:ExternalId with a value of your own that the vendor made for you; within your own accounts demand aws:PrincipalOrgID, or say --account"},
	{"T03", SeverityError, "a condition on MFA that holds without MFA", "write Bool aws:MultiFactorAuthPresent and NumericLessThan aws:MultiFactorAuthAge without IfExists"},
	{"T04", SeverityError, "a condition on MFA that never holds", "tokens and sessions carry no MFA of AWS's: let the issuer assert it, by a session tag"},
	{"T05", SeverityNote, "every principal of an account may get in", "name the role, or demand aws:PrincipalArn"},
	{"T06", SeverityWarning, "a service on behalf of another account gets in", "demand aws:SourceAccount, aws:SourceArn or aws:SourceOrgID"},
	{"T07", SeverityError, "NotPrincipal beside Allow", "name who is allowed by Principal"},
	{"T10", SeverityWarning, "a look-alike role gets in", "write the role's name in full in aws:PrincipalArn"},
	{"T12", SeverityWarning, "an ExternalId that can be guessed", "use a random value of 128 bits, made by the vendor, one for each customer"},
}

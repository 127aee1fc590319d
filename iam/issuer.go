package iam

import (
	"strings"
	"sync"
)

// part is what a piece of a token's subject says.
type part byte

const (
	tenant  part = iota // whose it is: on a shared issuer anybody may have one
	project             // which of the tenant's projects
	detail              // what in the project: branch, environment, phase
)

// field is one piece of a subject.
type field struct {
	before string // the text in front of it
	what   string // "organization"
	part   part
	others []string // values that a stranger, or a stray run, could have
}

// issuer is what is known about those who sign tokens.
type issuer struct {
	name     string // for people
	shared   bool   // anybody can have tokens of it
	byAud    bool   // the audience says whose a token is, and nobody chooses it freely
	injects  bool   // the last field may hold any text, colons too
	own      bool   // each tenant has an issuer of its own
	subject  []field
	claims   []claim
	onDetail func(detail string) map[string]string // claims that follow from the last field
}

// claim is a condition key beside sub and aud that tells tokens apart.
type claim struct {
	name string
	part part   // from which it follows
	form string // {0} is the first field; without any, it is an id
}

const digitsOfEvil = "666666666666"

// issuers are those that are known, made at first use.
var issuers = sync.OnceValue(knownIssuers)

func knownIssuers() map[string]*issuer {
	return map[string]*issuer{
		"github": {name: "GitHub", shared: true, subject: []field{
			{"repo:", "owner", tenant, nil}, {"/", "repository", project, nil},
			{":", "run", detail, []string{"pull_request", "ref:refs/heads/feature", "ref:refs/heads/main-evil", "ref:refs/tags/v6.6.6",
				"environment:evil", "ref:refs/pull/6/merge", "ref:refs/heads/x%3Aenvironment%3Aproduction", "ref:refs/heads/main"}},
		}, claims: []claim{
			{"repository", project, "{0}/{1}"}, {"repository_owner", tenant, "{0}"}, {"repository_id", project, ""}, {"repository_owner_id", tenant, ""},
			{"enterprise", tenant, "of-{0}"}, {"enterprise_id", tenant, ""}, {"actor", tenant, "from-{0}"}, {"actor_id", tenant, ""},
			{"workflow_ref", project, "{0}/{1}/.github/workflows/evil.yml@refs/heads/main"},
			{"job_workflow_ref", project, "at-{0}/{1}/.github/workflows/evil.yml@refs/heads/main"},
		}, onDetail: githubDetail},
		"gitlab": {name: "GitLab", shared: true, subject: []field{
			{"project_path:", "group", tenant, nil}, {"/", "project", project, nil},
			{":ref_type:", "ref", detail, []string{"branch:ref:feature", "branch:ref:main-evil", "tag:ref:v6.6.6", "branch:ref:main"}},
		}, claims: []claim{
			{"namespace_path", tenant, "{0}"}, {"namespace_id", tenant, ""}, {"project_path", project, "{0}/{1}"}, {"project_id", project, ""},
			{"user_login", tenant, "from-{0}"}, {"user_id", tenant, ""}, {"user_email", tenant, "from-{0}@attacker.example"},
		}, onDetail: gitlabDetail},
		"terraform": {name: "HCP Terraform", shared: true, subject: []field{
			{"organization:", "organization", tenant, nil}, {":project:", "project", project, nil}, {":workspace:", "workspace", project, nil},
			{":run_phase:", "phase", detail, []string{"plan", "apply"}},
		}, claims: []claim{
			{"terraform_organization_id", tenant, ""}, {"terraform_organization_name", tenant, "{0}"}, {"terraform_workspace_id", project, ""},
			{"terraform_workspace_name", project, "{2}"}, {"terraform_project_id", project, ""}, {"terraform_project_name", project, "{1}"},
		}},
		"buildkite": {name: "Buildkite", shared: true, injects: true, subject: []field{
			{"organization:", "organization", tenant, nil}, {":pipeline:", "pipeline", project, nil},
			{":ref:", "ref", detail, []string{"refs/heads/main:commit:6666666666666666666666666666666666666666:step:evil",
				"refs/heads/feature:commit:6666666666666666666666666666666666666666:step:evil"}},
		}, claims: []claim{
			{"organization_slug", tenant, "{0}"}, {"organization_id", tenant, ""}, {"pipeline_slug", project, "{1}"}, {"pipeline_id", project, ""},
		}},
		"circleci": {name: "CircleCI", own: true, subject: []field{
			{"org/", "organization", tenant, nil}, {"/project/", "project", project, nil},
			{"/user/", "user", detail, []string{"66666666-6666-6666-6666-666666666666", "66666666-6666-6666-6666-666666666666/vcs-origin/github.com/attacker/fork/vcs-ref/refs/heads/main",
				"66666666-6666-6666-6666-666666666666/vcs-origin/github.com/attacker/fork/vcs-ref/refs/heads/pull/6"}},
		}, claims: []claim{{"oidc.circleci.com/project-id", project, "{1}"}}, onDetail: circleDetail},
		"vercel": {name: "Vercel", shared: true, byAud: true, subject: []field{
			{"owner:", "team", tenant, nil}, {":project:", "project", project, nil}, {":environment:", "environment", detail, []string{"preview", "development", "production"}},
		}},
		"pulumi": {name: "Pulumi", shared: true, byAud: true, subject: []field{
			{"pulumi:deploy:org:", "organization", tenant, nil}, {":project:", "project", project, nil}, {":stack:", "stack", detail, []string{"evil:operation:update:scope:write"}},
		}},
		"eks": {name: "EKS", subject: []field{
			{"system:serviceaccount:", "namespace", tenant, nil}, {":", "service account", project, nil},
		}},
		"google":   {name: "Google", shared: true, byAud: true},
		"facebook": {name: "Facebook", shared: true, claims: []claim{{"app_id", tenant, ""}}},
		"amazon":   {name: "Login with Amazon", shared: true, claims: []claim{{"app_id", tenant, ""}}},
		"cognito":  {name: "Cognito", shared: true, byAud: true},
	}
}

// unknownIssuer is one that its owner runs for itself.
var unknownIssuer = &issuer{name: "the issuer"}

// issuerOf returns what is known about the issuer of a provider: its ARN, or
// the name of one that AWS knows. The host is that of condition keys.
func issuerOf(provider string) (is *issuer, host string) {
	host = provider
	if _, after, ok := strings.Cut(provider, ":oidc-provider/"); ok {
		host = after
	}
	domain, path, _ := strings.Cut(strings.ToLower(host), "/")
	kind := ""
	switch {
	case domain == "token.actions.githubusercontent.com", strings.HasPrefix(domain, "token.actions.") && strings.HasSuffix(domain, ".ghe.com"), strings.HasSuffix(path, "_services/token"):
		kind = "github"
	case domain == "gitlab.com", strings.HasPrefix(domain, "gitlab."):
		kind = "gitlab"
	case domain == "app.terraform.io":
		kind = "terraform"
	case domain == "agent.buildkite.com":
		kind = "buildkite"
	case domain == "oidc.circleci.com":
		kind = "circleci"
	case domain == "oidc.vercel.com":
		kind = "vercel"
	case domain == "api.pulumi.com":
		kind = "pulumi"
	case strings.HasPrefix(domain, "oidc.eks."):
		kind = "eks"
	case domain == "accounts.google.com":
		kind = "google"
	case domain == "graph.facebook.com":
		kind = "facebook"
	case domain == "www.amazon.com":
		kind = "amazon"
	case domain == "cognito-identity.amazonaws.com":
		kind = "cognito"
	default:
		return unknownIssuer, host
	}
	return issuers()[kind], host
}

func githubDetail(detail string) map[string]string {
	if env, ok := strings.CutPrefix(detail, "environment:"); ok {
		return map[string]string{"environment": env}
	}
	if ref, ok := strings.CutPrefix(detail, "ref:"); ok {
		kind, event := "branch", "push"
		if strings.HasPrefix(ref, "refs/tags/") {
			kind = "tag"
		}
		if strings.HasPrefix(ref, "refs/pull/") {
			event = "pull_request"
		}
		return map[string]string{"ref": ref, "ref_type": kind, "event_name": event, "environment": ""}
	}
	if detail == "pull_request" {
		return map[string]string{"ref": "refs/pull/6/merge", "ref_type": "branch", "event_name": "pull_request", "head_ref": "evil", "environment": ""}
	}
	return nil
}

func gitlabDetail(detail string) map[string]string {
	kind, ref, ok := strings.Cut(detail, ":ref:")
	if !ok {
		return nil
	}
	return map[string]string{"ref_type": kind, "ref": ref, "ref_protected": "false", "environment": "", "environment_protected": "false"}
}

func circleDetail(detail string) map[string]string {
	if !strings.Contains(detail, "attacker/fork") {
		return nil
	}
	_, ref, _ := strings.Cut(detail, "/vcs-ref/")
	return map[string]string{"oidc.circleci.com/vcs-origin": "github.com/attacker/fork", "oidc.circleci.com/vcs-ref": ref}
}

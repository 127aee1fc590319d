package iam

import (
	"slices"
	"strings"
)

var permissionRules = []Rule{
	{"P01", SeverityError, "everything is allowed", "name the actions and resources that are needed"},
	{"P02", SeverityWarning, "NotAction beside Allow", "name the actions that are allowed; what AWS adds tomorrow is allowed by NotAction too"},
	{"P05", SeverityWarning, "NotResource beside Allow", "name the resources that are allowed"},
	{"P06", SeverityError, "who has this can make himself an administrator", "limit the resources of these actions, demand iam:PermissionsBoundary, or take one of them away"},
	{"P07", SeverityWarning, "any role may be passed to any service", "name the roles, and demand iam:PassedToService"},
	{"P08", SeverityWarning, "every action of a service that guards others", "name the actions that are needed"},
}

// permissions judges what an identity policy grants.
func (r *report) permissions() {
	for i := range r.policy.Statements {
		s, path := &r.policy.Statements[i], place(i)
		if s.Effect != EffectAllow {
			continue
		}
		everywhere := slices.Contains(s.Resource, "*")
		switch {
		case everywhere && slices.ContainsFunc(s.Action, func(a string) bool { return a == "*" || a == "*:*" }) && len(s.Conditions) == 0:
			r.add("P01", path, "allows every action on every resource", nil)
		case len(s.NotAction) > 0:
			r.add("P02", path+".NotAction", "allows whatever it does not name", nil)
		case len(s.NotResource) > 0:
			r.add("P05", path+".NotResource", "allows the actions on whatever it does not name", nil)
		}
		for j, a := range s.Action {
			service, name, _ := strings.Cut(strings.ToLower(a), ":")
			if name == "*" && everywhere && slices.Contains(guards, service) {
				r.add("P08", index(path+".Action", j), "allows every action of "+service+" on every resource", nil)
			}
		}
	}
	if !r.has("P01", "") {
		r.escalation()
	}
}

var guards = []string{"iam", "sts", "kms", "organizations", "secretsmanager", "sso", "ssm"}

// road is a way to become an administrator: every step must be allowed.
type road struct {
	name  string
	steps []step
}

type step struct{ action, resource string }

const anyAccount = "111122223333"

var (
	someRole = "arn:aws:iam::" + anyAccount + ":role/some-other-role"
	someUser = "arn:aws:iam::" + anyAccount + ":user/some-other-user"
	someOne  = "arn:aws:iam::" + anyAccount + ":policy/some-other-policy"
)

func roads() []road {
	on := func(resource string, actions ...string) road {
		r := road{name: strings.Join(actions, " and ")}
		for _, a := range actions {
			r.steps = append(r.steps, step{a, resource})
		}
		return r
	}
	pass := func(actions ...string) road {
		r := road{name: "iam:PassRole and " + strings.Join(actions, " and "), steps: []step{{"iam:PassRole", someRole}}}
		for _, a := range actions {
			r.steps = append(r.steps, step{a, "*"})
		}
		return r
	}
	return []road{
		on(someOne, "iam:CreatePolicyVersion"), on(someOne, "iam:SetDefaultPolicyVersion"),
		on(someUser, "iam:AttachUserPolicy"), on(someUser, "iam:PutUserPolicy"), on(someUser, "iam:CreateAccessKey"),
		on(someUser, "iam:CreateLoginProfile"), on(someUser, "iam:UpdateLoginProfile"), on(someUser, "iam:AddUserToGroup"),
		on("arn:aws:iam::"+anyAccount+":group/some-other-group", "iam:AttachGroupPolicy"),
		on("arn:aws:iam::"+anyAccount+":group/some-other-group", "iam:PutGroupPolicy"),
		on(someRole, "iam:AttachRolePolicy"), on(someRole, "iam:PutRolePolicy"), on(someRole, "iam:UpdateAssumeRolePolicy"),
		on(someRole, "iam:DeleteRolePermissionsBoundary"), on(someUser, "iam:DeleteUserPermissionsBoundary"),
		pass("ec2:RunInstances"), pass("lambda:CreateFunction", "lambda:InvokeFunction"), pass("cloudformation:CreateStack"),
		pass("glue:CreateDevEndpoint"), pass("glue:CreateJob", "glue:StartJobRun"), pass("codebuild:CreateProject", "codebuild:StartBuild"),
		pass("datapipeline:CreatePipeline", "datapipeline:PutPipelineDefinition"), pass("ecs:RegisterTaskDefinition", "ecs:RunTask"),
		pass("sagemaker:CreateNotebookInstance", "sagemaker:CreatePresignedNotebookInstanceUrl"), pass("states:CreateStateMachine", "states:StartExecution"),
		pass("cloudformation:CreateStackSet", "cloudformation:CreateStackInstances"), pass("ssm:StartAutomationExecution"),
		on("arn:aws:lambda:eu-west-1:"+anyAccount+":function:some-other-function", "lambda:UpdateFunctionCode"),
	}
}

// escalation walks every road, as somebody whose only policy this is.
func (r *report) escalation() {
	var open []string
	path := ""
	for _, road := range roads() {
		if at, ok := r.walks(road); ok {
			open = append(open, road.name)
			if path == "" {
				path = at
			}
		}
	}
	if len(open) > 0 {
		r.add("P06", path, "allows "+strings.Join(open, "; "), nil)
	}
	if at, ok := r.walks(road{steps: []step{{"iam:PassRole", someRole}}}); ok && !r.has("P06", at) {
		r.add("P07", at, "allows iam:PassRole on every role", nil)
	}
}

// walks reports whether every step is allowed, and where the first is.
func (r *report) walks(way road) (path string, ok bool) {
	for i, s := range way.steps {
		got := Evaluate(Input{Identity: []*Policy{r.policy}, Request: Request{Caller: Caller{ARN: "arn:aws:iam::" + anyAccount + ":user/judged"},
			Action: s.action, Resource: s.resource, Context: Context{}}})
		if got.Decision != Allow {
			return "", false
		}
		if i == 0 {
			path = r.pathOfStatement(got.Statement)
		}
	}
	return path, true
}

func (r *report) pathOfStatement(label string) string {
	for i := range r.policy.Statements {
		if r.policy.Statements[i].label(i) == label {
			return place(i)
		}
	}
	return ""
}

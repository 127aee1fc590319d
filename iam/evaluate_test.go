package iam_test

import (
	"strings"
	"testing"

	"github.com/brevet-access/brevet/iam"
)

func mustParse(t testing.TB, text string) *iam.Policy {
	t.Helper()
	p, err := iam.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return p
}

// policy makes a policy out of the statements' elements.
func policy(t testing.TB, statements ...string) *iam.Policy {
	t.Helper()
	return mustParse(t, `{"Version":"2012-10-17","Statement":[{`+strings.Join(statements, "},{")+`}]}`)
}

const (
	allowAll = `"Effect":"Allow","Action":"*","Resource":"*"`
	denyAll  = `"Effect":"Deny","Action":"*","Resource":"*"`
	allowS3  = `"Sid":"S3","Effect":"Allow","Action":"s3:*","Resource":"*"`
	allowEC2 = `"Sid":"EC2","Effect":"Allow","Action":"ec2:*","Resource":"*"`

	account  = "111122223333"
	other    = "444455556666"
	roleARN  = "arn:aws:iam::111122223333:role/examplerole"
	sessARN  = "arn:aws:sts::111122223333:assumed-role/examplerole/examplerolesessionname"
	userARN  = "arn:aws:iam::111122223333:user/exampleuser"
	rootARN  = "arn:aws:iam::111122223333:root"
	provider = "arn:aws:iam::111122223333:oidc-provider/issuer.example"
)

var (
	session = iam.Caller{ARN: sessARN, Account: account}
	root    = iam.Caller{ARN: rootARN, Account: account}
	exUser  = iam.Caller{ARN: userARN, Account: account}
	fedUser = iam.Caller{ARN: "arn:aws:sts::111122223333:federated-user/exampleuser", Account: account}
	web     = iam.Caller{Federated: provider}
	service = iam.Caller{Service: "events.amazonaws.com"}
)

// to makes a statement of a resource's policy.
func to(effect, principal string) string {
	return `"Effect":"` + effect + `",` + principal + `,"Action":"s3:*","Resource":"*"`
}

func aws(arns ...string) string { return `"Principal":{"AWS":["` + strings.Join(arns, `","`) + `"]}` }

// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
func TestEvaluate(t *testing.T) {
	p := func(statements ...string) *iam.Policy { return policy(t, statements...) }
	list := func(ps ...*iam.Policy) []*iam.Policy { return ps }
	const allow, explicit, implicit = iam.Allow, iam.ExplicitDeny, iam.ImplicitDeny
	for _, c := range []struct {
		name   string
		in     iam.Input
		caller iam.Caller
		want   iam.Decision
		policy string // that decided
	}{
		{"nothing", iam.Input{}, session, implicit, "identity"},
		{"identity allows", iam.Input{Identity: list(p(allowEC2), p(allowS3))}, session, allow, "identity[1]"},
		{"identity of others", iam.Input{Identity: list(p(allowEC2))}, session, implicit, "identity"},
		{"deny beats allow", iam.Input{Identity: list(p(allowAll), p(denyAll))}, session, explicit, "identity[1]"},
		{"root user needs no policy", iam.Input{}, root, allow, "root"},
		{"root user and a service control policy", iam.Input{SCPs: [][]*iam.Policy{{p(allowAll, denyAll)}}}, root, explicit, "scp[0][0]"},

		{"boundary allows", iam.Input{Identity: list(p(allowS3)), Boundary: p(allowAll)}, session, allow, "identity[0]"},
		{"boundary does not", iam.Input{Identity: list(p(allowS3)), Boundary: p(allowEC2)}, session, implicit, "boundary"},
		{"boundary denies", iam.Input{Identity: list(p(allowS3)), Boundary: p(allowAll, denyAll)}, session, explicit, "boundary"},
		{"boundary gives nothing", iam.Input{Boundary: p(allowAll)}, session, implicit, "identity"},

		{"session policy allows", iam.Input{Identity: list(p(allowS3)), Session: list(p(allowAll))}, session, allow, "identity[0]"},
		{"one of two session policies allows", iam.Input{Identity: list(p(allowS3)), Session: list(p(allowEC2), p(allowS3))}, session, allow, "identity[0]"},
		{"session policy does not", iam.Input{Identity: list(p(allowS3)), Session: list(p(allowEC2))}, session, implicit, "session"},
		{"session policy denies", iam.Input{Identity: list(p(allowS3)), Session: list(p(allowAll, denyAll))}, session, explicit, "session[0]"},
		{"session policy gives nothing", iam.Input{Session: list(p(allowAll))}, session, implicit, "identity"},
		{"federated user without session policy", iam.Input{Identity: list(p(allowS3))}, fedUser, implicit, "session"},
		{"federated user with session policy", iam.Input{Identity: list(p(allowS3)), Session: list(p(allowS3))}, fedUser, allow, "identity[0]"},

		{"every level allows", iam.Input{Identity: list(p(allowS3)), SCPs: [][]*iam.Policy{{p(allowAll)}, {p(allowEC2), p(allowS3)}}}, session, allow, "identity[0]"},
		{"one level does not", iam.Input{Identity: list(p(allowS3)), SCPs: [][]*iam.Policy{{p(allowAll)}, {p(allowEC2)}}}, session, implicit, "scp[1]"},
		{"a level without policy", iam.Input{Identity: list(p(allowS3)), SCPs: [][]*iam.Policy{{}}}, session, implicit, "scp[0]"},
		{"a level denies", iam.Input{Identity: list(p(allowS3)), SCPs: [][]*iam.Policy{{p(allowAll)}, {p(allowAll), p(denyAll)}}}, session, explicit, "scp[1][1]"},
		{"a level against a named session", iam.Input{Resource: p(to("Allow", aws(sessARN))), SCPs: [][]*iam.Policy{{p(allowEC2)}}}, session, implicit, "scp[0]"},

		{"resource names the role", iam.Input{Resource: p(to("Allow", aws(roleARN)))}, session, allow, "resource"},
		{"resource names the role, boundary limits", iam.Input{Resource: p(to("Allow", aws(roleARN))), Boundary: p(allowEC2)}, session, implicit, "boundary"},
		{"resource names the role, session policy limits", iam.Input{Resource: p(to("Allow", aws(roleARN))), Session: list(p(allowEC2))}, session, implicit, "session"},
		{"resource names the session", iam.Input{Resource: p(to("Allow", aws(sessARN))), Boundary: p(allowEC2), Session: list(p(allowEC2))}, session, allow, "resource"},
		{"resource names role and session", iam.Input{Resource: p(to("Allow", aws(roleARN)), to("Allow", aws(sessARN))), Boundary: p(allowEC2)}, session, allow, "resource"},
		{"resource names the session, identity denies", iam.Input{Resource: p(to("Allow", aws(sessARN))), Identity: list(p(denyAll))}, session, explicit, "identity[0]"},
		{"resource names another session", iam.Input{Resource: p(to("Allow", aws(sessARN+"2")))}, session, implicit, "identity"},
		{"resource names the user", iam.Input{Resource: p(to("Allow", aws(userARN))), Boundary: p(allowEC2)}, exUser, allow, "resource"},
		{"resource names the federated user", iam.Input{Resource: p(to("Allow", aws(fedUser.ARN)))}, fedUser, allow, "resource"},
		{"resource names the account", iam.Input{Resource: p(to("Allow", aws(rootARN)))}, session, implicit, "identity"},
		{"resource names the account, identity allows", iam.Input{Resource: p(to("Allow", aws(account))), Identity: list(p(allowS3))}, session, allow, "identity[0]"},
		{"resource allows everyone", iam.Input{Resource: p(to("Allow", `"Principal":"*"`)), Boundary: p(allowEC2)}, session, allow, "resource"},
		{"resource denies everyone", iam.Input{Resource: p(to("Deny", `"Principal":{"AWS":"*"}`)), Identity: list(p(allowAll))}, session, explicit, "resource"},
		{"resource denies the account", iam.Input{Resource: p(to("Deny", aws(account))), Identity: list(p(allowAll))}, session, explicit, "resource"},
		{"resource denies the role", iam.Input{Resource: p(to("Deny", aws(roleARN))), Identity: list(p(allowAll))}, session, explicit, "resource"},
		{"resource denies others", iam.Input{Resource: p(to("Deny", aws(roleARN+"2"))), Identity: list(p(allowAll))}, session, allow, "identity[0]"},

		{"service named", iam.Input{Resource: p(to("Allow", `"Principal":{"Service":"events.amazonaws.com"}`))}, service, allow, "resource"},
		{"service not named", iam.Input{Resource: p(to("Allow", `"Principal":{"Service":"sns.amazonaws.com"}`)), Identity: list(p(allowAll))}, service, implicit, "resource"},
		{"provider named", iam.Input{Resource: p(to("Allow", `"Principal":{"Federated":"`+provider+`"}`))}, web, allow, "resource"},
		{"provider named as AWS", iam.Input{Resource: p(to("Allow", aws(provider)))}, web, implicit, "resource"},
		{"provider of another name", iam.Input{Resource: p(to("Allow", `"Principal":{"Federated":"`+provider+`/x"}`))}, web, implicit, "resource"},
		{"nobody and everyone", iam.Input{Resource: p(to("Allow", `"Principal":"*"`))}, iam.Caller{}, allow, "resource"},
		{"nobody and an account", iam.Input{Resource: p(to("Allow", aws(account)))}, iam.Caller{}, implicit, "resource"},

		{"all but the session", iam.Input{Identity: list(p(allowAll)), Resource: p(to("Deny", `"NotPrincipal":{"AWS":["`+sessARN+`","`+roleARN+`","`+rootARN+`"]}`))}, session, allow, "identity[0]"},
		{"all but the session, without its role", iam.Input{Identity: list(p(allowAll)), Resource: p(to("Deny", `"NotPrincipal":{"AWS":["`+sessARN+`","`+rootARN+`"]}`))}, session, explicit, "resource"},
		{"all but the session, without its account", iam.Input{Identity: list(p(allowAll)), Resource: p(to("Deny", `"NotPrincipal":{"AWS":["`+sessARN+`","`+roleARN+`"]}`))}, session, explicit, "resource"},
		{"all but the user", iam.Input{Identity: list(p(allowAll)), Resource: p(to("Deny", `"NotPrincipal":{"AWS":["`+userARN+`","`+account+`"]}`))}, exUser, allow, "identity[0]"},
		{"all but the account, for a user", iam.Input{Identity: list(p(allowAll)), Resource: p(to("Deny", `"NotPrincipal":{"AWS":"`+account+`"}`))}, exUser, explicit, "resource"},
		{"all but the service", iam.Input{Resource: p(to("Allow", `"Principal":"*"`), to("Deny", `"NotPrincipal":{"Service":"events.amazonaws.com"}`))}, service, allow, "resource"},
		{"allowed to all but another", iam.Input{Resource: p(to("Allow", `"NotPrincipal":{"AWS":"`+other+`"}`))}, session, allow, "resource"},
		{"allowed to all but the account", iam.Input{Resource: p(to("Allow", `"NotPrincipal":{"AWS":"`+account+`"}`))}, session, implicit, "identity"},
		{"denied to nobody", iam.Input{Identity: list(p(allowAll)), Resource: p(to("Deny", `"NotPrincipal":"*"`))}, session, allow, "identity[0]"},

		{"a resource policy without principal allows nothing", iam.Input{Resource: p(allowAll)}, session, implicit, "identity"},
		{"a resource policy without principal denies", iam.Input{Resource: p(denyAll), Identity: list(p(allowAll))}, session, explicit, "resource"},
		{"an identity policy with principal allows nothing", iam.Input{Identity: list(p(to("Allow", `"Principal":"*"`)))}, session, implicit, "identity"},
		{"an identity policy with principal denies", iam.Input{Identity: list(p(allowAll), p(to("Deny", aws(other))))}, session, explicit, "identity[1]"},
		{"an identity policy without resource allows nothing", iam.Input{Identity: list(p(`"Effect":"Allow","Action":"*"`))}, session, implicit, "identity"},
		{"an identity policy without resource denies", iam.Input{Identity: list(p(allowAll, `"Effect":"Deny","Action":"*"`))}, session, explicit, "identity[0]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.in.Request = iam.Request{Caller: c.caller, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k"}
			got := iam.Evaluate(c.in)
			if got.Decision != c.want || got.Policy != c.policy || got.Why == "" {
				t.Errorf("%+v, want %s by %s", got, c.want, c.policy)
			}
		})
	}
}

// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html
func TestAcrossAccounts(t *testing.T) {
	abroad := iam.Request{Caller: session, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", ResourceAccount: other}
	allow := []*iam.Policy{policy(t, allowS3)}
	for _, c := range []struct {
		name string
		in   iam.Input
		want iam.Decision
	}{
		{"own side only", iam.Input{Identity: allow}, iam.ImplicitDeny},
		{"other side only", iam.Input{Resource: policy(t, to("Allow", aws(sessARN)))}, iam.ImplicitDeny},
		{"everyone there, nothing here", iam.Input{Resource: policy(t, to("Allow", `"Principal":"*"`))}, iam.ImplicitDeny},
		{"both", iam.Input{Identity: allow, Resource: policy(t, to("Allow", aws(rootARN)))}, iam.Allow},
		{"both, boundary limits", iam.Input{Identity: allow, Resource: policy(t, to("Allow", aws(sessARN))), Boundary: policy(t, allowEC2)}, iam.ImplicitDeny},
		{"both, session policy limits", iam.Input{Identity: allow, Resource: policy(t, to("Allow", aws(sessARN))), Session: []*iam.Policy{policy(t, allowEC2)}}, iam.ImplicitDeny},
		{"other side denies", iam.Input{Identity: allow, Resource: policy(t, to("Allow", aws(rootARN)), to("Deny", aws(sessARN)))}, iam.ExplicitDeny},
	} {
		c.in.Request = abroad
		if got := iam.Evaluate(c.in); got.Decision != c.want {
			t.Errorf("%s: %+v, want %s", c.name, got, c.want)
		}
	}
}

// Trust policies and key policies must allow by themselves (the evaluation
// logic page, "Resource-based policies").
func TestExplicitResourcePolicies(t *testing.T) {
	identity := []*iam.Policy{policy(t, allowAll)}
	for _, c := range []struct {
		name, action, principal string
		want                    iam.Decision
	}{
		{"trust of others", "sts:AssumeRole", aws(roleARN + "2"), iam.ImplicitDeny},
		{"trust in the role", "sts:AssumeRole", aws(roleARN), iam.Allow},
		{"trust in the account", "sts:AssumeRole", aws(account), iam.Allow},
		{"tags", "sts:TagSession", aws(roleARN + "2"), iam.ImplicitDeny},
		{"source identity", "sts:SetSourceIdentity", aws(roleARN + "2"), iam.ImplicitDeny},
		{"key", "kms:Decrypt", aws(other), iam.ImplicitDeny},
		{"key of the account", "kms:Decrypt", aws(account), iam.Allow},
		{"bucket", "s3:GetObject", aws(other), iam.Allow},
	} {
		p := policy(t, `"Effect":"Allow",`+c.principal+`,"Action":["sts:*","kms:*","s3:*"]`)
		got := iam.Evaluate(iam.Input{Identity: identity, Resource: p, Request: iam.Request{Caller: session, Action: c.action, Resource: "arn:aws:x:::y"}})
		if got.Decision != c.want {
			t.Errorf("%s: %+v, want %s", c.name, got, c.want)
		}
	}
}

func TestCallerKinds(t *testing.T) {
	pathRole := "arn:aws:iam::111122223333:role/team/examplerole"
	withPath := session
	withPath.Role = pathRole
	withoutAccount := iam.Caller{ARN: sessARN}
	china := iam.Caller{ARN: "arn:aws-cn:sts::111122223333:assumed-role/examplerole/s"}
	mixed := iam.Caller{ARN: sessARN, Federated: provider, Service: "events.amazonaws.com"}
	for _, c := range []struct {
		name      string
		caller    iam.Caller
		principal string
		want      iam.Decision
	}{
		{"role with path", withPath, aws(pathRole), iam.Allow},
		{"role with path, named without", withPath, aws(roleARN), iam.ImplicitDeny},
		{"role of another partition", china, aws(roleARN), iam.ImplicitDeny},
		{"role in China", china, aws("arn:aws-cn:iam::111122223333:role/examplerole"), iam.Allow},
		{"session named with account from its ARN", withoutAccount, aws(sessARN), iam.Allow},
		{"a session is not its provider", mixed, `"Principal":{"Federated":"` + provider + `"}`, iam.ImplicitDeny},
		{"a session is no service", mixed, `"Principal":{"Service":"events.amazonaws.com"}`, iam.ImplicitDeny},
		{"canonical users are nobody", session, `"Principal":{"CanonicalUser":"79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"}`, iam.ImplicitDeny},
		{"case counts", session, aws(strings.ToUpper(sessARN)), iam.ImplicitDeny},
		{"empty ARN", iam.Caller{Kind: iam.KindUser}, aws(userARN), iam.ImplicitDeny},
	} {
		got := iam.Evaluate(iam.Input{Resource: policy(t, to("Allow", c.principal)),
			Request: iam.Request{Caller: c.caller, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k"}})
		if got.Decision != c.want {
			t.Errorf("%s: %+v, want %s", c.name, got, c.want)
		}
	}
}

// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_action.html and the pages beside it
func TestActionsAndResources(t *testing.T) {
	for _, c := range []struct {
		statement, action, resource string
		want                        iam.Decision
	}{
		{`"Action":"S3:getobject","Resource":"*"`, "s3:GetObject", "arn:aws:s3:::b/k", iam.Allow},
		{`"Action":"iam:*AccessKey*","Resource":"*"`, "iam:UpdateAccessKey", "*", iam.Allow},
		{`"Action":"s3:Get?bject","Resource":"*"`, "s3:GetObject", "*", iam.Allow},
		{`"Action":"s3:Get","Resource":"*"`, "s3:GetObject", "*", iam.ImplicitDeny},
		{`"NotAction":["iam:*","organizations:*"],"Resource":"*"`, "s3:GetObject", "*", iam.Allow},
		{`"NotAction":["iam:*","organizations:*"],"Resource":"*"`, "IAM:CreateUser", "*", iam.ImplicitDeny},
		{`"Action":"*","Resource":"arn:aws:s3:::b/*"`, "s3:GetObject", "arn:aws:s3:::b/k/l", iam.Allow},
		{`"Action":"*","Resource":"arn:aws:s3:::b/*"`, "s3:GetObject", "arn:aws:s3:::B/k", iam.ImplicitDeny},
		{`"Action":"*","Resource":"arn:aws:s3:::b/*"`, "s3:ListAllMyBuckets", "*", iam.ImplicitDeny},
		{`"Action":"*","Resource":"*"`, "s3:ListAllMyBuckets", "*", iam.Allow},
		{`"Action":"*","Resource":["arn:aws:s3:::c","arn:aws:s3:::b"]`, "s3:ListBucket", "arn:aws:s3:::b", iam.Allow},
		{`"Action":"*","NotResource":"arn:aws:s3:::b*"`, "s3:ListBucket", "arn:aws:s3:::b", iam.ImplicitDeny},
		{`"Action":"*","NotResource":"arn:aws:s3:::b*"`, "s3:ListBucket", "arn:aws:s3:::c", iam.Allow},
		{`"Action":"*","Resource":"arn:aws:s3:::home/${aws:username}/*"`, "s3:GetObject", "arn:aws:s3:::home/engineer/k", iam.Allow},
		{`"Action":"*","Resource":"arn:aws:s3:::home/${aws:username}/*"`, "s3:GetObject", "arn:aws:s3:::home/lead/k", iam.ImplicitDeny},
		{`"Action":"*","Resource":"arn:aws:s3:::home/${aws:gone}/*"`, "s3:GetObject", "arn:aws:s3:::home//k", iam.ImplicitDeny},
		{`"Action":"*","NotResource":"arn:aws:s3:::home/${aws:gone}/*"`, "s3:GetObject", "arn:aws:s3:::home/x/k", iam.Allow},
		{`"Action":"*","Resource":"arn:aws:s3:::b-${aws:PrincipalTag/team, 'company-wide'}"`, "s3:ListBucket", "arn:aws:s3:::b-company-wide", iam.Allow},
		{`"Action":"*","Resource":"*"`, "", "*", iam.ImplicitDeny},
		{`"Action":"*","Resource":"*"`, "s3:GetObject", "", iam.ImplicitDeny},
	} {
		p := policy(t, `"Effect":"Allow",`+c.statement)
		got := iam.Evaluate(iam.Input{Identity: []*iam.Policy{p}, Request: iam.Request{Caller: user, Action: c.action, Resource: c.resource,
			Context: iam.Context{"aws:username": {"engineer"}}}})
		if got.Decision != c.want {
			t.Errorf("%s for %s on %s: %+v, want %s", c.statement, c.action, c.resource, got, c.want)
		}
	}
}

// A refusal names the statement that came closest and what kept it.
func TestWhy(t *testing.T) {
	p := policy(t, allowEC2, `"Sid":"Mine","Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":["red","blue"]}}`)
	in := iam.Input{Identity: []*iam.Policy{p}, Request: iam.Request{Caller: session, Action: "s3:GetObject", Resource: "*",
		Context: iam.Context{"aws:principaltag/team": {"yellow"}}}}
	got := iam.Evaluate(in)
	want := iam.Result{Decision: iam.ImplicitDeny, Policy: "identity[0]", Statement: "Mine", Condition: "StringEquals aws:PrincipalTag/team",
		Why: `no identity policy allows s3:GetObject on *; statement Mine of identity[0] would, but for StringEquals aws:PrincipalTag/team, which wants "red" or "blue" and is "yellow"`}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	in.Request.Context = nil
	if got := iam.Evaluate(in).Why; !strings.HasSuffix(got, `and is absent`) {
		t.Error(got)
	}
	in.Request.Context = iam.Context{"aws:PrincipalTag/team": {"red"}}
	if got := iam.Evaluate(in); got.Why != "statement Mine of identity[0] allows s3:GetObject" || got.Statement != "Mine" || got.Condition != "StringEquals aws:PrincipalTag/team" {
		t.Errorf("%+v", got)
	}
	in.Session = []*iam.Policy{policy(t, allowAll, denyAll)}
	if got := iam.Evaluate(in); got.Why != "statement Statement[1] of session[0] denies s3:GetObject" || got.Statement != "Statement[1]" {
		t.Errorf("%+v", got)
	}
}

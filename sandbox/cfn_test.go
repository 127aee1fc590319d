package sandbox_test

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/brevet-access/brevet/sandbox"
)

// owner is the customer's own administrator of the first account.
func (c *cloud) owner() (a assumed) {
	o := c.aws.Owner(staging)
	a.Result.Credentials.AccessKeyId, a.Result.Credentials.SecretAccessKey = o.AccessKeyID, o.SecretAccessKey
	return a
}

// must sends a call that is to succeed with want in its answer.
func (c *cloud) must(by assumed, call, want string, params ...string) string {
	c.t.Helper()
	return c.answered(200, by, call, want, params)
}

// mustNot sends a call that is to fail with want in its answer.
func (c *cloud) mustNot(by assumed, call, want string, params ...string) {
	c.t.Helper()
	c.answered(0, by, call, want, params)
}

func (c *cloud) answered(want int, by assumed, call, holds string, params []string) string {
	c.t.Helper()
	status, body := c.query(by, call, params...)
	if (status == 200) != (want == 200) || !strings.Contains(body, holds) {
		c.t.Fatalf("%s %v: status %d, want %q in\n%s", call, params, status, holds, body)
	}
	return body
}

const capability = "Capabilities.member.1"

func TestOwner(t *testing.T) {
	c := newCloud(t)
	o := c.owner()
	c.must(o, "sts GetCallerIdentity", "<Arn>arn:aws:iam::111122223333:user/owner</Arn>")
	c.must(o, "iam ListUsers", "<Users></Users>")
	bad := o
	bad.Result.Credentials.SecretAccessKey += "x"
	c.mustNot(bad, "sts GetCallerIdentity", "SignatureDoesNotMatch")
	other := c.aws.Owner(prod)
	if other == c.aws.Owner(staging) {
		t.Error("two owners have one key")
	}
	c.restart()
	c.must(o, "sts GetCallerIdentity", "user/owner") // the same after a restart
	_, raw := c.lookup(o, "{}")
	if strings.Contains(raw, o.Result.Credentials.SecretAccessKey) {
		t.Error("the trail holds the owner's secret")
	}
}

func TestStackLife(t *testing.T) {
	c := newCloud(t)
	c.cfg.Dir = t.TempDir()
	c.restart()
	o := c.owner()
	body := `{"Parameters":{"Name":{"Type":"String","Default":"one"}},"Resources":{"Topic":{"Type":"AWS::SNS::Topic","Properties":{"TopicName":{"Ref":"Name"}}},
		"Keep":{"Type":"AWS::Logs::LogGroup","DeletionPolicy":"Retain","Properties":{"LogGroupName":"kept"}}},"Outputs":{"Topic":{"Value":{"Ref":"Topic"}}}}`
	c.must(o, "cloudformation CreateStack", "<StackId>arn:aws:cloudformation:eu-west-1:111122223333:stack/own/", "StackName", "own", "TemplateBody", body)
	c.mustNot(o, "cloudformation CreateStack", "AlreadyExistsException", "StackName", "own", "TemplateBody", body)
	c.must(o, "cloudformation DescribeStacks", "<OutputValue>arn:aws:sns:eu-west-1:111122223333:one</OutputValue>", "StackName", "own")
	c.mustNot(o, "cloudformation UpdateStack", "No updates are to be performed.", "StackName", "own", "UsePreviousTemplate", "true")
	c.must(o, "cloudformation UpdateStack", "<StackId>", "StackName", "own", "UsePreviousTemplate", "true",
		"Parameters.member.1.ParameterKey", "Name", "Parameters.member.1.ParameterValue", "two")
	c.must(o, "sns ListTopics", "<TopicArn>arn:aws:sns:eu-west-1:111122223333:two</TopicArn>")

	// an update that cannot be is rolled back, and says why
	c.must(o, "cloudformation UpdateStack", "<StackId>", "StackName", "own", "UsePreviousTemplate", "true",
		"Parameters.member.1.ParameterKey", "Name", "Parameters.member.1.ParameterValue", "brevet-access")
	got := c.must(o, "cloudformation DescribeStacks", "<StackStatus>UPDATE_ROLLBACK_COMPLETE</StackStatus>", "StackName", "own")
	if !strings.Contains(got, "already exists in stack arn:aws:cloudformation:eu-west-1:111122223333:stack/brevet-access/") {
		t.Error(got)
	}
	c.must(o, "sns ListTopics", "<TopicArn>arn:aws:sns:eu-west-1:111122223333:two</TopicArn>")

	c.restart() // what was made by hand is there after a restart
	c.must(o, "cloudformation DescribeStacks", "<ParameterValue>two</ParameterValue>", "StackName", "own")
	c.must(o, "cloudformation DeleteStack", "<DeleteStackResponse", "StackName", "own")
	c.mustNot(o, "cloudformation DescribeStacks", "Stack with id own does not exist", "StackName", "own")
	c.must(o, "cloudformation ListStacks", "<StackName>own</StackName>", "StackStatusFilter.member.1", "DELETE_COMPLETE")
	if _, out := c.signed(o, "logs", "POST", "/", "Logs_20140328.DescribeLogGroups", `{"logGroupNamePrefix":"kept"}`); !strings.Contains(out, `"kept"`) {
		t.Errorf("DeletionPolicy Retain: %s", out)
	}
	c.must(o, "cloudformation CreateStack", "<StackId>", "StackName", "own", "TemplateBody", body)
	c.must(o, "cloudformation DescribeStacks", "a stack that was deleted retained it", "StackName", "own")

	for _, bad := range []string{`{`, `{"Resources":{"A":{"Type":"AWS::SNS::Topic","Properties":{"TopicName":{"Fn::GetAZs":""}}}}}`, strings.Repeat(" ", 51201)} {
		c.mustNot(o, "cloudformation ValidateTemplate", "ValidationError", "TemplateBody", bad)
	}
}

// What somebody hung on a role of a stack keeps it from being deleted, as on
// AWS, until it is taken away or the role is retained.
func TestStuckDeletion(t *testing.T) {
	c := newCloud(t)
	o := c.owner()
	const extra = "arn:aws:iam::aws:policy/AWSSupportAccess"
	c.must(o, "iam AttachRolePolicy", "<AttachRolePolicyResponse", "RoleName", "brevet-SRE", "PolicyArn", extra)
	c.must(o, "iam ListAttachedRolePolicies", extra, "RoleName", "brevet-SRE")
	c.must(o, "iam ListEntitiesForPolicy", "<RoleName>brevet-SRE</RoleName>", "PolicyArn", extra)
	c.must(o, "cloudformation DeleteStack", "<DeleteStackResponse", "StackName", "brevet-access")
	got := c.must(o, "cloudformation DescribeStacks", "<StackStatus>DELETE_FAILED</StackStatus>", "StackName", "brevet-access")
	if !strings.Contains(got, "[RoleSRE]") || !strings.Contains(got, "must detach all policies first") {
		t.Error(got)
	}
	if status, _ := c.post(c.form("Admin")); status != 200 {
		t.Error("a stack that could not be deleted does not hold any more")
	}
	c.must(o, "iam DetachRolePolicy", "<DetachRolePolicyResponse", "RoleName", "brevet-SRE", "PolicyArn", extra)
	c.must(o, "cloudformation DeleteStack", "<DeleteStackResponse", "StackName", "brevet-access")
	if status, body := c.post(c.form("Admin")); status != 400 || !strings.Contains(body, "No OpenIDConnect provider found in your account") {
		t.Errorf("a deleted stack: %d\n%s", status, body)
	}
	if left, err := c.aws.Deploy(c.accounts[0], sandbox.Own{Name: "brevet-access", Region: "eu-west-1", Template: c.template(c.accounts[0])}); err != nil || left != nil {
		t.Errorf("%v, %v", left, err)
	}
	c.mustNot(o, "cloudformation DescribeStacks", "does not exist", "StackName", "brevet-access") // it stays deleted
}

// A stack that was deployed by hand is left alone, and named.
func TestDeployByHand(t *testing.T) {
	c := newCloud(t)
	o := c.owner()
	edited := strings.Replace(c.template(c.accounts[0]), `"TopicName":"brevet-access"`, `"TopicName":"by-hand"`, 1)
	c.must(o, "cloudformation UpdateStack", "<StackId>", "StackName", "brevet-access", "TemplateBody", edited, capability, "CAPABILITY_NAMED_IAM")
	c.roles = c.roles[:1]
	left, err := c.aws.Deploy(c.accounts[0], sandbox.Own{Name: "brevet-access", Region: "eu-west-1", Template: c.template(c.accounts[0])})
	if err != nil || len(left) != 1 || left[0] != "brevet-access" {
		t.Errorf("%v, %v", left, err)
	}
	c.must(o, "sns ListTopics", "by-hand")
	if status, _ := c.post(c.form("Admin")); status != 200 {
		t.Error("the roles of the stack by hand are gone")
	}
}

// IAM changes beside the stacks count at once and outlive an update of the
// stack; what they hang on goes with it.
func TestEditsBesideStacks(t *testing.T) {
	c := newCloud(t)
	o, sre := c.owner(), c.session("SRE")
	c.mustNot(sre, "iam ListRoles", "AccessDenied")
	c.must(o, "iam PutRolePolicy", "<PutRolePolicyResponse", "RoleName", "brevet-SRE", "PolicyName", "more", "PolicyDocument",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:ListRoles","Resource":"*"}]}`)
	c.must(sre, "iam ListRoles", "<RoleName>brevet-SRE</RoleName>")
	c.roles[0].About = "changed"
	c.deploy()
	c.must(sre, "iam ListRoles", "<Description>changed</Description>")
	c.must(o, "iam UpdateAssumeRolePolicy", "<UpdateAssumeRolePolicyResponse", "RoleName", "brevet-SRE", "PolicyDocument",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"arn:aws:iam::111122223333:user/owner"}}]}`)
	if status, _ := c.post(c.form("SRE")); status != 403 {
		t.Error("the trust policy that was changed does not count")
	}
	c.must(o, "sts AssumeRole", "<AccessKeyId>ASIA", "RoleArn", c.accounts[0].RoleARN("SRE"), "RoleSessionName", "own")

	c.must(o, "iam CreateUser", "<UserName>mallory</UserName>", "UserName", "mallory")
	made := c.must(o, "iam CreateAccessKey", "<SecretAccessKey>", "UserName", "mallory")
	cut := func(name string) string {
		_, rest, _ := strings.Cut(made, "<"+name+">")
		v, _, _ := strings.Cut(rest, "<")
		return v
	}
	var mallory assumed
	mallory.Result.Credentials.AccessKeyId, mallory.Result.Credentials.SecretAccessKey = cut("AccessKeyId"), cut("SecretAccessKey")
	c.must(mallory, "sts GetCallerIdentity", "user/mallory")
	c.mustNot(mallory, "iam ListRoles", "because no identity-based policy allows")
	c.must(o, "iam AttachUserPolicy", "<AttachUserPolicyResponse", "UserName", "mallory", "PolicyArn", "arn:aws:iam::aws:policy/AdministratorAccess")
	c.must(mallory, "iam ListRoles", "<RoleName>brevet-SRE</RoleName>")
	for call, params := range map[string][]string{
		"iam CreateRole":       {"RoleName", "brevet-SRE", "AssumeRolePolicyDocument", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":"*"}]}`},
		"iam AttachRolePolicy": {"RoleName", "brevet-SRE", "PolicyArn", "arn:aws:iam::aws:policy/NoSuchThing"},
		"iam PutRolePolicy":    {"RoleName", "brevet-SRE", "PolicyName", "x", "PolicyDocument", "{"},
		"iam DeleteRole":       {"RoleName", "brevet-SRE"},
		"iam DetachRolePolicy": {"RoleName", "nobody", "PolicyArn", "x"},
	} {
		c.mustNot(o, call, "<Error><Type>Sender</Type>"[1:], params...)
	}
	c.must(o, "iam DeleteOpenIDConnectProvider", "<DeleteOpenIDConnectProviderResponse", "OpenIDConnectProviderArn", "arn:aws:iam::111122223333:oidc-provider/issuer.brevet.invalid/c/cu_x")
	if status, _ := c.post(c.form("Admin")); status != 400 {
		t.Error("a provider that is gone lets somebody in")
	}
}

func TestChangeSets(t *testing.T) {
	c := newCloud(t)
	o := c.owner()
	body := `{"Resources":{"Topic":{"Type":"AWS::SNS::Topic","Properties":{"TopicName":"sets"}}}}`
	set := []string{"StackName", "sets", "ChangeSetName", "first", "ChangeSetType", "CREATE", "TemplateBody", body}
	c.must(o, "cloudformation CreateChangeSet", "changeSet/first/", set...)
	c.mustNot(o, "cloudformation CreateChangeSet", "AlreadyExistsException", set...)
	c.must(o, "cloudformation DescribeStacks", "<StackStatus>REVIEW_IN_PROGRESS</StackStatus>", "StackName", "sets")
	if got := c.must(o, "sns ListTopics", "<Topics>"); strings.Contains(got, ":sets<") {
		t.Error("a change set was executed by itself")
	}
	c.must(o, "cloudformation DescribeChangeSet", "<Action>Add</Action>", "StackName", "sets", "ChangeSetName", "first")
	c.must(o, "cloudformation ExecuteChangeSet", "<ExecuteChangeSetResponse", "StackName", "sets", "ChangeSetName", "first")
	c.must(o, "sns ListTopics", ":sets<")
	set[3], set[5] = "second", "UPDATE"
	c.must(o, "cloudformation CreateChangeSet", "changeSet/second/", set...)
	c.must(o, "cloudformation DescribeChangeSet", "<Status>FAILED</Status>", "StackName", "sets", "ChangeSetName", "second")
	c.mustNot(o, "cloudformation ExecuteChangeSet", "InvalidChangeSetStatus", "StackName", "sets", "ChangeSetName", "second")
	c.must(o, "cloudformation DeleteChangeSet", "<DeleteChangeSetResponse", "StackName", "sets", "ChangeSetName", "second")
	c.mustNot(o, "cloudformation DescribeChangeSet", "ChangeSetNotFound", "StackName", "sets", "ChangeSetName", "second")
}

func TestPutEvents(t *testing.T) {
	c := newCloud(t)
	status, body := c.signed(c.owner(), "events", "POST", "/", "AWSEvents.PutEvents", `{"Entries":[{"Source":"aws.sts","DetailType":"AWS API Call via CloudTrail","Detail":"{}"}]}`)
	if status != 200 || !strings.Contains(body, "NotAuthorizedForSourceException") {
		t.Errorf("%d %s", status, body)
	}
}

// TestOrganizationTrail: without a trail EventBridge sees nothing.
func TestOrganizationTrail(t *testing.T) {
	c := newCloud(t)
	target := "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101."
	admin := c.session("Admin")
	if status, body := c.signed(admin, "cloudtrail", "POST", "/", target+"DeleteTrail", `{"Name":"org"}`); status != 400 || !strings.Contains(body, "NotOrganizationManagementAccountException") {
		t.Errorf("Admin: %d %s", status, body)
	}
	if status, body := c.signed(c.owner(), "cloudtrail", "POST", "/", target+"DeleteTrail", `{"Name":"org"}`); status != 200 {
		t.Errorf("owner: %d %s", status, body)
	}
	if _, body := c.signed(admin, "cloudtrail", "POST", "/", target+"DescribeTrails", `{}`); body != `{"trailList":[]}` {
		t.Error(body)
	}
}

func TestMailbox(t *testing.T) {
	c := newCloud(t)
	o := c.owner()
	topic := "arn:aws:sns:eu-west-1:111122223333:brevet-access"
	c.must(o, "sns Subscribe", "pending confirmation", "TopicArn", topic, "Protocol", "email", "Endpoint", "security@acme.invalid")
	c.mustNot(o, "sns Subscribe", "InvalidParameter", "TopicArn", topic, "Protocol", "https", "Endpoint", "https://acme.invalid")
	c.must(o, "sns ListSubscriptionsByTopic", "<SubscriptionArn>PendingConfirmation</SubscriptionArn>", "TopicArn", topic)
	resp, err := http.Get(c.url + "/mailbox")
	p := look(t, resp, err)
	if p.status != 200 || p.action != "/mailbox" || !strings.Contains(p.body, "security@acme.invalid") {
		t.Fatalf("%d\n%s", p.status, p.body)
	}
	resp, err = http.PostForm(c.url+"/mailbox", url.Values{"subscription": {"arn:aws:sns:eu-west-1:111122223333:no:such"}})
	if p := look(t, resp, err); p.status != 404 {
		t.Errorf("no such subscription: %d", p.status)
	}
	resp, err = http.PostForm(c.url+"/mailbox", p.hidden)
	if p := look(t, resp, err); p.status != 200 || strings.Contains(p.body, "<form") {
		t.Errorf("confirm: %d\n%s", p.status, p.body)
	}
	got := c.must(o, "sns ListSubscriptionsByTopic", "<SubscriptionArn>"+topic+":", "TopicArn", topic)
	_, arn, _ := strings.Cut(got, "<SubscriptionArn>")
	arn, _, _ = strings.Cut(arn, "<")
	c.must(o, "sns Unsubscribe", "<UnsubscribeResponse", "SubscriptionArn", arn)
	c.must(o, "sns ListSubscriptionsByTopic", "<Subscriptions></Subscriptions>", "TopicArn", topic)
}

// Calls of many at once, some of which change what the account holds.
func TestConcurrentCalls(t *testing.T) {
	c := newProbeCloud(t)
	c.generated(nil, nil)
	o, admin := c.owner(), c.session("Admin")
	body := `{"Resources":{"Topic":{"Type":"AWS::SNS::Topic"}}}`
	var all sync.WaitGroup
	for n := range 4 {
		name := "own" + strconv.Itoa(n)
		all.Go(func() {
			c.query(o, "cloudformation CreateStack", "StackName", name, "TemplateBody", body)
			c.query(o, "cloudformation DescribeStacks")
			c.query(o, "cloudformation DeleteStack", "StackName", name)
		})
		all.Go(func() {
			c.query(admin, "iam GetRole", "RoleName", "brevet-Admin")
			c.query(o, "iam PutRolePolicy", "RoleName", "brevet-SRE", "PolicyName", name, "PolicyDocument", `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`)
			c.signed(o, "logs", "POST", "/", "Logs_20140328.FilterLogEvents", `{"logGroupName":"brevet-access"}`)
			c.signed(o, "monitoring", "POST", "/", "GraniteServiceVersion20100801.DescribeAlarms", `{}`)
		})
	}
	all.Wait()
	c.must(o, "cloudformation ListStacks", "<StackName>own3</StackName>", "StackStatusFilter.member.1", "DELETE_COMPLETE")
	if got := c.must(o, "iam ListRolePolicies", "<member>own0</member>", "RoleName", "brevet-SRE"); strings.Count(got, "<member>own") != 4 {
		t.Error(got)
	}
}

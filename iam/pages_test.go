package iam_test

import (
	"testing"

	"github.com/brevet-access/brevet/iam"
)

// page is an example of the IAM User Guide: on which page it stands, and what
// the page says of it. The pages are those of
// https://docs.aws.amazon.com/IAM/latest/UserGuide/PAGE.html; account numbers
// and bucket names are those of the examples.
type page struct {
	page, about string
	in          iam.Input
	want        iam.Decision
	by          string // the statement that decided; "": not said
}

const (
	carlos      = "arn:aws:iam::123456789012:user/carlossalazar"
	carlos1     = "arn:aws:iam::111111111111:user/carlossalazar"
	withinOne   = "reference_policies_evaluation-logic_policy-eval-basics"
	denyOrAllow = "reference_policies_evaluation-logic_policy-eval-denyallow"
	acrossTwo   = "reference_policies_evaluation-logic-cross-account"
	boundaries  = "access_policies_boundaries"
	operators   = "reference_policies_elements_condition_operators"
	multiValue  = "reference_policies_multi-value-conditions"
	variables   = "reference_policies_variables"
	condElement = "reference_policies_elements_condition"
	notPrinc    = "reference_policies_elements_notprincipal"
	sessionPage = "access_policies"
)

func call(caller, action, resource string, context ...string) iam.Request {
	r := iam.Request{Caller: iam.Caller{ARN: caller}, Action: action, Resource: resource, Context: iam.Context{}}
	for i := 0; i < len(context); i += 2 {
		r.Context[context[i]] = append(r.Context[context[i]], context[i+1])
	}
	return r
}

func runPages(t *testing.T, pages []page) {
	t.Helper()
	for _, c := range pages {
		t.Run(c.page+"/"+c.about, func(t *testing.T) {
			got := iam.Evaluate(c.in)
			if got.Decision != c.want || c.by != "" && got.Statement != c.by {
				t.Errorf("%+v, want %s by %s", got, c.want, c.by)
			}
		})
	}
}

// The examples of evaluation within one account and across two.
func TestPagesOfEvaluation(t *testing.T) {
	list := func(ps ...*iam.Policy) []*iam.Policy { return ps }
	own := policy(t, `"Sid":"AllowS3ListRead","Effect":"Allow","Action":["s3:GetBucketLocation","s3:GetAccountPublicAccessBlock","s3:ListAccessPoints","s3:ListAllMyBuckets"],"Resource":"arn:aws:s3:::*"`,
		`"Sid":"AllowS3Self","Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::amzn-s3-demo-bucket-carlossalazar/*","arn:aws:s3:::amzn-s3-demo-bucket-carlossalazar"]`,
		`"Sid":"DenyS3Logs","Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::*log*"`)
	bucket := policy(t, `"Effect":"Allow","Principal":{"AWS":"`+carlos+`"},"Action":"s3:*","Resource":["arn:aws:s3:::amzn-s3-demo-bucket-carlossalazar/*","arn:aws:s3:::amzn-s3-demo-bucket-carlossalazar"]`)
	developer := policy(t, `"Sid":"AllowS3ListRead","Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"*"`,
		`"Sid":"AllowS3ProductionObjectActions","Effect":"Allow","Action":"s3:*Object*","Resource":"arn:aws:s3:::Production/*"`,
		`"Sid":"DenyS3Logs","Effect":"Deny","Action":"s3:*","Resource":["arn:aws:s3:::*log*","arn:aws:s3:::*log*/*"]`)
	production := policy(t, `"Effect":"Allow","Action":["s3:GetObject*","s3:PutObject*","s3:ReplicateObject","s3:RestoreObject"],"Principal":{"AWS":"`+carlos1+`"},"Resource":"arn:aws:s3:::Production/*"`)
	abroad := func(action, resource string) iam.Request {
		r := call(carlos1, action, resource)
		r.ResourceAccount = "222222222222"
		return r
	}
	const mine, logs = "arn:aws:s3:::amzn-s3-demo-bucket-carlossalazar/file", "arn:aws:s3:::amzn-s3-demo-bucket-carlossalazar-logs/file"
	runPages(t, []page{
		{withinOne, "he saves to the bucket of logs", iam.Input{Identity: list(own), Request: call(carlos, "s3:PutObject", logs)}, iam.ExplicitDeny, "DenyS3Logs"},
		{withinOne, "he saves to his own bucket", iam.Input{Identity: list(own), Resource: bucket, Request: call(carlos, "s3:PutObject", mine)}, iam.Allow, ""},
		{withinOne, "the bucket's policy alone is enough", iam.Input{Resource: bucket, Request: call(carlos, "s3:PutObject", mine)}, iam.Allow, "Statement[0]"},
		{withinOne, "his own policy alone is enough", iam.Input{Identity: list(own), Request: call(carlos, "s3:PutObject", mine)}, iam.Allow, "AllowS3Self"},
		{withinOne, "he lists the buckets", iam.Input{Identity: list(own), Request: call(carlos, "s3:ListAllMyBuckets", "arn:aws:s3:::*")}, iam.Allow, "AllowS3ListRead"},
		{withinOne, "nothing allows another service", iam.Input{Identity: list(own), Request: call(carlos, "ec2:StartInstances", "*")}, iam.ImplicitDeny, ""},
		{acrossTwo, "he saves to Production-logs", iam.Input{Identity: list(developer), Request: abroad("s3:PutObject", "arn:aws:s3:::Production-logs/file")}, iam.ExplicitDeny, "DenyS3Logs"},
		{acrossTwo, "he saves to Production", iam.Input{Identity: list(developer), Resource: production, Request: abroad("s3:PutObject", "arn:aws:s3:::Production/file")}, iam.Allow, ""},
		{acrossTwo, "he can't delete there", iam.Input{Identity: list(developer), Resource: production, Request: abroad("s3:DeleteObject", "arn:aws:s3:::Production/file")}, iam.ImplicitDeny, ""},
		{acrossTwo, "he can't manage the bucket", iam.Input{Identity: list(developer), Resource: production, Request: abroad("s3:DeleteBucket", "arn:aws:s3:::Production")}, iam.ImplicitDeny, ""},
		{acrossTwo, "without the other account's policy", iam.Input{Identity: list(developer), Request: abroad("s3:PutObject", "arn:aws:s3:::Production/file")}, iam.ImplicitDeny, ""},
		{acrossTwo, "without a policy of his own", iam.Input{Resource: production, Request: abroad("s3:PutObject", "arn:aws:s3:::Production/file")}, iam.ImplicitDeny, ""},
	})
}

// The table "resource-based policies and implicit denies in other policy
// types": whom the resource's policy names, and what limits that.
func TestPagesOfImplicitDenies(t *testing.T) {
	ec2, s3 := policy(t, allowEC2), policy(t, allowS3)
	named := func(arn string) *iam.Policy { return policy(t, to("Allow", aws(arn))) }
	read := func(arn string) iam.Request { return call(arn, "s3:GetObject", "arn:aws:s3:::b/k") }
	federated := read(fedUser.ARN)
	federated.Caller.Role = userARN // who asked for the session
	limited := func(r iam.Request, resource *iam.Policy, boundary, session *iam.Policy) iam.Input {
		in := iam.Input{Resource: resource, Boundary: boundary, Request: r}
		if session != nil {
			in.Session = []*iam.Policy{session}
		}
		return in
	}
	runPages(t, []page{
		{denyOrAllow, "the role named: no identity policy is needed", limited(read(sessARN), named(roleARN), nil, nil), iam.Allow, ""},
		{denyOrAllow, "the role named: limited by a boundary", limited(read(sessARN), named(roleARN), ec2, nil), iam.ImplicitDeny, ""},
		{denyOrAllow, "the role named: limited by a session policy", limited(read(sessARN), named(roleARN), nil, ec2), iam.ImplicitDeny, ""},
		{denyOrAllow, "the role named: boundary and session policy allow", limited(read(sessARN), named(roleARN), s3, s3), iam.Allow, ""},
		{denyOrAllow, "the role's session named: limited by neither", limited(read(sessARN), named(sessARN), ec2, ec2), iam.Allow, ""},
		{denyOrAllow, "the user named: not limited by a boundary", limited(read(userARN), named(userARN), ec2, nil), iam.Allow, ""},
		{denyOrAllow, "the federated session named: limited by neither", limited(federated, named(fedUser.ARN), ec2, ec2), iam.Allow, ""},
		{denyOrAllow, "the user who federated named: limited by a boundary", limited(federated, named(userARN), ec2, s3), iam.ImplicitDeny, ""},
		{denyOrAllow, "the user who federated named: limited by a session policy", limited(federated, named(userARN), nil, ec2), iam.ImplicitDeny, ""},
		{denyOrAllow, "the user who federated named: both allow", limited(federated, named(userARN), s3, s3), iam.Allow, ""},
		{denyOrAllow, "a session principal that is no role's needs a session policy", iam.Input{Identity: []*iam.Policy{s3}, Request: federated}, iam.ImplicitDeny, ""},
		{denyOrAllow, "no allowing statement in the service control policies", iam.Input{Identity: []*iam.Policy{s3}, SCPs: [][]*iam.Policy{{ec2}}, Request: read(userARN)}, iam.ImplicitDeny, ""},
		{denyOrAllow, "the root user has full access", iam.Input{Request: read(rootARN)}, iam.Allow, ""},
		{denyOrAllow, "service control policies limit the root user", iam.Input{SCPs: [][]*iam.Policy{{ec2}}, Request: read(rootARN)}, iam.ImplicitDeny, ""},
		{sessionPage, "session policy and identity policy intersect", iam.Input{Identity: []*iam.Policy{s3}, Session: []*iam.Policy{s3}, Request: read(sessARN)}, iam.Allow, ""},
		{sessionPage, "session policy gives nothing of its own", iam.Input{Identity: []*iam.Policy{ec2}, Session: []*iam.Policy{s3}, Request: read(sessARN)}, iam.ImplicitDeny, ""},
	})
}

func TestPagesOfBoundaries(t *testing.T) {
	const shirley, zhang, nikhil = "arn:aws:iam::123456789012:user/ShirleyRodriguez", "arn:aws:iam::123456789012:user/Zhang", "arn:aws:iam::123456789012:user/Nikhil"
	list := func(ps ...*iam.Policy) []*iam.Policy { return ps }
	three := policy(t, `"Effect":"Allow","Action":["s3:*","cloudwatch:*","ec2:*"],"Resource":"*"`)
	createUser := policy(t, `"Effect":"Allow","Action":"iam:CreateUser","Resource":"*"`)
	company := policy(t, `"Sid":"ServiceBoundaries","Effect":"Allow","Action":["s3:*","cloudwatch:*","ec2:*","dynamodb:*"],"Resource":"*"`,
		`"Sid":"AllowIAMConsoleForCredentials","Effect":"Allow","Action":["iam:ListUsers","iam:GetAccountPasswordPolicy"],"Resource":"*"`,
		`"Sid":"AllowManageOwnPasswordAndAccessKeys","Effect":"Allow","Action":["iam:*AccessKey*","iam:ChangePassword","iam:GetUser","iam:*ServiceSpecificCredential*","iam:*SigningCertificate*"],"Resource":["arn:aws:iam::*:user/${aws:username}"]`,
		`"Sid":"DenyS3Logs","Effect":"Deny","Action":"s3:*","Resource":["arn:aws:s3:::logs","arn:aws:s3:::logs/*"]`,
		`"Sid":"DenyEC2Production","Effect":"Deny","Action":"ec2:*","Resource":"arn:aws:ec2:*:*:instance/i-1234567890abcdef0"`)
	delegated := policy(t, `"Sid":"CreateOrChangeOnlyWithBoundary","Effect":"Allow","Action":["iam:AttachUserPolicy","iam:CreateUser","iam:DeleteUserPolicy","iam:DetachUserPolicy","iam:PutUserPermissionsBoundary","iam:PutUserPolicy"],"Resource":"*","Condition":{"StringEquals":{"iam:PermissionsBoundary":"arn:aws:iam::123456789012:policy/XCompanyBoundaries"}}`,
		`"Sid":"CloudWatchAndOtherIAMTasks","Effect":"Allow","Action":["cloudwatch:*","iam:CreateAccessKey","iam:GetUser","iam:ListUsers","iam:SetDefaultPolicyVersion","iam:UpdateUser"],"NotResource":"arn:aws:iam::123456789012:user/Maria"`,
		`"Sid":"NoBoundaryPolicyEdit","Effect":"Deny","Action":["iam:CreatePolicyVersion","iam:DeletePolicy","iam:DeletePolicyVersion","iam:SetDefaultPolicyVersion"],"Resource":["arn:aws:iam::123456789012:policy/XCompanyBoundaries","arn:aws:iam::123456789012:policy/DelegatedUserBoundary"]`,
		`"Sid":"NoBoundaryUserDelete","Effect":"Deny","Action":"iam:DeleteUserPermissionsBoundary","Resource":"*"`)
	permissions := policy(t, `"Sid":"IAM","Effect":"Allow","Action":"iam:*","Resource":"*"`,
		`"Sid":"CloudWatchLimited","Effect":"Allow","Action":["cloudwatch:GetDashboard","cloudwatch:ListMetrics"],"Resource":"*"`,
		`"Sid":"S3BucketContents","Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::ZhangBucket"`)
	z := func(r iam.Request) iam.Input {
		return iam.Input{Identity: list(permissions), Boundary: delegated, Request: r}
	}
	n := func(resource *iam.Policy, action, arn string) iam.Input {
		return iam.Input{Identity: list(policy(t, `"Effect":"Allow","Action":["iam:*","s3:Get*","s3:List*"],"Resource":"*"`)), Boundary: company, Resource: resource,
			Request: call(nikhil, action, arn, "aws:username", "Nikhil")}
	}
	toNikhil := func(action string) *iam.Policy {
		return policy(t, `"Effect":"Allow","Principal":{"AWS":"`+nikhil+`"},"Action":"`+action+`","Resource":"*"`)
	}
	const newUser, maria, ours = "arn:aws:iam::123456789012:user/Nikhil", "arn:aws:iam::123456789012:user/Maria", "arn:aws:iam::123456789012:policy/XCompanyBoundaries"
	runPages(t, []page{
		{boundaries, "Shirley may not create a user", iam.Input{Identity: list(createUser), Boundary: three, Request: call(shirley, "iam:CreateUser", newUser)}, iam.ImplicitDeny, ""},
		{boundaries, "Shirley's boundary gives nothing", iam.Input{Identity: list(createUser), Boundary: three, Request: call(shirley, "s3:ListBucket", "arn:aws:s3:::b")}, iam.ImplicitDeny, ""},
		{boundaries, "Zhang forgets the boundary", z(call(zhang, "iam:CreateUser", newUser)), iam.ImplicitDeny, "CreateOrChangeOnlyWithBoundary"},
		{boundaries, "Zhang sets the boundary", z(call(zhang, "iam:CreateUser", newUser, "iam:PermissionsBoundary", ours)), iam.Allow, "IAM"},
		{boundaries, "Zhang sets another boundary", z(call(zhang, "iam:CreateUser", newUser, "iam:PermissionsBoundary", ours+"2")), iam.ImplicitDeny, ""},
		{boundaries, "Zhang may not touch Maria", z(call(zhang, "iam:UpdateUser", maria)), iam.ImplicitDeny, ""},
		{boundaries, "Zhang may help others", z(call(zhang, "iam:UpdateUser", newUser)), iam.Allow, "IAM"},
		{boundaries, "Zhang may not edit the boundary", z(call(zhang, "iam:SetDefaultPolicyVersion", ours)), iam.ExplicitDeny, "NoBoundaryPolicyEdit"},
		{boundaries, "Zhang may edit other policies", z(call(zhang, "iam:SetDefaultPolicyVersion", ours+"2")), iam.Allow, ""},
		{boundaries, "Zhang may not take a boundary away", z(call(zhang, "iam:DeleteUserPermissionsBoundary", newUser)), iam.ExplicitDeny, "NoBoundaryUserDelete"},
		{boundaries, "Zhang lists metrics", z(call(zhang, "cloudwatch:ListMetrics", "*")), iam.Allow, "CloudWatchLimited"},
		{boundaries, "Zhang deletes alarms", z(call(zhang, "cloudwatch:DeleteAlarms", "*")), iam.ImplicitDeny, ""},
		{boundaries, "Zhang's boundary allows no S3", z(call(zhang, "s3:ListBucket", "arn:aws:s3:::ZhangBucket")), iam.ImplicitDeny, ""},
		{boundaries, "Nikhil changes his password", n(nil, "iam:ChangePassword", nikhil), iam.Allow, ""},
		{boundaries, "Nikhil changes another's password", n(nil, "iam:ChangePassword", maria), iam.ImplicitDeny, ""},
		{boundaries, "Nikhil creates a user", n(nil, "iam:CreateUser", newUser), iam.ImplicitDeny, ""},
		{boundaries, "Nikhil reads S3", n(nil, "s3:GetObject", "arn:aws:s3:::b/k"), iam.Allow, ""},
		{boundaries, "Nikhil and the bucket of logs", n(toNikhil("s3:PutObject"), "s3:PutObject", "arn:aws:s3:::logs/k"), iam.ExplicitDeny, "DenyS3Logs"},
		{boundaries, "Nikhil and the secret that names him", n(toNikhil("secretsmanager:GetSecretValue"), "secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-east-1:123456789012:secret:s"), iam.Allow, ""},
	})
}

func TestPagesOfConditions(t *testing.T) {
	const keys, david = "arn:aws:iam::123456789012:user/David", "arn:aws:iam::123456789012:user/David"
	id := func(r iam.Request, statements ...string) iam.Input {
		return iam.Input{Identity: []*iam.Policy{policy(t, statements...)}, Request: r}
	}
	accessKey := func(condition string) string {
		return `"Effect":"Allow","Action":"iam:*AccessKey*","Resource":"arn:aws:iam::123456789012:user/*","Condition":` + condition
	}
	key := func(context ...string) iam.Request { return call(david, "iam:UpdateAccessKey", keys, context...) }
	tag, age := accessKey(`{"StringEquals":{"aws:PrincipalTag/job-category":"iamuser-admin"}}`), accessKey(`{"DateGreaterThan":{"aws:TokenIssueTime":"2020-01-01T00:00:01Z"}}`)
	ip := accessKey(`{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`)
	both := `"Effect":"Allow","Action":"someservice:*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":["203.0.113.0/24","2001:DB8:1234:5678::/64"]}}`
	home := []string{`"Effect":"Allow","Action":["s3:ListAllMyBuckets","s3:GetBucketLocation"],"Resource":"arn:aws:s3:::*"`,
		`"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::BUCKET-NAME","Condition":{"StringLike":{"s3:prefix":["","home/","home/${aws:username}/"]}}`,
		`"Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::BUCKET-NAME/home/${aws:username}","arn:aws:s3:::BUCKET-NAME/home/${aws:username}/*"]`}
	ssl := []string{allowS3, `"Sid":"BooleanExample","Action":"s3:*","Effect":"Deny","Resource":["arn:aws:s3:::amzn-s3-demo-bucket","arn:aws:s3:::amzn-s3-demo-bucket/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}`}
	run := func(op string) string {
		return `"Effect":"Allow","Action":"ec2:RunInstances","Resource":"*","Condition":{"` + op + `":{"ec2:InstanceType":["t1.*","t2.*","m3.*"]}}`
	}
	launch := func(context ...string) iam.Request {
		return call(david, "ec2:RunInstances", "arn:aws:ec2:us-east-1:123456789012:instance/*", context...)
	}
	null := `"Action":"ec2:*","Effect":"Allow","Resource":"*","Condition":{"Null":{"aws:TokenIssueTime":"true"}}`
	mfa := `"Effect":"Allow","Action":["iam:DeactivateMFADevice"],"Resource":"arn:aws:iam::*:user/${aws:username}","Condition":{"NumericLessThanEquals":{"aws:MultiFactorAuthAge":"3600"}}`
	ten := `"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::example_bucket","Condition":{"NumericLessThanEquals":{"s3:max-keys":"10"}}`
	queue := iam.Input{Resource: policy(t, `"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"SQS:SendMessage","Resource":"arn:aws:sqs:us-east-1:123456789012:QUEUE-ID","Condition":{"ArnEquals":{"aws:SourceArn":"arn:aws:sns:us-east-1:123456789012:TOPIC-ID"}}`),
		Identity: []*iam.Policy{policy(t, `"Effect":"Allow","Action":"sqs:*","Resource":"*"`)}}
	queue.Identity = nil
	queue.Request = call(david, "sqs:SendMessage", "arn:aws:sqs:us-east-1:123456789012:QUEUE-ID")
	three := `"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEqualsIgnoreCase":{"aws:PrincipalTag/department":["finance","hr","legal"],"aws:PrincipalTag/role":["audit","security"]},"StringEquals":{"aws:PrincipalAccount":"123456789012"}}`
	get := func(context ...string) iam.Request {
		return call(david, "s3:GetObject", "arn:aws:s3:::b/k", context...)
	}
	runPages(t, []page{
		{operators, "the tag of the principal", id(key("aws:PrincipalTag/job-category", "iamuser-admin"), tag), iam.Allow, ""},
		{operators, "another tag", id(key("aws:PrincipalTag/job-category", "iamuser"), tag), iam.ImplicitDeny, ""},
		{operators, "no tag", id(key(), tag), iam.ImplicitDeny, ""},
		{operators, "home directory: list", id(call(david, "s3:ListBucket", "arn:aws:s3:::BUCKET-NAME", "s3:prefix", "home/David/", "aws:username", "David"), home...), iam.Allow, ""},
		{operators, "home directory: list everything", id(call(david, "s3:ListBucket", "arn:aws:s3:::BUCKET-NAME", "s3:prefix", "", "aws:username", "David"), home...), iam.Allow, ""},
		{operators, "home directory: list another's", id(call(david, "s3:ListBucket", "arn:aws:s3:::BUCKET-NAME", "s3:prefix", "home/Maria/", "aws:username", "David"), home...), iam.ImplicitDeny, ""},
		{operators, "home directory: write", id(call(david, "s3:PutObject", "arn:aws:s3:::BUCKET-NAME/home/David/x", "aws:username", "David"), home...), iam.Allow, ""},
		{operators, "home directory: write to another's", id(call(david, "s3:PutObject", "arn:aws:s3:::BUCKET-NAME/home/Maria/x", "aws:username", "David"), home...), iam.ImplicitDeny, ""},
		{operators, "up to ten keys", id(call(david, "s3:ListBucket", "arn:aws:s3:::example_bucket", "s3:max-keys", "10"), ten), iam.Allow, ""},
		{operators, "eleven keys", id(call(david, "s3:ListBucket", "arn:aws:s3:::example_bucket", "s3:max-keys", "11"), ten), iam.ImplicitDeny, ""},
		{operators, "fresh credentials", id(key("aws:TokenIssueTime", "2020-06-01T00:00:00Z"), age), iam.Allow, ""},
		{operators, "old credentials", id(key("aws:TokenIssueTime", "2019-12-31T23:59:59Z"), age), iam.ImplicitDeny, ""},
		{operators, "long-term keys have no issue time", id(key(), age), iam.ImplicitDeny, ""},
		{operators, "plain http", id(get("aws:SecureTransport", "false"), allowS3, ssl[1]), iam.Allow, ""},
		{operators, "plain http to the bucket", id(call(david, "s3:GetObject", "arn:aws:s3:::amzn-s3-demo-bucket/k", "aws:SecureTransport", "false"), ssl...), iam.ExplicitDeny, "BooleanExample"},
		{operators, "https to the bucket", id(call(david, "s3:GetObject", "arn:aws:s3:::amzn-s3-demo-bucket/k", "aws:SecureTransport", "true"), ssl...), iam.Allow, ""},
		{operators, "an address of the range", id(key("aws:SourceIp", "203.0.113.255"), ip), iam.Allow, ""},
		{operators, "an address beside the range", id(key("aws:SourceIp", "203.0.114.0"), ip), iam.ImplicitDeny, ""},
		{operators, "through an endpoint there is no address", id(key(), ip), iam.ImplicitDeny, ""},
		{operators, "IPv6 of the range", id(call(david, "someservice:Do", "*", "aws:SourceIp", "2001:db8:1234:5678::1"), both), iam.Allow, ""},
		{operators, "IPv4 of the range", id(call(david, "someservice:Do", "*", "aws:SourceIp", "203.0.113.1"), both), iam.Allow, ""},
		{operators, "instances under StringLike", id(launch("ec2:InstanceType", "t2.micro"), run("StringLike")), iam.Allow, ""},
		{operators, "what has no type under StringLike", id(launch(), run("StringLike")), iam.ImplicitDeny, ""},
		{operators, "what has no type under StringLikeIfExists", id(launch(), run("StringLikeIfExists")), iam.Allow, ""},
		{operators, "big instances under StringLikeIfExists", id(launch("ec2:InstanceType", "m5.large"), run("StringLikeIfExists")), iam.ImplicitDeny, ""},
		{operators, "long-term credentials under Null", id(call(david, "ec2:StartInstances", "*"), null), iam.Allow, ""},
		{operators, "temporary credentials under Null", id(call(david, "ec2:StartInstances", "*", "aws:TokenIssueTime", "2026-11-25T00:00:00Z"), null), iam.ImplicitDeny, ""},
		{operators, "a user sends to the queue directly", queue, iam.ImplicitDeny, ""},
		{condElement, "MFA of the last hour", id(call(david, "iam:DeactivateMFADevice", keys, "aws:username", "David", "aws:MultiFactorAuthAge", "3600"), mfa), iam.Allow, ""},
		{condElement, "MFA before that", id(call(david, "iam:DeactivateMFADevice", keys, "aws:username", "David", "aws:MultiFactorAuthAge", "3601"), mfa), iam.ImplicitDeny, ""},
		{condElement, "no MFA", id(call(david, "iam:DeactivateMFADevice", keys, "aws:username", "David"), mfa), iam.ImplicitDeny, ""},
		{condElement, "the name of a key in other case", id(get("AWS:SourceIP", "203.0.113.1"), `"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"IpAddress":{"aws:sourceip":"203.0.113.0/24"}}`), iam.Allow, ""},
		{condElement, "johndoe", id(get("aws:username", "JohnDoe"), `"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"aws:username":"johndoe"}}`), iam.ImplicitDeny, ""},
		{condElement, "johndoe in whatever case", id(get("aws:username", "JohnDoe"), `"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEqualsIgnoreCase":{"aws:username":"johndoe"}}`), iam.Allow, ""},
		{multiValue, "all conditions hold", id(get("aws:PrincipalTag/department", "HR", "aws:PrincipalTag/role", "audit", "aws:PrincipalAccount", "123456789012"), three), iam.Allow, ""},
		{multiValue, "one does not", id(get("aws:PrincipalTag/department", "HR", "aws:PrincipalTag/role", "sales", "aws:PrincipalAccount", "123456789012"), three), iam.ImplicitDeny, ""},
		{multiValue, "another operator's does not", id(get("aws:PrincipalTag/department", "HR", "aws:PrincipalTag/role", "audit", "aws:PrincipalAccount", "123456789013"), three), iam.ImplicitDeny, ""},
	})
}

func TestPagesOfSets(t *testing.T) {
	thread := func(action string, attributes ...string) iam.Request {
		r := call("arn:aws:iam::123456789012:user/Bob", action, "arn:aws:dynamodb:us-east-1:123456789012:table/Thread")
		if len(attributes) > 0 {
			r.Context["dynamodb:Attributes"] = attributes
		}
		return r
	}
	all := func(values string) *iam.Policy {
		return policy(t, `"Effect":"Allow","Action":"dynamodb:GetItem","Resource":"arn:aws:dynamodb:*:*:table/Thread","Condition":{"ForAllValues:StringEquals":{"dynamodb:Attributes":`+values+`}}`)
	}
	put := []*iam.Policy{policy(t, `"Sid":"Any","Effect":"Allow","Action":"dynamodb:*","Resource":"*"`,
		`"Sid":"Forbidden","Effect":"Deny","Action":"dynamodb:PutItem","Resource":"arn:aws:dynamodb:*:*:table/Thread","Condition":{"ForAnyValue:StringEquals":{"dynamodb:Attributes":["ID","PostDateTime"]}}`)}
	listed, dated := []*iam.Policy{all(`["ID","Message","Tags"]`)}, []*iam.Policy{all(`["PostDateTime","Message","Tags"]`)}
	runPages(t, []page{
		{multiValue, "Message and Tags", iam.Input{Identity: listed, Request: thread("dynamodb:GetItem", "Message", "Tags")}, iam.Allow, ""},
		{multiValue, "ID too", iam.Input{Identity: listed, Request: thread("dynamodb:GetItem", "ID", "Message", "Tags")}, iam.Allow, ""},
		{multiValue, "UserName too", iam.Input{Identity: listed, Request: thread("dynamodb:GetItem", "ID", "UserName")}, iam.ImplicitDeny, ""},
		{multiValue, "no attributes: ForAllValues holds", iam.Input{Identity: listed, Request: thread("dynamodb:GetItem")}, iam.Allow, ""},
		{multiValue, "PostDateTime and UserName", iam.Input{Identity: dated, Request: thread("dynamodb:GetItem", "PostDateTime", "UserName")}, iam.ImplicitDeny, ""},
		{multiValue, "put PostDateTime and Message", iam.Input{Identity: put, Request: thread("dynamodb:PutItem", "PostDateTime", "Message")}, iam.ExplicitDeny, "Forbidden"},
		{multiValue, "put UserName, Message and PostDateTime", iam.Input{Identity: put, Request: thread("dynamodb:PutItem", "UserName", "Message", "PostDateTime")}, iam.ExplicitDeny, "Forbidden"},
		{multiValue, "put UserName", iam.Input{Identity: put, Request: thread("dynamodb:PutItem", "UserName")}, iam.Allow, "Any"},
		{multiValue, "put nothing: ForAnyValue fails", iam.Input{Identity: put, Request: thread("dynamodb:PutItem")}, iam.Allow, "Any"},
	})
}

func TestPagesOfVariables(t *testing.T) {
	const david = "arn:aws:iam::123456789012:user/David"
	id := func(r iam.Request, statements ...string) iam.Input {
		return iam.Input{Identity: []*iam.Policy{policy(t, statements...)}, Request: r}
	}
	named := func(action, resource string, more ...string) iam.Request {
		return call(david, action, resource, append([]string{"aws:username", "David"}, more...)...)
	}
	mine := []string{`"Action":["s3:ListBucket"],"Effect":"Allow","Resource":["arn:aws:s3:::mybucket"],"Condition":{"StringLike":{"s3:prefix":["${aws:username}/*"]}}`,
		`"Action":["s3:GetObject","s3:PutObject"],"Effect":"Allow","Resource":["arn:aws:s3:::mybucket/${aws:username}/*"]`}
	ownKeys := `"Action":["iam:*AccessKey*"],"Effect":"Allow","Resource":["arn:aws:iam::123456789012:user/${aws:username}"]`
	queues := `"Effect":"Allow","Action":"sqs:*","Resource":"arn:aws:sqs:us-east-2:*:${aws:username}-queue"`
	team := `"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::amzn-s3-demo-bucket-${aws:PrincipalTag/team, 'company-wide'}"`
	cost := `"Effect":"Allow","Action":["iam:*user*"],"Resource":"*","Condition":{"StringLike":{"iam:ResourceTag/costCenter":["12345","67890"]}}`
	unset := []string{allowS3, `"Sid":"Team","Effect":"Deny","Action":"s3:GetObject","Resource":"arn:aws:s3:::example-bucket/*","Condition":{"StringNotEquals":{"s3:ExistingObjectTag/Team":"${aws:PrincipalTag/Team}"}}`}
	topic := policy(t, `"Principal":{"AWS":"999999999999"},"Effect":"Allow","Action":"sns:*","Resource":"*","Condition":{"StringLike":{"sns:endpoint":"https://example.com/${aws:username}/*"},"StringEquals":{"sns:Protocol":"https"}}`)
	subscribe := func(endpoint, protocol string) iam.Input {
		return iam.Input{Resource: topic, Identity: []*iam.Policy{policy(t, `"Effect":"Allow","Action":"sns:*","Resource":"*"`)}, Request: iam.Request{
			Caller: iam.Caller{ARN: "arn:aws:iam::999999999999:user/David"}, Action: "sns:Subscribe", Resource: "arn:aws:sns:us-east-1:123456789012:t", ResourceAccount: "123456789012",
			Context: iam.Context{"aws:username": {"David"}, "sns:endpoint": {endpoint}, "sns:Protocol": {protocol}}}}
	}
	runPages(t, []page{
		{variables, "one's own folder", id(named("s3:PutObject", "arn:aws:s3:::mybucket/David/x"), mine...), iam.Allow, ""},
		{variables, "another's folder", id(named("s3:PutObject", "arn:aws:s3:::mybucket/Maria/x"), mine...), iam.ImplicitDeny, ""},
		{variables, "list one's own folder", id(named("s3:ListBucket", "arn:aws:s3:::mybucket", "s3:prefix", "David/x"), mine...), iam.Allow, ""},
		{variables, "list another's folder", id(named("s3:ListBucket", "arn:aws:s3:::mybucket", "s3:prefix", "Maria/x"), mine...), iam.ImplicitDeny, ""},
		{variables, "nobody's folder: a role has no user name", id(call(david, "s3:PutObject", "arn:aws:s3:::mybucket//x"), mine...), iam.ImplicitDeny, ""},
		{variables, "one's own keys", id(named("iam:CreateAccessKey", david), ownKeys), iam.Allow, ""},
		{variables, "another's keys", id(named("iam:CreateAccessKey", david+"2"), ownKeys), iam.ImplicitDeny, ""},
		{variables, "one's own queue", id(named("sqs:CreateQueue", "arn:aws:sqs:us-east-2:123456789012:David-queue"), queues), iam.Allow, ""},
		{variables, "a queue of another region", id(named("sqs:CreateQueue", "arn:aws:sqs:us-east-1:123456789012:David-queue"), queues), iam.ImplicitDeny, ""},
		{variables, "the bucket of one's team", id(call(david, "s3:ListBucket", "arn:aws:s3:::amzn-s3-demo-bucket-yellow", "aws:PrincipalTag/team", "yellow"), team), iam.Allow, ""},
		{variables, "the bucket of another team", id(call(david, "s3:ListBucket", "arn:aws:s3:::amzn-s3-demo-bucket-red", "aws:PrincipalTag/team", "yellow"), team), iam.ImplicitDeny, ""},
		{variables, "without a team: the default", id(call(david, "s3:ListBucket", "arn:aws:s3:::amzn-s3-demo-bucket-company-wide"), team), iam.Allow, ""},
		{variables, "with a team: not the default", id(call(david, "s3:ListBucket", "arn:aws:s3:::amzn-s3-demo-bucket-company-wide", "aws:PrincipalTag/team", "yellow"), team), iam.ImplicitDeny, ""},
		{variables, "a cost centre of the list", id(call(david, "iam:UpdateUser", david, "iam:ResourceTag/costCenter", "67890"), cost), iam.Allow, ""},
		{variables, "another cost centre", id(call(david, "iam:UpdateUser", david, "iam:ResourceTag/costCenter", "1"), cost), iam.ImplicitDeny, ""},
		{variables, "no cost centre", id(call(david, "iam:UpdateUser", david, "iam:ResourceTag/costCenter", ""), cost), iam.ImplicitDeny, ""},
		{variables, "a variable without value: negated operators match", id(call(david, "s3:GetObject", "arn:aws:s3:::example-bucket/k", "s3:ExistingObjectTag/Team", "a"), unset...), iam.ExplicitDeny, "Team"},
		{variables, "a variable with another value", id(call(david, "s3:GetObject", "arn:aws:s3:::example-bucket/k", "s3:ExistingObjectTag/Team", "a", "aws:PrincipalTag/Team", "b"), unset...), iam.ExplicitDeny, "Team"},
		{variables, "a variable with the same value", id(call(david, "s3:GetObject", "arn:aws:s3:::example-bucket/k", "s3:ExistingObjectTag/Team", "a", "aws:PrincipalTag/Team", "a"), unset...), iam.Allow, ""},
		{variables, "a topic by the URL of the user", subscribe("https://example.com/David/x", "https"), iam.Allow, ""},
		{variables, "a topic by the URL of another", subscribe("https://example.com/Maria/x", "https"), iam.ImplicitDeny, ""},
		{variables, "a topic by another protocol", subscribe("https://example.com/David/x", "http"), iam.ImplicitDeny, ""},
	})
}

func TestPagesOfNotPrincipal(t *testing.T) {
	const bob, app = "arn:aws:iam::444455556666:user/Bob", "arn:aws:sts::444455556666:assumed-role/cross-account-read-only-role/cross-account-audit-app"
	bucket := func(names string) *iam.Policy {
		return policy(t, `"Sid":"AllOthers","Effect":"Deny","NotPrincipal":{"AWS":[`+names+`]},"Action":"s3:*","Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"]`,
			`"Effect":"Allow","Principal":{"AWS":"444455556666"},"Action":"s3:*","Resource":"*"`)
	}
	in := func(p *iam.Policy, who string) iam.Input {
		r := call(who, "s3:GetObject", "arn:aws:s3:::b/k")
		r.ResourceAccount = account
		return iam.Input{Identity: []*iam.Policy{policy(t, allowS3)}, Resource: p, Request: r}
	}
	const root = "arn:aws:iam::444455556666:root"
	user := bucket(`"` + bob + `","` + root + `"`)
	role := bucket(`"` + app + `","arn:aws:iam::444455556666:role/cross-account-read-only-role","` + root + `"`)
	runPages(t, []page{
		{notPrinc, "Bob is left out of the Deny", in(user, bob), iam.Allow, ""},
		{notPrinc, "others of his account are not", in(user, bob+"2"), iam.ExplicitDeny, "AllOthers"},
		{notPrinc, "Bob without his account", in(bucket(`"`+bob+`"`), bob), iam.ExplicitDeny, "AllOthers"},
		{notPrinc, "the session is left out", in(role, app), iam.Allow, ""},
		{notPrinc, "another role is not", in(role, "arn:aws:sts::444455556666:assumed-role/other/cross-account-audit-app"), iam.ExplicitDeny, "AllOthers"},
		{notPrinc, "the session without its role", in(bucket(`"`+app+`","`+root+`"`), app), iam.ExplicitDeny, "AllOthers"},
		{notPrinc, "somebody of another account", in(user, "arn:aws:iam::111122223333:user/x"), iam.ExplicitDeny, "AllOthers"},
	})
}

package sandbox_test

import (
	"bytes"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// tool returns the path of a client that others wrote, and skips loudly if
// it is not installed.
func tool(t *testing.T, name, what string, probe ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		err = exec.Command(path, probe...).Run()
	}
	if err != nil {
		t.Skipf("SKIPPED: %s is not installed", what)
	}
	return path
}

// environ is an environment with these credentials and nothing of the
// machine's own.
func (c *cloud) environ(id, secret, token string) []string {
	home := c.t.TempDir()
	env := []string{"HOME=" + home, "AWS_CONFIG_FILE=" + home + "/none", "AWS_SHARED_CREDENTIALS_FILE=" + home + "/none", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_DEFAULT_REGION=eu-west-1", "AWS_ENDPOINT_URL=" + c.url, "AWS_MAX_ATTEMPTS=1", "AWS_PAGER="}
	if id != "" {
		env = append(env, "AWS_ACCESS_KEY_ID="+id, "AWS_SECRET_ACCESS_KEY="+secret, "AWS_SESSION_TOKEN="+token)
	}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AWS_") && !strings.HasPrefix(v, "HOME=") {
			env = append(env, v)
		}
	}
	return env
}

func run(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Run() // what it printed says more than its status
	return out.String()
}

// TestCLI runs the AWS CLI as it is installed.
func TestCLI(t *testing.T) {
	path := tool(t, "aws", "aws CLI", "--version")
	c := newCloud(t)
	k := c.session("ReadOnly").Result.Credentials
	good := c.environ(k.AccessKeyId, k.SecretAccessKey, k.SessionToken)
	token := c.sign(c.claims("ReadOnly"))
	over := c.session("Admin", func(f url.Values) { f.Set("Policy", endsAt(c.clock.now().Add(-time.Second))) }).Result.Credentials
	tests := []struct {
		name string
		env  []string
		args string
		want string
	}{
		{"assume", c.environ("", "", ""), "sts assume-role-with-web-identity --role-arn " + c.accounts[0].RoleARN("ReadOnly") +
			" --role-session-name engineer=cli --web-identity-token " + token, `"SubjectFromWebIdentityToken": "` + person + `"`},
		{"identity", good, "sts get-caller-identity", `"Arn": "arn:aws:sts::111122223333:assumed-role/brevet-ReadOnly/engineer=0123456789"`},
		{"roles", good, "iam list-roles --query Roles[].RoleName", `"brevet-Admin"`},
		{"buckets", good, "s3 ls", "acme-staging-uploads"},
		{"stacks", good, "cloudformation describe-stacks --query Stacks[].Outputs", `"OutputKey": "ContractVersion"`},
		{"trail", good, "cloudtrail lookup-events --max-items 1", `"EventName"`},
		{"log groups", good, "logs describe-log-groups", "/brevet/access"},
		{"not simulated", good, "ec2 describe-instances", "(InvalidAction) when calling the DescribeInstances operation: The brevet sandbox does not simulate ec2:DescribeInstances."},
		{"not simulated either", good, "lambda list-functions", "(UnknownOperationException) when calling the ListFunctions operation: The brevet sandbox does not simulate GET /2015-03-31/functions"},
		{"not allowed", good, "iam create-user --user-name x", "(AccessDenied) when calling the CreateUser operation"},
		{"wrong secret", c.environ(k.AccessKeyId, "wrong", k.SessionToken), "sts get-caller-identity", "(SignatureDoesNotMatch)"},
		{"grant over", c.environ(over.AccessKeyId, over.SecretAccessKey, over.SessionToken), "iam list-roles", "with an explicit deny in a session policy"},
		{"chained", good, "sts assume-role --role-session-name x1 --role-arn " + c.accounts[0].RoleARN("Admin"), "is not authorized to perform: sts:AssumeRole"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if out := run(t, tt.env, path, strings.Fields(tt.args)...); !strings.Contains(out, tt.want) {
				t.Errorf("aws %s\n%s\nwant %q", tt.args, out, tt.want)
			}
		})
	}
}

const boto = `
import boto3, os, sys
from botocore.exceptions import ClientError
sts = boto3.client("sts")
print(sts.get_caller_identity()["Arn"])
print(sorted(r["RoleName"] for r in boto3.client("iam").list_roles()["Roles"]))
role = boto3.client("iam").get_role(RoleName="brevet-Admin")["Role"]
print(role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"])
print([b["Name"] for b in boto3.client("s3").list_buckets()["Buckets"]])
print([e["EventName"] for p in boto3.client("cloudtrail").get_paginator("lookup_events").paginate(PaginationConfig={"PageSize": 2}) for e in p["Events"]])
print(boto3.client("iam").list_users()["Users"], boto3.client("sns").list_topics()["Topics"])
try:
    boto3.client("events").put_rule(Name="x")
except ClientError as e:
    print(e.response["Error"]["Code"])
try:
    boto3.client("sts", aws_secret_access_key="wrong", aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"], aws_session_token=os.environ["AWS_SESSION_TOKEN"]).get_caller_identity()
except ClientError as e:
    print(e.response["Error"]["Code"])
`

func TestBoto3(t *testing.T) {
	path := tool(t, "python3", "boto3", "-c", "import boto3")
	c := newCloud(t)
	k := c.session("Admin").Result.Credentials
	out := run(t, c.environ(k.AccessKeyId, k.SecretAccessKey, k.SessionToken), path, "-c", boto)
	for _, want := range []string{
		"arn:aws:sts::111122223333:assumed-role/brevet-Admin/engineer=0123456789\n",
		"['brevet-Admin', 'brevet-ReadOnly', 'brevet-SRE']\n",
		"{'Federated': 'arn:aws:iam::111122223333:oidc-provider/issuer.brevet.invalid/c/cu_x'}\n",
		"['acme-staging-logs', 'acme-staging-uploads']\n",
		"'GetRole', 'ListRoles', 'GetCallerIdentity', 'AssumeRoleWithWebIdentity']\n",
		"[] [{'TopicArn': 'arn:aws:sns:eu-west-1:111122223333:brevet-access'}]\n",
		"\nUnknownOperationException\nSignatureDoesNotMatch\n",
	} {
		if !strings.Contains(out, want) {
			t.Fatalf("no %q in\n%s", want, out)
		}
	}
}

// TestSDK has the AWS SDK for Go assume the role by itself, as programs do
// that are given a token file.
func TestSDK(t *testing.T) {
	c := newCloud(t)
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRegion("eu-west-1"), config.WithBaseEndpoint(c.url),
		config.WithSharedConfigFiles([]string{}), config.WithSharedCredentialsFiles([]string{}), config.WithCredentialsProvider(aws.AnonymousCredentials{}))
	if err != nil {
		t.Fatal(err)
	}
	provider := stscreds.NewWebIdentityRoleProvider(sts.NewFromConfig(cfg), c.accounts[0].RoleARN("Admin"), token(c.sign(c.claims("Admin"))),
		func(o *stscreds.WebIdentityRoleOptions) {
			o.RoleSessionName, o.Duration = "engineer=sdk", 30*time.Minute
		})
	cfg.Credentials = aws.NewCredentialsCache(provider)
	id, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if *id.Arn != "arn:aws:sts::111122223333:assumed-role/brevet-Admin/engineer=sdk" {
		t.Errorf("Arn %s", *id.Arn)
	}
	creds, err := cfg.Credentials.Retrieve(t.Context())
	if err != nil || !creds.Expires.Equal(c.clock.now().Add(30*time.Minute)) {
		t.Errorf("expires %v, %v", creds.Expires, err)
	}
	wrong := stscreds.NewWebIdentityRoleProvider(sts.NewFromConfig(cfg, func(o *sts.Options) { o.Credentials, o.Retryer = aws.AnonymousCredentials{}, aws.NopRetryer{} }),
		c.accounts[0].RoleARN("ReadOnly"), token(c.sign(c.claims("Admin"))))
	if _, err := wrong.Retrieve(t.Context()); codeOf(err) != "AccessDenied" {
		t.Errorf("another role: %v", err)
	}
}

// token is a file of one, for the SDK.
type token string

func (t token) GetIdentityToken() ([]byte, error) { return []byte(t), nil }

package stack_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
	"github.com/brevet-access/brevet/stack"
)

// installable holds each type that [stack.Install] knows.
const installable = `
Parameters:
  Retention: {Type: Number, Default: 90}
Resources:
  Boundary:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      ManagedPolicyName: brevet-Boundary
      PolicyDocument: {Version: 2012-10-17, Statement: [{Effect: Allow, Action: "*", Resource: "*"}, {Sid: NoUsers, Effect: Deny, Action: "iam:CreateUser", Resource: "*"}]}
  Revocations:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      ManagedPolicyName: brevet-Revocations
      Roles: [!Ref Admin]
      PolicyDocument: {Version: 2012-10-17, Statement: [{Sid: None, Effect: Deny, Action: "none:none", Resource: "*"}]}
  Provider:
    Type: AWS::IAM::OIDCProvider
    Properties: {Url: https://issuer.example/c/x, ClientIdList: [aud]}
  Admin:
    Type: AWS::IAM::Role
    DependsOn: Provider
    Properties:
      RoleName: brevet-Admin
      MaxSessionDuration: 7200
      PermissionsBoundary: !Ref Boundary
      ManagedPolicyArns: [!Sub "arn:${AWS::Partition}:iam::aws:policy/AdministratorAccess", !Ref Boundary]
      Policies:
        - PolicyName: own
          PolicyDocument: {Version: 2012-10-17, Statement: {Effect: Allow, Action: "s3:*", Resource: !Sub "arn:aws:s3:::${!aws:PrincipalTag/x}"}}
      AssumeRolePolicyDocument:
        Version: 2012-10-17
        Statement:
          - Effect: Allow
            Principal: {Federated: !Sub "arn:${AWS::Partition}:iam::${AWS::AccountId}:oidc-provider/issuer.example/c/x"}
            Action: "sts:AssumeRoleWithWebIdentity"
            Condition: {StringEquals: {"issuer.example/c/x:aud": aud}}
  Frozen:
    Type: AWS::IAM::Policy
    Properties:
      PolicyName: frozen
      Roles: [!Ref Admin]
      PolicyDocument: {Version: 2012-10-17, Statement: [{Effect: Deny, Action: "*", Resource: "*"}]}
  More:
    Type: AWS::IAM::RolePolicy
    Properties:
      PolicyName: more
      RoleName: !Ref Admin
      PolicyDocument: {Version: 2012-10-17, Statement: [{Effect: Deny, Action: "sqs:*", Resource: "*"}]}
  Saml: {Type: AWS::IAM::SAMLProvider, Properties: {Name: okta, SamlMetadataDocument: x}}
  Calls:
    Type: AWS::Events::Rule
    Properties:
      Name: brevet-calls
      State: ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS
      EventPattern: {source: [aws.sts]}
      Targets: [{Id: log, Arn: !Sub "arn:aws:logs:${AWS::Region}:${AWS::AccountId}:log-group:${Log}"}]
  Log: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: brevet-access, RetentionInDays: !Ref Retention}}
  LogPolicy:
    Type: AWS::Logs::ResourcePolicy
    Properties: {PolicyName: brevet, PolicyDocument: '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"logs:PutLogEvents","Resource":"*"}]}'}
  Filter: {Type: AWS::Logs::MetricFilter, Properties: {LogGroupName: !Ref Log, FilterPattern: x, MetricTransformations: [{MetricName: m, MetricNamespace: brevet, MetricValue: "1"}]}}
  Alarm: {Type: AWS::CloudWatch::Alarm, Properties: {AlarmName: a, MetricName: m, Namespace: brevet, AlarmActions: [!Ref Topic], ComparisonOperator: GreaterThanThreshold, EvaluationPeriods: 1}}
  Both: {Type: AWS::CloudWatch::CompositeAlarm, Properties: {AlarmName: b, AlarmRule: ALARM(a)}}
  Board: {Type: AWS::CloudWatch::Dashboard, Properties: {DashboardName: d, DashboardBody: !Sub '{"widgets":["${AWS::Region}"]}'}}
  Odd: {Type: AWS::CloudWatch::AnomalyDetector, Properties: {MetricName: m}}
  Topic: {Type: AWS::SNS::Topic, Properties: {TopicName: brevet-alerts}}
  Mail: {Type: AWS::SNS::Subscription, Properties: {TopicArn: !Ref Topic, Protocol: email, Endpoint: security@example.com}}
  TopicPolicy: {Type: AWS::SNS::TopicPolicy, Properties: {Topics: [!Ref Topic], PolicyDocument: {Statement: [{Effect: Allow, Principal: {Service: events.amazonaws.com}, Action: "sns:Publish", Resource: !Ref Topic}]}}}
  Trail: {Type: AWS::CloudTrail::Trail, Properties: {TrailName: t, S3BucketName: !Ref Bucket, IsLogging: true, IsMultiRegionTrail: true, EnableLogFileValidation: true}}
  Bucket: {Type: AWS::S3::Bucket, Properties: {BucketName: b}}
  BucketPolicy: {Type: AWS::S3::BucketPolicy, Properties: {Bucket: !Ref Bucket, PolicyDocument: {Statement: [{Effect: Allow, Principal: {Service: cloudtrail.amazonaws.com}, Action: "s3:PutObject", Resource: "*"}]}}}
  Key: {Type: AWS::KMS::Key, Properties: {Tags: [{Key: brevet-record, Value: "true"}], KeyPolicy: {Statement: [{Effect: Allow, Principal: {AWS: !Sub "arn:aws:iam::${AWS::AccountId}:root"}, Action: "kms:*", Resource: "*"}]}}}
  KeyName: {Type: AWS::KMS::Alias, Properties: {AliasName: alias/brevet, TargetKeyId: !Ref Key}}
  Revoker: {Type: AWS::Lambda::Function, Properties: {FunctionName: brevet-Revoker, Role: !GetAtt Admin.Arn, ReservedConcurrentExecutions: 1, Code: {ZipFile: "pass"}, Environment: {Variables: {POLICY: !Ref Revocations}}}}
  May: {Type: AWS::Lambda::Permission, Properties: {FunctionName: !Ref Revoker, Action: "lambda:InvokeFunction", Principal: "111122223333"}}
  Shell: {Type: AWS::SSM::Document, Properties: {Name: brevet-Shell, DocumentType: Session, Content: {schemaVersion: "1.0", inputs: {idleSessionTimeout: "20"}}}}
  Else: {Type: AWS::EC2::VPC, Properties: {Anything: goes}}
`

func install(t *testing.T, text string) *stack.Installed {
	t.Helper()
	in, err := stack.Install(deploy(t, text, nil))
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func TestInstall(t *testing.T) {
	in := install(t, installable)
	admin, ok := in.Role("arn:aws:iam::111122223333:role/brevet-Admin")
	if !ok || admin.Name != "brevet-Admin" || admin.Max != 2*time.Hour || admin.BoundaryARN != "arn:aws:iam::111122223333:policy/brevet-Boundary" {
		t.Fatalf("%+v", admin)
	}
	var names []string
	for _, p := range admin.Policies {
		names = append(names, p.Name)
	}
	if got := strings.Join(names, " "); got != "AdministratorAccess brevet-Boundary own brevet-Revocations frozen more" {
		t.Error(got)
	}
	if admin.Boundary != in.Managed[0].Policy || admin.Policies[1].Policy != admin.Boundary || admin.Boundary.Statements[1].Sid != "NoUsers" {
		t.Error("the boundary is not the policy of the stack")
	}
	if got := admin.Policies[2].Policy.Statements[0].Resource[0]; got != "arn:aws:s3:::${aws:PrincipalTag/x}" {
		t.Error(got)
	}
	got := iam.Evaluate(iam.Input{Identity: admin.Identity(), Boundary: admin.Boundary, Request: iam.Request{
		Caller: iam.Caller{ARN: "arn:aws:sts::111122223333:assumed-role/brevet-Admin/x"}, Action: "iam:CreateUser", Resource: "*"}})
	if got.Decision != iam.ExplicitDeny {
		t.Errorf("%+v", got)
	}
	p, ok := in.Provider("arn:aws:iam::111122223333:oidc-provider/issuer.example/c/x")
	if diff := cmp.Diff([]string{"aud"}, p.Audiences); !ok || diff != "" {
		t.Error(ok, diff)
	}
	if _, ok := in.Role("x"); ok {
		t.Error("a role that is not there")
	}
	if on, reads := in.Rules[0].Delivers(); !on || !reads || !stack.MatchEvent(in.Rules[0].Pattern, map[string]any{"source": "aws.sts"}) {
		t.Errorf("%+v", in.Rules[0])
	}
	if in.Rules[0].Targets[0].ARN != "arn:aws:logs:eu-west-1:111122223333:log-group:brevet-access" || in.LogGroups[0].Retention != 90 {
		t.Errorf("%+v %+v", in.Rules, in.LogGroups)
	}
	if len(in.LogPolicies) != 1 || len(in.Filters) != 1 || len(in.Alarms) != 2 || len(in.Dashboards) != 1 || len(in.Subscriptions) != 1 || len(in.Providers) != 2 {
		t.Errorf("%+v", in)
	}
	if in.Topics[0].Policy == nil || in.Buckets[0].Policy == nil || in.Alarms[0].Actions[0] != in.Topics[0].ARN || in.Dashboards[0].Body != `{"widgets":["eu-west-1"]}` {
		t.Errorf("%+v %+v", in.Topics, in.Buckets)
	}
	if tr := in.Trails[0]; !tr.Logging || !tr.ManyRegion || !tr.Validation || tr.Bucket != "b" {
		t.Errorf("%+v", tr)
	}
	if in.Keys[0].Tags["brevet-record"] != "true" || in.Functions[0].Concurrency != 1 || in.Functions[0].Environment["POLICY"] != "arn:aws:iam::111122223333:policy/brevet-Revocations" || in.Documents[0].Type != "Session" {
		t.Errorf("%+v %+v %+v", in.Keys, in.Functions, in.Documents)
	}
}

// Each is a change of what can be installed, and what the error must hold.
func TestInstallRefuses(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"policy/AdministratorAccess", "policy/NoSuchAccess", `"NoSuchAccess" is not an AWS managed policy that brevet knows`},
		{"PermissionsBoundary: !Ref Boundary", `PermissionsBoundary: "arn:aws:iam::111122223333:policy/other"`, `the templates create no policy "arn:aws:iam::111122223333:policy/other"`},
		{"RoleName: !Ref Admin", "RoleName: brevet-Nobody", `the templates create no role "brevet-Nobody"`},
		{`Action: "sts:AssumeRoleWithWebIdentity"`, `Actions: "sts:AssumeRoleWithWebIdentity"`, "Resources.Admin.Properties.AssumeRolePolicyDocument: policy: Statement[0].Actions: there is no such element"},
		{`PolicyDocument: {Version: 2012-10-17, Statement: [{Effect: Deny, Action: "sqs:*", Resource: "*"}]}`, `PolicyDocument: '{"Statement":[]}'`, "PolicyDocument: is a text: write it as a mapping"},
		{`{Effect: Deny, Action: "sqs:*", Resource: "*"}`, `{Effect: Deny, Action: "sqs:*"}`, "Statement[0]: names no resource"},
		{`{Effect: Deny, Action: "sqs:*", Resource: "*"}`, `{Effect: Deny, Principal: "*", Action: "sqs:*", Resource: "*"}`, "a principal has no place in it"},
		{`Principal: {Federated: !Sub "arn:${AWS::Partition}:iam::${AWS::AccountId}:oidc-provider/issuer.example/c/x"}`, `Sid: x`, "names no principal"},
		{"MaxSessionDuration: 7200", "MaxSessionDuration: 100", "must be 3600 to 43200 seconds"},
		{"AlarmName: b", "AlarmName: a", `its name "a" is that of Alarm in t.yaml already`},
		{"source: [aws.sts]", "source: aws.sts", "Resources.Calls.Properties.EventPattern: event pattern: source: must be a list of values"},
		{"source: [aws.sts]", "source: [{fuzzy: x}]", "the comparison fuzzy is not supported"},
		{"Targets: [{Id: log, Arn:", "Targets: [{Id: log, Arns:", "a target needs Id and Arn"},
		{"ReservedConcurrentExecutions: 1", "ReservedConcurrentExecutions: one", "must be a number from 0 on"},
		{"IsLogging: true", "IsLogging: 1", "must be true or false"},
		{`'{"Version":"2012-10-17"`, `'{"Version":"2012-10-17`, "is not JSON"},
		{"RoleName: brevet-Admin", "RoleName: brevet Admin", "is not a name for a role"},
		{"Action: \"iam:CreateUser\"", "Action: [" + strings.Repeat(`"iam:CreateUser", `, 400) + "x:y]", "IAM takes 6144"},
	} {
		if !strings.Contains(installable, c.old) {
			t.Fatalf("there is no %q to change", c.old)
		}
		d := deploy(t, strings.Replace(installable, c.old, c.new, 1), nil)
		if _, err := stack.Install(d); !errors.Is(err, brevet.Invalid) || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "t.yaml:") {
			t.Errorf("%s: %v; want %q in it", c.new, err, c.want)
		}
	}
	if _, err := stack.Install(); !errors.Is(err, brevet.Invalid) {
		t.Error(err)
	}
	other := place
	other.Account = "444455556666"
	d, err := read(t, installable).Deploy(other, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stack.Install(deploy(t, installable, nil), d); err == nil || !strings.Contains(err.Error(), "in account 111122223333") {
		t.Error(err)
	}
}

// Two regions may hold rules of one name.
func TestInstallRegions(t *testing.T) {
	const text = "Resources: {R: {Type: AWS::Events::Rule, Properties: {Name: n, EventPattern: {source: [a]}}}}"
	other := place
	other.Region = "eu-central-1"
	d, err := read(t, text).Deploy(other, nil)
	if err != nil {
		t.Fatal(err)
	}
	in, err := stack.Install(deploy(t, text, nil), d)
	if err != nil || len(in.Rules) != 2 || in.Rules[1].Region != "eu-central-1" {
		t.Errorf("%+v, %v", in, err)
	}
	if _, err := stack.Install(d, d); err == nil {
		t.Error("one name twice in a region")
	}
}

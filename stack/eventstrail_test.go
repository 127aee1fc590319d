package stack

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet/iam"
)

// whoMay is a request to something that a policy of these templates guards.
type whoMay struct {
	what    string
	policy  *iam.Policy
	caller  iam.Caller
	action  string
	on      string
	context map[string][]string
	want    iam.Decision
}

func service(name string) iam.Caller {
	return iam.Caller{Kind: iam.KindService, Service: name + ".amazonaws.com"}
}

// sessionCaller is a session of a role, with or without brevet's tags.
func sessionCaller(role string) iam.Caller {
	return iam.Caller{Kind: iam.KindAssumedRole, ARN: "arn:aws:sts::111122223333:assumed-role/" + role + "/lena", Account: "111122223333"}
}

func (w whoMay) check(t *testing.T) {
	t.Helper()
	if w.policy == nil {
		t.Errorf("%s: no policy", w.what)
		return
	}
	in := iam.Input{Resource: w.policy, Request: iam.Request{Caller: w.caller, Action: w.action, Resource: w.on, ResourceAccount: "111122223333", Context: iam.NewContext(w.context)}}
	if w.caller.ARN != "" { // everything that a policy of its own can give
		in.Identity = []*iam.Policy{{Version: iam.Version2012, Statements: []iam.Statement{{Effect: iam.EffectAllow, Action: []string{"*"}, Resource: []string{"*"}}}}}
	}
	if got := iam.Evaluate(in); got.Decision != w.want {
		t.Errorf("%s: %+v, want %s", w.what, got, w.want)
	}
}

// Each policy admits what it is there for, and its neighbour not.
func TestEventsPolicies(t *testing.T) {
	home, _ := eventsTexts(t, eventsSide())
	i := deployEvents(t, home, "eu-west-1", map[string]string{"CreateTrail": "true", "DataTrail": "true"})
	log, topic, bucket, key := i.LogPolicies[0].Policy, i.Topics[0].Policy, i.Buckets[0].Policy, i.Keys[0]
	const (
		stream = "arn:aws:logs:eu-west-1:111122223333:log-group:continuous.engineering-access:log-stream:1"
		object = "arn:aws:s3:::brevet-trail-111122223333-eu-west-1/AWSLogs/111122223333/CloudTrail/eu-west-1/x.json.gz"
		trail  = "arn:aws:cloudtrail:eu-west-1:111122223333:trail/brevet-trail"
	)
	rule := func(name string) map[string][]string {
		return map[string][]string{"aws:SourceArn": {"arn:aws:events:eu-west-1:111122223333:rule/" + name}, "aws:SourceAccount": {"111122223333"}}
	}
	from := func(arn string, more ...string) map[string][]string {
		c := map[string][]string{"aws:SourceArn": {arn}, "aws:SecureTransport": {"true"}, "s3:x-amz-acl": {"bucket-owner-full-control"},
			"kms:EncryptionContext:aws:cloudtrail:arn": {trail}}
		for n := 0; n+1 < len(more); n += 2 {
			c[more[n]] = []string{more[n+1]}
		}
		return c
	}
	ours := map[string][]string{"aws:PrincipalTag/brevet-grant": {"gr_01jd5w1a2b3c4d5e6f7g8h9j0k"}, "aws:SecureTransport": {"true"}}
	theirs := map[string][]string{"aws:SecureTransport": {"true"}}
	forward, ok := i.Role("arn:aws:iam::111122223333:role/brevet-Forward")
	if !ok {
		t.Fatal("no role to forward with")
	}
	for _, w := range []whoMay{
		{"the rule of calls writes", log, service("events"), "logs:PutLogEvents", stream, rule("brevet-calls"), iam.Allow},
		{"the rule of entries writes", log, service("events"), "logs:PutLogEvents", stream, rule("brevet-entries"), iam.Allow},
		{"the rule opens a stream", log, service("events"), "logs:CreateLogStream", stream, nil, iam.Allow},
		{"another rule writes", log, service("events"), "logs:PutLogEvents", stream, rule("brevet-calls2"), iam.ImplicitDeny},
		{"another service writes", log, service("lambda"), "logs:PutLogEvents", stream, rule("brevet-calls"), iam.ImplicitDeny},
		{"the rule writes another log group", log, service("events"), "logs:PutLogEvents", strings.Replace(stream, "-access", "-access2", 1), rule("brevet-calls"), iam.ImplicitDeny},
		{"the rule deletes the log group", log, service("events"), "logs:DeleteLogGroup", stream, rule("brevet-calls"), iam.ImplicitDeny},

		{"a rule tells", topic, service("events"), "sns:Publish", i.Topics[0].ARN, rule("brevet-admin"), iam.Allow},
		{"an alarm tells", topic, service("cloudwatch"), "sns:Publish", i.Topics[0].ARN, rule("x"), iam.Allow},
		{"a rule of another account tells", topic, service("events"), "sns:Publish", i.Topics[0].ARN, map[string][]string{"aws:SourceAccount": {"444455556666"}}, iam.ImplicitDeny},
		{"a rule of nobody tells", topic, service("events"), "sns:Publish", i.Topics[0].ARN, nil, iam.ImplicitDeny},
		{"another service tells", topic, service("s3"), "sns:Publish", i.Topics[0].ARN, rule("brevet-admin"), iam.ImplicitDeny},
		{"a rule subscribes", topic, service("events"), "sns:Subscribe", i.Topics[0].ARN, rule("brevet-admin"), iam.ImplicitDeny},

		{"our rule forwards", forward.Trust, service("events"), "sts:AssumeRole", forward.ARN, rule("brevet-entries"), iam.Allow},
		{"our rule of another region forwards", forward.Trust, service("events"), "sts:AssumeRole", forward.ARN,
			map[string][]string{"aws:SourceArn": {"arn:aws:events:us-east-1:111122223333:rule/brevet-calls"}, "aws:SourceAccount": {"111122223333"}}, iam.Allow},
		{"another rule forwards", forward.Trust, service("events"), "sts:AssumeRole", forward.ARN, rule("other"), iam.ImplicitDeny},
		{"a rule of another account forwards", forward.Trust, service("events"), "sts:AssumeRole", forward.ARN,
			map[string][]string{"aws:SourceArn": {"arn:aws:events:us-east-1:444455556666:rule/brevet-calls"}, "aws:SourceAccount": {"444455556666"}}, iam.ImplicitDeny},

		{"the trail writes", bucket, service("cloudtrail"), "s3:PutObject", object, from(trail), iam.Allow},
		{"the trail looks", bucket, service("cloudtrail"), "s3:GetBucketAcl", "arn:aws:s3:::brevet-trail-111122223333-eu-west-1", from(trail), iam.Allow},
		{"another trail writes", bucket, service("cloudtrail"), "s3:PutObject", object, from(trail + "2"), iam.ImplicitDeny},
		{"another account's trail writes", bucket, service("cloudtrail"), "s3:PutObject", object, from(strings.Replace(trail, "1111", "4444", 1)), iam.ImplicitDeny},
		{"the trail writes elsewhere in it", bucket, service("cloudtrail"), "s3:PutObject", strings.Replace(object, "AWSLogs/1111", "AWSLogs/4444", 1), from(trail), iam.ImplicitDeny},
		{"the trail deletes", bucket, service("cloudtrail"), "s3:DeleteObject", object, from(trail), iam.ImplicitDeny},
		{"the trail gives it away", bucket, service("cloudtrail"), "s3:PutObject", object, from(trail, "s3:x-amz-acl", "public-read"), iam.ImplicitDeny},
		{"the trail writes in the clear", bucket, service("cloudtrail"), "s3:PutObject", object, from(trail, "aws:SecureTransport", "false"), iam.ExplicitDeny},
		{"somebody reads in the clear", bucket, sessionCaller("auditor"), "s3:GetObject", object, map[string][]string{"aws:SecureTransport": {"false"}}, iam.ExplicitDeny},
		{"an auditor reads", bucket, sessionCaller("auditor"), "s3:GetObject", object, theirs, iam.Allow},

		{"the trail encrypts", key.Policy, service("cloudtrail"), "kms:GenerateDataKey", key.ARN, from(trail), iam.Allow},
		{"another trail encrypts", key.Policy, service("cloudtrail"), "kms:GenerateDataKey", key.ARN, from(trail + "2"), iam.ImplicitDeny},
		{"the trail encrypts something else", key.Policy, service("cloudtrail"), "kms:GenerateDataKey", key.ARN,
			from(trail, "kms:EncryptionContext:aws:cloudtrail:arn", "arn:aws:cloudtrail:eu-west-1:444455556666:trail/x"), iam.ImplicitDeny},
		{"the trail decrypts", key.Policy, service("cloudtrail"), "kms:Decrypt", key.ARN, from(trail), iam.ImplicitDeny},
		{"a session of ours reads the record", key.Policy, sessionCaller("brevet-Security"), "kms:Decrypt", key.ARN, ours, iam.Allow},
		{"a session of ours looks at the key", key.Policy, sessionCaller("brevet-Security"), "kms:DescribeKey", key.ARN, ours, iam.Allow},
		{"a session of ours switches it off", key.Policy, sessionCaller("brevet-Admin"), "kms:DisableKey", key.ARN, ours, iam.ExplicitDeny},
		{"a session of ours deletes it", key.Policy, sessionCaller("brevet-Admin"), "kms:ScheduleKeyDeletion", key.ARN, ours, iam.ExplicitDeny},
		{"a session of ours rewrites its policy", key.Policy, sessionCaller("brevet-Admin"), "kms:PutKeyPolicy", key.ARN, ours, iam.ExplicitDeny},
		{"a session of ours takes its tag", key.Policy, sessionCaller("brevet-Admin"), "kms:UntagResource", key.ARN, ours, iam.ExplicitDeny},
		{"a session of ours lends it", key.Policy, sessionCaller("brevet-Admin"), "kms:CreateGrant", key.ARN, ours, iam.ExplicitDeny},
		{"our session under another role's name switches it off", key.Policy, sessionCaller("workload"), "kms:DisableKey", key.ARN, ours, iam.ExplicitDeny},
		{"the customer switches it off", key.Policy, sessionCaller("owner"), "kms:DisableKey", key.ARN, theirs, iam.Allow},
	} {
		w.check(t)
	}
	if key.Tags["brevet-record"] != "true" {
		t.Errorf("the key's tags are %v", key.Tags)
	}
	bus := "arn:aws:events:eu-west-1:111122223333:event-bus/default"
	if len(forward.Policies) != 1 || forward.Boundary != nil {
		t.Fatalf("%+v", forward)
	}
	for _, c := range []struct {
		action, on string
		want       iam.Decision
	}{
		{"events:PutEvents", bus, iam.Allow}, {"events:PutEvents", strings.Replace(bus, "eu-west-1", "us-east-1", 1), iam.ImplicitDeny},
		{"events:PutEvents", bus + "2", iam.ImplicitDeny}, {"events:PutRule", bus, iam.ImplicitDeny}, {"iam:PassRole", forward.ARN, iam.ImplicitDeny},
	} {
		got := iam.Evaluate(iam.Input{Identity: []*iam.Policy{forward.Policies[0].Policy}, Request: iam.Request{Caller: sessionCaller("brevet-Forward"), Action: c.action, Resource: c.on}})
		if got.Decision != c.want {
			t.Errorf("%s on %s: %+v", c.action, c.on, got)
		}
	}
}

// The trail records all regions and all management events, and objects only
// for Data and only if wanted.
func TestEventsTrail(t *testing.T) {
	home, _ := eventsTexts(t, eventsSide())
	management := `{"FieldSelectors":[{"Equals":["Management"],"Field":"eventCategory"}],"Name":"management"}`
	objects := `{"FieldSelectors":[{"Equals":["Data"],"Field":"eventCategory"},{"Equals":["AWS::S3::Object"],"Field":"resources.type"},` +
		`{"Field":"userIdentity.arn","StartsWith":["arn:aws:sts::111122223333:assumed-role/brevet-Data/"]}],"Name":"objects-of-data"}`
	for want, parameters := range map[string]map[string]string{
		"[" + management + "]":                 {"CreateTrail": "true"},
		"[" + management + "," + objects + "]": {"CreateTrail": "true", "DataTrail": "true"},
	} {
		i := deployEvents(t, home, "eu-west-1", parameters)
		if len(i.Trails) != 1 || len(i.Buckets) != 1 || len(i.Keys) != 1 {
			t.Fatalf("%v: %d trails, %d buckets, %d keys", parameters, len(i.Trails), len(i.Buckets), len(i.Keys))
		}
		trail := i.Trails[0]
		if !trail.Logging || !trail.Validation || !trail.ManyRegion || trail.Bucket != i.Buckets[0].Name || trail.Key != i.Keys[0].ARN {
			t.Errorf("%+v", trail)
		}
		got, err := json.Marshal(trail.Selectors)
		if d := cmp.Diff(want, string(got)); d != "" || err != nil {
			t.Errorf("%v: %s %v", parameters, d, err)
		}
	}
	i := deployEvents(t, home, "eu-west-1", map[string]string{"DataTrail": "true"})
	if out := i.Deployments[0].Outputs; len(i.Trails) != 0 || !strings.Contains(out["ObjectEvents"], "needs CreateTrail=true") || !strings.Contains(out["Trail"], "none made here") {
		t.Errorf("%v", out)
	}
}

// The record outlives the stack.
func TestEventsKept(t *testing.T) {
	home, forward := eventsTexts(t, eventsSide())
	kept := func(text string) (out []string) {
		id := ""
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "  ") && !strings.HasPrefix(line, "   ") && strings.HasSuffix(line, ":\n") {
				id = strings.Trim(line, " :\n")
			}
			if line == "    DeletionPolicy: Retain\n" {
				out = append(out, id)
			}
		}
		return out
	}
	if got := kept(home); !slices.Equal(got, []string{"Log", "TrailKey", "TrailBucket", "TrailBucketPolicy"}) {
		t.Errorf("kept: %v", got)
	}
	if got := kept(forward); !slices.Equal(got, []string{"ShellLog"}) {
		t.Errorf("kept elsewhere: %v", got)
	}
	if strings.Count(home+forward, "UpdateReplacePolicy: Retain\n") != 5 {
		t.Error("what is kept at the end is not kept when it is replaced")
	}
}

// A shell outside the home region is the same as in it: logged, and bounded.
func TestEventsForwardShell(t *testing.T) {
	_, forward := eventsTexts(t, eventsSide())
	i := deployEvents(t, forward, "us-east-1", map[string]string{"ShellIdleMinutes": "5"})
	if len(i.Documents) != 1 || i.Documents[0].Name != "brevet-Shell" || i.Documents[0].Type != "Session" {
		t.Fatalf("%+v", i.Documents)
	}
	content := i.Documents[0].Content
	inputs, _ := content["inputs"].(map[string]any)
	if inputs["cloudWatchLogGroupName"] != i.LogGroups[0].Name || inputs["idleSessionTimeout"] != "5" || inputs["maxSessionDuration"] != "60" {
		t.Errorf("%v", content)
	}
	s := eventsSide()
	for n := range s.Roles {
		s.Roles[n].Policies = []string{"ReadOnlyAccess"}
	}
	access, err := accessTemplate(s)
	if err != nil {
		t.Fatal(err)
	}
	at := deployEvents(t, string(access.Text), "eu-west-1", map[string]string{"ShellIdleMinutes": "5", "LogGroupName": i.LogGroups[0].Name})
	if d := cmp.Diff(at.Documents[0].Content, content); d != "" || at.Documents[0].Name != i.Documents[0].Name {
		t.Errorf("not the shell of access.yaml: %s", d)
	}
}

package stack_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/stack"
)

// externalSides are the accounts whose templates other people's programs
// read.
func externalSides() map[string]stack.Side {
	china := side()
	china.Account.Region = "cn-northwest-1"
	few := side()
	few.Roles = few.Roles[:2]
	few.Customer.Contact = ""
	long := byBroker()
	long.Account.Prefix, long.Customer.LogGroup = "Consultancy-4-Acme-Corp-", "/acme/access/"+strings.Repeat("x", 400)
	long.Roles = append(long.Roles, brevet.Role{Name: "Developer_X-1", Max: six()[0].Max, MFA: brevet.Rung8h, Policies: []string{"ReadOnlyAccess"}})
	return map[string]stack.Side{"six": side(), "broker": byBroker(), "china": china, "few": few, "long": long, "emergencies": urgentSide()}
}

// program returns the path of a program that others wrote, and skips loudly
// if it is not installed.
func program(t *testing.T, name, probe, loss string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		err = exec.Command(path, probe).Run()
	}
	if err != nil {
		t.Skipf("SKIPPED: %s is missing: %s", name, loss)
	}
	return path
}

// cfn-lint knows AWS's resource schemas.
func TestExternalLint(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: -short: cfn-lint reads every template")
	}
	t.Parallel()
	lint := program(t, "cfn-lint", "--version", "nobody else has read the templates")
	dir := t.TempDir()
	var names []string
	for name, s := range externalSides() {
		files, err := stack.CloudFormation(s)
		if err != nil {
			t.Fatal(name, err)
		}
		for _, f := range files {
			if !strings.HasSuffix(f.Name, ".yaml") {
				continue
			}
			file := filepath.Join(dir, name+"-"+f.Name)
			if err := os.WriteFile(file, f.Text, 0o600); err != nil {
				t.Fatal(err)
			}
			names = append(names, file)
		}
	}
	if len(names) != 3*len(externalSides()) {
		t.Fatalf("%d templates", len(names))
	}
	if out, err := exec.CommandContext(t.Context(), lint, append([]string{"--format", "parseable", "--"}, names...)...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	// it would find something
	broken := filepath.Join(dir, "broken.yaml")
	text := bytes.Replace(generate(t, side(), "events.yaml"), []byte("RetentionInDays:"), []byte("RetentionInDay:"), 1)
	if err := os.WriteFile(broken, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), lint, "--", broken).CombinedOutput(); err == nil || !strings.Contains(string(out), "RetentionInDay") {
		t.Errorf("cfn-lint finds nothing in a broken template: %v\n%s", err, out)
	}
}

// emulator is moto, an emulator of AWS, and the AWS CLI. moto takes what has
// the right form and judges nothing; and it drops, with a warning at most, the
// identity provider, metric filters, alarms, the subscription, the topic's and
// the bucket's policy, and the trail. What these say is tested on the templates
// themselves.
type emulator struct {
	t   *testing.T
	cli string
	env []string
}

func newEmulator(t *testing.T) *emulator {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED: -short: deploys to an emulator")
	}
	cli := program(t, "aws", "--version", "nobody has deployed the templates")
	moto := program(t, "moto_server", "--help", "nobody has deployed the templates")
	cmd := exec.CommandContext(t.Context(), moto, "-H", "127.0.0.1", "-p", "0")
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	url := ""
	for lines := bufio.NewScanner(said); url == "" && lines.Scan(); {
		if _, rest, ok := strings.Cut(lines.Text(), "Running on "); ok {
			url = strings.Fields(rest)[0]
		}
	}
	if url == "" {
		t.Fatal("moto did not say where it is")
	}
	go func() { // it stops when nobody reads
		var rest bytes.Buffer
		rest.ReadFrom(said)
	}()
	home := t.TempDir()
	env := []string{"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_ENDPOINT_URL=" + url, "AWS_MAX_ATTEMPTS=1", "AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=" + home + "/none", "AWS_SHARED_CREDENTIALS_FILE=" + home + "/none"}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AWS_") {
			env = append(env, v)
		}
	}
	return &emulator{t, cli, env}
}

// aws runs the AWS CLI in a region and returns what it said.
func (e *emulator) aws(region string, args ...string) (string, error) {
	e.t.Helper()
	cmd := exec.CommandContext(e.t.Context(), e.cli, append([]string{"--region", region, "--output", "json"}, args...)...)
	cmd.Env = e.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// ask runs the AWS CLI and reads its JSON.
func (e *emulator) ask(region string, into any, args ...string) {
	e.t.Helper()
	out, err := e.aws(region, args...)
	if err == nil {
		err = json.Unmarshal([]byte(out), into)
	}
	if err != nil {
		e.t.Fatalf("aws %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// deploy deploys a template as the instructions say, and reports whether there
// was nothing to change.
func (e *emulator) deploy(region, name string, text []byte, parameters ...string) bool {
	e.t.Helper()
	file := filepath.Join(e.t.TempDir(), name+".yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		e.t.Fatal(err)
	}
	args := []string{"cloudformation", "deploy", "--no-fail-on-empty-changeset", "--capabilities", "CAPABILITY_NAMED_IAM", "--stack-name", name, "--template-file", file}
	if len(parameters) > 0 {
		args = append(append(args, "--parameter-overrides"), parameters...)
	}
	out, err := e.aws(region, args...)
	unchanged := strings.Contains(out, "No updates are to be performed") || strings.Contains(out, "No changes to deploy") // moto's words, and the CLI's
	if err != nil && !unchanged {
		e.t.Fatalf("%s in %s: %v\n%s", name, region, err, out)
	}
	return unchanged
}

// untagged is the text without the tags of the trail's key, on which moto's
// CloudFormation stumbles.
func untagged(t *testing.T, text []byte) []byte {
	t.Helper()
	tags := []byte("      Tags:\n        - Key: brevet-record\n          Value: \"true\"\n")
	if bytes.Count(text, tags) != 1 {
		t.Fatal("the key's tags are not where they were")
	}
	return bytes.Replace(text, tags, nil, 1)
}

// All three templates are deployed with the real CLI, what arrives is what
// they say, deploying again changes nothing, and the end leaves nothing but
// the record.
func TestExternalDeploy(t *testing.T) {
	t.Parallel()
	e := newEmulator(t)
	const home, other = "eu-west-1", "us-east-1"
	s := side()
	s.Customer.LogGroup = "continuous.engineering-access"
	access, events, forward := generate(t, s, "access.yaml"), untagged(t, generate(t, s, "events.yaml")), generate(t, s, "events-forward.yaml")
	// moto sees that nothing changes only if every parameter is said each time
	parameters := []string{"CreateTrail=true", "DataTrail=true", "RetentionDays=400", "LogGroupName=continuous.engineering-access", "SecurityContact=" + s.Customer.Contact,
		"DeniedThreshold=20", "AfterHoursFrom=19", "AfterHoursTo=7"}
	all := func() []bool {
		return []bool{e.deploy(home, "brevet-access", access), e.deploy(home, "brevet-events", events, parameters...), e.deploy(other, "brevet-events-forward", forward)}
	}
	if first := all(); slices.Contains(first, true) {
		t.Fatalf("nothing was deployed: %v", first)
	}
	if second := all(); slices.Contains(second, false) {
		t.Errorf("deployed again, something changes: %v", second)
	}
	e.arrived(home, other)
	e.records(home)

	for _, c := range []struct{ region, name string }{{other, "brevet-events-forward"}, {home, "brevet-events"}, {home, "brevet-access"}} {
		if out, err := e.aws(c.region, "cloudformation", "delete-stack", "--stack-name", c.name); err != nil {
			t.Errorf("%s is not deleted: %v\n%s", c.name, err, out)
		}
	}
	var rules struct{ Rules []struct{ Name string } }
	var roles struct{ Roles []struct{ RoleName string } }
	var groups struct {
		LogGroups []struct{ LogGroupName string }
	}
	var boards struct{ DashboardEntries []any }
	e.ask(home, &rules, "events", "list-rules")
	e.ask(home, &roles, "iam", "list-roles")
	e.ask(home, &groups, "logs", "describe-log-groups")
	e.ask(home, &boards, "cloudwatch", "list-dashboards")
	if len(rules.Rules)+len(roles.Roles)+len(boards.DashboardEntries) != 0 || len(groups.LogGroups) != 1 {
		t.Errorf("left over: %v %v %v %v", rules, roles, boards, groups)
	}
}

// records sends the sample events over the emulator's bus, which matches
// patterns with code of its own, and looks at what is in the log group: ours,
// each once, and nothing of anybody else.
func (e *emulator) records(region string) {
	t := e.t
	t.Helper()
	if out, err := e.aws(region, "events", "remove-targets", "--rule", "brevet-admin", "--ids", "mail"); err != nil { // it has no SNS behind its bus
		t.Fatal(out, err)
	}
	var entries []map[string]string
	var want []string
	for _, name := range []string{"own.json", "foreign.json"} {
		text, err := os.ReadFile("testdata/events/" + name)
		if err != nil {
			t.Fatal(err)
		}
		var events []struct{ Event map[string]json.RawMessage }
		if err := json.Unmarshal(bytes.ReplaceAll(text, []byte("111122223333"), []byte("123456789012")), &events); err != nil {
			t.Fatal(err)
		}
		for _, v := range events {
			var detail struct{ EventID string }
			var source, kind string
			for part, into := range map[string]any{"source": &source, "detail-type": &kind, "detail": &detail} {
				if err := json.Unmarshal(v.Event[part], into); err != nil {
					t.Fatal(err)
				}
			}
			entries = append(entries, map[string]string{"Source": source, "DetailType": kind, "Detail": string(v.Event["detail"])})
			if name == "own.json" {
				want = append(want, detail.EventID)
			}
		}
	}
	for batch := range slices.Chunk(entries, 10) {
		text, err := json.Marshal(batch)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := e.aws(region, "events", "put-events", "--entries", string(text)); err != nil {
			t.Fatal(out, err)
		}
	}
	var log struct{ Events []struct{ Message string } }
	e.ask(region, &log, "logs", "filter-log-events", "--log-group-name", "continuous.engineering-access")
	var got []string
	for _, l := range log.Events {
		var event struct{ Detail struct{ EventID string } }
		if err := json.Unmarshal([]byte(l.Message), &event); err != nil {
			t.Fatal(l.Message, err)
		}
		got = append(got, event.Detail.EventID)
	}
	slices.Sort(got)
	slices.Sort(want)
	if len(want) < 25 || len(entries)-len(want) < 20 || !slices.Equal(got, want) {
		t.Errorf("%d events of ours and %d of others gave %d lines: %v, not %v", len(want), len(entries)-len(want), len(got), got, want)
	}
}

// arrived looks at what the emulator holds.
func (e *emulator) arrived(home, other string) {
	t := e.t
	t.Helper()
	var rules struct {
		Rules []struct{ Name, State, EventPattern string }
	}
	for region, want := range map[string]string{home: "brevet-admin brevet-calls brevet-entries", other: "brevet-calls brevet-entries"} {
		e.ask(region, &rules, "events", "list-rules")
		var names []string
		for _, r := range rules.Rules {
			names = append(names, r.Name)
			var pattern map[string]any
			if err := json.Unmarshal([]byte(r.EventPattern), &pattern); err != nil || stack.CheckPattern(pattern) != nil || r.State != "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS" {
				t.Errorf("%s: %+v %v", region, r, err)
			}
		}
		slices.Sort(names)
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: rules %s", region, got)
		}
	}
	var targets struct {
		Targets []struct{ ID, Arn, RoleArn string }
	}
	e.ask(other, &targets, "events", "list-targets-by-rule", "--rule", "brevet-calls")
	if len(targets.Targets) != 1 || !strings.Contains(targets.Targets[0].Arn, ":events:"+home+":") || !strings.HasSuffix(targets.Targets[0].RoleArn, ":role/brevet-Forward") {
		t.Errorf("forwarded to %+v", targets)
	}
	var groups struct {
		LogGroups []struct {
			LogGroupName    string
			RetentionInDays int
		}
	}
	e.ask(home, &groups, "logs", "describe-log-groups")
	if len(groups.LogGroups) != 1 || groups.LogGroups[0].LogGroupName != "continuous.engineering-access" || groups.LogGroups[0].RetentionInDays != 400 {
		t.Errorf("log groups %+v", groups)
	}
	var policies struct {
		ResourcePolicies []struct{ PolicyDocument string }
	}
	e.ask(home, &policies, "logs", "describe-resource-policies")
	if len(policies.ResourcePolicies) != 1 || !json.Valid([]byte(policies.ResourcePolicies[0].PolicyDocument)) {
		t.Errorf("policies of the log %+v", policies)
	}
	var topics struct{ Topics []struct{ TopicArn string } }
	e.ask(home, &topics, "sns", "list-topics")
	if len(topics.Topics) != 1 || !strings.HasSuffix(topics.Topics[0].TopicArn, ":brevet-alerts") {
		t.Errorf("topics %+v", topics)
	}
	var board struct{ DashboardBody string }
	e.ask(home, &board, "cloudwatch", "get-dashboard", "--dashboard-name", "brevet-access")
	var body struct{ Widgets []any }
	if err := json.Unmarshal([]byte(board.DashboardBody), &body); err != nil || len(body.Widgets) != 18 || strings.Contains(board.DashboardBody, "${") {
		t.Errorf("dashboard: %d widgets, %v", len(body.Widgets), err)
	}
	var bucket struct{ ServerSideEncryptionConfiguration struct{ Rules []any } }
	e.ask(home, &bucket, "s3api", "get-bucket-encryption", "--bucket", "brevet-trail-123456789012-"+home)
	var keys struct{ Keys []struct{ KeyId string } }
	e.ask(home, &keys, "kms", "list-keys")
	if len(bucket.ServerSideEncryptionConfiguration.Rules) != 1 || len(keys.Keys) != 1 {
		t.Errorf("bucket %+v, keys %+v", bucket, keys)
	}
	var stacks struct {
		Stacks []struct {
			StackStatus string
			Parameters  []struct{ ParameterKey, ParameterValue string }
		}
	}
	e.ask(home, &stacks, "cloudformation", "describe-stacks", "--stack-name", "brevet-events") // moto forgets the outputs
	parameters := map[string]string{}
	for _, p := range stacks.Stacks[0].Parameters {
		parameters[p.ParameterKey] = p.ParameterValue
	}
	if stacks.Stacks[0].StackStatus != "CREATE_COMPLETE" || len(parameters) != 8 || parameters["LogGroupName"] != "continuous.engineering-access" || parameters["SecurityContact"] != "security@acme.invalid" {
		t.Errorf("stack %v", stacks)
	}
	var documents struct{ DocumentIdentifiers []struct{ Name string } }
	e.ask(other, &documents, "ssm", "list-documents", "--filters", "Key=Name,Values=brevet-Shell")
	if len(documents.DocumentIdentifiers) != 1 {
		t.Errorf("documents elsewhere: %+v", documents)
	}
}

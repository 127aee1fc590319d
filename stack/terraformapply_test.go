package stack_test

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet/iam"
	"github.com/brevet-access/brevet/stack"
)

// The root module of the test: the provider speaks to moto, and the account
// deploys the module, and its part for another region.
const tfRoot = `
provider "aws" {
  region                      = "eu-west-1"
  skip_credentials_validation = true
  s3_use_path_style           = true
}

provider "aws" {
  alias                       = "us"
  region                      = "us-east-1"
  skip_credentials_validation = true
}

module "brevet" {
  source       = "./oidc"
  revoker      = true
  deny_prod    = { Admin = true, SRE = false }
  broker_cidrs = ["203.0.113.7/32", "2001:db8::/64"]
}

module "us" {
  source    = "./oidc/forward"
  providers = { aws = aws.us }
}
`

// The module is applied against moto by the real terraform: it makes the same
// as the templates, nothing is left to change at the second plan, and it is
// destroyed in spite of what was attached by hand.
//
// The trail is not applied, only planned (TestTerraformVariables): moto answers
// StartLogging by ARN with an error of its own. What moto does not keep of what
// it is told is named below.
func TestTerraformApply(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: -short: the module has not been applied; it takes more than a minute")
	}
	t.Parallel()
	w := newTFWorld(t)
	writeModule(t, filepath.Join(w.dir, "oidc"), side())
	w.write("main.tf", tfRoot)
	w.run("init", "-no-color")
	w.run("apply", "-auto-approve", "-no-color")
	w.agrees(t)

	// the revoker has written its policy: not Terraform's business
	arn := "arn:aws:iam::111122223333:policy/brevet-Revocations"
	w.iam("CreatePolicyVersion", "PolicyArn", arn, "SetAsDefault", "true", "PolicyDocument",
		`{"Version":"2012-10-17","Statement":[{"Sid":"Revoked20261125","Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/brevet-grant":["`+grant+`"]}}}]}`)
	changes := w.plan()
	forgotten := "module.brevet.aws_lambda_function.revoker[0]" // moto keeps no logging_config
	if c, ok := changes[forgotten]; ok && onlyDiffers(c, "logging_config") {
		delete(changes, forgotten)
	}
	if len(changes) != 0 {
		t.Errorf("the second plan is not empty: %v", slices.Sorted(maps.Keys(changes)))
	}

	for _, role := range []string{"brevet-Admin", "brevet-Data"} { // out of band
		w.iam("AttachRolePolicy", "RoleName", role, "PolicyArn", "arn:aws:iam::aws:policy/AWSSupportAccess")
		w.iam("PutRolePolicy", "RoleName", role, "PolicyName", "AWSRevokeOlderSessions", "PolicyDocument",
			`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`)
	}
	w.run("destroy", "-auto-approve", "-no-color")
	if left := w.resources(); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	for call, name := range map[string]string{"ListRoles": "brevet-", "ListOpenIDConnectProviders": "issuer.brevet.invalid"} {
		if body := w.iam(call); strings.Contains(body, name) {
			t.Errorf("%s finds %s after destroy: %s", call, name, body)
		}
	}
}

func onlyDiffers(c tfChange, key string) bool {
	if !slices.Equal(c.Change.Actions, []string{"update"}) {
		return false
	}
	for k, v := range c.Change.After {
		if k != key && !cmp.Equal(v, c.Change.Before[k]) {
			return false
		}
	}
	return true
}

func parsed(t *testing.T, text any) *iam.Policy {
	t.Helper()
	s, _ := text.(string)
	p, err := iam.Parse([]byte(s))
	if err != nil {
		t.Fatalf("%v: %s", err, s)
	}
	return p
}

// same reports whether two documents say the same, whatever their order of
// keys and whether a single value stands in a list.
func same(t *testing.T, what string, got, want *iam.Policy) {
	t.Helper()
	if got == nil || want == nil {
		t.Errorf("%s: %v, and in the templates %v", what, got, want)
		return
	}
	var g, w any
	for p, v := range map[*iam.Policy]*any{got: &g, want: &w} {
		if err := json.Unmarshal([]byte(p.String()), v); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(w, g); d != "" {
		t.Errorf("%s differs from the templates (-) in the module (+):\n%s", what, d)
	}
}

// agrees compares what terraform made with what the templates would make.
func (w *tfWorld) agrees(t *testing.T) {
	t.Helper()
	in := wholeAccount(t, side(), map[string]string{"Revoker": "true", "DenyProdAdmin": "true", "BrokerCidrs": "203.0.113.7/32,2001:db8::/64"})
	got := w.resources()
	roles, inline, attached := map[string]tfResource{}, map[string]*iam.Policy{}, map[string][]string{}
	for _, r := range got {
		text := func(key string) string { s, _ := r.Values[key].(string); return s }
		switch r.Type {
		case "aws_iam_role":
			roles[text("name")] = r
		case "aws_iam_role_policy":
			inline[text("role")+"/"+text("name")] = parsed(t, text("policy"))
		case "aws_iam_role_policy_attachment":
			attached[text("role")] = append(attached[text("role")], text("policy_arn"))
		case "aws_iam_policy":
			i := slices.IndexFunc(in.Managed, func(p stack.NamedPolicy) bool { return p.Name == text("name") })
			if i < 0 {
				t.Errorf("the templates make no policy %s", text("name"))
				continue
			}
			same(t, "policy "+text("name"), parsed(t, text("policy")), in.Managed[i].Policy)
		}
	}
	for _, want := range in.Roles {
		r := roles[want.Name]
		if r.Values == nil {
			t.Errorf("the module makes no role %s", want.Name)
			continue
		}
		delete(roles, want.Name)
		same(t, "trust of "+want.Name, parsed(t, r.Values["assume_role_policy"]), want.Trust)
		if r.Values["max_session_duration"] != want.Max.Seconds() || str(r.Values["permissions_boundary"]) != want.BoundaryARN {
			t.Errorf("%s: %v, %v", want.Name, r.Values["max_session_duration"], r.Values["permissions_boundary"])
		}
		var arns []string
		for _, p := range want.Policies {
			if p.ARN != "" {
				arns = append(arns, p.ARN)
				continue
			}
			same(t, want.Name+"/"+p.Name, inline[want.Name+"/"+p.Name], p.Policy)
			delete(inline, want.Name+"/"+p.Name)
		}
		slices.Sort(arns)
		slices.Sort(attached[want.Name])
		if d := cmp.Diff(arns, attached[want.Name]); d != "" {
			t.Errorf("%s: managed policies: %s", want.Name, d)
		}
	}
	if len(roles)+len(inline) != 0 {
		t.Errorf("the templates do not make %v %v", slices.Sorted(maps.Keys(roles)), slices.Sorted(maps.Keys(inline)))
	}
	eventsAgree(t, in, got)
}

func str(v any) string { s, _ := v.(string); return s }

func eventsAgree(t *testing.T, in *stack.Installed, got []tfResource) {
	t.Helper()
	want, have := map[string]any{}, map[string]any{}
	for _, r := range in.Rules {
		want["rule "+r.Region+" "+r.Name] = []any{r.State, r.Pattern}
	}
	for _, f := range in.Filters {
		want["filter "+f.Metric] = []any{f.Pattern, f.Namespace, f.LogGroup}
	}
	for _, a := range in.Alarms {
		want["alarm "+a.Name] = []any{a.Properties["AlarmDescription"], a.Properties["ComparisonOperator"], a.Metric}
	}
	for _, d := range in.Dashboards {
		want["dashboard "+d.Name] = fromJSON(t, d.Body)
	}
	for _, d := range in.Documents {
		want["document "+d.Region+" "+d.Name] = d.Content
	}
	for _, r := range got {
		v := r.Values
		switch r.Type {
		case "aws_cloudwatch_event_rule":
			region := strings.Split(str(v["arn"]), ":")[3]
			have["rule "+region+" "+str(v["name"])] = []any{v["state"], fromJSON(t, str(v["event_pattern"]))}
		case "aws_cloudwatch_log_metric_filter":
			m := v["metric_transformation"].([]any)[0].(map[string]any)
			have["filter "+str(m["name"])] = []any{v["pattern"], m["namespace"], v["log_group_name"]}
		case "aws_cloudwatch_metric_alarm":
			have["alarm "+str(v["alarm_name"])] = []any{v["alarm_description"], v["comparison_operator"], v["metric_name"]}
		case "aws_cloudwatch_dashboard":
			have["dashboard "+str(v["dashboard_name"])] = fromJSON(t, str(v["dashboard_body"]))
		case "aws_ssm_document":
			have["document "+strings.Split(str(v["arn"]), ":")[3]+" "+str(v["name"])] = fromJSON(t, str(v["content"]))
		}
	}
	if d := cmp.Diff(plainOf(t, want), plainOf(t, have)); d != "" {
		t.Errorf("the record differs from the templates (-) in the module (+):\n%s", d)
	}
}

func fromJSON(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %.200s", err, text)
	}
	return v
}

// plainOf brings numbers and lists of both sides to the types of JSON.
func plainOf(t *testing.T, v any) any {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return fromJSON(t, string(text))
}

// wholeAccount is the account once the three templates are deployed, the third in
// us-east-1.
func wholeAccount(t *testing.T, s stack.Side, parameters map[string]string) *stack.Installed {
	t.Helper()
	var all []*stack.Deployment
	for name, region := range map[string]string{"access.yaml": "eu-west-1", "events.yaml": "eu-west-1", "events-forward.yaml": "us-east-1"} {
		template, err := stack.ReadTemplate(name, generate(t, s, name))
		if err != nil {
			t.Fatal(err)
		}
		given := map[string]string{}
		for _, p := range template.Parameters {
			if v, ok := parameters[p.Name]; ok {
				given[p.Name] = v
			}
		}
		d, err := template.Deploy(stack.Place{Partition: "aws", Account: string(s.Account.ID), Region: region, Stack: "brevet-" + strings.TrimSuffix(name, ".yaml")}, given)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	in, err := stack.Install(all...)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

package stack

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet"
)

// eventsSide is an account with the six roles.
func eventsSide() Side {
	role := func(name brevet.RoleName, mfa brevet.Rung) brevet.Role {
		return brevet.Role{Name: name, Max: 4 * time.Hour, MFA: mfa}
	}
	return Side{
		Customer: brevet.Customer{ID: "cu_01jd5w0q3v8xk2m7n9p4r6t8yz", Name: "acme", Contact: "security@acme.example", LogGroup: "continuous.engineering-access"},
		Account: brevet.Account{ID: "111122223333", Name: "acme-staging", Region: "eu-west-1", Contract: NewestContract, Prefix: "brevet-",
			Audience: "brevet:111122223333:abcdefghijklmnopqrstuvwxyz", Issuer: "https://issuer.brevet.invalid/c/cu_01jd5w0q3v8xk2m7n9p4r6t8yz"},
		Roles: []brevet.Role{role("ReadOnly", brevet.Rung8h), role("Security", brevet.Rung8h), role("SRE", brevet.Rung8h),
			role("DevOps", brevet.Rung8h), role("Data", brevet.Rung8h), role("Admin", brevet.Rung1h)},
	}
}

// eventsTexts returns events.yaml and events-forward.yaml.
func eventsTexts(t testing.TB, s Side) (home, forward string) {
	t.Helper()
	files, err := eventsTemplates(s)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 2 || files[0].Name != "events.yaml" || files[1].Name != "events-forward.yaml" {
		t.Fatal("not the two templates")
	}
	return string(files[0].Text), string(files[1].Text)
}

// deployEvents returns what the account holds once the text is deployed.
func deployEvents(t testing.TB, text, region string, parameters map[string]string) *Installed {
	t.Helper()
	tpl, err := ReadTemplate("events.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	d, err := tpl.Deploy(Place{Partition: brevet.Account{Region: region}.Partition(), Account: "111122223333", Region: region, Stack: "brevet-events"}, parameters)
	if err != nil {
		t.Fatal(err)
	}
	i, err := Install(d)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestEventsText(t *testing.T) {
	home, forward := eventsTexts(t, eventsSide())
	for range 20 {
		if h, f := eventsTexts(t, eventsSide()); h != home || f != forward {
			t.Fatal("the same side gives other templates")
		}
	}
	for name, text := range map[string]string{"events.yaml": home, "events-forward.yaml": forward} {
		if len(text) >= LongestTemplate {
			t.Errorf("%s has %d bytes", name, len(text))
		}
		for n, line := range strings.Split(text, "\n") {
			if strings.HasSuffix(line, " ") || strings.Contains(line, "\t") {
				t.Errorf("%s:%d: white space: %q", name, n+1, line)
			}
			if code := strings.TrimSpace(line); !strings.HasPrefix(code, "#") && strings.Contains(code, " #") && !strings.ContainsAny(code, "'\"") {
				t.Errorf("%s:%d: the end is a comment: %s", name, n+1, line)
			}
			if strings.Contains(line, ": &") || strings.Contains(line, "- &") {
				t.Errorf("%s:%d: an anchor", name, n+1)
			}
		}
		if !strings.HasPrefix(text, "# EVENTS") || !strings.Contains(text, "Customer: acme") {
			t.Errorf("%s does not say what it is", name)
		}
		tpl, err := ReadTemplate(name, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		got, _ := tpl.Metadata["Brevet"].(map[string]any)
		contract, _ := number(got["Contract"])
		if contract != NewestContract || got["Customer"] != "acme" || got["Template"] != name || len(got) != 3 {
			t.Errorf("%s: metadata %v", name, got)
		}
	}
}

// No placeholder is left over, whatever the roles, and what an account lacks
// is not spoken of.
func TestEventsFilledIn(t *testing.T) {
	for _, roles := range []string{"ReadOnly", "Admin", "Data", "Data Admin", "Developer X-Y X_Z", "ReadOnly Security SRE DevOps Data Admin"} {
		s := eventsSide()
		s.Roles = nil
		for _, name := range strings.Fields(roles) {
			s.Roles = append(s.Roles, brevet.Role{Name: brevet.RoleName(name), Max: time.Hour, MFA: brevet.Rung1h})
		}
		home, forward := eventsTexts(t, s)
		for _, text := range []string{home, forward} {
			for n, line := range strings.Split(text, "\n") {
				rest := strings.NewReplacer("@acme.example", "", "@timestamp", "", `'[^@\s<>]+@[^@\s<>]+\.[^@\s<>]+|'`, "").Replace(line)
				if strings.Contains(rest, "@") {
					t.Errorf("%s: line %d: %s", roles, n+1, line)
				}
			}
		}
		i := deployEvents(t, home, "eu-west-1", map[string]string{"CreateTrail": "true"})
		admin, data := s.has(roleAdmin), s.has(roleData)
		extra := 0
		if admin {
			extra = 1
		}
		if strings.Contains(home, "Admin") != admin || strings.Contains(home, "administrator") != admin || len(i.Rules) != 2+extra || len(i.Alarms) != 3+extra {
			t.Errorf("%s: %d rules, %d alarms", roles, len(i.Rules), len(i.Alarms))
		}
		if strings.Contains(home, "DataTrail") != data || strings.Contains(home, "brevet-Data") != data {
			t.Errorf("%s: of Data it writes %v", roles, !data)
		}
		deployEvents(t, forward, "us-east-1", nil)
	}
}

// What is deployed: one rule each, the log, who may write it, and who is told.
func TestEventsHome(t *testing.T) {
	home, _ := eventsTexts(t, eventsSide())
	i := deployEvents(t, home, "eu-west-1", nil)
	var rules []string
	for _, r := range i.Rules {
		rules = append(rules, r.Name+" "+r.State+" "+r.Targets[0].ARN)
	}
	slices.Sort(rules)
	const all = " ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS "
	const log = "arn:aws:logs:eu-west-1:111122223333:log-group:continuous.engineering-access"
	if d := cmp.Diff([]string{"brevet-admin" + all + "arn:aws:sns:eu-west-1:111122223333:brevet-alerts", "brevet-calls" + all + log, "brevet-entries" + all + log}, rules); d != "" {
		t.Error(d)
	}
	if len(i.LogGroups) != 1 || i.LogGroups[0].Name != "continuous.engineering-access" || i.LogGroups[0].Retention != 365 {
		t.Errorf("log groups %+v", i.LogGroups)
	}
	if len(i.Subscriptions) != 1 || i.Subscriptions[0].Protocol != "email" || i.Subscriptions[0].Endpoint != "security@acme.example" || i.Subscriptions[0].Topic != i.Topics[0].ARN {
		t.Errorf("subscriptions %+v", i.Subscriptions)
	}
	if len(i.Trails)+len(i.Buckets)+len(i.Keys) != 0 {
		t.Error("a trail that nobody asked for")
	}
	without := deployEvents(t, home, "eu-west-1", map[string]string{"SecurityContact": ""})
	if len(without.Subscriptions) != 0 || !strings.HasPrefix(without.Deployments[0].Outputs["Contact"], "nobody") {
		t.Errorf("without a contact: %+v, %q", without.Subscriptions, without.Deployments[0].Outputs["Contact"])
	}
	for _, a := range i.Alarms {
		if !slices.Equal(a.Actions, []string{"arn:aws:sns:eu-west-1:111122223333:brevet-alerts"}) || !a.Enabled {
			t.Errorf("%s tells %v", a.Name, a.Actions)
		}
	}
}

// Parameters have the catalog's values, and refuse what AWS would.
func TestEventsParameters(t *testing.T) {
	s := eventsSide()
	s.Customer.LogGroup, s.Customer.Contact, s.Account.Prefix = "", "", "ce-"
	home, forward := eventsTexts(t, s)
	i := deployEvents(t, home, "eu-west-1", nil)
	if len(i.LogGroups) != 1 || i.LogGroups[0].Name != "ce-access" || len(i.Subscriptions) != 0 || i.Dashboards[0].Name != "ce-access" {
		t.Errorf("%+v", i.LogGroups)
	}
	for name, c := range map[string]struct{ text, parameter, value string }{
		"retention":       {home, "RetentionDays", "8"},
		"retention, text": {home, "RetentionDays", "a year"},
		"contact":         {home, "SecurityContact", "not an address"},
		"two contacts":    {home, "SecurityContact", "a@b.example, c@d.example"},
		"log group":       {home, "LogGroupName", "with space"},
		"a quote":         {home, "LogGroupName", "a' | fields @message"},
		"hour":            {home, "AfterHoursFrom", "24"},
		"hour, negative":  {home, "AfterHoursTo", "-1"},
		"threshold":       {home, "DeniedThreshold", "0"},
		"trail":           {home, "CreateTrail", "yes"},
		"data trail":      {home, "DataTrail", "maybe"},
		"no such region":  {forward, "HomeRegion", "mars-central-1"},
		"region, empty":   {forward, "HomeRegion", ""},
		"idle":            {forward, "ShellIdleMinutes", "61"},
		"most":            {forward, "ShellMaxMinutes", "1441"},
	} {
		t.Run(name, func(t *testing.T) {
			tpl, err := ReadTemplate("t.yaml", []byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			_, err = tpl.Deploy(Place{Partition: "aws", Account: "111122223333", Region: "us-east-1", Stack: "s"}, map[string]string{c.parameter: c.value})
			if !errors.Is(err, brevet.Invalid) || !strings.Contains(err.Error(), c.parameter) {
				t.Errorf("%s=%q: %v", c.parameter, c.value, err)
			}
		})
	}
}

func TestEventsRefusesToBeWritten(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Side)
		want   string
	}{
		"no customer":         {func(s *Side) { s.Customer.Name = "" }, "customer"},
		"customer, a comment": {func(s *Side) { s.Customer.Name = "acme\nResources:" }, "customer"},
		"no region":           {func(s *Side) { s.Account.Region = "" }, "region"},
		"unknown region":      {func(s *Side) { s.Account.Region = "eu-wset-1" }, "region"},
		"prefix, dot":         {func(s *Side) { s.Account.Prefix = "a.b" }, "prefix"},
		"prefix, underscore":  {func(s *Side) { s.Account.Prefix = "a_b" }, "prefix"},
		"prefix, digit":       {func(s *Side) { s.Account.Prefix = "1a-" }, "prefix"},
		"prefix, long":        {func(s *Side) { s.Account.Prefix = strings.Repeat("a", 25) }, "prefix"},
		"prefix, empty":       {func(s *Side) { s.Account.Prefix = "" }, "prefix"},
		"log group":           {func(s *Side) { s.Customer.LogGroup = "a b" }, "log_group"},
		"log group, a quote":  {func(s *Side) { s.Customer.LogGroup = "a'b" }, "log_group"},
		"log group, long":     {func(s *Side) { s.Customer.LogGroup = strings.Repeat("a", 513) }, "log_group"},
		"contact":             {func(s *Side) { s.Customer.Contact = "security" }, "contact"},
		"contact, two":        {func(s *Side) { s.Customer.Contact = "a@b.example,c@d.example" }, "contact"},
		"contact, variable":   {func(s *Side) { s.Customer.Contact = "${AWS::AccountId}@b.example" }, "contact"},
		"contact, braces":     {func(s *Side) { s.Customer.Contact = "${LogGroupName}@b.example" }, "contact"},
		"contact, quote":      {func(s *Side) { s.Customer.Contact = "a'b@b.example" }, "contact"},
		"contact, line":       {func(s *Side) { s.Customer.Contact = "a@b.example\n" }, "contact"},
		"contract, newer":     {func(s *Side) { s.Account.Contract = NewestContract + 1 }, "contract"},
		"no roles":            {func(s *Side) { s.Roles = nil }, "roles"},
		"a role's name":       {func(s *Side) { s.Roles[0].Name = "Read*" }, "role"},
		"pattern, too long": {func(s *Side) {
			for i := range 12 {
				s.Roles = append(s.Roles, brevet.Role{Name: brevet.RoleName("Team" + strings.Repeat("x", 30) + string(rune('A'+i%26)) + string(rune('a'+i/26))), Max: time.Hour, MFA: brevet.Rung8h, Policies: []string{"ReadOnlyAccess"}})
			}
		}, "rule brevet-entries"},
	} {
		t.Run(name, func(t *testing.T) {
			s := eventsSide()
			c.change(&s)
			files, err := eventsTemplates(s)
			if !errors.Is(err, brevet.Invalid) || !strings.Contains(err.Error(), c.want) || files != nil {
				t.Errorf("%v; want %q in it", err, c.want)
			}
		})
	}
}

// A pattern is as long as it is said to be, and EventBridge takes it.
func TestEventsPatternsFit(t *testing.T) {
	s := eventsSide()
	s.Account.Region = "us-gov-west-1"
	for len(s.Roles) < 9 {
		s.Roles = append(s.Roles, brevet.Role{Name: brevet.RoleName("Team" + string(rune('0'+len(s.Roles)))), Max: time.Hour, MFA: brevet.Rung8h, Policies: []string{"ReadOnlyAccess"}})
	}
	_, forward := eventsTexts(t, s)
	i := deployEvents(t, forward, "us-gov-east-1", nil)
	for n, p := range []yamlMap{callsPattern(s, true), entriesPattern(s, true)} {
		text, err := json.Marshal(i.Rules[n].Pattern)
		if want := jsonLength(p, s.Account) - len("ap-southeast-1") + len("us-gov-east-1"); err != nil || len(text) != want || len(text) > longestPattern {
			t.Errorf("%s: %d characters, not %d (%v)", i.Rules[n].Name, len(text), want, err)
		}
	}
}

// Other partitions have their own ARNs and console.
func TestEventsPartition(t *testing.T) {
	for region, console := range map[string]string{
		"eu-central-1": "https://console.aws.amazon.com/", "cn-northwest-1": "https://console.amazonaws.cn/",
		"us-gov-west-1": "https://console.amazonaws-us-gov.com/", "eusc-de-east-1": "https://console.amazonaws-eusc.eu/",
	} {
		s := eventsSide()
		s.Account.Region = region
		home, forward := eventsTexts(t, s)
		i := deployEvents(t, home, region, map[string]string{"CreateTrail": "true", "DataTrail": "true"})
		want := console + "cloudwatch/home?region=" + region + "#dashboards/dashboard/brevet-access"
		if got := i.Deployments[0].Outputs["DashboardUrl"]; got != want {
			t.Errorf("%s: %s", region, got)
		}
		global := map[string]string{"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1", "aws-eusc": "eusc-de-east-1"}[s.Account.Partition()]
		if strings.Contains(home, "in "+global+" always") != (global != region) || !strings.Contains(forward, "report in\n# "+global+" only") {
			t.Errorf("%s: it does not say where global services report", region)
		}
		text, err := json.Marshal(i.Deployments[0].Resources)
		if err != nil || strings.Contains(string(text), "arn:aws:") != (s.Account.Partition() == "aws") {
			t.Errorf("%s: an ARN of another partition (%v)", region, err)
		}
	}
}

// The skeletons speak of no customer.
func TestEventsSkeletons(t *testing.T) {
	skeletons, err := filepath.Glob("skeleton/events*.yaml")
	if err != nil || len(skeletons) != 2 {
		t.Fatal(skeletons, err)
	}
	for _, name := range skeletons {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"acme", "continuous.engineering", "brevet-Admin", "111122223333", "eu-west-1'"} {
			if strings.Contains(string(text), word) {
				t.Errorf("%s speaks of %s", name, word)
			}
		}
	}
}

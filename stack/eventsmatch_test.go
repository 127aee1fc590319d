package stack

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recorded is an event as EventBridge delivers it, and what must become of it.
type recorded struct {
	What   string         `json:"what"`
	Rules  []string       `json:"rules"`  // of events.yaml, without prefix
	Counts []string       `json:"counts"` // metrics
	Event  map[string]any `json:"event"`
}

func readEvents(t testing.TB, name string) []recorded {
	t.Helper()
	text, err := os.ReadFile("testdata/events/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var out []recorded
	if err := json.Unmarshal(text, &out); err != nil || len(out) < 20 {
		t.Fatal(len(out), err)
	}
	return out
}

// matching are the rules that an event is handed to, without prefix.
func matching(i *Installed, event map[string]any) []string {
	out := []string{}
	for _, r := range i.Rules {
		if MatchEvent(r.Pattern, event) {
			out = append(out, strings.TrimPrefix(r.Name, "brevet-"))
		}
	}
	slices.Sort(out)
	return out
}

// Ours are caught by exactly the rules that they belong to, so that nothing
// is written twice; what anybody else does, by none.
func TestEventsRules(t *testing.T) {
	home, _ := eventsTexts(t, eventsSide())
	i := deployEvents(t, home, "eu-west-1", nil)
	seen := map[string]int{}
	for _, e := range readEvents(t, "own.json") {
		slices.Sort(e.Rules)
		if d := cmp.Diff(e.Rules, matching(i, e.Event)); d != "" {
			t.Errorf("%s: %s", e.What, d)
		}
		for _, r := range e.Rules {
			seen[r]++
		}
	}
	if seen["calls"] < 10 || seen["entries"] < 8 || seen["admin"] < 3 {
		t.Errorf("too few events: %v", seen)
	}
	for _, e := range readEvents(t, "foreign.json") {
		if got := matching(i, e.Event); len(got) != 0 {
			t.Errorf("%s: caught by %v", e.What, got)
		}
	}
}

// Real events of others are not ours. Where the caller is a role, the same
// event is ours once that role is.
func TestEventsRulesAndRealEvents(t *testing.T) {
	home, _ := eventsTexts(t, eventsSide())
	i := deployEvents(t, home, "eu-west-1", nil)
	text, err := os.ReadFile("testdata/cloudtrail/stratus.json")
	if err != nil {
		t.Fatal(err)
	}
	var logs []struct {
		File  string
		Event map[string]any
	}
	if err := json.Unmarshal(text, &logs); err != nil {
		t.Fatal(err)
	}
	roles := 0
	for _, l := range logs {
		service, _, _ := strings.Cut(l.Event["eventSource"].(string), ".")
		event := map[string]any{"version": "0", "detail-type": "AWS API Call via CloudTrail", "source": "aws." + service,
			"account": l.Event["recipientAccountId"], "region": l.Event["awsRegion"], "detail": l.Event}
		if got := matching(i, event); len(got) != 0 {
			t.Errorf("%s: caught by %v", l.File, got)
		}
		who := l.Event["userIdentity"].(map[string]any)
		if who["type"] != "AssumedRole" {
			continue
		}
		roles++
		parts := strings.Split(who["arn"].(string), "/")
		who["arn"] = "arn:aws:sts::111122223333:assumed-role/brevet-SRE/" + parts[len(parts)-1]
		event["account"] = "111122223333"
		if got := matching(i, event); !slices.Equal(got, []string{"calls"}) {
			t.Errorf("%s, as ours: caught by %v", l.File, got)
		}
	}
	if len(logs) < 15 || roles < 3 {
		t.Errorf("%d events, %d of roles", len(logs), roles)
	}
}

// Other regions pass on the same events, once, and never what was passed on
// to them; in the home region they pass on nothing.
func TestEventsForward(t *testing.T) {
	home, forward := eventsTexts(t, eventsSide())
	at := deployEvents(t, home, "eu-west-1", nil)
	for _, region := range []string{"us-east-1", "ap-south-1"} {
		i := deployEvents(t, forward, region, nil)
		if len(i.Rules) != 2 {
			t.Fatalf("%s: %d rules", region, len(i.Rules))
		}
		for _, r := range i.Rules {
			on, reads := r.Delivers()
			if !on || !reads || r.Targets[0].ARN != "arn:aws:events:eu-west-1:111122223333:event-bus/default" || r.Targets[0].RoleARN != "arn:aws:iam::111122223333:role/brevet-Forward" {
				t.Errorf("%s: %+v", region, r)
			}
		}
		for _, e := range readEvents(t, "own.json") {
			was := e.Event["region"]
			e.Event["region"] = region
			want := slices.DeleteFunc(matching(at, e.Event), func(s string) bool { return s == "admin" })
			if got := matching(i, e.Event); !slices.Equal(got, want) || len(got) != 1 {
				t.Errorf("%s, in %s: %v, want %v", e.What, region, got, want)
			}
			for _, other := range []string{"eu-west-1", "eu-north-1", was.(string)} {
				e.Event["region"] = other
				if got := matching(i, e.Event); other != region && len(got) != 0 {
					t.Errorf("%s, of %s, is passed on by %s: %v", e.What, other, region, got)
				}
			}
		}
		for _, e := range readEvents(t, "foreign.json") {
			e.Event["region"] = region
			if got := matching(i, e.Event); len(got) != 0 {
				t.Errorf("%s: passed on by %v", e.What, got)
			}
		}
	}
	if i := deployEvents(t, forward, "eu-west-1", nil); len(i.Rules)+len(i.LogGroups)+len(i.Documents) != 0 {
		t.Errorf("in the home region: %+v", i.Rules)
	}
}

// An account without Admin, and roles of other names.
func TestEventsRulesOfOtherRoles(t *testing.T) {
	s := eventsSide()
	s.Roles = s.Roles[:1]
	s.Roles[0].Name = "Developer"
	home, _ := eventsTexts(t, s)
	i := deployEvents(t, home, "eu-west-1", nil)
	caught := 0
	for _, e := range readEvents(t, "own.json") {
		caught += len(matching(i, e.Event))
		text, err := json.Marshal(e.Event)
		if err != nil {
			t.Fatal(err)
		}
		for _, role := range []string{"ReadOnly", "Security", "SRE", "DevOps", "Data", "Admin"} {
			text = []byte(strings.ReplaceAll(string(text), "brevet-"+role, "brevet-Developer"))
		}
		var renamed map[string]any
		if err := json.Unmarshal(text, &renamed); err != nil {
			t.Fatal(err)
		}
		if got := matching(i, renamed); len(got) != 1 {
			t.Errorf("%s, as Developer: %v", e.What, got)
		}
	}
	if caught != 0 {
		t.Errorf("%d events of roles that the account lacks", caught)
	}
}

// The mail names who, when, where and under which grant; each path leads to
// something in the event.
func TestEventsMail(t *testing.T) {
	for _, broker := range []string{"", "arn:aws:iam::999999999999:role/brevet-broker"} {
		s := eventsSide()
		s.Account.Broker, s.Account.ExternalID = broker, "abcdefghijklmnopqrstuvwxyz"
		home, _ := eventsTexts(t, s)
		i := deployEvents(t, home, "eu-west-1", nil)
		var target map[string]any
		for _, r := range i.Deployments[0].Resources {
			if r.ID == "AdminRule" {
				target = r.Properties["Targets"].([]any)[0].(map[string]any)["InputTransformer"].(map[string]any)
			}
		}
		call := "AssumeRoleWithWebIdentity"
		if broker != "" {
			call = "AssumeRole"
		}
		mailed := 0
		for _, e := range readEvents(t, "own.json") {
			if !slices.Contains(e.Rules, "admin") || e.Event["detail"].(map[string]any)["eventName"] != call {
				continue
			}
			mailed++
			mail := target["InputTemplate"].(string)
			for name, path := range target["InputPathsMap"].(map[string]any) {
				v, ok := lookup(e.Event, strings.TrimPrefix(path.(string), "$."))
				if !ok {
					t.Errorf("%s: %s leads nowhere", e.What, path)
				}
				if !strings.Contains(mail, "<"+name+">") {
					t.Errorf("the mail has no <%s>", name)
				}
				text, isText := v.(string)
				if !isText {
					b, err := json.Marshal(v)
					if err != nil {
						t.Fatal(err)
					}
					text = string(b)
				}
				mail = strings.ReplaceAll(mail, "<"+name+">", text)
			}
			for _, want := range []string{"111122223333", "role/brevet-Admin", "203.0.113.7", "gr_01jd5w1a2b3c4d5e6f7g8h9j0k", "2026-11-24T"} {
				if !strings.Contains(mail, want) {
					t.Errorf("%s: the mail does not say %s:\n%s", e.What, want, mail)
				}
			}
			if strings.ContainsAny(mail, "<>") {
				t.Errorf("a variable is left:\n%s", mail)
			}
			for line := range strings.Lines(mail) {
				line = strings.TrimSpace(line)
				if len(line) < 3 || line[0] != '"' || line[len(line)-1] != '"' {
					t.Errorf("EventBridge takes only lines in quotes: %s", line)
				}
			}
		}
		if mailed == 0 {
			t.Errorf("broker %q: no session of Admin in the events", broker)
		}
	}
}

// lookup follows a path of names joined by dots.
func lookup(v any, path string) (any, bool) {
	for name := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		if v, ok = m[name]; !ok {
			return nil, false
		}
	}
	return v, true
}

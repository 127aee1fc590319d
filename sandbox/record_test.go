package sandbox_test

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet/sandbox"
)

var filterCases = []struct {
	pattern string
	want    bool
	bad     bool
}{
	{"", true, false},
	{"GetRole", true, false},
	{`"iam.amazonaws.com" GetRole`, true, false},
	{"GetRole DeleteRole", false, false},
	{`{ $.detail.eventName = "GetRole" }`, true, false},
	{`{ $.detail.eventName = "Get*" && $.detail.readOnly IS TRUE }`, true, false},
	{`{ ($.detail.eventName = "Delete*") || ($.detail.errorCode NOT EXISTS) }`, true, false},
	{`{ $.detail.eventName != "GetRole" }`, false, false},
	{`{ $.detail.nothing != "GetRole" }`, false, false},
	{`{ $.detail.count >= 3 && $.detail.count < 4 }`, true, false},
	{`{ $.detail.readOnly IS FALSE }`, false, false},
	{`{ $.detail.eventName = "*R*le" }`, true, false},
	{`{ $.detail.eventName = "GetRole"`, false, true},
	{`{ $.detail.eventName = }`, false, true},
	{`{ eventName = "x" }`, false, true},
	{`{ $.a = 1 $.b = 2 }`, false, true},
	{`{ ($.detail.tags[0].key = "brevet-mfa") && ($.detail.tags[0].value = "breakglass") }`, true, false},
	{`{ ($.detail.tags[1].key = "brevet-mfa") || ($.detail.tags[x].key = "brevet-mfa") || ($.detail.source[0] = "a") }`, false, false},
	{`{ ($.a = 1 }`, false, true},
	{`{ $.a > x }`, false, true},
	{`{ $.a ~ 1 }`, false, true},
	{`"open`, false, true},
}

func TestFilterPatterns(t *testing.T) {
	var event map[string]any
	if err := json.Unmarshal([]byte(`{"source":"aws.iam","detail":{"eventName":"GetRole","eventSource":"iam.amazonaws.com","readOnly":true,"count":3,"tags":[{"key":"brevet-mfa","value":"breakglass"}]}}`), &event); err != nil {
		t.Fatal(err)
	}
	for _, tt := range filterCases {
		matches, err := sandbox.ParseFilter(tt.pattern)
		if (err != nil) != tt.bad {
			t.Errorf("%s: %v", tt.pattern, err)
			continue
		}
		if err == nil && matches(event) != tt.want {
			t.Errorf("%s: %v", tt.pattern, !tt.want)
		}
	}
}

func FuzzFilterPattern(f *testing.F) {
	for _, tt := range filterCases {
		f.Add(tt.pattern)
	}
	event := map[string]any{"detail": map[string]any{"eventName": "GetRole", "n": 1.0}}
	f.Fuzz(func(t *testing.T, pattern string) {
		if matches, err := sandbox.ParseFilter(pattern); err == nil {
			matches(event)
		} else if matches != nil && matches(event) {
			t.Error("a pattern that cannot be read matches")
		}
	})
}

var insightsCases = map[string]bool{
	"fields @timestamp, detail.eventName | filter detail.eventName = \"GetRole\" and detail.errorCode != 'x' | sort @timestamp desc | limit 5": true,
	"filter detail.eventName = GetRole":         true,
	"fields @message":                           true,
	"":                                          false,
	"stats count(*) by bin(5m)":                 false,
	"filter detail.eventName like /x/":          false,
	"filter a = \"b\" or c = \"d\"":             false,
	"limit 0":                                   false,
	"sort detail.eventName":                     false,
	"fields strcontains(@message, 'x')":         false,
	"fields @message | parse @message '* *' as": false,
}

func TestInsightsQueries(t *testing.T) {
	for query, ok := range insightsCases {
		if err := sandbox.ParseInsights(query); (err == nil) != ok {
			t.Errorf("%q: %v", query, err)
		}
	}
}

func FuzzInsights(f *testing.F) {
	for query := range insightsCases {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		if err := sandbox.ParseInsights(query); err != nil && !strings.Contains(err.Error(), "MalformedQueryException") {
			t.Error(err)
		}
	})
}

// logs makes a call of Logs and decodes the answer.
func (c *cloud) logs(by assumed, action, input string, out any) {
	c.t.Helper()
	status, body := c.signed(by, "logs", "POST", "/", "Logs_20140328."+action, input)
	if err := json.Unmarshal([]byte(body), out); err != nil || status != 200 {
		c.t.Fatalf("%s: %d %v\n%s", action, status, err, body)
	}
}

// Every call by a session, and every attempt to begin one, arrives in the
// customer's log group; calls of others do not.
func TestRecordArrives(t *testing.T) {
	c := newProbeCloud(t)
	c.generated(nil, nil)
	o := c.owner()
	admin := c.session("Admin")
	c.must(admin, "sns ListTopics", "")
	c.must(o, "sns ListTopics", "")
	bad := c.form("Admin")
	bad.Set("WebIdentityToken", c.sign(c.claims("ReadOnly")))
	c.post(bad)
	var all struct{ Events []struct{ Message string } }
	c.logs(o, "FilterLogEvents", `{"logGroupName":"brevet-access"}`, &all)
	var got []string
	for _, e := range all.Events {
		var event struct {
			Detail struct{ EventName, ErrorCode string }
		}
		if err := json.Unmarshal([]byte(e.Message), &event); err != nil {
			t.Fatal(err)
		}
		got = append(got, strings.TrimSpace(event.Detail.EventName+" "+event.Detail.ErrorCode))
	}
	if g := strings.Join(got, ","); g != "AssumeRoleWithWebIdentity,ListTopics,AssumeRoleWithWebIdentity AccessDenied" {
		t.Errorf("arrived: %s", g)
	}
	var query struct{ QueryID string }
	c.logs(o, "StartQuery", `{"logGroupName":"brevet-access","startTime":0,"endTime":4000000000,"queryString":"fields detail.eventName | filter detail.errorCode = \"AccessDenied\""}`, &query)
	var result struct {
		Status  string
		Results [][]struct{ Field, Value string }
	}
	c.logs(o, "GetQueryResults", `{"queryId":"`+query.QueryID+`"}`, &result)
	if len(result.Results) != 1 || result.Results[0][0].Value != "AssumeRoleWithWebIdentity" {
		t.Errorf("query: %+v", result)
	}
	if status, body := c.signed(o, "logs", "POST", "/", "Logs_20140328.FilterLogEvents", `{"logGroupName":"other"}`); status != 400 || !strings.Contains(body, "ResourceNotFoundException") {
		t.Errorf("another group: %d %s", status, body)
	}
	alarms := func() string {
		_, body := c.signed(o, "monitoring", "POST", "/", "GraniteServiceVersion20100801.DescribeAlarms", `{"AlarmNames":["brevet-admin-session"]}`)
		return body
	}
	if got := alarms(); !strings.Contains(got, `"StateValue":"ALARM"`) {
		t.Error(got)
	}
	c.clock.add(2 * time.Minute)
	if got := alarms(); !strings.Contains(got, `"StateValue":"OK"`) {
		t.Error(got)
	}
}

// The revoker takes everything from sessions of the grants that it is told,
// and from nobody else.
func TestRevoker(t *testing.T) {
	c := newProbeCloud(t)
	c.generated(map[string]map[string]string{"brevet-access": {"Revoker": "true"}}, nil)
	o := c.owner()
	other := strings.Replace(grantTag, "gr_01", "gr_02", 1)
	admin := c.session("Admin")
	neighbour := c.session("Admin", func(f url.Values) {
		claims := c.claims("Admin")
		claims["https://aws.amazon.com/tags"].(map[string]any)["principal_tags"].(map[string]any)["brevet-grant"] = []string{other}
		f.Set("WebIdentityToken", c.sign(claims))
	})
	call := func(by assumed, payload string) (int, string) {
		return c.signed(by, "lambda", "POST", "/2015-03-31/functions/brevet-Revoker/invocations", "", payload)
	}
	if status, body := call(admin, `{"grants":["`+other+`"]}`); status != 400 || !strings.Contains(body, "explicit deny in a permissions boundary") {
		t.Errorf("Admin calls the revoker: %d %s", status, body)
	}
	for _, bad := range []string{`{}`, `[]`, `{"grants":[]}`, `{"grants":["*"]}`, `{"grants":["` + grantTag + `"],"also":1}`} {
		if status, body := call(o, bad); status != 200 || !strings.Contains(body, "errorMessage") {
			t.Errorf("%s: %d %s", bad, status, body)
		}
	}
	c.must(admin, "sns ListTopics", "")
	for n := range 7 { // more often than a policy has versions
		id := grantTag[:len(grantTag)-1] + strconv.Itoa(n)
		if status, body := call(o, `{"grants":["`+id+`"]}`); status != 200 || !strings.Contains(body, id) || !strings.Contains(body, `"full":false`) {
			t.Fatalf("revoke: %d %s", status, body)
		}
	}
	c.mustNot(admin, "sns ListTopics", "with an explicit deny in an identity-based policy")
	c.must(neighbour, "sns ListTopics", "")
	revocations := []string{"PolicyArn", "arn:aws:iam::111122223333:policy/brevet-Revocations", "VersionId", "v8"}
	got := c.must(o, "iam GetPolicyVersion", grantTag, revocations...)
	if strings.Count(got, "Revoked2") != 1 {
		t.Error(got)
	}
	if got := c.must(o, "iam ListPolicyVersions", "", revocations[:2]...); strings.Count(got, "<VersionId>") != 5 {
		t.Error(got)
	}
	c.clock.add(48 * time.Hour) // what is older than the day before goes with the next
	if status, body := call(o, `{"grants":["`+other+`"]}`); status != 200 || body != `{"full":false,"held":["`+other+`"],"shells":0}` {
		t.Errorf("two days later: %d %s", status, body)
	}
	if status, body := c.signed(o, "lambda", "GET", "/2015-03-31/functions/brevet-Revoker", "", ""); status != 200 || !strings.Contains(body, `"ReservedConcurrentExecutions":1`) {
		t.Errorf("GetFunction: %d %s", status, body)
	}
}

package stack

import (
	"encoding/json"
	"fmt"
	"go/constant"
	"go/token"
	"go/types"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
)

// shownWidget is a widget as CloudWatch reads it.
type shownWidget struct {
	Type                string
	X, Y, Width, Height int
	Properties          struct {
		Title, Query, View, Markdown, Region, Stat string
		Alarms                                     []string
		Metrics                                    [][]any
		Period                                     int
	}
}

func shown(t *testing.T, i *Installed) []shownWidget {
	t.Helper()
	var body struct {
		Start, PeriodOverride string
		Widgets               []shownWidget
	}
	if len(i.Dashboards) != 1 {
		t.Fatalf("%d dashboards", len(i.Dashboards))
	}
	d := json.NewDecoder(strings.NewReader(i.Dashboards[0].Body))
	if err := d.Decode(&body); err != nil {
		t.Fatal(err)
	}
	if body.Start != "-P7D" || body.PeriodOverride != "inherit" {
		t.Errorf("start %s, periods %s", body.Start, body.PeriodOverride)
	}
	return body.Widgets
}

// theWidgets are the 17, by kind and the beginning of their titles.
var theWidgets = []string{"alarm Alarms", "metric Sessions by role", "metric Trend of sessions", "log Calls by role", "log Top engineers", "log Activity",
	"log Admin sessions", "log Access denied", "log Instances shelled into", "log S3 buckets touched by Data", "log Databases touched by Data", "log Source addresses",
	"log After hours", "log Changes", "metric Week over week", "metric Anomaly", "log Unusual patterns"}

func TestDashboardWidgets(t *testing.T) {
	for _, roles := range [][]string{{"ReadOnly", "Security", "SRE", "DevOps", "Data", "Admin"}, {"Developer"}, {"Admin"}, {"Data", "X-Y"}} {
		s := eventsSide()
		s.Roles = nil
		for _, r := range roles {
			s.Roles = append(s.Roles, brevet.Role{Name: brevet.RoleName(r), Max: time.Hour, MFA: brevet.Rung8h, Policies: []string{"ReadOnlyAccess"}})
		}
		home, _ := eventsTexts(t, s)
		i := deployEvents(t, home, "eu-west-1", nil)
		n := 0
		for _, w := range shown(t, i) {
			if w.Type == "text" {
				continue
			}
			want := strings.NewReplacer("Admin sessions", "Sessions begun", " by Data", "")
			if n < len(theWidgets) && (w.Type+" "+w.Properties.Title == theWidgets[n] || strings.HasPrefix(w.Type+" "+w.Properties.Title, theWidgets[n]+" (") ||
				w.Type+" "+w.Properties.Title == want.Replace(theWidgets[n])) {
				n++
				continue
			}
			t.Errorf("%v: widget %d is %s %q", roles, n, w.Type, w.Properties.Title)
			n++
		}
		if n != 17 {
			t.Errorf("%v: %d widgets", roles, n)
		}
	}
}

// Widgets lie within the 24 columns, and none on another; no hole is left.
func TestDashboardLayout(t *testing.T) {
	home, _ := eventsTexts(t, eventsSide())
	all := shown(t, deployEvents(t, home, "eu-west-1", nil))
	area, bottom := 0, 0
	for i, a := range all {
		if a.X < 0 || a.Y < 0 || a.Width < 1 || a.Height < 1 || a.X+a.Width > 24 {
			t.Errorf("%s lies outside: %+v", a.Properties.Title, a)
		}
		area, bottom = area+a.Width*a.Height, max(bottom, a.Y+a.Height)
		for _, b := range all[:i] {
			if a.X < b.X+b.Width && b.X < a.X+a.Width && a.Y < b.Y+b.Height && b.Y < a.Y+a.Height {
				t.Errorf("%q lies on %q", a.Properties.Title, b.Properties.Title)
			}
		}
	}
	if area != 24*bottom {
		t.Errorf("%d of %d fields are covered", area, 24*bottom)
	}
}

// What widgets and alarms watch is counted, under exactly that name and
// without dimensions; what is counted is watched.
func TestDashboardMetrics(t *testing.T) {
	home, _ := eventsTexts(t, eventsSide())
	i := deployEvents(t, home, "eu-west-1", nil)
	counted, used := map[string]bool{}, map[string]bool{}
	for _, f := range i.Filters {
		counted[f.Namespace+" "+f.Metric] = true
	}
	for _, r := range i.Deployments[0].Resources {
		if r.Type == "AWS::Logs::MetricFilter" {
			m := r.Properties["MetricTransformations"].([]any)[0].(map[string]any)
			if zero, ok := number(m["DefaultValue"]); !ok || zero != 0 || m["Dimensions"] != nil {
				t.Errorf("%s: %v", r.ID, m)
			}
		}
	}
	for _, w := range shown(t, i) {
		ids, expressions := map[string]bool{}, []string{}
		for _, line := range w.Properties.Metrics {
			options, ok := line[len(line)-1].(map[string]any)
			if !ok {
				t.Errorf("%s: a line without a label: %v", w.Properties.Title, line)
			}
			if id, ok := options["id"].(string); ok {
				ids[id] = true
			}
			if e, ok := options["expression"].(string); ok {
				expressions = append(expressions, e)
				continue
			}
			if len(line) != 3 {
				t.Fatalf("%s: %v", w.Properties.Title, line)
			}
			used[fmt.Sprint(line[0], " ", line[1])] = true
		}
		for _, e := range expressions {
			for _, name := range regexp.MustCompile(`\b[a-z]+\b`).FindAllString(e, -1) {
				if !ids[name] {
					t.Errorf("%s: %s speaks of %s, which is no line", w.Properties.Title, e, name)
				}
			}
		}
		if w.Type == "metric" && (w.Properties.Stat != "Sum" || w.Properties.Region != "eu-west-1" || w.Properties.Period%60 != 0 || w.Properties.Period == 0) {
			t.Errorf("%+v", w.Properties)
		}
	}
	for _, a := range i.Alarms {
		if a.Metric != "" {
			used[a.Namespace+" "+a.Metric] = true
			continue
		}
		both := a.Properties["Metrics"].([]any)
		stat := both[0].(map[string]any)["MetricStat"].(map[string]any)["Metric"].(map[string]any)
		used[fmt.Sprint(stat["Namespace"], " ", stat["MetricName"])] = true
		if a.Properties["ThresholdMetricId"] != both[1].(map[string]any)["Id"] || both[1].(map[string]any)["Expression"] != "ANOMALY_DETECTION_BAND(calls, 3)" {
			t.Errorf("%s: %v", a.Name, both)
		}
	}
	for m := range used {
		if !counted[m] {
			t.Errorf("%s is watched and not counted", m)
		}
	}
	for m := range counted {
		if !used[m] {
			t.Errorf("%s is counted and not watched", m)
		}
	}
}

// The first widget shows every alarm that there is.
func TestDashboardAlarms(t *testing.T) {
	home, _ := eventsTexts(t, eventsSide())
	i := deployEvents(t, home, "eu-west-1", nil)
	var got, want []string
	for _, w := range shown(t, i) {
		got = append(got, w.Properties.Alarms...)
	}
	for _, a := range i.Alarms {
		want = append(want, a.ARN)
	}
	if len(want) != 4 || !slices.Equal(got, want) {
		t.Errorf("%v, not %v", got, want)
	}
}

// eventFields are all fields of our own sample events, with the path to them.
func eventFields(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		if m, ok := v.(map[string]any); ok {
			for k, v := range m {
				walk(strings.TrimPrefix(path+"."+k, "."), v)
			}
			return
		}
		out[path] = true
	}
	for _, e := range readEvents(t, "own.json") {
		walk("", e.Event)
	}
	return out
}

var (
	queryField   = regexp.MustCompile("`detail\\.[^`]*`|detail(\\.[A-Za-z]+)+")
	queryCommand = regexp.MustCompile(`^(SOURCE '[^']+'|fields|filter|stats|sort|limit|display|dedup|parse|pattern|diff|anomaly) ?`)
)

// checkQuery finds what CloudWatch would not understand, or what no event
// has.
func checkQuery(t *testing.T, name, query string, fields map[string]bool) {
	t.Helper()
	for _, f := range queryField.FindAllString(query, -1) {
		if !fields[strings.Trim(f, "`")] {
			t.Errorf("%s: no event has %s", name, f)
		}
	}
	quoted := regexp.MustCompile(`'[^']*'|/[^/ ]+/`)
	for step := range strings.SplitSeq(quoted.ReplaceAllStringFunc(query, func(s string) string { return strings.ReplaceAll(s, "|", "!") }), "|") {
		step = strings.TrimSpace(step)
		if !queryCommand.MatchString(step) {
			t.Errorf("%s: not a step: %s", name, step)
		}
		bare := quoted.ReplaceAllString(step, "")
		if strings.Count(bare, "(") != strings.Count(bare, ")") || strings.Count(bare, "[") != strings.Count(bare, "]") || strings.Contains(bare, "'") {
			t.Errorf("%s: something is open: %s", name, step)
		}
	}
}

func TestDashboardQueries(t *testing.T) {
	home, _ := eventsTexts(t, eventsSide())
	i := deployEvents(t, home, "eu-west-1", map[string]string{"LogGroupName": "acme/other"})
	fields, queries := eventFields(t), 0
	for _, w := range shown(t, i) {
		if w.Type != "log" {
			continue
		}
		queries++
		p := w.Properties
		if !strings.HasPrefix(p.Query, "SOURCE 'acme/other' | fields ") || p.Region != "eu-west-1" || strings.Contains(p.Query, "${") {
			t.Errorf("%s: %s", p.Title, p.Query)
		}
		if (p.View == "bar" || p.View == "pie") && !strings.Contains(p.Query, "stats ") {
			t.Errorf("%s: a %s needs numbers", p.Title, p.View)
		}
		if !strings.Contains(p.Query, "filter ispresent(detail.eventName)") && !strings.Contains(p.Query, "filter detail.event") {
			t.Errorf("%s does not leave out what shells write: %s", p.Title, p.Query)
		}
		checkQuery(t, p.Title, p.Query, fields)
	}
	if queries != 12 {
		t.Errorf("%d queries", queries)
	}
}

// After hours is from the one hour up to the other, also across midnight, and
// on Saturday and Sunday.
func TestDashboardAfterHours(t *testing.T) {
	home, _ := eventsTexts(t, eventsSide())
	for _, c := range []struct {
		from, to string
		after    func(hour int) bool
	}{
		{"19", "7", func(h int) bool { return h >= 19 || h < 7 }},
		{"0", "6", func(h int) bool { return h < 6 }},
		{"22", "0", func(h int) bool { return h >= 22 }},
		{"9", "17", func(h int) bool { return h >= 9 && h < 17 }},
		{"7", "7", func(int) bool { return false }},
	} {
		i := deployEvents(t, home, "eu-west-1", map[string]string{"AfterHoursFrom": c.from, "AfterHoursTo": c.to})
		condition := ""
		for _, w := range shown(t, i) {
			if _, rest, ok := strings.Cut(w.Properties.Query, "filter weekday"); ok {
				condition, _, _ = strings.Cut("weekday"+rest, " | ")
			}
		}
		for weekday := range 7 {
			for hour := range 24 {
				text := strings.NewReplacer(" or ", " || ", " = ", " == ", "weekday", fmt.Sprint(weekday), "utcHour", fmt.Sprint(hour)).Replace(condition)
				v, err := types.Eval(token.NewFileSet(), nil, token.NoPos, text)
				if err != nil {
					t.Fatalf("%s: %v", condition, err)
				}
				if got := constant.BoolVal(v.Value); got != (weekday == 0 || weekday == 6 || c.after(hour)) {
					t.Errorf("from %s to %s, day %d, %d h: %v", c.from, c.to, weekday, hour, got)
				}
			}
		}
	}
}

// docs/monitoring.md explains every widget and every alarm, and its queries
// can be asked.
func TestDashboardDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for n, w := range theWidgets {
		_, title, _ := strings.Cut(w, " ")
		if want := fmt.Sprintf("\n### %d. %s\n", n+1, title); !strings.Contains(page, want) {
			t.Errorf("no heading %q", want)
		}
	}
	for _, a := range alarms(eventsSide()) {
		if !strings.Contains(page, "`brevet-"+a.name+"`") {
			t.Errorf("the alarm %s is not explained", a.name)
		}
	}
	for _, m := range []string{metricCalls, metricDenied, metricChanges, metricRefused, metricSessions} {
		if !strings.Contains(page, "`"+m) {
			t.Errorf("the metric %s is not explained", m)
		}
	}
	fields, queries := eventFields(t), 0
	blocks := strings.Split(page, "```")
	for n := 1; n < len(blocks); n += 2 {
		query := strings.TrimSpace(blocks[n])
		if !strings.HasPrefix(query, "fields ") && !strings.HasPrefix(query, "filter ") {
			continue
		}
		queries++
		checkQuery(t, "docs/monitoring.md", strings.ReplaceAll(query, "\n", " "), fields)
	}
	if queries < 15 {
		t.Errorf("%d further queries", queries)
	}
}

package stack

import (
	"strings"

	"github.com/brevet-access/brevet"
)

// The body of a dashboard
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html),
// 24 columns wide. Order of fields is the order on the page.
type (
	dashboardHead struct {
		Start          string `json:"start"`
		PeriodOverride string `json:"periodOverride"`
	}
	widget struct {
		Type       string           `json:"type"`
		X          int              `json:"x"`
		Y          int              `json:"y"`
		Width      int              `json:"width"`
		Height     int              `json:"height"`
		Properties widgetProperties `json:"-"` // printed behind the others, on a line of its own
	}
	widgetProperties struct {
		Title    string   `json:"title,omitempty"`
		Markdown string   `json:"markdown,omitempty"` // text
		Alarms   []string `json:"alarms,omitempty"`   // alarm

		Region  string `json:"region,omitempty"` // log and metric
		View    string `json:"view,omitempty"`
		Stacked bool   `json:"stacked,omitempty"`
		Query   string `json:"query,omitempty"` // log

		Metrics      []metricLine `json:"metrics,omitempty"` // metric
		Stat         string       `json:"stat,omitempty"`
		Period       int          `json:"period,omitempty"`
		WholeRange   bool         `json:"setPeriodToTimeRange,omitempty"`
		Start        string       `json:"start,omitempty"`
		End          string       `json:"end,omitempty"`
		YAxis        *axes        `json:"yAxis,omitempty"`
		ShowSparkles bool         `json:"sparkline,omitempty"`
	}
	axes struct {
		Left  *axis `json:"left,omitempty"`
		Right *axis `json:"right,omitempty"`
	}
	axis struct {
		Label string `json:"label,omitempty"`
		Min   *int   `json:"min,omitempty"`
		Units bool   `json:"showUnits"`
	}
	// metricLine is a metric (namespace, name) or an expression, with its
	// options.
	metricLine    []any
	metricOptions struct {
		ID         string `json:"id,omitempty"`
		Expression string `json:"expression,omitempty"`
		Label      string `json:"label,omitempty"`
		YAxis      string `json:"yAxis,omitempty"`
	}
)

// dashboard returns the text of the dashboard for Fn::Sub: 17 widgets and a
// heading. Roles that the account lacks are not spoken of: then the widget
// that would be theirs speaks of all.
func dashboard(s Side) (string, error) {
	head, err := plainJSON(dashboardHead{Start: "-P7D", PeriodOverride: "inherit"})
	if err != nil {
		return "", unprintable(err)
	}
	var b strings.Builder
	b.Write(head[:len(head)-1])
	b.WriteString(",\"widgets\":[")
	for i, w := range placeWidgets(widgets(s)) {
		where, err := plainJSON(w)
		if err != nil {
			return "", unprintable(err)
		}
		what, err := plainJSON(w.Properties)
		if err != nil {
			return "", unprintable(err)
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("\n" + string(where[:len(where)-1]) + ",\"properties\":\n  " + string(what) + "}")
	}
	b.WriteString("\n]}\n")
	return b.String(), nil
}

func unprintable(err error) error {
	return brevet.Errorf(brevet.Internal, "the dashboard cannot be printed").WithCause(err)
}

// place puts widgets of given sizes side by side, from left to right, in rows
// as high as their highest.
func placeWidgets(all []widget) []widget {
	x, y, high := 0, 0, 0
	for i := range all {
		w := &all[i]
		if x+w.Width > 24 {
			x, y, high = 0, y+high, 0
		}
		w.X, w.Y = x, y
		x, high = x+w.Width, max(high, w.Height)
	}
	return all
}

func (s Side) alarmARN(a alarm) string {
	return "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:" + s.Account.Prefix + a.name
}

func widgets(s Side) []widget {
	q := newQueries(s)
	out := []widget{textWidget(24, 2, "# What brevet's roles do in this account\n"+
		"From the log group ${LogGroupName}. Events arrive within minutes, not at once; what each widget shows and what to do: docs/monitoring.md.")}
	var states []string
	for _, a := range alarms(s) {
		states = append(states, s.alarmARN(a))
	}
	out = append(out,
		widget{Type: "alarm", Width: 8, Height: 4, Properties: widgetProperties{Title: "Alarms", Alarms: states}},
		metricWidget(16, 4, widgetProperties{Title: "Sessions by role", View: "singleValue", Metrics: s.sessionLines(), WholeRange: true, ShowSparkles: true, Period: 3600}),
		metricWidget(8, 7, widgetProperties{Title: "Trend of sessions", View: "timeSeries", Stacked: true, Metrics: s.sessionLines(), Period: 3600}),
		logWidget(8, 7, "Calls by role", "bar", q.callsByRole()),
		logWidget(8, 7, "Top engineers", "table", q.topEngineers()),
		logWidget(24, 9, "Activity", "table", q.feed()),
		logWidget(12, 7, titleOf(s, roleAdmin, "Admin sessions", "Sessions begun"), "table", q.sessions()),
		logWidget(12, 7, "Access denied", "table", q.denied()),
		logWidget(12, 7, "Instances shelled into", "table", q.shells()),
		logWidget(12, 7, titleOf(s, roleData, "S3 buckets touched by Data", "S3 buckets touched"), "table", q.buckets()),
		logWidget(12, 7, titleOf(s, roleData, "Databases touched by Data", "Databases touched"), "table", q.databases()),
		logWidget(12, 7, "Source addresses", "pie", q.addresses()),
		logWidget(12, 7, "After hours (from ${AfterHoursFrom} to ${AfterHoursTo} h UTC, and weekends)", "table", q.afterHours()),
		logWidget(12, 7, "Changes", "table", q.changes()),
		metricWidget(8, 7, s.weekOverWeek()),
		metricWidget(8, 7, s.anomaly()),
		logWidget(8, 7, "Unusual patterns", "table", q.unusual()),
	)
	return out
}

func titleOf(s Side, role brevet.RoleName, with, without string) string {
	if s.has(role) {
		return with
	}
	return without
}

func textWidget(width, height int, markdown string) widget {
	return widget{Type: "text", Width: width, Height: height, Properties: widgetProperties{Markdown: markdown}}
}

func logWidget(width, height int, title, view, query string) widget {
	return widget{Type: "log", Width: width, Height: height, Properties: widgetProperties{Title: title, View: view, Query: query, Region: "${AWS::Region}"}}
}

func metricWidget(width, height int, p widgetProperties) widget {
	p.Region, p.Stat = "${AWS::Region}", "Sum"
	return widget{Type: "metric", Width: width, Height: height, Properties: p}
}

func (s Side) sessionLines() []metricLine {
	var out []metricLine
	for _, r := range s.Roles {
		out = append(out, metricLine{s.namespace(), metricSessions + string(r.Name), metricOptions{Label: string(r.Name)}})
	}
	return out
}

// weekOverWeek shows whole weeks, and by how much each differs from the one
// before.
func (s Side) weekOverWeek() widgetProperties {
	zero := 0
	return widgetProperties{Title: "Week over week", View: "timeSeries", Start: "-P56D", End: "P0D", Period: 7 * 24 * 3600,
		YAxis: &axes{Left: &axis{Label: "calls", Min: &zero}, Right: &axis{Label: "% more than the week before"}},
		Metrics: []metricLine{
			{s.namespace(), metricCalls, metricOptions{ID: "calls", Label: "calls"}},
			{s.namespace(), metricChanges, metricOptions{ID: "changes", Label: "changes"}},
			{metricOptions{ID: "more", Expression: "100 * DIFF(calls) / (calls - DIFF(calls))", Label: "calls, change in %", YAxis: "right"}},
		}}
}

// anomaly shows the calls within the band of what is usual: the alarm
// "unusual" as a picture.
func (s Side) anomaly() widgetProperties {
	return widgetProperties{Title: "Anomaly", View: "timeSeries", Period: 900, Metrics: []metricLine{
		{metricOptions{ID: "usual", Expression: anomalyBand, Label: "usual"}},
		{s.namespace(), metricCalls, metricOptions{ID: "calls", Label: "calls"}},
	}}
}

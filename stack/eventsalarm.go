package stack

import (
	"strconv"
	"strings"

	"github.com/brevet-access/brevet"
)

// What is counted in the log. A metric has no dimensions: those of a metric
// filter exclude a default of zero, without which an alarm would sleep
// through the quiet.
const (
	metricCalls    = "Calls"          // by sessions of our roles
	metricDenied   = "Denied"         // those of them that were refused
	metricChanges  = "Changes"        // those of them that are not read-only
	metricRefused  = "EntriesRefused" // attempts to enter that failed
	metricSessions = "Sessions-"      // and a role's name: sessions that began
	metricUrgent   = "Emergencies"    // sessions that an emergency opened
)

// namespace is where the counts are.
func (s Side) namespace() string { return s.Account.Prefix + "access" }

// metricFilter turns each line of the log that the pattern matches into a
// one.
type metricFilter struct {
	id, metric, pattern string
	about               string
}

// metricFilters are all counts, in the order of the template.
func metricFilters(s Side) []metricFilter {
	ours := `($.detail.userIdentity.arn = "` + s.anySession() + `*")`
	entry := `($.detail.eventName = "AssumeRole*")`
	out := []metricFilter{
		{"CountCalls", metricCalls, "{ " + ours + " }", "calls by sessions"},
		{"CountDenied", metricDenied, "{ " + ours + ` && (($.detail.errorCode = "AccessDenied*") || ($.detail.errorCode = "*UnauthorizedOperation")) }`,
			"refused calls by sessions"},
		{"CountChanges", metricChanges, "{ " + ours + " && ($.detail.readOnly IS FALSE) }", "calls that change something"},
		{"CountRefused", metricRefused, "{ " + entry + ` && ($.detail.errorCode = "*") && (($.detail.userIdentity.arn NOT EXISTS) || ($.detail.userIdentity.arn != "` + s.anySession() + `*")) }`,
			"attempts to enter that failed"},
	}
	for _, r := range s.Roles {
		out = append(out, metricFilter{"CountSessions" + lettersAndDigits(r.Name), metricSessions + string(r.Name),
			"{ " + entry + ` && ($.detail.errorCode NOT EXISTS) && ($.detail.requestParameters.roleArn = "` + s.roleARN(r.Name) + `") }`,
			"sessions of " + string(r.Name)})
	}
	if s.urgent() {
		out = append(out, metricFilter{"CountEmergencies", metricUrgent,
			"{ " + entry + ` && ($.detail.errorCode NOT EXISTS) && (` + s.emergencyFilter() + `) }`, "sessions that an emergency opened"})
	}
	return out
}

// emergencyFilter is emergencyPattern in the language of metric filters. These
// know no "any of a list": where tags are one, each place is looked at that a
// tag of brevet's can have.
func (s Side) emergencyFilter() string {
	said := []string{`$.detail.requestParameters.principalTags.` + brevet.TagMFA + ` = "` + string(brevet.RungBreakGlass) + `"`}
	if s.Account.Broker != "" {
		said = nil
		for i := range 4 {
			at := "$.detail.requestParameters.tags[" + strconv.Itoa(i) + "]"
			said = append(said, `(`+at+`.key = "`+brevet.TagMFA+`") && (`+at+`.value = "`+string(brevet.RungBreakGlass)+`")`)
		}
	}
	for _, arn := range s.offlineARNs() {
		said = append(said, `$.detail.requestParameters.roleArn = "`+arn.(string)+`"`)
	}
	return "(" + strings.Join(said, ") || (") + ")"
}

func filterResources(s Side) yamlMap {
	var out yamlMap
	for _, f := range metricFilters(s) {
		out = append(out, yamlPair{f.id, yamlMap{
			{"Type", "AWS::Logs::MetricFilter"},
			{"Properties", yamlMap{
				{"LogGroupName", refTo("Log")},
				{"FilterPattern", f.pattern},
				{"MetricTransformations", yamlList{yamlMap{
					{"MetricNamespace", s.namespace()}, {"MetricName", f.metric}, {"MetricValue", "1"}, {"DefaultValue", 0}, {"Unit", "Count"},
				}}},
			}},
		}})
	}
	return out
}

// alarm is raised when so many of a metric come within a period.
type alarm struct {
	id, name, about string // name without prefix
	metric          string
	period          int // seconds
	threshold       any // a number or a reference; nil: above the band of what is usual
}

// alarms are all alarms, in the order of the template.
func alarms(s Side) []alarm {
	var out []alarm
	if s.has(roleAdmin) {
		out = append(out, alarm{"AdminSessionAlarm", "admin-session", "A session of " + s.Account.Prefix + "Admin has begun", metricSessions + string(roleAdmin), 60, 1})
	}
	if s.urgent() {
		out = append(out, alarm{"EmergencyAlarm", "emergency", "A session that an emergency opened has begun", metricUrgent, 60, 1})
	}
	return append(out,
		alarm{"DeniedAlarm", "denied", "Many calls by sessions of brevet's roles were refused", metricDenied, 300, refTo("DeniedThreshold")},
		alarm{"RefusedAlarm", "refused", "An attempt to enter one of brevet's roles was refused", metricRefused, 300, 1},
		alarm{"UnusualAlarm", "unusual", "Sessions of brevet's roles do far more than usual; learns for two weeks", metricCalls, 900, nil},
	)
}

// band is the width of what is usual, in standard deviations.
const anomalyBand = "ANOMALY_DETECTION_BAND(calls, 3)"

func alarmResources(s Side) yamlMap {
	var out yamlMap
	for _, a := range alarms(s) {
		p := yamlMap{
			{"AlarmName", s.Account.Prefix + a.name},
			{"AlarmDescription", a.about},
			{"AlarmActions", yamlList{refTo("Alerts")}},
			{"EvaluationPeriods", 1},
			{"TreatMissingData", "notBreaching"},
		}
		if a.threshold != nil {
			p = append(p, yamlPair{"Namespace", s.namespace()}, yamlPair{"MetricName", a.metric}, yamlPair{"Statistic", "Sum"}, yamlPair{"Period", a.period},
				yamlPair{"ComparisonOperator", "GreaterThanOrEqualToThreshold"}, yamlPair{"Threshold", a.threshold})
		} else {
			p = append(p, yamlPair{"ComparisonOperator", "GreaterThanUpperThreshold"}, yamlPair{"ThresholdMetricId", "usual"},
				yamlPair{"Metrics", yamlList{
					yamlMap{{"Id", "calls"}, {"MetricStat", yamlMap{
						{"Metric", yamlMap{{"Namespace", s.namespace()}, {"MetricName", a.metric}}}, {"Period", a.period}, {"Stat", "Sum"}}}},
					yamlMap{{"Id", "usual"}, {"Expression", anomalyBand}},
				}})
		}
		out = append(out, yamlPair{a.id, yamlMap{{"Type", "AWS::CloudWatch::Alarm"}, {"Properties", p}}})
	}
	return out
}

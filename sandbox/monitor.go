package sandbox

import (
	"slices"
	"strings"
	"time"
)

// metric feeds a metric. Alarms that watch it go off at once and stay so for
// their period; the caller holds e.mu.
func (e *estate) metric(h *holding, region, namespace, name string, now time.Time) {
	for _, p := range h.in("AWS::CloudWatch::Alarm", region) {
		if text(p.Properties["Namespace"]) != namespace || text(p.Properties["MetricName"]) != name {
			continue
		}
		key := region + " " + p.Physical
		period := time.Duration(max(number(p.Properties["Period"]), 60)) * time.Second
		if e.alarms == nil {
			e.alarms = map[string]*alarmState{}
		}
		s := e.alarms[key]
		if s == nil {
			s = &alarmState{}
			e.alarms[key] = s
		}
		s.fed = append(slices.DeleteFunc(s.fed, func(t time.Time) bool { return now.Sub(t) >= period }), now)
		if !over(p, len(s.fed)) {
			continue
		}
		if now.Before(s.until) { // it is in ALARM already
			s.until = now.Add(period)
			continue
		}
		s.since, s.until = now, now.Add(period)
		if text(p.Properties["ActionsEnabled"]) == "false" {
			continue
		}
		for _, arn := range texts(p.Properties["AlarmActions"]) {
			alarm := "arn:" + h.account.Partition() + ":cloudwatch:" + region + ":" + string(h.account.ID) + ":alarm:" + p.Physical
			if strings.Contains(arn, ":sns:") && permits(h.topicPolicy(arn), h, cloudWatch, alarm, "sns:Publish", arn) {
				e.publish(h, arn, "ALARM: \""+p.Physical+"\"", "The alarm "+p.Physical+" in "+h.account.Name+" has entered the ALARM state. "+text(p.Properties["AlarmDescription"]), now)
			}
		}
	}
}

// alarmState is what an alarm has seen.
type alarmState struct {
	fed          []time.Time
	since, until time.Time // in ALARM
}

// over reports whether a sum passes an alarm's threshold. An alarm over an
// expression, such as an anomaly band, never goes off here.
func over(p part, sum int) bool {
	if p.Properties["Metrics"] != nil {
		return false
	}
	limit := number(p.Properties["Threshold"])
	switch text(p.Properties["ComparisonOperator"]) {
	case "GreaterThanThreshold":
		return sum > limit
	case "GreaterThanOrEqualToThreshold":
		return sum >= limit
	}
	return false
}

func allAlarms(c *call) string { return c.arn("cloudwatch", "alarm:*") }

func describeAlarms(a *AWS, c *call) (any, *fault) {
	in := struct {
		AlarmNames      []string
		AlarmNamePrefix string
	}{}
	if f := c.json(&in); f != nil {
		return nil, f
	}
	e, h, f := a.holding(c.account)
	if f != nil {
		return nil, f
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	metric, composite := []map[string]any{}, []map[string]any{}
	for _, kind := range []string{"AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"} {
		for _, p := range h.in(kind, c.region) {
			if !strings.HasPrefix(p.Physical, in.AlarmNamePrefix) || len(in.AlarmNames) > 0 && !slices.Contains(in.AlarmNames, p.Physical) {
				continue
			}
			state := e.alarms[c.region+" "+p.Physical]
			d := map[string]any{"AlarmName": p.Physical, "AlarmArn": c.arn("cloudwatch", "alarm:"+p.Physical), "AlarmDescription": text(p.Properties["AlarmDescription"]),
				"ActionsEnabled": text(p.Properties["ActionsEnabled"]) != "false", "AlarmActions": orNone(texts(p.Properties["AlarmActions"])), "StateValue": "OK",
				"StateUpdatedTimestamp": float64(p.made.Unix())}
			if state != nil && c.now.Before(state.until) {
				d["StateValue"], d["StateUpdatedTimestamp"] = "ALARM", float64(state.since.Unix())
			}
			if kind == "AWS::CloudWatch::CompositeAlarm" {
				d["AlarmRule"] = text(p.Properties["AlarmRule"])
				composite = append(composite, d)
				continue
			}
			for _, name := range []string{"Namespace", "MetricName", "ComparisonOperator", "Statistic", "TreatMissingData"} {
				if v := text(p.Properties[name]); v != "" {
					d[name] = v
				}
			}
			for _, name := range []string{"Period", "EvaluationPeriods", "Threshold"} {
				if v, ok := p.Properties[name]; ok {
					d[name] = number(v)
				}
			}
			metric = append(metric, d)
		}
	}
	return map[string]any{"MetricAlarms": metric, "CompositeAlarms": composite}, nil
}

func orNone(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func dashboardARN(c *call, name string) string {
	return "arn:" + c.account.Partition() + ":cloudwatch::" + string(c.account.ID) + ":dashboard/" + name
}

func namedDashboard(c *call) string {
	in := struct{ DashboardName string }{}
	c.json(&in)
	return dashboardARN(c, in.DashboardName)
}

func listDashboards(a *AWS, c *call) (any, *fault) {
	in := struct{ DashboardNamePrefix string }{}
	if f := c.json(&in); f != nil {
		return nil, f
	}
	_, h, f := a.holding(c.account)
	if f != nil {
		return nil, f
	}
	list := []map[string]any{}
	for _, p := range h.of("AWS::CloudWatch::Dashboard") {
		if strings.HasPrefix(p.Physical, in.DashboardNamePrefix) {
			list = append(list, map[string]any{"DashboardName": p.Physical, "DashboardArn": dashboardARN(c, p.Physical), "LastModified": float64(p.made.Unix()),
				"Size": len(text(p.Properties["DashboardBody"]))})
		}
	}
	return map[string]any{"DashboardEntries": list}, nil
}

func getDashboard(a *AWS, c *call) (any, *fault) {
	in := struct{ DashboardName string }{}
	if f := c.json(&in); f != nil {
		return nil, f
	}
	_, h, f := a.holding(c.account)
	if f != nil {
		return nil, f
	}
	p, ok := h.part("AWS::CloudWatch::Dashboard", in.DashboardName)
	if !ok {
		return nil, faultf(faultKind{"ResourceNotFound", 404, "ResourceNotFound", "", 0}, "Dashboard %s does not exist", clip(in.DashboardName))
	}
	return map[string]any{"DashboardName": p.Physical, "DashboardArn": dashboardARN(c, p.Physical), "DashboardBody": text(p.Properties["DashboardBody"])}, nil
}

// The rules of EventBridge.

func ruleARN(c *call, name string) string { return c.arn("events", "rule/"+name) }

func allRules(c *call) string { return ruleARN(c, "*") }

func namedRule(c *call) string {
	in := struct{ Name, Rule string }{}
	c.json(&in)
	return ruleARN(c, orEmpty(in.Name, in.Rule))
}

func describeRulePart(c *call, p part) map[string]any {
	d := map[string]any{"Name": p.Physical, "Arn": ruleARN(c, p.Physical), "State": orEmpty(text(p.Properties["State"]), "ENABLED"), "EventBusName": "default",
		"Description": text(p.Properties["Description"])}
	if pattern := p.Properties["EventPattern"]; pattern != nil {
		d["EventPattern"] = compact(pattern)
	}
	return d
}

func listRules(a *AWS, c *call) (any, *fault) {
	in := struct{ NamePrefix string }{}
	if f := c.json(&in); f != nil {
		return nil, f
	}
	_, h, f := a.holding(c.account)
	if f != nil {
		return nil, f
	}
	rules := []map[string]any{}
	for _, p := range h.in("AWS::Events::Rule", c.region) {
		if strings.HasPrefix(p.Physical, in.NamePrefix) {
			rules = append(rules, describeRulePart(c, p))
		}
	}
	return map[string]any{"Rules": rules}, nil
}

// ruleNamed finds the rule that a call names.
func (a *AWS) ruleNamed(c *call) (part, *fault) {
	in := struct{ Name, Rule string }{}
	if f := c.json(&in); f != nil {
		return part{}, f
	}
	_, h, f := a.holding(c.account)
	if f != nil {
		return part{}, f
	}
	name := orEmpty(in.Name, in.Rule)
	p, ok := h.part("AWS::Events::Rule", name)
	if !ok || p.region != c.region {
		return part{}, faultf(noSuchEntity, "Rule %s does not exist on EventBus default.", clip(name))
	}
	return p, nil
}

func describeRule(a *AWS, c *call) (any, *fault) {
	p, f := a.ruleNamed(c)
	if f != nil {
		return nil, f
	}
	return describeRulePart(c, p), nil
}

func listTargets(a *AWS, c *call) (any, *fault) {
	p, f := a.ruleNamed(c)
	if f != nil {
		return nil, f
	}
	targets := []map[string]any{}
	for _, t := range mappings(p.Properties["Targets"]) {
		d := map[string]any{"Id": text(t["Id"]), "Arn": text(t["Arn"])}
		if role := text(t["RoleArn"]); role != "" {
			d["RoleArn"] = role
		}
		targets = append(targets, d)
	}
	return map[string]any{"Targets": targets}, nil
}

// putEvents takes nothing: what begins with aws. AWS refuses from everybody,
// and of custom events there is nobody here to hear.
func putEvents(_ *AWS, c *call) (any, *fault) {
	in := struct {
		Entries []struct{ Source string }
	}{}
	if f := c.json(&in); f != nil {
		return nil, f
	}
	out := []map[string]any{}
	for _, e := range in.Entries {
		why, code := "The brevet sandbox delivers no events of your own.", "InternalFailure"
		if strings.HasPrefix(strings.ToLower(e.Source), "aws.") || e.Source == "aws" {
			code, why = "NotAuthorizedForSourceException", "Not authorized for the source."
		}
		out = append(out, map[string]any{"ErrorCode": code, "ErrorMessage": why})
	}
	return map[string]any{"FailedEntryCount": len(out), "Entries": out}, nil
}

package stack

import (
	"encoding/json"
	"strconv"
)

func (in *installer) rule() {
	in.claim(in.d.Region)
	r := Rule{Source: in.source(), Name: in.r.Physical, ARN: arnOf(in.d.Place, in.r), Bus: in.text("EventBusName"), State: in.text("State"), Pattern: in.mapping("EventPattern")}
	if r.State == "" {
		r.State = "ENABLED"
	}
	if r.Pattern != nil {
		if err := CheckPattern(r.Pattern); err != nil {
			in.fail("EventPattern", "%s", err)
		}
	}
	list, _ := in.r.Properties["Targets"].([]any)
	for _, item := range list {
		m, ok := item.(map[string]any)
		t := Target{}
		t.ID, _ = m["Id"].(string)
		t.ARN, _ = m["Arn"].(string)
		t.RoleARN, _ = m["RoleArn"].(string)
		if !ok || t.ID == "" || t.ARN == "" {
			in.fail("Targets", "a target needs Id and Arn")
		}
		r.Targets = append(r.Targets, t)
	}
	in.Rules = append(in.Rules, r)
}

// Delivers reports whether the rule is on, and whether it also hands on calls
// that only read.
func (r Rule) Delivers() (on, reads bool) {
	return r.State != "DISABLED", r.State == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
}

func (in *installer) logGroup() {
	in.claim(in.d.Region)
	g := LogGroup{Source: in.source(), Name: in.r.Physical, ARN: arnOf(in.d.Place, in.r)}
	if s := in.text("RetentionInDays"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			in.fail("RetentionInDays", "must be a number of days")
		}
		g.Retention = n
	}
	in.LogGroups = append(in.LogGroups, g)
}

// logPolicy reads a policy that CloudFormation takes as JSON in a text.
func (in *installer) logPolicy() {
	in.claim(in.d.Region)
	v := in.r.Properties["PolicyDocument"]
	if s, ok := v.(string); ok {
		v = in.json("PolicyDocument", s)
	}
	in.LogPolicies = append(in.LogPolicies, ResourcePolicy{Source: in.source(), Name: in.r.Physical, Policy: in.policy("PolicyDocument", v, false)})
}

// json reads a property that CloudFormation takes as JSON in a text.
func (in *installer) json(property, s string) any {
	var v any
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		in.fail(property, "is not JSON")
	}
	return v
}

func (in *installer) filter() {
	f := MetricFilter{Source: in.source(), Name: in.r.Physical, LogGroup: in.need("LogGroupName"), Pattern: in.text("FilterPattern")}
	list, _ := in.r.Properties["MetricTransformations"].([]any)
	if len(list) != 1 {
		in.fail("MetricTransformations", "must be a list of one")
		return
	}
	m, _ := list[0].(map[string]any)
	f.Namespace, _ = m["MetricNamespace"].(string)
	f.Metric, _ = m["MetricName"].(string)
	in.Filters = append(in.Filters, f)
}

func (in *installer) alarm() {
	in.claim(in.d.Region)
	in.Alarms = append(in.Alarms, Alarm{Source: in.source(), Name: in.r.Physical, ARN: arnOf(in.d.Place, in.r), Namespace: in.text("Namespace"),
		Metric: in.text("MetricName"), Actions: in.texts("AlarmActions"), Enabled: in.flag("ActionsEnabled", true), Properties: in.r.Properties})
}

func (in *installer) dashboard() {
	in.claim("")
	d := Dashboard{Source: in.source(), Name: in.r.Physical, Body: in.need("DashboardBody")}
	if d.Body != "" {
		in.json("DashboardBody", d.Body)
	}
	in.Dashboards = append(in.Dashboards, d)
}

func (in *installer) topic() {
	in.claim(in.d.Region)
	t := Topic{Source: in.source(), Name: nameOf(in.d.Place, in.r), ARN: in.r.Physical}
	in.Topics = append(in.Topics, t)
	list, _ := in.r.Properties["Subscription"].([]any)
	for _, item := range list {
		m, _ := item.(map[string]any)
		s := Subscription{Source: in.source(), Topic: t.ARN}
		s.Protocol, _ = m["Protocol"].(string)
		s.Endpoint, _ = m["Endpoint"].(string)
		in.Subscriptions = append(in.Subscriptions, s)
	}
}

func (in *installer) subscription() {
	in.Subscriptions = append(in.Subscriptions, Subscription{Source: in.source(), Topic: in.need("TopicArn"), Protocol: in.need("Protocol"), Endpoint: in.text("Endpoint")})
}

func (in *installer) topicPolicy() {
	p := in.policy("PolicyDocument", in.r.Properties["PolicyDocument"], false)
	for _, arn := range in.texts("Topics") {
		for i := range in.Topics {
			if in.Topics[i].ARN == arn {
				in.Topics[i].Policy = p
			}
		}
	}
}

func (in *installer) trail() {
	in.claim(in.d.Region)
	t := Trail{Source: in.source(), Name: in.r.Physical, ARN: arnOf(in.d.Place, in.r), Bucket: in.need("S3BucketName"), Key: in.text("KMSKeyId"),
		Logging: in.flag("IsLogging", false), Validation: in.flag("EnableLogFileValidation", false), ManyRegion: in.flag("IsMultiRegionTrail", false)}
	for _, property := range []string{"AdvancedEventSelectors", "EventSelectors"} {
		if list, ok := in.r.Properties[property].([]any); ok {
			t.Selectors = list
		}
	}
	in.Trails = append(in.Trails, t)
}

func (in *installer) bucket() {
	in.claim("")
	in.Buckets = append(in.Buckets, Bucket{Source: in.source(), Name: in.r.Physical, ARN: arnOf(in.d.Place, in.r)})
}

func (in *installer) bucketPolicy() {
	p := in.policy("PolicyDocument", in.r.Properties["PolicyDocument"], false)
	for i := range in.Buckets {
		if in.Buckets[i].Name == in.r.Physical {
			in.Buckets[i].Policy = p
		}
	}
}

func (in *installer) key() {
	k := Key{Source: in.source(), ID: in.r.Physical, ARN: arnOf(in.d.Place, in.r), Tags: map[string]string{}}
	if v, ok := in.r.Properties["KeyPolicy"]; ok {
		k.Policy = in.policy("KeyPolicy", v, false)
	}
	list, _ := in.r.Properties["Tags"].([]any)
	for _, item := range list {
		m, _ := item.(map[string]any)
		name, _ := asText(m["Key"])
		k.Tags[name], _ = asText(m["Value"])
	}
	in.Keys = append(in.Keys, k)
}

func (in *installer) function() {
	in.claim(in.d.Region)
	f := Function{Source: in.source(), Name: in.r.Physical, ARN: arnOf(in.d.Place, in.r), Role: in.need("Role"), Runtime: in.text("Runtime"), Handler: in.text("Handler"),
		Concurrency: -1, Environment: map[string]string{}}
	f.Code, _ = in.mapping("Code")["ZipFile"].(string)
	if s := in.text("ReservedConcurrentExecutions"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			in.fail("ReservedConcurrentExecutions", "must be a number from 0 on")
		}
		f.Concurrency = n
	}
	variables, _ := in.mapping("Environment")["Variables"].(map[string]any)
	for name, v := range variables {
		f.Environment[name], _ = asText(v)
	}
	in.Functions = append(in.Functions, f)
}

func (in *installer) document() {
	in.claim(in.d.Region)
	d := Document{Source: in.source(), Name: in.r.Physical, ARN: arnOf(in.d.Place, in.r), Type: in.text("DocumentType")}
	v := in.r.Properties["Content"]
	if s, ok := v.(string); ok {
		v = in.json("Content", s)
	}
	d.Content, _ = v.(map[string]any)
	if d.Content == nil {
		in.fail("Content", "must be a mapping")
	}
	in.Documents = append(in.Documents, d)
}

package sandbox

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
	"github.com/brevet-access/brevet/stack"
)

// heldRule is a rule of EventBridge that is on.
type heldRule struct {
	name, arn, region string
	reads             bool // it is handed calls that only read, too
	pattern           map[string]any
	targets           []map[string]any
}

// listen gathers the rules that are on.
func (h *holding) listen() {
	for _, p := range h.of("AWS::Events::Rule") {
		state := orEmpty(text(p.Properties["State"]), "ENABLED")
		pattern := normal(p.Properties["EventPattern"])
		if state == "DISABLED" || pattern == nil {
			continue
		}
		h.rules = append(h.rules, heldRule{name: p.Physical, arn: "arn:" + h.account.Partition() + ":events:" + p.region + ":" + string(h.account.ID) + ":rule/" + p.Physical,
			region: p.region, reads: state == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS", pattern: pattern, targets: mappings(p.Properties["Targets"])})
	}
}

// normal turns a property into what JSON would hold.
func normal(v any) map[string]any {
	text, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	var out map[string]any
	if json.Unmarshal(text, &out) != nil {
		return nil
	}
	return out
}

// happened writes a record into the trail's memory and, if a trail of the
// account logs, hands it to the account's rules.
func (a *AWS) happened(r record) {
	a.trail.add(r)
	account, ok := a.account(brevet.AccountID(r.RecipientAccountID))
	if !ok {
		return
	}
	e, h, f := a.holding(account)
	if f != nil || len(h.rules) == 0 || !e.logging(h, r.AWSRegion) {
		return
	}
	a.deliver(account, e, h, r.bridged(), r.AWSRegion, r.ReadOnly, 0)
}

// bridged is the record as EventBridge hands it on.
func (r record) bridged() map[string]any {
	kind := "AWS API Call via CloudTrail"
	if r.EventType == "AwsConsoleSignIn" {
		kind = "AWS Console Sign In via CloudTrail"
	}
	return map[string]any{"version": "0", "id": requestID(), "detail-type": kind, "source": "aws." + strings.TrimSuffix(r.EventSource, ".amazonaws.com"),
		"account": r.RecipientAccountID, "time": r.EventTime, "region": r.AWSRegion, "resources": []any{}, "detail": normal(r)}
}

// deliver hands an event to the rules of a region. A target that is the bus
// of another region is followed once.
func (a *AWS) deliver(account brevet.Account, e *estate, h *holding, event map[string]any, region string, reads bool, hops int) {
	for _, rule := range h.rules {
		if rule.region != region || reads && !rule.reads || !stack.MatchEvent(rule.pattern, event) {
			continue
		}
		for _, t := range rule.targets {
			arn := strings.Split(text(t["Arn"]), ":")
			if len(arn) < 6 || arn[4] != string(account.ID) {
				continue
			}
			switch arn[2] {
			case "logs":
				a.deliverLog(e, h, rule, arn, event)
			case "sns":
				a.deliverTopic(e, h, rule, text(t["Arn"]), message(t, event))
			case "events":
				if hops == 0 && arn[3] != region && arn[5] == "event-bus/default" {
					a.deliver(account, e, h, event, arn[3], reads, 1)
				}
			}
		}
	}
}

// permits reports whether a resource's policy lets a service act for what has
// the ARN source.
func permits(p *iam.Policy, h *holding, service, source, action, resource string) bool {
	if p == nil {
		return false
	}
	got := iam.Evaluate(iam.Input{Resource: p, Request: iam.Request{Caller: iam.Caller{Kind: iam.KindService, Service: service}, Action: action, Resource: resource,
		ResourceAccount: string(h.account.ID), Context: iam.NewContext(map[string][]string{"aws:SourceArn": {source}, "aws:SourceAccount": {string(h.account.ID)}})}})
	return got.Decision == iam.Allow
}

const (
	eventBridge = "events.amazonaws.com"
	cloudWatch  = "cloudwatch.amazonaws.com"
)

// deliverLog writes the event into a log group, if the group is there and a
// resource policy of Logs lets EventBridge.
func (a *AWS) deliverLog(e *estate, h *holding, rule heldRule, arn []string, event map[string]any) {
	if len(arn) < 7 {
		return
	}
	name, region := arn[6], arn[3]
	if !slices.ContainsFunc(h.in("AWS::Logs::LogGroup", region), func(p part) bool { return p.Physical == name }) {
		return
	}
	resource := strings.Join(arn[:7], ":") + ":*"
	if !slices.ContainsFunc(h.in("AWS::Logs::ResourcePolicy", region), func(p part) bool {
		doc := document(p.Properties["PolicyDocument"])
		return permits(doc, h, eventBridge, rule.arn, "logs:CreateLogStream", resource) && permits(doc, h, eventBridge, rule.arn, "logs:PutLogEvents", resource)
	}) {
		return
	}
	text, err := json.Marshal(event)
	if err != nil {
		return
	}
	at := brevet.Instant(a.cfg.Now())
	e.mu.Lock()
	defer e.mu.Unlock()
	e.log(region, name).add(logEvent{Stream: rule.name, Message: string(text), At: at, ID: requestID()})
	a.count(e, h, region, name, event, at)
}

// deliverTopic mails the event to whoever confirmed a subscription, if the
// topic's policy lets EventBridge publish.
func (a *AWS) deliverTopic(e *estate, h *holding, rule heldRule, topic, text string) {
	if !permits(h.topicPolicy(topic), h, eventBridge, rule.arn, "sns:Publish", topic) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.publish(h, topic, "AWS Notification Message", text, brevet.Instant(a.cfg.Now()))
}

// topicPolicy returns the policy of a topic; nil where it has the default,
// which lets nobody in from outside.
func (h *holding) topicPolicy(topic string) *iam.Policy {
	for _, p := range h.of("AWS::SNS::TopicPolicy") {
		if slices.Contains(texts(p.Properties["Topics"]), topic) {
			return document(p.Properties["PolicyDocument"])
		}
	}
	return nil
}

var placeholder = regexp.MustCompile(`<[A-Za-z0-9_.-]+>`)

// message is what a target gets: the event, or what its InputTransformer
// makes of it.
func message(target, event map[string]any) string {
	transform := mapping(target["InputTransformer"])
	template := text(transform["InputTemplate"])
	if template == "" {
		raw, err := json.Marshal(event)
		if err != nil {
			return ""
		}
		return string(raw)
	}
	paths := mapping(transform["InputPathsMap"])
	out := placeholder.ReplaceAllStringFunc(template, func(name string) string {
		path := text(paths[name[1:len(name)-1]])
		if path == "" {
			return name
		}
		return text(at(event, path))
	})
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for i, line := range lines { // a template of JSON strings, one a line, stands for their texts
		var plain string
		if json.Unmarshal([]byte(strings.TrimSpace(line)), &plain) != nil {
			return out
		}
		lines[i] = plain
	}
	return strings.Join(lines, "\n")
}

// at returns what lies in an event at a path like $.detail.eventName; nil if
// nothing does.
func at(event map[string]any, path string) any {
	var v any = event
	for step := range strings.SplitSeq(strings.TrimPrefix(strings.TrimPrefix(path, "$"), "."), ".") {
		name, index, list := strings.Cut(strings.TrimSuffix(step, "]"), "[")
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
		if list {
			v = item(v, index)
		}
	}
	return v
}

// item returns an item of a list, nil if there is none.
func item(v any, index string) any {
	list, ok := v.([]any)
	i, err := strconv.Atoi(index)
	if !ok || err != nil || i < 0 || i >= len(list) {
		return nil
	}
	return list[i]
}

// orgTrail is the trail that every simulated account has from the start: its
// organization's. Only the owner may delete it.
const orgTrail = "org"

// logging reports whether a trail logs in the region: the organization's, or
// one of a stack.
func (e *estate) logging(h *holding, region string) bool {
	e.mu.Lock()
	org := !e.saved.NoTrail
	e.mu.Unlock()
	return org || slices.ContainsFunc(h.of("AWS::CloudTrail::Trail"), func(p part) bool {
		return text(p.Properties["IsLogging"]) == "true" && (p.region == region || text(p.Properties["IsMultiRegionTrail"]) == "true")
	})
}

// count feeds the metric filters of a log group; alarms over their metrics
// go off at once and stay so for their period.
func (a *AWS) count(e *estate, h *holding, region, group string, event map[string]any, now time.Time) {
	for _, p := range h.in("AWS::Logs::MetricFilter", region) {
		if text(p.Properties["LogGroupName"]) != group {
			continue
		}
		matches, err := parseFilter(text(p.Properties["FilterPattern"]))
		if err != nil || !matches(event) {
			continue
		}
		for _, m := range mappings(p.Properties["MetricTransformations"]) {
			e.metric(h, region, text(m["MetricNamespace"]), text(m["MetricName"]), now)
		}
	}
}

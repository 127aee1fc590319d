package sandbox

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// logGroup is what arrived in a log group. Like the trail it keeps the newest
// and does not outlive the process.
type logGroup struct{ events []logEvent }

type logEvent struct {
	Stream, Message, ID string
	At                  time.Time
}

const mostLogEvents = 5000

func (g *logGroup) add(v logEvent) {
	if len(g.events) == mostLogEvents {
		g.events = slices.Delete(g.events, 0, mostLogEvents/10)
	}
	g.events = append(g.events, v)
}

// log returns a log group's content; the caller holds e.mu.
func (e *estate) log(region, name string) *logGroup {
	key := region + " " + name
	if e.logs[key] == nil {
		e.logs[key] = &logGroup{}
	}
	return e.logs[key]
}

// groupInput names a log group in the two ways that Logs knows.
type groupInput struct{ LogGroupName, LogGroupIdentifier string }

// group returns the name of the log group that a call names.
func (in groupInput) group(h *holding, c *call) (string, *fault) {
	name := in.LogGroupName
	if name == "" {
		name = strings.TrimSuffix(in.LogGroupIdentifier, ":*")
		if i := strings.LastIndex(name, ":log-group:"); i >= 0 {
			name = name[i+len(":log-group:"):]
		}
	}
	for _, p := range h.in("AWS::Logs::LogGroup", c.region) {
		if p.Physical == name {
			return name, nil
		}
	}
	return "", faultf(noSuchEntity, "The specified log group does not exist.")
}

// namedGroup is the ARN that authorising a call about a log group is about.
func namedGroup(c *call) string {
	var in groupInput
	if c.json(&in) != nil {
		return "*"
	}
	name := orEmpty(in.LogGroupName, strings.TrimSuffix(in.LogGroupIdentifier, ":*"))
	if strings.HasPrefix(name, "arn:") {
		return name + ":*"
	}
	return c.arn("logs", "log-group:"+name+":*")
}

func allLogGroups(c *call) string { return c.arn("logs", "log-group::log-stream:") }

// fetched returns the events of the group that a call names, oldest first.
func (a *AWS) fetched(c *call, in groupInput) ([]logEvent, *fault) {
	e, h, f := a.holding(c.account)
	if f != nil {
		return nil, f
	}
	name, f := in.group(h, c)
	if f != nil {
		return nil, f
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.log(c.region, name).events), nil
}

func describeLogGroups(a *AWS, c *call) (any, *fault) {
	in := struct{ LogGroupNamePrefix, LogGroupNamePattern string }{}
	if f := c.json(&in); f != nil {
		return nil, f
	}
	e, h, f := a.holding(c.account)
	if f != nil {
		return nil, f
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	groups := []map[string]any{}
	for _, p := range h.in("AWS::Logs::LogGroup", c.region) {
		if !strings.HasPrefix(p.Physical, in.LogGroupNamePrefix) || !strings.Contains(p.Physical, in.LogGroupNamePattern) {
			continue
		}
		size := 0
		for _, v := range e.log(c.region, p.Physical).events {
			size += len(v.Message)
		}
		filters := 0
		for _, m := range h.in("AWS::Logs::MetricFilter", c.region) {
			if text(m.Properties["LogGroupName"]) == p.Physical {
				filters++
			}
		}
		g := map[string]any{"logGroupName": p.Physical, "arn": c.arn("logs", "log-group:"+p.Physical+":*"), "logGroupArn": c.arn("logs", "log-group:"+p.Physical),
			"creationTime": p.made.UnixMilli(), "storedBytes": size, "metricFilterCount": filters, "logGroupClass": "STANDARD"}
		if days := number(p.Properties["RetentionInDays"]); days > 0 {
			g["retentionInDays"] = days
		}
		groups = append(groups, g)
	}
	return map[string]any{"logGroups": groups}, nil
}

func describeLogStreams(a *AWS, c *call) (any, *fault) {
	var in groupInput
	if f := c.json(&in); f != nil {
		return nil, f
	}
	events, f := a.fetched(c, in)
	if f != nil {
		return nil, f
	}
	streams, seen := []map[string]any{}, map[string]int{}
	for _, v := range events {
		i, ok := seen[v.Stream]
		if !ok {
			i = len(streams)
			seen[v.Stream] = i
			streams = append(streams, map[string]any{"logStreamName": v.Stream, "creationTime": v.At.UnixMilli(), "firstEventTimestamp": v.At.UnixMilli()})
		}
		streams[i]["lastEventTimestamp"] = v.At.UnixMilli()
	}
	return map[string]any{"logStreams": streams}, nil
}

// eventsInput is what FilterLogEvents and GetLogEvents take.
type eventsInput struct {
	groupInput
	LogStreamName  string
	LogStreamNames []string
	FilterPattern  string
	StartTime      *int64 // ms
	EndTime        *int64
	Limit          int
	NextToken      string
}

// pick returns the events that the input asks for, at most limit of them,
// and the token of what is left.
func (a *AWS) pick(c *call, in eventsInput) ([]map[string]any, string, *fault) {
	all, f := a.fetched(c, in.groupInput)
	if f != nil {
		return nil, "", f
	}
	matches, err := parseFilter(in.FilterPattern)
	if err != nil {
		return nil, "", faultf(faultKind{"InvalidParameterException", 400, "InvalidParameterException", "", 0}, "Invalid filter pattern: %s", err)
	}
	skip, err := strconv.Atoi(orEmpty(in.NextToken, "0"))
	if err != nil || skip < 0 {
		return nil, "", faultf(faultKind{"InvalidParameterException", 400, "InvalidParameterException", "", 0}, "The specified nextToken is invalid.")
	}
	if in.Limit <= 0 || in.Limit > 10000 {
		in.Limit = 10000
	}
	out := []map[string]any{}
	for _, v := range all {
		ms := v.At.UnixMilli()
		if in.StartTime != nil && ms < *in.StartTime || in.EndTime != nil && ms >= *in.EndTime ||
			in.LogStreamName != "" && v.Stream != in.LogStreamName || len(in.LogStreamNames) > 0 && !slices.Contains(in.LogStreamNames, v.Stream) {
			continue
		}
		var event map[string]any
		if json.Unmarshal([]byte(v.Message), &event) != nil || !matches(event) {
			continue
		}
		if skip > 0 {
			skip--
			continue
		}
		if len(out) == in.Limit {
			start, _ := strconv.Atoi(orEmpty(in.NextToken, "0"))
			return out, strconv.Itoa(start + len(out)), nil
		}
		out = append(out, map[string]any{"logStreamName": v.Stream, "timestamp": ms, "ingestionTime": ms, "message": v.Message, "eventId": v.ID})
	}
	return out, "", nil
}

func filterLogEvents(a *AWS, c *call) (any, *fault) {
	var in eventsInput
	if f := c.json(&in); f != nil {
		return nil, f
	}
	events, next, f := a.pick(c, in)
	if f != nil {
		return nil, f
	}
	out := map[string]any{"events": events, "searchedLogStreams": []any{}}
	if next != "" {
		out["nextToken"] = next
	}
	return out, nil
}

func getLogEvents(a *AWS, c *call) (any, *fault) {
	var in eventsInput
	if f := c.json(&in); f != nil {
		return nil, f
	}
	in.FilterPattern, in.NextToken = "", ""
	events, _, f := a.pick(c, in)
	if f != nil {
		return nil, f
	}
	return map[string]any{"events": events, "nextForwardToken": "f/0", "nextBackwardToken": "b/0"}, nil
}

func describeMetricFilters(a *AWS, c *call) (any, *fault) {
	in := struct{ LogGroupName, FilterNamePrefix string }{}
	if f := c.json(&in); f != nil {
		return nil, f
	}
	_, h, f := a.holding(c.account)
	if f != nil {
		return nil, f
	}
	filters := []map[string]any{}
	for _, p := range h.in("AWS::Logs::MetricFilter", c.region) {
		group := text(p.Properties["LogGroupName"])
		if in.LogGroupName != "" && group != in.LogGroupName || !strings.HasPrefix(p.Physical, in.FilterNamePrefix) {
			continue
		}
		made := []map[string]any{}
		for _, m := range mappings(p.Properties["MetricTransformations"]) {
			made = append(made, map[string]any{"metricNamespace": text(m["MetricNamespace"]), "metricName": text(m["MetricName"]), "metricValue": text(m["MetricValue"])})
		}
		filters = append(filters, map[string]any{"filterName": p.Physical, "filterPattern": text(p.Properties["FilterPattern"]), "logGroupName": group,
			"metricTransformations": made, "creationTime": p.made.UnixMilli()})
	}
	return map[string]any{"metricFilters": filters}, nil
}

// parseFilter reads a filter pattern of Logs: "" for all, texts that must
// each be in the message, or a JSON pattern { $.a.b = "x" && ($.c != "y*" ||
// $.d NOT EXISTS) }. Numbers compare with <, <=, > and >=, too.
func parseFilter(pattern string) (func(event map[string]any) bool, error) {
	pattern = strings.TrimSpace(pattern)
	if !strings.HasPrefix(pattern, "{") {
		return termFilter(pattern)
	}
	if !strings.HasSuffix(pattern, "}") {
		return nil, errors.New("a brace is not closed")
	}
	tokens, err := filterTokens(pattern[1 : len(pattern)-1])
	if err != nil {
		return nil, err
	}
	p := filterParser{tokens: tokens}
	out := p.either(0)
	if p.err == nil && len(p.tokens) > 0 {
		p.err = errors.New("there is more than one condition, and no && or || between")
	}
	return out, p.err
}

// termFilter matches messages that hold every term.
func termFilter(pattern string) (func(map[string]any) bool, error) {
	tokens, err := filterTokens(pattern)
	if err != nil {
		return nil, err
	}
	return func(event map[string]any) bool {
		text, err := json.Marshal(event)
		if err != nil {
			return false
		}
		for _, t := range tokens {
			if !strings.Contains(string(text), t.text) {
				return false
			}
		}
		return true
	}, nil
}

type filterToken struct {
	text   string
	quoted bool
}

// filterTokens splits a pattern into words, quoted texts and operators.
func filterTokens(s string) ([]filterToken, error) {
	var out []filterToken
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		if s[0] == '"' {
			end := strings.IndexByte(s[1:], '"')
			if end < 0 {
				return nil, errors.New("a quotation mark is not closed")
			}
			out = append(out, filterToken{s[1 : end+1], true})
			s = s[end+2:]
			continue
		}
		n := 0
		for _, op := range []string{"&&", "||", "!=", "<=", ">=", "=", "<", ">", "(", ")"} {
			if strings.HasPrefix(s, op) {
				n = len(op)
				break
			}
		}
		if n == 0 {
			n = strings.IndexFunc(s, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`&|!<>=()"`, r) })
			switch {
			case n < 0:
				n = len(s)
			case n == 0:
				return nil, errors.New("an operator is not known: " + s[:1])
			}
		}
		out = append(out, filterToken{s[:n], false})
		s = s[n:]
	}
	return out, nil
}

// filterParser reads conditions; err is its first problem.
type filterParser struct {
	tokens []filterToken
	err    error
}

type filter = func(event map[string]any) bool

func (p *filterParser) fail(why string) filter {
	if p.err == nil {
		p.err = errors.New(why)
	}
	p.tokens = nil
	return func(map[string]any) bool { return false }
}

// peek reports whether the next token is that operator, and takes it.
func (p *filterParser) take(op string) bool {
	if len(p.tokens) == 0 || p.tokens[0].quoted || p.tokens[0].text != op {
		return false
	}
	p.tokens = p.tokens[1:]
	return true
}

func (p *filterParser) either(depth int) filter {
	left := p.both(depth)
	for p.take("||") {
		a, b := left, p.both(depth)
		left = func(e map[string]any) bool { return a(e) || b(e) }
	}
	return left
}

func (p *filterParser) both(depth int) filter {
	left := p.one(depth)
	for p.take("&&") {
		a, b := left, p.one(depth)
		left = func(e map[string]any) bool { return a(e) && b(e) }
	}
	return left
}

func (p *filterParser) one(depth int) filter {
	if depth > 50 {
		return p.fail("parentheses are nested too deep")
	}
	if p.take("(") {
		in := p.either(depth + 1)
		if !p.take(")") {
			return p.fail("a parenthesis is not closed")
		}
		return in
	}
	if len(p.tokens) < 3 || !strings.HasPrefix(p.tokens[0].text, "$.") {
		return p.fail("a condition is not $.FIELD OPERATOR VALUE")
	}
	path, op, value := p.tokens[0].text, p.tokens[1].text, p.tokens[2]
	p.tokens = p.tokens[3:]
	get := func(e map[string]any) any { return at(e, path) }
	switch {
	case op == "IS" && value.text == "TRUE":
		return func(e map[string]any) bool { return get(e) == true }
	case op == "IS" && value.text == "FALSE":
		return func(e map[string]any) bool { return get(e) == false }
	case op == "IS" && value.text == "NULL":
		return func(e map[string]any) bool { return get(e) == nil }
	case op == "NOT" && value.text == "EXISTS":
		return func(e map[string]any) bool { return get(e) == nil }
	case op == "=":
		return func(e map[string]any) bool { v := get(e); return v != nil && like(value.text, text(v)) }
	case op == "!=":
		return func(e map[string]any) bool { v := get(e); return v != nil && !like(value.text, text(v)) }
	}
	want, err := strconv.ParseFloat(value.text, 64)
	compare, ok := map[string]func(a, b float64) bool{"<": func(a, b float64) bool { return a < b }, "<=": func(a, b float64) bool { return a <= b },
		">": func(a, b float64) bool { return a > b }, ">=": func(a, b float64) bool { return a >= b }}[op]
	if err != nil || !ok {
		return p.fail("the operator " + clip(op) + " does not fit its value")
	}
	return func(e map[string]any) bool { v, ok := get(e).(float64); return ok && compare(v, want) }
}

// like compares with a text in which * stands for any run of characters.
func like(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	first, last := parts[0], parts[len(parts)-1]
	if !strings.HasPrefix(s, first) {
		return false
	}
	s = s[len(first):]
	for _, mid := range parts[1 : len(parts)-1] {
		i := strings.Index(s, mid)
		if i < 0 {
			return false
		}
		s = s[i+len(mid):]
	}
	return strings.HasSuffix(s, last)
}

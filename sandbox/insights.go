package sandbox

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
)

// insightsQuery is as much of Logs Insights as the sandbox runs: fields,
// filter by equality, sort by @timestamp, limit.
type insightsQuery struct {
	fields  []string
	filters []insightsFilter
	newest  bool
	limit   int
}

type insightsFilter struct {
	field, value string
	not          bool
}

var malformedQuery = faultKind{"MalformedQueryException", 400, "MalformedQueryException", "", 0}

// parseInsights reads a query. What the sandbox does not run is refused by a
// sentence that says what it does.
func parseInsights(text string) (insightsQuery, *fault) {
	q := insightsQuery{fields: []string{"@timestamp", "@message"}, limit: 1000}
	refuse := func(command string) (insightsQuery, *fault) {
		return q, faultf(malformedQuery, "The brevet sandbox runs only fields, filter FIELD = \"VALUE\" (or !=, joined by and), sort @timestamp and limit; not: %s", clip(command))
	}
	for command := range strings.SplitSeq(text, "|") {
		command = strings.TrimSpace(command)
		name, rest, _ := strings.Cut(command, " ")
		rest = strings.TrimSpace(rest)
		switch name {
		case "fields", "display":
			q.fields = nil
			for f := range strings.SplitSeq(rest, ",") {
				f = strings.TrimSpace(f)
				if f == "" || strings.ContainsAny(f, " ()\"") {
					return refuse(command)
				}
				q.fields = append(q.fields, f)
			}
		case "filter":
			for part := range strings.SplitSeq(rest, " and ") {
				f, ok := parseInsightsFilter(part)
				if !ok {
					return refuse(command)
				}
				q.filters = append(q.filters, f)
			}
		case "sort":
			if rest != "@timestamp desc" && rest != "@timestamp asc" && rest != "@timestamp" {
				return refuse(command)
			}
			q.newest = strings.HasSuffix(rest, "desc")
		case "limit":
			n, err := strconv.Atoi(rest)
			if err != nil || n < 1 || n > 10000 {
				return refuse(command)
			}
			q.limit = n
		default:
			return refuse(command)
		}
	}
	return q, nil
}

func parseInsightsFilter(s string) (insightsFilter, bool) {
	field, value, ok := strings.Cut(s, "=")
	f := insightsFilter{}
	if !ok {
		return f, false
	}
	field, f.not = strings.CutSuffix(strings.TrimSpace(field), "!")
	f.field, value = strings.TrimSpace(field), strings.TrimSpace(value)
	if len(value) >= 2 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0] {
		value = value[1 : len(value)-1]
	}
	f.value = value
	return f, f.field != "" && !strings.ContainsAny(f.field+value, " ()\"'<>=")
}

// field returns what a query calls a field of an event.
func (v logEvent) field(event map[string]any, name string) string {
	switch name {
	case "@timestamp", "@ingestionTime":
		return v.At.UTC().Format("2006-01-02 15:04:05.000")
	case "@message":
		return v.Message
	case "@logStream":
		return v.Stream
	}
	return text(at(event, name))
}

// run answers a query over events, oldest first.
func (q insightsQuery) run(events []logEvent, from, to time.Time) [][]map[string]string {
	rows := [][]map[string]string{}
	if q.newest {
		slices.Reverse(events)
	}
	for _, v := range events {
		var event map[string]any
		if v.At.Before(from) || v.At.After(to) || json.Unmarshal([]byte(v.Message), &event) != nil ||
			slices.ContainsFunc(q.filters, func(f insightsFilter) bool { return (v.field(event, f.field) == f.value) == f.not }) {
			continue
		}
		if len(rows) == q.limit {
			break
		}
		row := []map[string]string{}
		for _, name := range append(slices.Clone(q.fields), "@ptr") {
			value := v.field(event, name)
			if name == "@ptr" {
				value = v.ID
			}
			if value != "" {
				row = append(row, map[string]string{"field": name, "value": value})
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// queryResult is what a query came to; it is run at once.
type queryResult struct {
	rows [][]map[string]string
	at   time.Time
}

const mostQueries = 100

func startQuery(a *AWS, c *call) (any, *fault) {
	in := struct {
		groupInput
		LogGroupNames       []string
		LogGroupIdentifiers []string
		QueryString         string
		StartTime, EndTime  int64 // s
	}{}
	if f := c.json(&in); f != nil {
		return nil, f
	}
	for _, name := range append(in.LogGroupNames, in.LogGroupIdentifiers...) {
		if in.LogGroupName != "" || in.LogGroupIdentifier != "" {
			return nil, faultf(malformedQuery, "The brevet sandbox runs a query over one log group.")
		}
		in.LogGroupIdentifier = name
	}
	q, f := parseInsights(in.QueryString)
	if f != nil {
		return nil, f
	}
	events, f := a.fetched(c, in.groupInput)
	if f != nil {
		return nil, f
	}
	e, _, f := a.holding(c.account)
	if f != nil {
		return nil, f
	}
	id := requestID()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.queries == nil || len(e.queries) == mostQueries {
		e.queries = map[string]queryResult{}
	}
	e.queries[id] = queryResult{q.run(events, time.Unix(in.StartTime, 0), time.Unix(in.EndTime, 0).Add(time.Second)), brevet.Instant(c.now)}
	return map[string]any{"queryId": id}, nil
}

func getQueryResults(a *AWS, c *call) (any, *fault) {
	in := struct{ QueryID string }{}
	if f := c.json(&in); f != nil {
		return nil, f
	}
	e, _, f := a.holding(c.account)
	if f != nil {
		return nil, f
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	r, ok := e.queries[in.QueryID]
	if !ok {
		return nil, faultf(noSuchEntity, "The specified query does not exist.")
	}
	return map[string]any{"status": "Complete", "results": r.rows, "statistics": map[string]any{"recordsMatched": len(r.rows)}}, nil
}

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// rotaSources stand in for PagerDuty's REST API and for a calendar's server.
// They speak as these do; that is why they are asked and not patched in.
type rotaSources struct {
	server *httptest.Server

	mu    sync.Mutex
	down  bool
	pager []pagerShift
	event string // the calendar's VEVENTs
}

// pagerShift is one entry of what PagerDuty knows.
type pagerShift struct {
	user, schedule string
	level          int
	start, end     time.Time
}

func (s *rotaSources) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.down:
		http.Error(w, "<html>Service Unavailable</html>", http.StatusServiceUnavailable)
	case r.URL.Path == "/oncalls":
		s.onCalls(w, r)
	case r.URL.Path == "/sre/basic.ics":
		w.Header().Set("Content-Type", "text/calendar; charset=UTF-8")
		fmt.Fprint(w, strings.ReplaceAll(calendarHead+s.event+"END:VCALENDAR\n", "\n", "\r\n"))
	default:
		http.NotFound(w, r)
	}
}

// onCalls answers GET /oncalls as the REST API v2 reference has it: entries
// that overlap since and until, of the schedules that were asked for, in pages.
func (s *rotaSources) onCalls(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	q := r.URL.Query()
	since, errSince := time.Parse(time.RFC3339, q.Get("since"))
	until, errUntil := time.Parse(time.RFC3339, q.Get("until"))
	limit, errLimit := strconv.Atoi(q.Get("limit"))
	offset, errOffset := strconv.Atoi(q.Get("offset"))
	switch {
	case r.Header.Get("Authorization") != "Token token=y_NbAkKc66ryYTWUXYEu":
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error":{"message":"Account Not Found","code":2007}}`)
		return
	case r.Method != http.MethodGet || r.Header.Get("Accept") != "application/vnd.pagerduty+json;version=2" || errSince != nil || errUntil != nil || errLimit != nil || errOffset != nil || limit > 100:
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":{"message":"Invalid Input Provided","code":2001}}`)
		return
	}
	var all []map[string]any
	for _, p := range s.pager {
		if !slices.Contains(q["schedule_ids[]"], p.schedule) || !p.start.Before(until) || !since.Before(p.end) {
			continue
		}
		all = append(all, map[string]any{
			"user":              map[string]any{"id": p.user, "type": "user", "name": p.user, "email": strings.ToLower(p.user) + "@example.com"},
			"schedule":          map[string]any{"id": p.schedule, "type": "schedule_reference", "summary": "Daily Engineering Rotation"},
			"escalation_policy": map[string]any{"id": "PT20YPA", "type": "escalation_policy_reference", "summary": "Engineering Escalation Policy"},
			"escalation_level":  p.level, "start": p.start.UTC().Format(time.RFC3339), "end": p.end.UTC().Format(time.RFC3339)})
	}
	from := min(offset, len(all))
	page := append([]map[string]any{}, all[from:min(from+min(limit, 1), len(all))]...) // one a page, so that there are pages
	json.NewEncoder(w).Encode(map[string]any{"oncalls": page, "limit": limit, "offset": offset, "more": from+len(page) < len(all), "total": nil})
}

// calendarHead is how a calendar begins that is kept in local time.
const calendarHead = `BEGIN:VCALENDAR
PRODID:-//Google Inc//Google Calendar 70.9054//EN
VERSION:2.0
CALSCALE:GREGORIAN
METHOD:PUBLISH
X-WR-CALNAME:sre
X-WR-TIMEZONE:Europe/Berlin
BEGIN:VTIMEZONE
TZID:Europe/Berlin
BEGIN:DAYLIGHT
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
TZNAME:GMT+2
DTSTART:19700329T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
BEGIN:STANDARD
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
TZNAME:GMT+1
DTSTART:19701025T030000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
END:VTIMEZONE
`

// duty start starts the sources and sets $SOURCES; duty pager WHO FOR and duty
// calendar WHO FOR put somebody on duty for so long; duty down and duty up.
func duty(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) == 1 && args[0] == "start" {
		s := &rotaSources{}
		s.server = httptest.NewServer(s)
		ts.Defer(s.server.Close)
		sources.put(ts, s)
		ts.Setenv("SOURCES", s.server.URL)
		return
	}
	s := sources.get(ts)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(args) == 1 {
		s.down = args[0] == "down"
		return
	}
	if len(args) != 3 {
		ts.Fatalf("usage: duty start | duty down | duty up | duty pager WHO FOR | duty calendar WHO FOR")
	}
	lasts, err := time.ParseDuration(args[2])
	ts.Check(err)
	now := scriptClock(ts.Getenv(clockEnv))().Truncate(time.Second)
	if args[0] == "pager" {
		s.pager = []pagerShift{{"PSECOND", "PI7DH85", 2, now.Add(-time.Hour), now.Add(24 * time.Hour)}, {"PELSE", "PELSE", 1, now.Add(-time.Hour), now.Add(24 * time.Hour)},
			{args[1], "PI7DH85", 1, now.Add(-time.Hour), now.Add(lasts)}}
		return
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	ts.Check(err)
	local := func(t time.Time) string { return "TZID=Europe/Berlin:" + t.In(berlin).Format("20060102T150405") }
	s.event = "BEGIN:VEVENT\nDTSTART;" + local(now.Add(-time.Hour)) + "\nDTEND;" + local(now.Add(lasts)) +
		"\nDTSTAMP:20240101T000000Z\nUID:7kukuqrfedlm2f9t0vr23m1i3m@google.com\nATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED;CN=" + args[1] + ";X-NUM-G\n UESTS=0:mailto:" + args[1] +
		"\nSTATUS:CONFIRMED\nSUMMARY:on call\nEND:VEVENT\n"
}

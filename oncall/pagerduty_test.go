package oncall_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/oncall"
)

// folder makes a folder with the file rotas/NAME in it.
func folder(t testing.TB, name, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "rotas"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "rotas", name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// oncallJSON is an entry as the REST API v2 has it, users included.
func oncallJSON(schedule, policy, user string, level int, start, end string) string {
	quote := func(s string) string {
		if s == "" {
			return "null"
		}
		return `"` + s + `"`
	}
	sched := "null"
	if schedule != "" {
		sched = fmt.Sprintf(`{"id":%q,"type":"schedule_reference","summary":"SRE","self":"https://api.pagerduty.com/schedules/%[1]s","html_url":null}`, schedule)
	}
	return fmt.Sprintf(`{"user":{"id":%q,"type":"user","summary":"Somebody","name":"Somebody","email":"%[1]s@example.com","self":"https://api.pagerduty.com/users/%[1]s"},
	"schedule":%s,"escalation_policy":{"id":%q,"type":"escalation_policy_reference","summary":"P"},"escalation_level":%d,"start":%s,"end":%s}`,
		user, sched, policy, level, quote(start), quote(end))
}

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func TestPagerDuty(t *testing.T) {
	pages := map[string]string{
		"0": `{"oncalls":[` + oncallJSON("PSCHED", "PPOL", "PENG", 1, "2026-11-23T08:00:00Z", "2026-11-30T08:00:00Z") + `,` +
			oncallJSON("PSCHED", "PPOL", "PDEEP", 3, "2026-11-23T08:00:00Z", "2026-11-30T08:00:00Z") + `,` +
			oncallJSON("", "PPOL", "PALWAYS", 1, "", "") + `],"limit":100,"offset":0,"more":true,"total":null}`,
		"3": `{"oncalls":[` + oncallJSON("PSCHED", "PPOL", "PLEAD", 2, "2026-11-23T09:00:00+01:00", "2026-11-30T09:00:00+01:00") + `,` +
			oncallJSON("POTHER", "PPOL", "PEVIL", 1, "2026-11-23T08:00:00Z", "2026-11-30T08:00:00Z") + `,` +
			oncallJSON("PSCHED", "PELSE", "PELSE", 1, "2026-11-23T08:00:00Z", "2026-11-30T08:00:00Z") + `],"limit":100,"offset":3,"more":false,"total":null}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		since, _ := time.Parse(time.RFC3339, q.Get("since"))
		until, _ := time.Parse(time.RFC3339, q.Get("until"))
		switch {
		case r.Method != "GET" || r.URL.Path != "/oncalls" || r.Header.Get("Accept") != "application/vnd.pagerduty+json;version=2":
			w.WriteHeader(http.StatusNotFound)
		case r.Header.Get("Authorization") != "Token token=s3cret":
			w.WriteHeader(http.StatusUnauthorized)
		case q.Get("schedule_ids[]") != "PSCHED" || q.Get("escalation_policy_ids[]") != "PPOL" || !since.Equal(noon) || !until.After(since):
			w.WriteHeader(http.StatusBadRequest)
		default:
			fmt.Fprint(w, pages[q.Get("offset")])
		}
	}))
	defer server.Close()
	c := oncall.New(oncall.Config{Dir: folder(t, "pd.token", "s3cret\n"), HTTP: server.Client(), PagerDuty: func(region string) string {
		if region != "eu" {
			t.Errorf("region %q", region)
		}
		return server.URL
	}})
	rota := brevet.Rota{Name: "sre", Source: brevet.RotaSource{Kind: brevet.RotaPagerDuty, Schedules: []string{"PSCHED"}, Policies: []string{"PPOL"}, Region: "eu", TokenFile: "rotas/pd.token"}}
	got, err := c.Shifts(t.Context(), rota, noon)
	if err != nil {
		t.Fatal(err)
	}
	start, end := moment(t, "2026-11-23T08:00:00Z"), moment(t, "2026-11-30T08:00:00Z")
	want := []brevet.Shift{{Layer: brevet.Primary, Name: "PENG", Start: start, End: end}, {Layer: brevet.Primary, Name: "PENG@example.com", Start: start, End: end},
		{Layer: brevet.Secondary, Name: "PLEAD", Start: start, End: end}, {Layer: brevet.Secondary, Name: "PLEAD@example.com", Start: start, End: end}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestSourceDown: whatever a source answers but what was asked for is an error
// that says what, and holds neither token nor address.
func TestSourceDown(t *testing.T) {
	var answer atomic.Pointer[func(w http.ResponseWriter)] // a handler may outlive the call that was cut off
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { (*answer.Load())(w) }))
	defer server.Close()
	client := server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	base := server.URL
	dir := folder(t, "pd.token", "s3cret")
	os.WriteFile(filepath.Join(dir, "rotas", "empty"), []byte("\n"), 0o600)
	os.WriteFile(filepath.Join(dir, "rotas", "url"), []byte("http://evil.example.com/s3cret.ics"), 0o600)
	pd := brevet.RotaSource{Kind: brevet.RotaPagerDuty, Schedules: []string{"PSCHED"}, Region: "us", TokenFile: "rotas/pd.token"}
	for _, test := range []struct {
		want   string
		answer func(w http.ResponseWriter)
		source brevet.RotaSource
	}{
		{"429", func(w http.ResponseWriter) { w.Header().Set("ratelimit-reset", "41"); w.WriteHeader(429) }, pd},
		{"again in 41 s", func(w http.ResponseWriter) { w.Header().Set("ratelimit-reset", "41"); w.WriteHeader(429) }, pd},
		{"it answered 500", func(w http.ResponseWriter) { w.WriteHeader(500) }, pd},
		{"it answered 401", func(w http.ResponseWriter) { w.WriteHeader(401) }, pd},
		{"it answered 302", func(w http.ResponseWriter) { w.Header().Set("Location", "http://169.254.169.254/"); w.WriteHeader(302) }, pd},
		{"not that of /oncalls", func(w http.ResponseWriter) { fmt.Fprint(w, `<html>`) }, pd},
		{"not that of /oncalls", func(w http.ResponseWriter) { fmt.Fprint(w, `{}`) }, pd},
		{"never end", func(w http.ResponseWriter) { fmt.Fprint(w, `{"oncalls":[],"more":true}`) }, pd},
		{"larger than 4 MiB", func(w http.ResponseWriter) { fmt.Fprint(w, strings.Repeat(" ", 5<<20)) }, pd},
		{"it does not answer", func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, pd},
		{"cannot be read", nil, brevet.RotaSource{Kind: brevet.RotaPagerDuty, Schedules: []string{"PSCHED"}, TokenFile: "rotas/none"}},
		{"one secret", nil, brevet.RotaSource{Kind: brevet.RotaPagerDuty, Schedules: []string{"PSCHED"}, TokenFile: "rotas/empty"}},
		{"cannot be read", nil, brevet.RotaSource{Kind: brevet.RotaYAML, File: "rotas/none.yaml"}},
		{"known keys", nil, brevet.RotaSource{Kind: brevet.RotaYAML, File: "rotas/pd.token"}},
		{"is not https", nil, brevet.RotaSource{Kind: brevet.RotaICal, Calendars: map[brevet.Layer]brevet.Source{brevet.Primary: {URLFile: "rotas/url"}}}},
	} {
		answer.Store(&test.answer)
		c := oncall.New(oncall.Config{Dir: dir, HTTP: client, PagerDuty: func(string) string { return base }})
		_, err := c.Shifts(context.Background(), brevet.Rota{Name: "sre", Source: test.source}, noon)
		if brevet.KindOf(err) != brevet.Unavailable || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", test.want, err)
		}
		if err != nil && (strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "127.0.0.1")) {
			t.Errorf("the error tells: %v", err)
		}
	}
}

// TestPublicOnly: a catalog makes the server speak to no neighbour.
func TestPublicOnly(t *testing.T) {
	reached := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer server.Close()
	c := oncall.New(oncall.Config{Dir: folder(t, "x", "s3cret"), PagerDuty: func(string) string { return server.URL }})
	_, err := c.Shifts(t.Context(), brevet.Rota{Source: brevet.RotaSource{Kind: brevet.RotaPagerDuty, Schedules: []string{"P"}, TokenFile: "rotas/x"}}, noon)
	if err == nil || reached {
		t.Errorf("reached %v (%v)", reached, err)
	}
}

// TestNoProxy: through a proxy it would be the proxy's address that is judged.
func TestNoProxy(t *testing.T) {
	if oncall.New(oncall.Config{}).HTTP.Transport.(*http.Transport).Proxy != nil {
		t.Error("a proxy is asked for")
	}
}

func FuzzOnCalls(f *testing.F) {
	f.Add(`{"oncalls":[` + oncallJSON("PSCHED", "PPOL", "PENG", 1, "2026-11-23T08:00:00Z", "2026-11-30T08:00:00Z") + `],"more":false}`)
	f.Add(`{"oncalls":[{"schedule":null,"start":null}],"more":true}`)
	source := brevet.RotaSource{Schedules: []string{"PSCHED"}}
	f.Fuzz(func(t *testing.T, body string) {
		shifts, err := oncall.ReadOnCalls([]byte(body), source)
		if err != nil && shifts != nil {
			t.Fatal("shifts beside an error")
		}
		for _, s := range shifts {
			if s.Name == "" || !s.Start.Before(s.End) || s.Layer == "" {
				t.Fatalf("%+v", s)
			}
		}
	})
}

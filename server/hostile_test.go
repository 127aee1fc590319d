package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/server"
)

type ctx = context.Context

func secure(c *server.Config) { c.URL = "https://brevet.example" }

// operation is a route as the server's own description has it.
type operation struct {
	method, path string
	signedIn     bool // needs a bearer
	body         bool
	responses    map[string]any
}

// operations lists every route of the description.
func (w *world) operations() []operation {
	w.t.Helper()
	var doc struct {
		Paths map[string]map[string]struct {
			Security    []map[string][]string
			RequestBody any
			Responses   map[string]any
		}
	}
	rec := w.send("GET", "/openapi.json", "")
	if err := json.Unmarshal(rec.Body.Bytes(), &doc); err != nil {
		w.t.Fatal(err)
	}
	ids := strings.NewReplacer("/v1/requests/{id}", "/v1/requests/req_01000000000000000000000000",
		"/v1/grants/{id}", "/v1/grants/gr_01000000000000000000000000", "{customer}", customer)
	var all []operation
	for path, methods := range doc.Paths {
		for method, op := range methods {
			all = append(all, operation{strings.ToUpper(method), ids.Replace(path), op.Security != nil, op.RequestBody != nil, op.Responses})
		}
	}
	slices.SortFunc(all, func(a, b operation) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	return all
}

func TestNobodySignedIn(t *testing.T) {
	w := newWorld(t)
	for _, op := range w.operations() {
		if !op.signedIn {
			continue
		}
		w.sleep(time.Minute) // so many guesses would be slowed down
		for _, header := range []string{"", "Bearer", "Bearer ", "Basic eDp5", "Bearer brv_x", "Bearer " + strings.Repeat("x", 8000), "bearer brv_" + strings.Repeat("A", 43)} {
			for _, body := range []string{"", "{", strings.Repeat("x", 2<<20)} {
				rec := w.send(op.method, op.path, body, "Authorization", header, "Cookie", "token=brv_x")
				p := problem(t, rec)
				if rec.Code != http.StatusUnauthorized || p.Kind != brevet.Unauthenticated || rec.Header().Get("WWW-Authenticate") != "Bearer" ||
					rec.Header().Get("Cache-Control") != "no-store" || !strings.HasPrefix(p.Hint, "brevet login") {
					t.Errorf("%s %s with %.20q: status %d, %+v, %v", op.method, op.path, header, rec.Code, p, rec.Header())
				}
			}
		}
	}
}

// hostile is what browsers send for other sites, and what they cannot be
// made to send for this one.
var hostile = [][]string{
	{"Origin", "https://evil.example"},
	{"Origin", "null"},
	{"Origin", "http://127.0.0.1:9999"},
	{"Origin", "https://127.0.0.1:8477"},
	{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"},
	{"Sec-Fetch-Site", "same-site"},
	{"Host", "evil.example"},
	{"Host", "127.0.0.1:8477.evil.example", "Origin", "http://127.0.0.1:8477.evil.example"},
}

func TestHostileHeaders(t *testing.T) {
	asked := 0
	w := newWorld(t, func(c *server.Config) {
		c.WhoIs = func(context.Context, string, string) (brevet.Caller, error) {
			asked++
			return brevet.Caller{Person: brevet.Person{ID: "pr_01000000000000000000000000", Handle: "engineer"}}, nil
		}
	})
	before, err := w.broker.Checkpoint(t.Context(), brevet.Caller{})
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range w.operations() {
		if !strings.HasPrefix(op.path, "/v1/") {
			continue
		}
		for _, headers := range hostile {
			rec := w.send(op.method, op.path, "{}", append([]string{"Authorization", "Bearer good", "Cookie", "brevet-login=x"}, headers...)...)
			problem(t, rec)
			if rec.Code != http.StatusForbidden && rec.Code != http.StatusMisdirectedRequest {
				t.Errorf("%s %s with %v: status %d", op.method, op.path, headers, rec.Code)
			}
			if rec.Header().Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s %s allows another origin", op.method, op.path)
			}
		}
	}
	after, err := w.broker.Checkpoint(t.Context(), brevet.Caller{})
	if err != nil || after.Size != before.Size || asked > 0 {
		t.Errorf("hostile requests had an effect: %d callers, %d entries, %v", asked, after.Size-before.Size, err)
	}
	for _, headers := range [][]string{{"Origin", base}, {"Sec-Fetch-Site", "same-origin"}, {"Host", "LOCALHOST:8477"}, {"Host", "localhost:8477", "Origin", "http://localhost:8477"}} {
		if rec := w.send("GET", "/v1/checkpoint", "", headers...); rec.Code != http.StatusNotFound {
			t.Errorf("%v: status %d", headers, rec.Code)
		}
	}
}

func TestUnknownPathsAndMethods(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/v1", "/v1/", "/v1/nothing", "/nothing", "/v1//whoami", "/v1/./whoami", "/v1/requests/../whoami", "/v1/whoami/",
		"/v1/requests/a/b/c", "/v1/%2e%2e/whoami", "/login/", "/c/", "/c/" + customer + "/jwks.json/", "/index.html", "/.git/config"} {
		for _, method := range []string{"GET", "POST", "BREW"} {
			if p := problem(t, w.send(method, path, "")); p.Status != http.StatusNotFound || p.Kind != brevet.NotFound {
				t.Errorf("%s %s: %+v", method, path, p)
			}
		}
	}
	for _, op := range w.operations() {
		for _, method := range []string{"PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"} {
			rec := w.send(method, op.path, "")
			if p := problem(t, rec); p.Status != http.StatusMethodNotAllowed || p.Kind != brevet.Invalid || !strings.Contains(rec.Header().Get("Allow"), op.method) {
				t.Errorf("%s %s: %+v, Allow %q", method, op.path, p, rec.Header().Get("Allow"))
			}
		}
	}
}

func TestKinds(t *testing.T) {
	var refuse error
	w := newWorld(t, func(c *server.Config) {
		c.WhoIs = func(context.Context, string, string) (brevet.Caller, error) { return brevet.Caller{}, refuse }
	})
	for _, row := range api.Table {
		refuse = brevet.Errorf(row.Kind, "it is so").WithHint("do this").
			WithUnmet(brevet.Unmet{Condition: "a", Have: "b", Remedy: "c"}).WithCause(errors.New("the-cause"))
		w.log.Reset()
		rec := w.send("GET", "/v1/whoami", "", "Authorization", "Bearer x")
		p := problem(t, rec)
		if rec.Code != row.Status || p.Kind != row.Kind || p.Detail != "it is so" || len(p.Unmet) != 1 {
			t.Errorf("%s: status %d, %+v", row.Kind, rec.Code, p)
		}
		want := map[brevet.Kind]string{brevet.StepUp: `Bearer error="insufficient_user_authentication"`, brevet.Unauthenticated: "Bearer"}[row.Kind]
		if got := rec.Header().Get("WWW-Authenticate"); got != want {
			t.Errorf("%s: WWW-Authenticate %q, want %q", row.Kind, got, want)
		}
		if strings.Contains(rec.Body.String(), "the-cause") || !strings.Contains(w.log.String(), "the-cause") {
			t.Errorf("%s: the cause belongs into the log only", row.Kind)
		}
	}
}

func TestPanic(t *testing.T) {
	var seen []int
	w := newWorld(t, func(c *server.Config) {
		c.WhoIs = func(context.Context, string, string) (brevet.Caller, error) { panic("s3cret") }
		c.Observe = func(_ string, status int, _ duration) { seen = append(seen, status) }
	})
	rec := w.send("GET", "/v1/whoami?x=q5ecret", "", "Authorization", "Bearer b3arer")
	id := rec.Header().Get("Request-Id")
	if p := problem(t, rec); p.Kind != brevet.Internal || id == "" || !strings.Contains(p.Hint, id) {
		t.Errorf("%+v, request %q", p, id)
	}
	log := w.log.String()
	for _, secret := range []string{"s3cret", "q5ecret", "b3arer"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log names %s:\n%s", secret, log)
		}
	}
	if !strings.Contains(log, id) || !strings.Contains(log, "hostile_test.go") || !slices.Equal(seen, []int{500}) {
		t.Errorf("request %s is not told of: %v\n%s", id, seen, log)
	}
}

func TestAddr(t *testing.T) {
	var got string
	w := newWorld(t, func(c *server.Config) {
		c.Proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		c.WhoIs = func(_ context.Context, _, addr string) (brevet.Caller, error) {
			got = addr
			return brevet.Caller{}, brevet.Unauthenticated
		}
	})
	for _, test := range []struct{ remote, forwarded, want string }{
		{"192.0.2.1:1234", "", "192.0.2.1"},
		{"192.0.2.1:1234", "198.51.100.1", "192.0.2.1"}, // not a proxy of ours
		{"10.0.0.1:1234", "198.51.100.1", "198.51.100.1"},
		{"10.0.0.1:1234", "203.0.113.9, 198.51.100.1", "198.51.100.1"}, // the left end is the client's own word
		{"10.0.0.1:1234", "203.0.113.9, 198.51.100.1, 10.0.0.2", "198.51.100.1"},
		{"10.0.0.1:1234", "evil", "10.0.0.1"},
		{"10.0.0.1:1234", "", "10.0.0.1"},
		{"[::ffff:10.0.0.1]:1", "2001:db8::1", "2001:db8::1"},
		{"[2001:db8::2%eth0]:1", "", "2001:db8::2"},
		{"@", "", ""},
	} {
		r := httptest.NewRequest("GET", base+"/v1/whoami", nil)
		r.RemoteAddr = test.remote
		r.Header.Set("Authorization", "Bearer x")
		if test.forwarded != "" {
			r.Header.Set("X-Forwarded-For", test.forwarded)
		}
		w.handler.ServeHTTP(httptest.NewRecorder(), r)
		if got != test.want {
			t.Errorf("%s forwarded for %q: %q, want %q", test.remote, test.forwarded, got, test.want)
		}
	}
}

func TestFlood(t *testing.T) {
	w := newWorld(t)
	from := func(addr, path string) int {
		r := httptest.NewRequest("GET", base+path, nil)
		r.RemoteAddr = addr
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r)
		if rec.Code == http.StatusTooManyRequests && rec.Header().Get("Retry-After") == "" {
			t.Error("429 without Retry-After")
		}
		return rec.Code
	}
	flood := 0
	for range 400 {
		if from("192.0.2.1:1", "/") == http.StatusTooManyRequests {
			flood++
		}
	}
	if flood == 0 || flood > 300 {
		t.Errorf("%d of 400 were refused", flood)
	}
	for _, ok := range []struct{ addr, path string }{{"192.0.2.2:1", "/"}, {"192.0.2.1:1", "/healthz"}, {"192.0.2.1:1", "/c/" + customer + "/jwks.json"}} {
		if got := from(ok.addr, ok.path); got != http.StatusOK {
			t.Errorf("%v: status %d", ok, got)
		}
	}
	w.sleep(10e9)
	if got := from("192.0.2.1:1", "/"); got != http.StatusOK {
		t.Errorf("ten seconds later: status %d", got)
	}
}

package server_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/server"
)

type duration = time.Duration

// anybody lets every bearer in, as somebody without any right.
func anybody(c *server.Config) {
	c.WhoIs = func(context.Context, string, string) (brevet.Caller, error) {
		return brevet.Caller{Person: brevet.Person{ID: "pr_01000000000000000000000000", Handle: "engineer"},
			SignIn: brevet.SignIn{ID: "si_01000000000000000000000000"}}, nil
	}
}

func TestBodies(t *testing.T) {
	w := newWorld(t, anybody)
	deep := strings.Repeat(`{"a":`, 20000) + "1" + strings.Repeat("}", 20000)
	for _, test := range []struct {
		body   string
		status int
		field  string
	}{
		{"", 400, ""},
		{"x", 400, "body"},
		{"{", 400, "body"},
		{"null", 400, "body"},
		{"[]", 400, "body"},
		{`"x"`, 400, "body"},
		{"{} {}", 400, "body"},
		{`{"evil":1}`, 400, "evil"},
		{`{"TARGET":"a/b","Code":"x","APPROVE":true,"REASON":"x","TEXT":""}`, 400, ""},
		{`{"target":1,"code":1,"approve":"yes","reason":[],"text":{},"verifier":null}`, 400, ""},
		{`{"target":"a/b","target":"a/b"}`, 400, "target: there twice"},
		{`{"a\u0062":1,"ab":2}`, 400, "ab: there twice"},
		{`{"reason":"` + "\xff\xfe" + `"}`, 400, "UTF-8"},
		{`{"__proto__":{}}`, 400, "__proto__"},
		{`{"\u001b[2J\u202e":1}`, 400, ""},
		{deep, 0, ""},
		{`{"reason":"` + strings.Repeat("x", 2<<20) + `"}`, 413, "body: larger than"},
	} {
		for _, op := range w.operations() {
			if !op.body {
				continue
			}
			rec := w.send(op.method, op.path, test.body, "Authorization", "Bearer x")
			p := problem(t, rec)
			if p.Kind != brevet.Invalid || test.status != 0 && p.Status != test.status || !strings.Contains(p.Detail, test.field) {
				t.Errorf("%s %s with %.60q: %+v", op.method, op.path, test.body, p)
			}
			if p.Detail != brevet.Printable(p.Detail) || len(p.Detail) > 1000 {
				t.Errorf("%s %s with %.60q: a terminal would not like %q", op.method, op.path, test.body, p.Detail)
			}
		}
	}
}

func TestHeadersOfBodies(t *testing.T) {
	w := newWorld(t, anybody)
	for _, test := range []struct {
		headers []string
		status  int
	}{
		{[]string{"Content-Type", "text/plain"}, 415},
		{[]string{"Content-Type", "application/x-www-form-urlencoded"}, 415},
		{[]string{"Content-Type", "application/cbor"}, 415},
		{[]string{"Content-Type", "multipart/form-data; boundary=x"}, 415},
		{[]string{"Content-Type", ""}, 415},
		{[]string{"Content-Type", ";"}, 415},
		{[]string{"Content-Encoding", "gzip"}, 415},
		{[]string{"Idempotency-Key", strings.Repeat("k", 129)}, 400},
		{[]string{"Idempotency-Key", "a\x01b"}, 400},
		{[]string{"Idempotency-Key", "schlüssel"}, 400},
	} {
		rec := w.send("POST", "/v1/requests", `{"target":"acme-prod/Admin","reason":"x"}`, append(test.headers, "Authorization", "Bearer x")...)
		if p := problem(t, rec); p.Status != test.status || p.Kind != brevet.Invalid {
			t.Errorf("%q: %+v", test.headers, p)
		}
	}
	for _, body := range []string{"x", `{"a":1}`, "null", "[]", strings.Repeat(" ", 100)} {
		if p := problem(t, w.send("POST", "/v1/logout", body, "Authorization", "Bearer x")); p.Kind != brevet.Invalid {
			t.Errorf("a body where none belongs: %+v", p)
		}
	}
}

// broken ends in the middle.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection reset by s3cret") }

func TestBodyThatEnds(t *testing.T) {
	w := newWorld(t, anybody)
	r := httptest.NewRequest("POST", base+"/v1/requests", io.MultiReader(strings.NewReader(`{"target":`), broken{}))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer x")
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	if p := problem(t, rec); p.Status != http.StatusBadRequest || strings.Contains(p.Detail, "s3cret") {
		t.Errorf("%+v", p)
	}
}

func TestQueries(t *testing.T) {
	w := newWorld(t, anybody)
	for path, field := range map[string]string{
		"/v1/requests?evil=1":                                        "evil",
		"/v1/requests?limit=x":                                       "limit",
		"/v1/requests?limit=-1":                                      "limit",
		"/v1/requests?scope=others":                                  "scope",
		"/v1/requests?scope=mine&scope=all":                          "scope",
		"/v1/requests?%zz":                                           "query",
		"/v1/requests?a;b":                                           "query",
		"/v1/grants?live=perhaps":                                    "live",
		"/v1/why":                                                    "target",
		"/v1/why?target=" + strings.Repeat("x", 200):                 "target",
		"/v1/audit/entries?from=-1":                                  "from",
		"/v1/audit/entries?from=99999999999999999999":                "from",
		"/v1/requests/req_01000000000000000000000000?wait=forever":   "wait",
		"/v1/requests/req_01000000000000000000000000?wait=-1s":       "wait",
		"/v1/requests/gr_01000000000000000000000000":                 "req_",
		"/v1/requests/..%2f..%2fetc":                                 "",
		"/v1/requests/" + strings.Repeat("x", 5000):                  "id",
		"/v1/requests/req_01000000000000000000000000%00":             "",
		"/v1/requests/%1b%5b2J":                                      "",
		"/v1/requests?limit=1&" + strings.Repeat("a=1&", 3000) + "b": "",
	} {
		p := problem(t, w.send("GET", path, "", "Authorization", "Bearer x"))
		if p.Status != http.StatusBadRequest && p.Status != http.StatusNotFound || !strings.Contains(p.Detail, field) || p.Detail != brevet.Printable(p.Detail) {
			t.Errorf("%.80s: %+v", path, p)
		}
	}
}

// FuzzBodies sends anything to every route that takes a body: the answer is
// one of the table's and never a fault of the server.
func FuzzBodies(f *testing.F) {
	for _, seed := range []string{"", "{}", "null", `{"target":"acme-prod/Admin","reason":"x"}`, `{"target":"acme-staging/ReadOnly","have":"ses_01000000000000000000000000"}`,
		`{"code":"abcde-abcde-abcde-abcde","verifier":"` + verifier + `"}`, `{"approve":true,"digest":"00","comment":"\u202e"}`,
		`{"text":"issuer: x"}`, `{"reason":"` + strings.Repeat("x", 3000) + `"}`, `{"a":{"a":[[[1e999]]]}}`, `{"target":"a/b","target":"c/d"}`} {
		f.Add([]byte(seed), "key")
	}
	w := newWorld(f, anybody)
	ops := w.operations()
	f.Fuzz(func(t *testing.T, body []byte, key string) {
		w.sleep(time.Minute) // the limit is not what is tested
		for _, op := range ops {
			if !op.body {
				continue
			}
			r := httptest.NewRequestWithContext(t.Context(), op.method, base+op.path, strings.NewReader(string(body)))
			r.Header["Content-Type"] = []string{"application/json"}
			r.Header["Authorization"] = []string{"Bearer x"}
			r.Header["Idempotency-Key"] = []string{key}
			rec := httptest.NewRecorder()
			w.handler.ServeHTTP(rec, r)
			if rec.Code == http.StatusInternalServerError {
				t.Fatalf("%s %s with %q: %s\n%s", op.method, op.path, body, rec.Body, w.log)
			}
			if rec.Code >= 400 {
				text := strings.ReplaceAll(problem(t, rec).Detail, "\n", "") // a catalog has its errors one a line
				if text != brevet.Printable(text) {
					t.Errorf("%s %s with %q: a terminal would not like %q", op.method, op.path, body, text)
				}
			}
		}
		w.log.Reset()
	})
}

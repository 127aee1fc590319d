package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/client"
)

// serve returns a client of a server that answers with handle.
func serve(t *testing.T, handle http.HandlerFunc) *client.Client {
	t.Helper()
	srv := httptest.NewServer(handle)
	t.Cleanup(srv.Close)
	return client.New(srv.URL, "brv_token", "0.1.0")
}

func problem(w http.ResponseWriter, p *api.Problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	json.NewEncoder(w).Encode(p)
}

// Each kind survives the wire, with its hint and its unmet conditions.
func TestKindsSurvive(t *testing.T) {
	for _, kind := range brevet.Kinds {
		sent := brevet.Errorf(kind, "it did not work").WithHint("try this").WithUnmet(brevet.Unmet{Condition: "a", Have: "b", Remedy: "c"})
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) { problem(w, api.NewProblem(sent)) })
		_, err := c.Whoami(t.Context())
		if !errors.Is(err, kind) {
			t.Errorf("%s arrives as %v", kind, brevet.KindOf(err))
		}
		if diff := cmp.Diff(sent, brevet.AsError(err)); diff != "" {
			t.Errorf("%s: %s", kind, diff)
		}
	}
}

func TestWhatIsSent(t *testing.T) {
	var got *http.Request
	var body string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		got, body = r.Clone(context.Background()), string(text)
		io.WriteString(w, `{}`)
	})
	if _, err := c.Decide(t.Context(), "req_1/../x?y", api.Decide{Approve: true, Digest: "d"}); err != nil {
		t.Fatal(err)
	}
	first := got.Header.Get(api.IdempotencyKey)
	if got.URL.EscapedPath() != "/v1/requests/req_1%2F..%2Fx%3Fy/decide" || body != `{"approve":true,"digest":"d"}` || first == "" ||
		got.Header.Get("Authorization") != "Bearer brv_token" || got.Header.Get(api.ClientVersion) != "0.1.0" || got.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s %s %v %s", got.Method, got.URL, got.Header, body)
	}
	if _, err := c.Withdraw(t.Context(), "req_1"); err != nil || got.Header.Get(api.IdempotencyKey) == first {
		t.Errorf("the second intent has the first one's key (%v)", err)
	}
	if _, err := c.Request(t.Context(), "req_1", 30*time.Second); err != nil || got.URL.RawQuery != "wait=30s" || got.Header.Get(api.IdempotencyKey) != "" {
		t.Errorf("%s %v %v", got.URL, got.Header, err)
	}
	c.Grants(t.Context(), client.List{Scope: "all", Live: true, Limit: 3})
	if got.URL.RawQuery != "limit=3&live=true&scope=all" {
		t.Error(got.URL.RawQuery)
	}
}

func TestWhatIsNoServer(t *testing.T) {
	for _, tt := range []struct {
		name   string
		handle http.HandlerFunc
		want   brevet.Kind
	}{
		{"a proxy's page", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusBadGateway) }, brevet.Unavailable},
		{"a captive portal", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>pay</html>") }, brevet.Unavailable},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.invalid/", http.StatusFound)
		}, brevet.Unavailable},
		{"another web site", func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }, brevet.Unavailable},
		{"JSON cut short", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"handle":"e`) }, brevet.Unavailable},
		{"a body cut short", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, `{}`)
		}, brevet.Unavailable},
		{"an unknown kind", func(w http.ResponseWriter, _ *http.Request) {
			problem(w, &api.Problem{Status: http.StatusForbidden, Kind: "new", Detail: "no"})
		}, brevet.Denied},
		{"a problem without words", func(w http.ResponseWriter, _ *http.Request) {
			problem(w, &api.Problem{Status: http.StatusForbidden})
		}, brevet.Denied},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := serve(t, tt.handle).Whoami(t.Context())
			if brevet.KindOf(err) != tt.want || err.Error() == "" {
				t.Errorf("%v: %v", brevet.KindOf(err), err)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	c := client.New("http://127.0.0.1:1", "", "0.1.0")
	_, err := c.Whoami(t.Context())
	if !errors.Is(err, brevet.Unavailable) || err.Error() != "http://127.0.0.1:1 cannot be reached: connection refused" {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Whoami(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("an interruption becomes %v", err)
	}
}

func TestHalfACredential(t *testing.T) {
	for _, body := range []string{`{}`, `{"keep":true}`, `{"access_key_id":"a","expires":"2026-11-21T12:00:00Z"}`} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) })
		if _, err := c.Credential(t.Context(), api.CredentialRequest{Target: "a/B"}); !errors.Is(err, brevet.Internal) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestDropUnderstandsBoth(t *testing.T) {
	for _, body := range []string{`{"grant":{"id":"gr_1","target":"a/B"},"state":"requested"}`, `{"id":"gr_1","target":"a/B","state":"ended"}`} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) })
		if r, err := c.Drop(t.Context(), "gr_1"); err != nil || r.Grant.ID != "gr_1" || r.Grant.Target != "a/B" {
			t.Errorf("%s: %v, %v", body, r, err)
		}
	}
}

func TestParseServer(t *testing.T) {
	for in, want := range map[string]string{
		"https://brevet.example.com/":     "https://brevet.example.com",
		" HTTPS://Brevet.Example.com/a/ ": "https://brevet.example.com/a",
		"http://127.0.0.1:8477":           "http://127.0.0.1:8477",
		"http://[::1]:8477/":              "http://[::1]:8477",
		"http://localhost:1":              "http://localhost:1",
		"http://brevet.example.com":       "",
		"http://127.0.0.1.evil.com":       "",
		"https://user:pw@example.com":     "",
		"https://example.com?x":           "",
		"https://example.com#x":           "",
		"example.com":                     "",
		"https://":                        "",
		"https://:443":                    "",
		"javascript:alert(1)":             "",
		"https://exa mple.com":            "",
		"https://example.com/a\nb":        "",
		"":                                "",
	} {
		got, err := client.ParseServer(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("ParseServer(%q) = %q, %v", in, got, err)
		}
		if err != nil && !errors.Is(err, brevet.Invalid) {
			t.Errorf("%q: kind %v", in, brevet.KindOf(err))
		}
	}
}

func TestAuthorizeURL(t *testing.T) {
	c := client.New("https://brevet.example.com/base", "", "0.1.0")
	u, err := url.Parse(c.AuthorizeURL(api.AuthorizeQuery{Challenge: "ch", State: "st", Device: "a b", MaxAge: "0"}))
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{"response_type": {"code"}, "code_challenge": {"ch"}, "code_challenge_method": {"S256"}, "state": {"st"}, "device": {"a b"}, "max_age": {"0"}}
	if diff := cmp.Diff(want, u.Query()); diff != "" || u.Path != "/base/login/authorize" {
		t.Errorf("%s %s", u.Path, diff)
	}
}

func TestWrongClock(t *testing.T) {
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	c := client.New("https://brevet.example.com", "", "0.1.0")
	c.Now = func() time.Time { return noon }
	for server, want := range map[time.Duration]string{
		0: "", 30 * time.Second: "", -30 * time.Second: "",
		90 * time.Minute:  "this machine's clock is 1h30m behind the server's",
		-31 * time.Second: "this machine's clock is 31s ahead of the server's",
	} {
		err := c.WrongClock(noon.Add(server))
		if got := brevet.AsError(err); (got == nil) != (want == "") || got != nil && (got.Message != want || got.Kind != brevet.Clock) {
			t.Errorf("%v: %v", server, err)
		}
	}
}

func FuzzParseCode(f *testing.F) {
	f.Add("abcde-fghij-klmno-pqrst\n")
	f.Add("\x1b[200~abcde\x1b[201~")
	f.Add(" a b\tc ")
	f.Add(strings.Repeat("x", 300))
	f.Fuzz(func(t *testing.T, s string) {
		code, err := client.ParseCode(s)
		if err != nil {
			if !errors.Is(err, brevet.Invalid) || code != "" {
				t.Fatalf("%q: %q, %v", s, code, err)
			}
			return
		}
		if code == "" || len(code) > 200 || url.QueryEscape(code) != code {
			t.Fatalf("%q gives %q", s, code)
		}
		if again, err := client.ParseCode(code); err != nil || again != code {
			t.Fatalf("%q is read back as %q, %v", code, again, err)
		}
	})
}

func FuzzParseServer(f *testing.F) {
	f.Add("https://brevet.example.com/")
	f.Add("http://127.0.0.1:8477")
	f.Add("https://[::1")
	f.Fuzz(func(t *testing.T, s string) {
		base, err := client.ParseServer(s)
		if err != nil {
			return
		}
		if again, err := client.ParseServer(base); err != nil || again != base {
			t.Fatalf("%q becomes %q becomes %q, %v", s, base, again, err)
		}
		if strings.ContainsAny(base, " \n\r\"'") {
			t.Fatalf("%q", base)
		}
	})
}

// A brevet server is known by how it refuses a stranger.
func TestProbe(t *testing.T) {
	problem := func(err error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "" {
				t.Error("the token was shown to an unknown server")
			}
			p := api.NewProblem(err)
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(p.Status)
			json.NewEncoder(w).Encode(p)
		}
	}
	text := func(status int, s string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); io.WriteString(w, s) }
	}
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		want   brevet.Kind
	}{
		"brevet":           {problem(brevet.Errorf(brevet.Unauthenticated, "no")), ""},
		"brevet, sick":     {problem(brevet.Errorf(brevet.Unavailable, "no database")), brevet.Unavailable},
		"another API":      {problem(brevet.Errorf(brevet.NotFound, "no such page")), brevet.Invalid},
		"JSON":             {text(200, "{}"), brevet.Invalid},
		"a web site":       {text(200, "<html>"), brevet.Invalid},
		"a web site's 404": {text(404, "<html>"), brevet.Invalid},
		"a gateway":        {text(502, "<html>"), brevet.Unavailable},
	} {
		srv := httptest.NewServer(tt.answer)
		if got := brevet.KindOf(client.New(srv.URL, "brv_x", "0").Probe(t.Context())); got != tt.want {
			t.Errorf("%s: %s, want %q", name, got, tt.want)
		}
		srv.Close()
	}
}

package service

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/notify"
)

var question = broker.Question{Ticket: "OPS-7", Person: "engineer", Target: "acme-prod/SRE", Reason: "the move", Duration: 2 * time.Hour}

// checker asks a check that answers as the handler does.
func checker(t *testing.T, private bool, answer http.HandlerFunc) func() (bool, string, error) {
	t.Helper()
	srv := httptest.NewServer(answer)
	t.Cleanup(srv.Close)
	c := Check{Name: "jira", URL: srv.URL + "/brevet", secret: []byte("a secret of 24 bytes or so")}
	if private {
		c.private = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}
	client := (&notify.Dialer{Allow: c.private}).HTTP()
	return func() (bool, string, error) { return c.ask(t.Context(), client, time.Unix(1_780_000_000, 0), question) }
}

func answers(status int, kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// TestCheckIsAskedSigned: the request is what docs/requests.md says, and its
// signature is over exactly that.
func TestCheckIsAskedSigned(t *testing.T) {
	var body []byte
	var head http.Header
	ask := checker(t, true, func(w http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		head = r.Header
		answers(200, "application/json; charset=utf-8", `{"ok":true}`)(w, r)
	})
	if ok, _, err := ask(); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if want := `{"ticket":"OPS-7","person":"engineer","target":"acme-prod/SRE","reason":"the move","duration":"2h"}`; string(body) != want {
		t.Errorf("asked %s, want %s", body, want)
	}
	want := notify.SignWebhook([][]byte{[]byte("a secret of 24 bytes or so")}, head.Get("webhook-id"), time.Unix(1_780_000_000, 0), body)
	if head.Get("webhook-signature") != want || head.Get("webhook-timestamp") != "1780000000" || head.Get("webhook-id") == "" {
		t.Errorf("headers %v", head)
	}
}

// TestCheckFailsClosed: only a clear yes is one.
func TestCheckFailsClosed(t *testing.T) {
	elsewhere := httptest.NewServer(answers(200, "application/json", `{"ok":true}`))
	defer elsewhere.Close()
	for name, answer := range map[string]http.HandlerFunc{
		"500":       answers(500, "application/json", `{"ok":true}`),
		"201":       answers(201, "application/json", `{"ok":true}`),
		"page":      answers(200, "text/html", `{"ok":true}`),
		"nothing":   answers(200, "application/json", ``),
		"no ok":     answers(200, "application/json", `{}`),
		"null":      answers(200, "application/json", `{"ok":null}`),
		"word":      answers(200, "application/json", `{"ok":"true"}`),
		"two":       answers(200, "application/json", `{"ok":true}{"ok":false}`),
		"too large": answers(200, "application/json", `{"ok":true,"why":"`+strings.Repeat("x", maxCheckAnswer)+`"}`),
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		},
		"hangs up": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"breaks off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, `{"ok":true}`)
		},
	} {
		if ok, _, err := checker(t, true, answer)(); ok || brevet.KindOf(err) != brevet.Unavailable {
			t.Errorf("%s: %t, %v", name, ok, err)
		}
	}
	if ok, _, err := checker(t, false, answers(200, "application/json", `{"ok":true}`))(); ok || brevet.KindOf(err) != brevet.Unavailable {
		t.Errorf("a private address that is not configured: %t, %v", ok, err)
	}
	ok, why, err := checker(t, true, answers(200, "application/json", `{"ok":false,"why":"closed\u001b[2J\n by `+strings.Repeat("é", 400)+`"}`))()
	if ok || err != nil || strings.ContainsAny(why, "\x1b\n") || len(why) > maxCheckWhy+len("…") || !strings.HasPrefix(why, "closed") {
		t.Errorf("no: %t, %q, %v", ok, why, err)
	}
}

func TestCheckGoneQuiet(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := Check{URL: "https://192.0.2.1/", secret: []byte("x")}
	if ok, _, err := c.ask(ctx, (&notify.Dialer{}).HTTP(), time.Now(), question); ok || brevet.KindOf(err) != brevet.Unavailable {
		t.Errorf("%t, %v", ok, err)
	}
}

func TestCheckConfig(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "s")
	if err := os.WriteFile(secret, []byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := Check{Name: "jira", URL: "https://checks.example.com/brevet", SecretFile: secret}
	for want, change := range map[string]func(*Check){
		"":               func(*Check) {},
		"name:":          func(c *Check) { c.Name = "a b" },
		"url:":           func(c *Check) { c.URL = "http://checks.example.com/" },
		"url: must":      func(c *Check) { c.URL = "https://user:pw@checks.example.com/" },
		"https":          func(c *Check) { c.URL = "http://127.0.0.1:1/" }, // loopback, and not allowed
		"secret_file":    func(c *Check) { c.SecretFile = "" },
		"allow_private:": func(c *Check) { c.AllowPrivate = []string{"ten"} },
	} {
		c := good
		change(&c)
		bad := strings.Join(c.check(0, map[string]bool{}, nil), "\n")
		if (bad == "") != (want == "") || !strings.Contains(bad, want) {
			t.Errorf("%q: %q", want, bad)
		}
	}
	if err := good.readSecretFile(); err != nil || len(good.secret) != 24 {
		t.Errorf("%v, %d bytes", err, len(good.secret))
	}
	os.WriteFile(secret, []byte("hunter2hunter2"), 0o600)
	if err := good.readSecretFile(); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a secret that is none: %v", err)
	}
}

func FuzzCheckAnswer(f *testing.F) {
	for _, s := range []string{`{"ok":true}`, `{"ok":false,"why":"x"}`, `{}`, `{"ok":true,"ok":false}`, `[]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		ok, why, err := parseCheck(text)
		if ok && (err != nil || !json.Valid(text)) {
			t.Fatalf("%q is a yes", text)
		}
		if why != brevet.Printable(why) {
			t.Fatalf("%q is not harmless", why)
		}
	})
}

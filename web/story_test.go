package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/brevettest"
	"github.com/brevet-access/brevet/client"
)

// world is a sandbox with two people: one asks by the API, one decides in a
// browser.
type world struct {
	*brevettest.World
	t        testing.TB
	engineer *client.Client
	lead     *brevettest.Browser
	sent     int // requests by send
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{World: brevettest.Start(t), t: t}
	w.engineer, _ = w.Login(t, "engineer")
	w.lead = w.browser("lead")
	return w
}

func (w *world) browser(username string) *brevettest.Browser {
	w.t.Helper()
	b, err := brevettest.NewBrowser(w.Facts, w.Clock.Now, username)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

func (w *world) ask(target, duration, reason string) api.Request {
	w.t.Helper()
	r, err := w.engineer.Ask(w.t.Context(), api.NewRequest{Target: target, Duration: duration, Reason: reason})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// open opens a page of ours, signing in on the way, and checks its status.
func (w *world) open(b *brevettest.Browser, path string, status int) brevettest.Page {
	w.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = w.Facts.URL + path
	}
	p, err := b.Open(path)
	if err != nil {
		w.t.Fatal(err)
	}
	if p.Status != status {
		w.t.Fatalf("%s: status %d, want %d:\n%s", path, p.Status, status, p.Body)
	}
	return p
}

func (w *world) signIn(b *brevettest.Browser, next string) brevettest.Page {
	w.t.Helper()
	return w.open(b, "/signin?next="+url.QueryEscape(next), http.StatusOK)
}

func (w *world) press(b *brevettest.Browser, p brevettest.Page, button string, more url.Values) brevettest.Page {
	w.t.Helper()
	next, err := b.Press(p, button, more)
	if err != nil {
		w.t.Fatal(err)
	}
	return next
}

func has(t testing.TB, p brevettest.Page, want ...string) {
	t.Helper()
	for _, s := range want {
		if !strings.Contains(p.Body, s) {
			t.Errorf("%s does not say %q:\n%s", p.URL, s, p.Body)
		}
	}
}

// TestStory: a link in a message, a sign-in, one page, one tap; the requester
// has what they asked for.
func TestStory(t *testing.T) {
	w := newWorld(t)
	r := w.ask("acme-prod/Admin", "1h", "restore db-7")
	if want := w.Facts.URL + "/requests/" + r.ID; r.URL != want {
		t.Errorf("the request's page is %q, want %q", r.URL, want)
	}
	p := w.open(w.lead, r.URL, http.StatusUnauthorized)
	if strings.Contains(p.Body, "restore") || strings.Contains(p.Body, "engineer") {
		t.Errorf("a stranger learns of the request:\n%s", p.Body)
	}
	p = w.signIn(w.lead, "/requests/"+r.ID)
	if p.URL.String() != r.URL {
		t.Fatalf("after the sign-in: %s", p.URL)
	}
	has(t, p, "engineer asks for acme-prod/<wbr>Admin", "restore db-7", "444455556666", "Production", "Administrator", "First time", "1 h")
	p = w.press(w.lead, p, "approve", url.Values{"comment": {"go\r\nahead"}})
	if p.Status != http.StatusOK {
		t.Fatalf("status %d:\n%s", p.Status, p.Body)
	}
	has(t, p, "Approved just now", "Yes", "go ahead", "gives access now")
	got, err := w.engineer.Request(t.Context(), r.ID, 0)
	if err != nil || got.State != "approved" || got.Grant == nil || !got.Grant.Live {
		t.Errorf("%+v, %v", got, err)
	}
}

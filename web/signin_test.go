package web_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/brevettest"
	"github.com/brevet-access/brevet/client"
)

// begun is a sign-in that has come back to the last step before it is done.
type begun struct {
	back *url.URL // where the browser would go
	away string   // the cookie that it keeps meanwhile
}

// begin signs username in up to, and without, the last step.
func (w *world) begin(username string) begun {
	w.t.Helper()
	b := w.browser(username)
	var got begun
	b.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == "/signin/done" {
			got.back = r.URL
			return http.ErrUseLastResponse
		}
		return nil
	}
	if _, err := b.Open(w.Facts.URL + "/signin?next=/"); err != nil || got.back == nil {
		w.t.Fatalf("no way back: %v", err)
	}
	for _, c := range b.Jar.Cookies(got.back) {
		if c.Name == "brevet-web-signin" {
			got.away = c.Name + "=" + c.Value
		}
	}
	return got
}

// finish takes the last step with what it is given, and reports whether a
// browser is signed in by it.
func (w *world) finish(back *url.URL, cookie string, edit func(*http.Request)) (signedIn bool, body string) {
	w.t.Helper()
	req, err := http.NewRequest(http.MethodGet, back.String(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if cookie != "" {
		req.Header.Set("Cookie", cookie)
	}
	if edit != nil {
		edit(req)
	}
	bare := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := bare.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range resp.Cookies() {
		signedIn = signedIn || c.Name == "brevet-web" && c.Value != ""
	}
	return signedIn, string(text)
}

// with returns back with one parameter of the query changed; "" removes it.
func with(back *url.URL, name, value string) *url.URL {
	u := *back
	q := u.Query()
	if q.Set(name, value); value == "" {
		q.Del(name)
	}
	u.RawQuery = q.Encode()
	return &u
}

// TestHostileReturns: a sign-in ends only in the browser that began it, with
// the answer of our own server (threats: login CSRF, fixation of state,
// mix-up, codes that were seen elsewhere).
func TestHostileReturns(t *testing.T) {
	w := newWorld(t)
	mallory, victim := w.begin("contractor"), w.begin("lead")
	state := func(u *url.URL) string { return u.Query().Get("state") }
	parts := strings.Split(strings.TrimPrefix(victim.away, "brevet-web-signin="), ".")
	crossed := "brevet-web-signin=" + strings.Join([]string{state(mallory.back), parts[1], parts[2]}, ".")
	for name, try := range map[string]struct {
		back   *url.URL
		cookie string
		edit   func(*http.Request)
	}{
		"without a cookie":                {mallory.back, "", nil},
		"attacker's link, victim's away":  {mallory.back, victim.away, nil},
		"attacker's code, victim's state": {with(mallory.back, "state", state(victim.back)), victim.away, nil},
		"victim's code, attacker's state": {with(victim.back, "state", state(mallory.back)), victim.away, nil},
		"no state":                        {with(victim.back, "state", ""), victim.away, nil},
		"state of nobody":                 {with(victim.back, "state", "x"), victim.away, nil},
		"two states":                      {&url.URL{Scheme: victim.back.Scheme, Host: victim.back.Host, Path: victim.back.Path, RawQuery: victim.back.RawQuery + "&state=x"}, victim.away, nil},
		"no iss":                          {with(victim.back, "iss", ""), victim.away, nil},
		"other iss":                       {with(victim.back, "iss", "https://evil.example"), victim.away, nil},
		"an error":                        {with(victim.back, "error", "access_denied"), victim.away, nil},
		"two cookies":                     {victim.back, victim.away + "; " + mallory.away, nil},
		"junk cookie":                     {victim.back, "brevet-web-signin=a.b.c", nil},
		"empty cookie":                    {victim.back, "brevet-web-signin=", nil},
		"no verifier":                     {victim.back, "brevet-web-signin=" + parts[0] + ".." + parts[2], nil},
		"HEAD":                            {victim.back, victim.away, func(r *http.Request) { r.Method = http.MethodHead }},
		"fetched ahead":                   {victim.back, victim.away, func(r *http.Request) { r.Header.Set("Sec-Purpose", "prefetch") }},
		"other host":                      {victim.back, victim.away, func(r *http.Request) { r.Host = "evil.example" }},
	} {
		if in, body := w.finish(try.back, try.cookie, try.edit); in {
			t.Errorf("%s: signed in:\n%s", name, body)
		}
	}
	if in, body := w.finish(victim.back, victim.away, nil); !in {
		t.Errorf("the honest way: not signed in:\n%s", body)
	}
	if in, _ := w.finish(victim.back, victim.away, nil); in {
		t.Error("one code signs in twice")
	}
	// With a verifier that is not the code's the code is used up.
	third := w.begin("lead")
	if in, _ := w.finish(with(mallory.back, "code", third.back.Query().Get("code")), mallory.away, nil); in {
		t.Error("a code works with another's verifier")
	}
	if in, _ := w.finish(third.back, third.away, nil); in {
		t.Error("a code works after it was tried with another's verifier")
	}
	if in, _ := w.finish(mallory.back, crossed, nil); in {
		t.Error("a code works with another's verifier, state being right")
	}
}

// TestReturnsOnlyHome: nobody is sent to another site after signing in.
func TestReturnsOnlyHome(t *testing.T) {
	w := newWorld(t)
	for _, next := range []string{"//evil.example", "https://evil.example/requests/x", "/\\evil.example", "/requests/../../x", "/requests/", "/requests/a/b", "javascript:x", "/v1/whoami",
		"/signout", "/requests/%2e%2e", "/requests/x?y=z", "\t//evil.example", ""} {
		if p := w.signIn(w.browser("lead"), next); p.URL.String() != w.Facts.URL+"/" {
			t.Errorf("next=%q leads to %s", next, p.URL)
		}
	}
}

// TestTokensApart: the pages' token opens no API, a client's no page, and a
// code for one is not turned into the other.
func TestTokensApart(t *testing.T) {
	w := newWorld(t)
	w.signIn(w.lead, "/")
	_, token, _ := strings.Cut(w.cookie(w.lead), "=")
	if _, err := client.New(w.Facts.URL, token, api.Version).Whoami(t.Context()); brevet.KindOf(err) != brevet.Unauthenticated {
		t.Errorf("the cookie's token at the API: %v", err)
	}
	_, issued := w.Login(t, "lead")
	b := w.browser("lead")
	u, err := url.Parse(w.Facts.URL)
	if err != nil {
		t.Fatal(err)
	}
	b.Jar.SetCookies(u, []*http.Cookie{{Name: "brevet-web", Value: issued.Token}})
	w.open(b, "/", http.StatusUnauthorized)

	got := w.begin("lead")
	verifier := strings.Split(got.away, ".")[1]
	taken, err := client.New(w.Facts.URL, "", api.Version).Login(t.Context(), got.back.Query().Get("code"), verifier)
	if err == nil {
		_, err = client.New(w.Facts.URL, taken.Token, api.Version).Whoami(t.Context())
	}
	if brevet.KindOf(err) != brevet.Unauthenticated {
		t.Errorf("a page's code gives a bearer: %v", err)
	}
}

// TestSignInEnds: as a terminal's does, by idling, by age, by signing out and
// by a new one in the same browser.
func TestSignInEnds(t *testing.T) {
	w := newWorld(t)
	w.signIn(w.lead, "/")
	old := w.cookie(w.lead)
	w.signIn(w.lead, "/")
	if w.cookie(w.lead) == old {
		t.Fatal("a new sign-in has the old token")
	}
	use := func(cookie string) int {
		req, _ := http.NewRequest(http.MethodGet, w.Facts.URL+"/", nil)
		req.Header.Set("Cookie", cookie)
		return w.send(&sent{Request: req})
	}
	if got := use(old); got != http.StatusUnauthorized {
		t.Errorf("the sign-in before still works: %d", got)
	}
	now := w.cookie(w.lead)
	out := w.press(w.lead, w.open(w.lead, "/", http.StatusOK), "signout", nil)
	has(t, out, "You are not signed in")
	if got := use(now); got != http.StatusUnauthorized {
		t.Errorf("signed out, and it works: %d", got)
	}
	w.signIn(w.lead, "/")
	now = w.cookie(w.lead)
	w.Clock.Advance(7 * time.Hour)
	if got := use(now); got != http.StatusOK {
		t.Errorf("after 7 h: %d", got)
	}
	w.Clock.Advance(2 * time.Hour)
	if got := use(now); got != http.StatusUnauthorized {
		t.Errorf("after 9 h: %d", got)
	}
}

// TestLink: a link in a message lands on its page with one redirect at most
// where the person is signed in, and with a sign-in where not.
func TestLink(t *testing.T) {
	w := newWorld(t)
	r := w.ask("acme-prod/SRE", "1h", "restart db-7")
	w.signIn(w.lead, "/")
	follow := func(b *brevettest.Browser) (status int, to string) {
		req, err := http.NewRequest(http.MethodGet, r.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Referer": "https://mail.example/"} {
			req.Header.Set(name, value)
		}
		b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		resp, err := b.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode, resp.Header.Get("Location")
	}
	if status, to := follow(w.lead); status != http.StatusOK {
		t.Errorf("signed in: %d %s", status, to)
	}
	if status, to := follow(w.browser("lead")); status != http.StatusSeeOther || to != "/signin?next="+url.QueryEscape("/requests/"+r.ID) {
		t.Errorf("not signed in: %d %s", status, to)
	}
}

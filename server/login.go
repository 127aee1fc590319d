package server

import (
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/broker"
)

const (
	maxState    = 200
	maxRedirect = 300
	maxAnswer   = 8 << 10 // a provider's code may be a long token
	cookieLife  = 10 * time.Minute
	maxMaxAge   = 366 * 24 * 60 * 60 // seconds
)

var challengeText = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// browser registers the pages.
func (s *server) browser() {
	own := map[string]http.Handler{
		routeHome:          http.HandlerFunc(s.home),
		api.RouteAuthorize: http.HandlerFunc(s.authorize),
		api.RouteCallback:  http.HandlerFunc(s.callback),
	}
	if len(s.Slack) > 0 {
		own[routeSlack] = http.HandlerFunc(s.slack)
	}
	for pattern, handler := range s.Pages {
		own[pattern] = handler
	}
	for pattern, handler := range own {
		s.pages[pattern] = true
		s.mux.Handle(pattern, handler)
	}
}

const routeHome = "GET /{$}"

// signedIn returns where a browser goes back to that signs in for the pages;
// "" if there are none.
func (s *server) signedIn() string {
	if s.SignedIn == "" {
		return ""
	}
	return s.URL + s.SignedIn
}

// returns reports whether a one-time code may be sent to this URI.
func (s *server) returns(uri string) bool { return loopback(uri) || uri != "" && uri == s.signedIn() }

func (s *server) home(w http.ResponseWriter, r *http.Request) {
	s.show(w, r, http.StatusOK, page{Title: "brevet", Text: "Temporary access to cloud accounts: asked for with a reason, approved, recorded, and over by itself.",
		Next: "In a terminal, sign in with", Command: "brevet login " + s.URL})
}

// authorize begins a sign-in (RFC 6749, 4.1.1, with PKCE and a loopback
// redirect as RFC 8252 has it) and sends the browser to the provider.
func (s *server) authorize(w http.ResponseWriter, r *http.Request) {
	in, err := s.authorizeQuery(r)
	if err != nil {
		s.turnBack(w, r, in, err)
		return
	}
	if names := s.Broker.ProviderNames(); in.Provider == "" && len(names) > 1 {
		s.choose(w, r, names)
		return
	}
	redirect, cookie, err := s.Broker.StartLogin(r.Context(), in)
	if err != nil {
		s.turnBack(w, r, in, err)
		return
	}
	http.SetCookie(w, s.cookie(cookie, int(cookieLife/time.Second)))
	go303(w, redirect)
}

// turnBack tells the client that waits on loopback what is wrong (RFC 6749,
// 4.1.2.1), so that it does not wait for a browser that stays here. Where it may
// not be written to, or there is none, the page says it.
func (s *server) turnBack(w http.ResponseWriter, r *http.Request, in broker.LoginStart, err error) {
	if !loopback(in.RedirectURI) || !goodState(in.State) {
		s.failPage(w, r, err)
		return
	}
	p, _ := s.problem(r.Context(), err)
	go303(w, s.back(broker.LoginDone{RedirectURI: in.RedirectURI, State: in.State}, saidNo(p)))
}

// saidNo is a refusal as an answer of an authorization endpoint, with the hint,
// which RFC 6749 has no place for, in one of its own.
func saidNo(p *api.Problem) url.Values {
	code := "access_denied"
	switch p.Kind {
	case brevet.Invalid:
		code = "invalid_request"
	case brevet.Unavailable:
		code = "temporarily_unavailable"
	case brevet.Internal:
		code = "server_error"
	}
	out := url.Values{"error": {code}, "error_description": {p.Detail}}
	if p.Hint != "" {
		out.Set("hint", p.Hint)
	}
	return out
}

func goodState(s string) bool { return len(s) <= maxState && printableASCII(s) }

// authorizeQuery checks what a client put into the query.
func (s *server) authorizeQuery(r *http.Request) (in broker.LoginStart, err error) {
	if err := browserGet(r); err != nil {
		return in, err
	}
	q := r.URL.Query()
	in = broker.LoginStart{Provider: q.Get("provider"), Challenge: q.Get("code_challenge"), State: q.Get("state"),
		RedirectURI: q.Get("redirect_uri"), Device: q.Get("device"), Addr: exchangeOf(r.Context()).addr}
	switch {
	case !challengeText.MatchString(in.Challenge):
		return in, brevet.Errorf(brevet.Invalid, "code_challenge: must be 43 characters of base64url")
	case q.Get("code_challenge_method") != "S256":
		return in, brevet.Errorf(brevet.Invalid, "code_challenge_method: must be S256")
	case q.Has("response_type") && q.Get("response_type") != "code":
		return in, brevet.Errorf(brevet.Invalid, "response_type: must be code")
	case !goodState(in.State):
		return in, brevet.Errorf(brevet.Invalid, "state: at most %d printable ASCII characters", maxState)
	case in.RedirectURI != "" && !s.returns(in.RedirectURI):
		return in, brevet.Errorf(brevet.Invalid, "redirect_uri: must be http://127.0.0.1:PORT/PATH or http://[::1]:PORT/PATH")
	case in.Provider != "" && !slices.Contains(s.Broker.ProviderNames(), in.Provider):
		return in, brevet.Errorf(brevet.Invalid, "provider: there is none of that name")
	case in.RedirectURI == "" && r.Header.Get("Sec-Fetch-Site") == "cross-site":
		return in, brevet.Errorf(brevet.Denied, "another site sent you here to sign in for a terminal").
			WithHint("if it is yours, copy the address that it shows into a new tab")
	}
	in.Browser = in.RedirectURI != "" && in.RedirectURI == s.signedIn()
	in.MaxAge, err = maxAge(q.Get("max_age"))
	return in, err
}

// maxAge reads max_age: seconds, "" for any age.
func maxAge(s string) (time.Duration, error) {
	if s == "" {
		return -1, nil
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n > maxMaxAge {
		return 0, brevet.Errorf(brevet.Invalid, "max_age: must be a whole number of seconds")
	}
	return time.Duration(n) * time.Second, nil
}

// loopback reports whether the one-time code may be sent to this URI: only
// to the machine that the browser runs on, by address and never by name
// (RFC 8252, 7.3 and 8.3).
func loopback(uri string) bool {
	u, err := url.Parse(uri)
	if err != nil || len(uri) > maxRedirect || !printableASCII(uri) || strings.ContainsAny(uri, `\ "<>`) {
		return false
	}
	at, err := netip.ParseAddrPort(u.Host)
	if err != nil || at.Port() == 0 || u.Host != at.String() {
		return false
	}
	ip := at.Addr().String()
	return (ip == "127.0.0.1" || ip == "::1") && u.Scheme == "http" && strings.HasPrefix(uri, "http://"+u.Host+"/") &&
		u.User == nil && u.RawQuery == "" && !u.ForceQuery && !strings.Contains(uri, "#")
}

// browserGet refuses what is no plain visit: HEAD, which link checkers send
// and which must not use anything up, and parameters that are there twice.
func browserGet(r *http.Request) error {
	if r.Method != http.MethodGet {
		return &refusal{status: http.StatusMethodNotAllowed, header: http.Header{"Allow": {"GET"}}, err: brevet.Errorf(brevet.Invalid, "method: this path takes GET")}
	}
	return checkQuery(r.URL.RawQuery)
}

// choose shows the providers as links back to here.
func (s *server) choose(w http.ResponseWriter, r *http.Request, names []string) {
	p := page{Title: "Sign in", Text: "Where are you known?"}
	for _, name := range names {
		q := r.URL.Query()
		q.Set("provider", name)
		p.Links = append(p.Links, link{Name: name, URL: "/login/authorize?" + q.Encode()})
	}
	s.show(w, r, http.StatusOK, p)
}

// callback takes the browser's return from the provider, and sends the
// one-time code to the waiting client or shows it.
func (s *server) callback(w http.ResponseWriter, r *http.Request) {
	if err := browserGet(r); err != nil {
		s.failPage(w, r, err)
		return
	}
	q := r.URL.Query()
	for _, name := range []string{"state", "code", "iss", "error", "error_description"} {
		if len(q.Get(name)) > maxAnswer {
			s.failPage(w, r, brevet.Errorf(brevet.Invalid, "%s: too long", name))
			return
		}
	}
	var cookie string
	if c, err := r.Cookie(s.cookieName()); err == nil {
		cookie = c.Value
	}
	said := q.Get("error")
	if d := q.Get("error_description"); said != "" && d != "" {
		said += ": " + d
	}
	done, err := s.Broker.FinishLogin(r.Context(), q.Get("state"), cookie, q.Get("code"), q.Get("iss"), clip(said, 300), exchangeOf(r.Context()).addr)
	http.SetCookie(w, s.cookie("", -1))
	switch {
	case err != nil && s.returns(done.RedirectURI):
		p, _ := s.problem(r.Context(), err)
		go303(w, s.back(done, saidNo(p)))
	case err != nil:
		s.failPage(w, r, err)
	case done.RedirectURI == "":
		s.showCode(w, r, done)
	case !s.returns(done.RedirectURI): // StartLogin got none such from here
		s.failPage(w, r, brevet.Errorf(brevet.Internal, "the sign-in leads nowhere"))
	default:
		go303(w, s.back(done, url.Values{"code": {done.Code}}))
	}
}

// back returns the client's redirect URI with an answer: its state, and who
// says so (RFC 9207).
func (s *server) back(done broker.LoginDone, q url.Values) string {
	if done.State != "" {
		q.Set("state", done.State)
	}
	q.Set("iss", s.URL)
	return done.RedirectURI + "?" + q.Encode()
}

func (s *server) showCode(w http.ResponseWriter, r *http.Request, done broker.LoginDone) {
	device := done.Device
	if device == "" {
		device = "the machine on which you started to sign in"
	}
	s.show(w, r, http.StatusOK, page{Title: "Signed in as " + string(done.Handle), Text: "Paste this code into the terminal of " + device + ".",
		Code: done.Code, Note: "It works once, for a few minutes, and only there. Give it to nobody: whoever asks you for it is not us."})
}

// cookieName carries the prefix that keeps other hosts and plain HTTP from
// setting it, where browsers allow that.
func (s *server) cookieName() string {
	if s.secure {
		return "__Host-brevet-login"
	}
	return "brevet-login"
}

// cookie binds a sign-in to this browser; an age below zero removes it.
func (s *server) cookie(value string, age int) *http.Cookie {
	c := &http.Cookie{Name: s.cookieName(), Value: value, Path: "/login", MaxAge: age, HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteLaxMode}
	if s.secure {
		c.Path = "/" // which __Host- demands
	}
	return c
}

// go303 sends the browser on. http.Redirect would write the URL, which holds
// a code, into a body.
func go303(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

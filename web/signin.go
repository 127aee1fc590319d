package web

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
)

// signInLife is how long a browser may take to come back signed in.
const signInLife = 10 * time.Minute

// cookieName carries the prefix that keeps other hosts and plain HTTP from
// setting it, where browsers allow that.
func (s *Site) cookieName(name string) string {
	if s.secure {
		return "__Host-" + name
	}
	return name
}

// The cookies: one is the sign-in, the other lives while a browser is away to
// sign in.
const (
	sessionCookie = "brevet-web"
	awayCookie    = "brevet-web-signin"
)

// setCookie sets a cookie until end; in the past: removes it. It is Lax, not
// Strict, so that a link in a message lands signed in; that is safe as no GET
// changes anything.
func (s *Site) setCookie(w http.ResponseWriter, name, value string, age time.Duration) {
	c := &http.Cookie{Name: s.cookieName(name), Value: value, Path: "/", MaxAge: int(age / time.Second), HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteLaxMode}
	if age <= 0 {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// cookie returns the value of a cookie that is there once; two of one name
// are somebody's trick.
func (s *Site) cookie(r *http.Request, name string) string {
	if list := r.CookiesNamed(s.cookieName(name)); len(list) == 1 {
		return list[0].Value
	}
	return ""
}

// recognise returns who is behind the browser's cookie.
func (s *Site) recognise(r *http.Request) (brevet.Caller, string, error) {
	token := s.cookie(r, sessionCookie)
	c, err := s.Broker.WhoIsBrowser(r.Context(), token, s.Address(r.Context()))
	if err == nil && c.Person.ID == "" {
		err = brevet.Errorf(brevet.Unauthenticated, "you are not signed in")
	}
	return c, token, err
}

// stranger answers who is not signed in. A person who opens a page is sent to
// sign in and comes back to it; whoever else asks (a mail scanner, a
// prefetch) gets a page with the link, which says nothing about the address
// that was asked for.
func (s *Site) stranger(w http.ResponseWriter, r *http.Request, err error) {
	if brevet.KindOf(err) != brevet.Unauthenticated {
		s.fail(w, r, err)
		return
	}
	next := "/"
	if r.Method == http.MethodGet {
		next = local(r.URL.Path)
	}
	link := "/signin?" + url.Values{"next": {next}}.Encode()
	if opened(r) && next != "/" {
		w.Header().Set("Location", link)
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	s.show(w, r, http.StatusUnauthorized, "message", messagePage{Title: "Sign in", Text: "You are not signed in here.",
		Note: "In a terminal, brevet login " + s.URL + " signs you in there.", Links: []action{{"Sign in", link, true}}})
}

// opened reports whether a person opens the page, as far as a browser tells.
func opened(r *http.Request) bool {
	return r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document" && !ahead(r)
}

// ahead reports whether the browser fetches something that nobody has opened.
func ahead(r *http.Request) bool {
	return r.Header.Get("Sec-Purpose") != "" || r.Header.Get("Purpose") != "" || r.Header.Get("X-Moz") != ""
}

// local returns path if it is one of our pages that may be gone back to, else
// the home page: nobody is sent elsewhere.
func local(path string) string {
	for _, p := range []string{"/requests/", "/grants/", "/reviews/"} {
		if id, ok := strings.CutPrefix(path, p); ok && id != "" && len(id) <= 40 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789_") == "" {
			return path
		}
	}
	if path == "/reviews" {
		return path
	}
	return "/"
}

// visitOnly refuses what is no plain visit of a page that a browser passes on
// its way to sign in.
func visitOnly(r *http.Request) error {
	switch {
	case r.Method != http.MethodGet:
		return brevet.Errorf(brevet.Invalid, "method: this path takes GET")
	case ahead(r):
		return brevet.Errorf(brevet.Denied, "nobody has opened this page")
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return brevet.Errorf(brevet.Invalid, "query: malformed")
	}
	for _, list := range q {
		if len(list) != 1 || len(list[0]) > 4096 {
			return brevet.Errorf(brevet.Invalid, "query: malformed")
		}
	}
	return nil
}

// away is what a browser keeps while it signs in (RFC 6749, 10.12; RFC 7636).
type away struct{ State, Verifier, Next string }

func (a away) String() string {
	return a.State + "." + a.Verifier + "." + base64.RawURLEncoding.EncodeToString([]byte(a.Next))
}

// parseAway reads what String wrote; ok is false for anything else.
func parseAway(s string) (a away, ok bool) {
	parts := strings.Split(s, ".")
	if len(parts) != 3 || len(parts[0]) < 20 || len(parts[1]) < 43 || len(parts[1]) > 128 {
		return a, false
	}
	next, err := base64.RawURLEncoding.DecodeString(parts[2])
	return away{parts[0], parts[1], local(string(next))}, err == nil
}

func secret() string {
	var raw [32]byte
	rand.Read(raw[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// signIn sends the browser to the server's authorization endpoint. With fresh
// the person must prove themselves anew.
func (s *Site) signIn(w http.ResponseWriter, r *http.Request) {
	if err := visitOnly(r); err != nil {
		s.fail(w, r, err)
		return
	}
	in := r.URL.Query()
	a := away{State: secret(), Verifier: secret(), Next: local(in.Get("next"))}
	challenge := sha256.Sum256([]byte(a.Verifier))
	q := url.Values{"response_type": {"code"}, "code_challenge_method": {"S256"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])},
		"state": {a.State}, "redirect_uri": {s.URL + SignedIn}, "device": {"browser"}}
	if in.Get("fresh") != "" {
		q.Set("max_age", "0")
	}
	s.setCookie(w, awayCookie, a.String(), signInLife)
	w.Header().Set("Location", "/login/authorize?"+q.Encode())
	w.WriteHeader(http.StatusSeeOther)
}

// signedIn takes the browser back: it must be the one that left (state), the
// answer must be our own server's (iss, RFC 9207), and the code works only
// with the verifier that this browser keeps. A sign-in that the browser had
// before ends.
func (s *Site) signedIn(w http.ResponseWriter, r *http.Request) {
	err := visitOnly(r)
	a, ok := parseAway(s.cookie(r, awayCookie))
	q := r.URL.Query()
	switch {
	case err != nil:
	case !ok || subtle.ConstantTimeCompare([]byte(a.State), []byte(q.Get("state"))) != 1:
		err = brevet.Errorf(brevet.Denied, "this sign-in was not begun in this browser, or too long ago")
	case q.Get("iss") != s.URL:
		err = brevet.Errorf(brevet.Denied, "the answer came from elsewhere than was asked")
	case q.Get("error") != "":
		err = brevet.Errorf(brevet.Denied, "%s", brevet.Printable(strings.ToValidUTF8(clip(q.Get("error_description"), 300), "?")))
	}
	if err != nil {
		s.failSignIn(w, r, a.Next, err)
		return
	}
	token, c, err := s.Broker.Redeem(r.Context(), q.Get("code"), a.Verifier, s.Address(r.Context()))
	if err != nil {
		s.failSignIn(w, r, a.Next, err)
		return
	}
	s.Seen(r.Context(), c)
	if old, _, err := s.recognise(r); err == nil {
		if err := s.Broker.Logout(r.Context(), old); err != nil {
			s.Log.WarnContext(r.Context(), "the sign-in before could not be ended", "err", err)
		}
	}
	s.setCookie(w, awayCookie, "", -1)
	s.setCookie(w, sessionCookie, token, c.SignIn.Expires.Sub(c.SignIn.Created))
	w.Header().Set("Location", a.Next)
	w.WriteHeader(http.StatusSeeOther)
}

// failSignIn says why a sign-in failed, and offers another.
func (s *Site) failSignIn(w http.ResponseWriter, r *http.Request, next string, err error) {
	p := s.message(r, err)
	p.Title, p.Links = "You are not signed in", []action{{"Sign in", "/signin?" + url.Values{"next": {local(next)}}.Encode(), true}}
	s.show(w, r, statusOf(err), "message", p)
}

// signOut ends the browser's sign-in.
func (s *Site) signOut(v *visit) error {
	if err := s.Broker.Logout(v.r.Context(), v.caller); err != nil {
		return err
	}
	s.setCookie(v.w, sessionCookie, "", -1)
	v.w.Header().Set("Location", "/")
	v.w.WriteHeader(http.StatusSeeOther)
	return nil
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

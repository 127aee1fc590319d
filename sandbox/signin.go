package sandbox

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"
)

const (
	acrMFA = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"

	browserCookie = "brevet_sandbox_browser"
	sessionCookie = "brevet_sandbox_session"

	flowLife    = 15 * time.Minute // from the first page to the last
	sessionLife = 12 * time.Hour
	otpStep     = 30 * time.Second
)

// authRequest is an authentication request, OpenID Connect Core 1.0 section
// 3.1.2.1, of which only what is needed later is kept.
type authRequest struct {
	Client    string        `json:"c"`
	Redirect  string        `json:"r"`
	State     string        `json:"s,omitempty"`
	Nonce     string        `json:"n,omitempty"`
	Challenge string        `json:"p"` // PKCE, S256
	Scope     string        `json:"o"`
	Hint      string        `json:"h,omitempty"`
	Prompt    string        `json:"-"`
	MaxAge    time.Duration `json:"-"` // -1: not asked
}

// flow is a sign-in under way. It travels sealed in a hidden field of each
// form, and works only in the browser that began it.
type flow struct {
	Request authRequest `json:"q"`
	Browser string      `json:"b"` // value of the browser's cookie
	User    string      `json:"u"` // "" until the password was right
	Until   time.Time   `json:"e"`
}

// idpSession is a sign-in that is over its forms; it travels sealed in a
// cookie.
type idpSession struct {
	ID   string    `json:"i"`
	User string    `json:"u"`
	Auth time.Time `json:"t"` // when the one-time code was typed
}

// authorize begins a sign-in, or ends it at once where the session is enough.
func (p *IDP) authorize(w http.ResponseWriter, r *http.Request) {
	if r.ParseForm() != nil || !once(r.Form) {
		p.message(w, http.StatusBadRequest, "This is not a sign-in request", "The parameters are malformed, or one of them comes twice.")
		return
	}
	client, ok := p.client(r.Form.Get("client_id"))
	if redirect := r.Form.Get("redirect_uri"); !ok || !slices.Contains(client.RedirectURIs, redirect) {
		p.message(w, http.StatusBadRequest, "This is not a sign-in request", "The client or its redirect address is not known here.")
		return
	}
	q, code, why := parseAuthRequest(r.Form)
	if code != "" {
		p.redirect(w, r, q, url.Values{"error": {code}, "error_description": {why}})
		return
	}
	if s, ok := p.sessionOf(r); ok && p.enough(s, q) {
		p.finish(w, r, q, s)
		return
	}
	if q.Prompt == "none" {
		p.redirect(w, r, q, url.Values{"error": {"login_required"}, "error_description": {"nobody is signed in here, or not recently enough"}})
		return
	}
	f := flow{Request: q, Browser: p.browser(w, r), Until: p.now().Add(flowLife)}
	p.passwordPage(w, http.StatusOK, f, q.Hint, "")
}

// parseAuthRequest checks a request whose client and redirect are known; code
// is the error to send back, "" if there is none.
func parseAuthRequest(v url.Values) (q authRequest, code, why string) {
	q = authRequest{Client: v.Get("client_id"), Redirect: v.Get("redirect_uri"), State: v.Get("state"), Nonce: v.Get("nonce"),
		Challenge: v.Get("code_challenge"), Scope: v.Get("scope"), Hint: v.Get("login_hint"), Prompt: v.Get("prompt"), MaxAge: -1}
	prompts := strings.Fields(q.Prompt)
	switch {
	case v.Has("request"):
		return q, "request_not_supported", "request objects are not supported"
	case v.Has("request_uri"):
		return q, "request_uri_not_supported", "request objects are not supported"
	case v.Get("response_type") != "code":
		return q, "unsupported_response_type", "response_type must be code"
	case v.Has("response_mode") && v.Get("response_mode") != "query":
		return q, "invalid_request", "response_mode must be query"
	case !slices.Contains(strings.Fields(q.Scope), "openid"):
		return q, "invalid_scope", "scope must hold openid"
	case v.Get("code_challenge_method") != "S256" || !isChallenge(q.Challenge):
		return q, "invalid_request", "PKCE with S256 is required"
	case len(q.State) > 2048 || len(q.Nonce) > 2048 || len(q.Hint) > 256:
		return q, "invalid_request", "a parameter is too long"
	case slices.Contains(prompts, "none") && len(prompts) > 1:
		return q, "invalid_request", "prompt none stands alone"
	}
	for _, prompt := range prompts {
		if !slices.Contains([]string{"none", "login", "consent", "select_account"}, prompt) {
			return q, "invalid_request", "prompt is not known"
		}
	}
	if v.Has("max_age") {
		n, err := strconv.Atoi(v.Get("max_age"))
		if err != nil || n < 0 || n > 1<<30 {
			return q, "invalid_request", "max_age must be a number of seconds"
		}
		q.MaxAge = time.Duration(n) * time.Second
	}
	return q, "", ""
}

// isChallenge reports whether s is the base64url of 32 bytes, RFC 7636.
func isChallenge(s string) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(raw) == 32
}

// enough reports whether the session answers the request without a form.
func (p *IDP) enough(s idpSession, q authRequest) bool {
	prompts := strings.Fields(q.Prompt)
	return !slices.Contains(prompts, "login") && !slices.Contains(prompts, "select_account") &&
		(q.Hint == "" || q.Hint == s.User) &&
		(q.MaxAge < 0 || q.MaxAge > 0 && p.now().Sub(s.Auth) <= q.MaxAge)
}

// password takes the first form.
func (p *IDP) password(w http.ResponseWriter, r *http.Request) {
	f, ok := p.flow(w, r)
	if !ok {
		return
	}
	username := strings.TrimSpace(r.PostForm.Get("username"))
	who, found := p.person(username)
	if right := same(who.Password, r.PostForm.Get("password")); !found || !right {
		p.passwordPage(w, http.StatusUnauthorized, f, username, "Username or password is wrong.")
		return
	}
	f.User = username
	p.otpPage(w, http.StatusOK, f, who, "")
}

// otpCode takes the second form.
func (p *IDP) otpCode(w http.ResponseWriter, r *http.Request) {
	f, ok := p.flow(w, r)
	if !ok {
		return
	}
	who, found := p.person(f.User)
	if !found {
		p.passwordPage(w, http.StatusUnauthorized, f, "", "Sign in with the password first.")
		return
	}
	if !p.rightOTP(who, strings.ReplaceAll(r.PostForm.Get("otp"), " ", "")) {
		p.otpPage(w, http.StatusUnauthorized, f, who, "The code is wrong.")
		return
	}
	if old, ok := p.sessionOf(r); ok {
		p.forget(old.ID)
	}
	s := idpSession{ID: rand.Text(), User: who.Username, Auth: p.now().Truncate(time.Second)}
	p.setCookie(w, sessionCookie, p.seal.seal("session", base64.RawURLEncoding, s))
	p.cfg.Log.Info("simulated provider: signed in", "username", s.User)
	p.finish(w, r, f.Request, s)
}

// flow reads the sealed state of the form, which must come from the browser
// that was given it.
func (p *IDP) flow(w http.ResponseWriter, r *http.Request) (flow, bool) {
	var f flow
	cookie, err := r.Cookie(browserCookie)
	if r.ParseForm() != nil || !once(r.PostForm) || !p.seal.open("flow", base64.RawURLEncoding, r.PostForm.Get("flow"), &f) ||
		err != nil || !same(cookie.Value, f.Browser) || !p.now().Before(f.Until) {
		p.message(w, http.StatusBadRequest, "This sign-in is over", "It took longer than 15 minutes, or it was begun in another browser. Go back to where you came from and begin again.")
		return flow{}, false
	}
	return f, true
}

// browser returns the value of the cookie that ties forms to the browser,
// and sets it if there is none yet.
func (p *IDP) browser(w http.ResponseWriter, r *http.Request) string {
	if c, err := r.Cookie(browserCookie); err == nil && len(c.Value) == 26 {
		return c.Value
	}
	v := rand.Text()
	p.setCookie(w, browserCookie, v)
	return v
}

func (p *IDP) setCookie(w http.ResponseWriter, name, value string) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// sessionOf opens the session cookie; a session ends after 12 hours, at
// end_session, and with its person.
func (p *IDP) sessionOf(r *http.Request) (idpSession, bool) {
	var s idpSession
	c, err := r.Cookie(sessionCookie)
	if err != nil || !p.seal.open("session", base64.RawURLEncoding, c.Value, &s) {
		return s, false
	}
	return s, p.alive(s)
}

func (p *IDP) alive(s idpSession) bool {
	_, found := p.person(s.User)
	p.mu.Lock()
	_, over := p.ended[s.ID]
	p.mu.Unlock()
	return found && !over && p.now().Before(s.Auth.Add(sessionLife))
}

// forget ends a session.
func (p *IDP) forget(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for old, until := range p.ended {
		if p.now().After(until) {
			delete(p.ended, old)
		}
	}
	p.ended[id] = p.now().Add(sessionLife)
}

// secretOf decodes a person's secret.
func secretOf(who Person) ([]byte, error) {
	return base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.TrimRight(strings.ToUpper(who.TOTP), "="))
}

// codeAt returns the code of the step with this counter.
func codeAt(who Person, counter int64) string {
	code, err := totp.GenerateCodeCustom(strings.ToUpper(who.TOTP), time.Unix(counter*int64(otpStep.Seconds()), 0),
		totp.ValidateOpts{Period: uint(otpStep.Seconds()), Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	if err != nil {
		panic("sandbox: " + err.Error()) // NewIDP has decoded the secret
	}
	return code
}

// near lists the counters whose codes are taken now: the current one, and one
// step either side.
func (p *IDP) near() []int64 {
	n := p.now().Unix() / int64(otpStep.Seconds())
	return []int64{n, n + 1, n - 1}
}

// rightOTP reports whether code is taken now. Unlike at a real provider it may
// be used again within its time: scripts and tests sign one person in from
// several places at once.
func (p *IDP) rightOTP(who Person, code string) bool {
	return slices.ContainsFunc(p.near(), func(n int64) bool { return same(codeAt(who, n), code) })
}

// showOTP returns the code of the current step.
func (p *IDP) showOTP(who Person) string { return codeAt(who, p.near()[0]) }

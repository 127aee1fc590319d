package sandbox

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	codeLife    = time.Minute
	idLife      = 10 * time.Minute
	accessLife  = 10 * time.Minute
	refreshLife = 12 * time.Hour
)

// grantedCode is an authorization code that was handed out.
type grantedCode struct {
	request authRequest
	session idpSession
	family  string // of the tokens that come of it
	until   time.Time
	used    bool
}

// accessToken and refreshToken are what those tokens hold under their seal.
type accessToken struct {
	Session idpSession `json:"s"`
	Family  string     `json:"f"`
	Until   time.Time  `json:"e"`
}

type refreshToken struct {
	Session idpSession `json:"s"`
	Family  string     `json:"f"`
	Serial  int        `json:"n"` // 1 for the first of its family
	Client  string     `json:"c"`
	Scope   string     `json:"o"`
	Until   time.Time  `json:"e"`
}

// passwordPage shows the first form.
func (p *IDP) passwordPage(w http.ResponseWriter, status int, f flow, username, why string) {
	writePage(w, status, "password", struct {
		Flow, Username, Error, Client string
		People                        []Person
	}{p.seal.seal("flow", base64.RawURLEncoding, f), username, why, f.Request.Client, p.everybody()}, origin(f.Request.Redirect))
}

// otpPage shows the second form.
func (p *IDP) otpPage(w http.ResponseWriter, status int, f flow, who Person, why string) {
	writePage(w, status, "otp", struct{ Flow, Username, Error, Code string }{
		p.seal.seal("flow", base64.RawURLEncoding, f), who.Username, why, p.showOTP(who)}, origin(f.Request.Redirect))
}

func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// finish sends the browser back with a code.
func (p *IDP) finish(w http.ResponseWriter, r *http.Request, q authRequest, s idpSession) {
	code := rand.Text()
	p.mu.Lock()
	maps.DeleteFunc(p.codes, func(_ string, c *grantedCode) bool { return p.now().After(c.until.Add(codeLife)) })
	p.codes[hashed(code)] = &grantedCode{request: q, session: s, family: rand.Text(), until: p.now().Add(codeLife)}
	p.mu.Unlock()
	p.redirect(w, r, q, url.Values{"code": {code}})
}

// redirect answers the relying party by way of the browser, naming the
// issuer (RFC 9207).
func (p *IDP) redirect(w http.ResponseWriter, r *http.Request, q authRequest, answer url.Values) {
	u, err := url.Parse(q.Redirect)
	if err != nil { // it is registered
		p.message(w, http.StatusBadRequest, "This is not a sign-in request", "The redirect address of the client is not an address.")
		return
	}
	values := u.Query()
	maps.Copy(values, answer)
	values.Set("iss", p.cfg.Issuer)
	if q.State != "" {
		values.Set("state", q.State)
	}
	u.RawQuery = values.Encode()
	http.Redirect(w, r, u.String(), http.StatusSeeOther)
}

// token is the token endpoint, RFC 6749 section 3.2.
func (p *IDP) token(w http.ResponseWriter, r *http.Request) {
	if r.ParseForm() != nil || !once(r.PostForm) {
		p.tokenError(w, http.StatusBadRequest, "invalid_request", "the form is malformed, or a parameter comes twice")
		return
	}
	client, ok := p.authenticated(r)
	if !ok {
		w.Header().Set("WWW-Authenticate", `Basic realm="brevet sandbox"`)
		p.tokenError(w, http.StatusUnauthorized, "invalid_client", "the client or its secret is wrong")
		return
	}
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		p.exchange(w, r, client)
	case "refresh_token":
		p.refresh(w, r, client)
	default:
		p.tokenError(w, http.StatusBadRequest, "unsupported_grant_type", "grant_type must be authorization_code or refresh_token")
	}
}

// authenticated checks who the client is: by Basic authentication, by the
// form, or, if it is public, by its name alone.
func (p *IDP) authenticated(r *http.Request) (Client, bool) {
	id, secret, basic := r.BasicAuth()
	if basic { // RFC 6749 section 2.3.1 encodes both
		id, _ = url.QueryUnescape(id)
		secret, _ = url.QueryUnescape(secret)
		if r.PostForm.Has("client_secret") || r.PostForm.Has("client_id") && r.PostForm.Get("client_id") != id {
			return Client{}, false
		}
	} else {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	c, ok := p.client(id)
	return c, ok && same(c.Secret, secret)
}

// exchange trades a code for tokens. A code that comes a second time ends the
// tokens that came of it (RFC 6749 section 4.1.2).
func (p *IDP) exchange(w http.ResponseWriter, r *http.Request, client Client) {
	p.mu.Lock()
	c := p.codes[hashed(r.PostForm.Get("code"))]
	again := c != nil && c.used
	if c != nil {
		c.used = true
	}
	if again {
		p.last[c.family] = 1 << 30
	}
	p.mu.Unlock()
	digest := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	switch {
	case c == nil || again || c.request.Client != client.ID || !p.now().Before(c.until) || !p.alive(c.session):
		p.tokenError(w, http.StatusBadRequest, "invalid_grant", "the code is not valid, was used or is too old")
	case r.PostForm.Get("redirect_uri") != c.request.Redirect:
		p.tokenError(w, http.StatusBadRequest, "invalid_grant", "redirect_uri is not the one that the code was sent to")
	case !same(base64.RawURLEncoding.EncodeToString(digest[:]), c.request.Challenge):
		p.tokenError(w, http.StatusBadRequest, "invalid_grant", "code_verifier does not fit the challenge")
	default:
		p.tokens(w, refreshToken{Session: c.session, Family: c.family, Client: client.ID, Scope: c.request.Scope, Until: p.now().Add(refreshLife)}, c.request.Nonce)
	}
}

// refresh trades a refresh token for new tokens. Each works once; one that
// comes a second time ends its family.
func (p *IDP) refresh(w http.ResponseWriter, r *http.Request, client Client) {
	var t refreshToken
	if !p.seal.open("refresh", base64.RawURLEncoding, r.PostForm.Get("refresh_token"), &t) || t.Client != client.ID ||
		!p.now().Before(t.Until) || !p.alive(t.Session) || !p.spend(t) {
		p.tokenError(w, http.StatusBadRequest, "invalid_grant", "the refresh token is not valid, was used or is too old")
		return
	}
	p.tokens(w, t, "")
}

// spend marks a refresh token used, and reports whether it was not.
func (p *IDP) spend(t refreshToken) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.Serial <= p.last[t.Family] {
		p.last[t.Family] = 1 << 30
		return false
	}
	p.last[t.Family] = t.Serial
	return true
}

// tokens answers with an ID token, an access token and the refresh token that
// follows t.
func (p *IDP) tokens(w http.ResponseWriter, t refreshToken, nonce string) {
	t.Serial++
	access := p.seal.seal("access", base64.RawURLEncoding, accessToken{t.Session, t.Family, p.now().Add(accessLife)})
	id, err := p.idToken(t, nonce, access)
	if err != nil {
		p.cfg.Log.Error("simulated provider: signing", "err", err)
		p.tokenError(w, http.StatusInternalServerError, "server_error", "the ID token cannot be signed")
		return
	}
	p.json(w, http.StatusOK, map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": int(accessLife.Seconds()),
		"id_token": id, "refresh_token": p.seal.seal("refresh", base64.RawURLEncoding, t), "scope": t.Scope})
}

func (p *IDP) idToken(t refreshToken, nonce, access string) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: p.key},
		(&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", p.kid))
	if err != nil {
		return "", err
	}
	half := sha256.Sum256([]byte(access))
	claims := p.claims(t.Session.User)
	maps.Copy(claims, map[string]any{"iss": p.cfg.Issuer, "aud": t.Client, "iat": p.now().Unix(), "exp": p.now().Add(idLife).Unix(),
		"auth_time": t.Session.Auth.Unix(), "amr": []string{"pwd", "otp", "mfa"}, "acr": acrMFA, "sid": t.Session.ID,
		"at_hash": base64.RawURLEncoding.EncodeToString(half[:16])})
	if nonce != "" {
		claims["nonce"] = nonce
	}
	return jwt.Signed(signer).Claims(claims).Serialize()
}

// claims is what is said about a person now.
func (p *IDP) claims(username string) map[string]any {
	who, _ := p.person(username)
	return map[string]any{"sub": p.subject(username), "preferred_username": username, "name": who.Name, "groups": slices.Clip(append([]string{}, who.Groups...))}
}

// userinfo states the claims about the bearer of an access token.
func (p *IDP) userinfo(w http.ResponseWriter, r *http.Request) {
	var t accessToken
	bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || !p.seal.open("access", base64.RawURLEncoding, bearer, &t) || !p.now().Before(t.Until) || !p.alive(t.Session) || p.revoked(t.Family) {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		p.tokenError(w, http.StatusUnauthorized, "invalid_token", "the access token is not valid")
		return
	}
	p.json(w, http.StatusOK, p.claims(t.Session.User))
}

func (p *IDP) revoked(family string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last[family] == 1<<30
}

func (p *IDP) tokenError(w http.ResponseWriter, status int, code, why string) {
	p.json(w, status, map[string]string{"error": code, "error_description": why})
}

// endSession signs out, OpenID Connect RP-Initiated Logout 1.0; it leads back
// only to an address that a client has registered.
func (p *IDP) endSession(w http.ResponseWriter, r *http.Request) {
	if r.ParseForm() != nil || !once(r.Form) {
		p.message(w, http.StatusBadRequest, "This is not a sign-out request", "The parameters are malformed, or one of them comes twice.")
		return
	}
	if s, ok := p.sessionOf(r); ok {
		p.forget(s.ID)
	}
	client, hinted := p.hinted(r.Form)
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	if back := r.Form.Get("post_logout_redirect_uri"); hinted && slices.Contains(client.RedirectURIs, back) {
		u, err := url.Parse(back)
		if err == nil {
			if state := r.Form.Get("state"); state != "" {
				q := u.Query()
				q.Set("state", state)
				u.RawQuery = q.Encode()
			}
			http.Redirect(w, r, u.String(), http.StatusSeeOther)
			return
		}
	}
	p.message(w, http.StatusOK, "You are signed out", "The sandbox's identity provider has forgotten your sign-in.")
}

// hinted returns the client that a sign-out names, by an ID token of ours
// (whose session it ends, too) or by its id.
func (p *IDP) hinted(v url.Values) (Client, bool) {
	if hint := v.Get("id_token_hint"); hint != "" {
		parsed, err := jwt.ParseSigned(hint, []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			return Client{}, false
		}
		var c struct {
			Audience string `json:"aud"`
			Session  string `json:"sid"`
		}
		if parsed.Claims(&p.key.PublicKey, &c) != nil || v.Has("client_id") && v.Get("client_id") != c.Audience {
			return Client{}, false
		}
		p.forget(c.Session)
		return p.client(c.Audience)
	}
	return p.client(v.Get("client_id"))
}

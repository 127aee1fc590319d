package sandbox

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/brevet-access/brevet"
)

// Client is a relying party of the identity provider.
type Client struct {
	ID           string
	Secret       string   // "" makes a public client, which PKCE alone protects
	RedirectURIs []string // compared as strings; also where end_session may lead
}

// IDPConfig says what the simulated identity provider is.
type IDPConfig struct {
	Issuer  string // its own address, such as http://127.0.0.1:8478, without a slash at the end
	Clients []Client
	People  []Person
	Key     []byte           // 32 bytes, or a P-256 private key in PEM (SEC 1 or PKCS #8): keep it and sign-ins survive a restart
	Host    string           // the one Host header that is answered, host:port; "": that of Issuer
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil: discard
}

// IDP is an OpenID provider: an [http.Handler] with authorization code flow,
// PKCE, passwords and one-time codes. Which authorization codes and refresh
// tokens were used is kept in memory; everything else it hands out is sealed and opens again
// after a restart.
type IDP struct {
	cfg   IDPConfig
	key   *ecdsa.PrivateKey
	kid   string
	seal  sealer
	serve http.Handler

	down atomic.Bool // it answers nobody

	mu     sync.Mutex
	people []Person
	codes  map[string]*grantedCode // authorization codes by their SHA-256
	last   map[string]int          // by family: the newest refresh token that was used
	ended  map[string]time.Time    // sessions that are over, and when that may be forgotten
}

// NewIDP returns a simulated identity provider. The error is of kind invalid
// and names the part of the configuration that is wrong.
func NewIDP(cfg IDPConfig) (*IDP, error) {
	u, err := url.Parse(cfg.Issuer)
	if err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, brevet.Errorf(brevet.Invalid, "the issuer of the simulated identity provider is not an origin such as http://127.0.0.1:8478")
	}
	if cfg.Host == "" {
		cfg.Host = u.Host
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	key, seed, err := idpKey(cfg.Key)
	if err != nil {
		return nil, err
	}
	p := &IDP{cfg: cfg, key: key, seal: sealer{seed}, codes: map[string]*grantedCode{},
		last: map[string]int{}, ended: map[string]time.Time{}}
	thumb, err := (&jose.JSONWebKey{Key: &key.PublicKey}).Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, brevet.Errorf(brevet.Invalid, "the key of the simulated identity provider is not usable").WithCause(err)
	}
	p.kid = base64.RawURLEncoding.EncodeToString(thumb)
	for _, who := range cfg.People {
		if _, err := secretOf(who); err != nil || who.Username == "" || who.Password == "" {
			return nil, brevet.Errorf(brevet.Invalid, "%q of the simulated identity provider needs a username, a password and a base32 secret", clip(who.Username))
		}
		who.Groups = slices.Clone(who.Groups)
		p.people = append(p.people, who)
	}
	p.serve = CheckHost(cfg.Host)(p.routes())
	return p, nil
}

// idpKey reads or derives the signing key, and derives the sealing key.
func idpKey(in []byte) (*ecdsa.PrivateKey, []byte, error) {
	if block, _ := pem.Decode(in); block != nil {
		key, err := x509.ParseECPrivateKey(block.Bytes)
		if err != nil {
			var any any
			if any, err = x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
				key, _ = any.(*ecdsa.PrivateKey)
			}
		}
		if err != nil || key == nil || key.Curve != elliptic.P256() {
			return nil, nil, brevet.Errorf(brevet.Invalid, "the key of the simulated identity provider is not a P-256 private key")
		}
		digest := sha256.Sum256(append([]byte("brevet sandbox idp\x00"), block.Bytes...))
		return key, digest[:], nil
	}
	if len(in) != 32 {
		return nil, nil, brevet.Errorf(brevet.Invalid, "the key of the simulated identity provider is neither PEM nor 32 bytes")
	}
	for i := 0; ; i++ { // a scalar that is not below the order has a chance of 2^-32
		raw, err := hkdf.Key(sha256.New, in, nil, "brevet sandbox idp key "+strconv.Itoa(i), 32)
		if err != nil {
			return nil, nil, brevet.Errorf(brevet.Invalid, "the key of the simulated identity provider cannot be derived").WithCause(err)
		}
		if key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw); err == nil {
			return key, slices.Clone(in), nil
		}
	}
}

// ServeHTTP answers browsers and relying parties.
func (p *IDP) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.serve.ServeHTTP(w, r) }

func (p *IDP) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.home)
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /jwks", p.jwks)
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /authorize", p.authorize)
	mux.HandleFunc("POST /password", p.password)
	mux.HandleFunc("POST /code", p.otpCode)
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("GET /userinfo", p.userinfo)
	mux.HandleFunc("POST /userinfo", p.userinfo)
	mux.HandleFunc("GET /end_session", p.endSession)
	mux.HandleFunc("POST /end_session", p.endSession)
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		p.message(w, http.StatusNotFound, "There is no such page", "This address of the sandbox's identity provider leads nowhere.")
	})
	outage := http.NewCrossOriginProtection().Handler(http.HandlerFunc(p.outage))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path == "/outage" {
			outage.ServeHTTP(w, r)
			return
		}
		if p.down.Load() {
			http.Error(w, "The sandbox's identity provider is switched off.", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		mux.ServeHTTP(w, r)
	})
}

// SetDown switches the provider off, or on again: while it is off, it answers
// browsers and relying parties with nothing but 503.
func (p *IDP) SetDown(down bool) { p.down.Store(down) }

// outage is SetDown for whoever plays with the sandbox: POST /outage with
// state=on or state=off.
func (p *IDP) outage(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<10)
	switch r.FormValue("state") {
	case "on":
		p.SetDown(true)
	case "off":
		p.SetDown(false)
	default:
		http.Error(w, "state is on or off", http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// SetGroups changes the groups of a person, as an administrator of the
// provider would; the next ID token or userinfo states them. It reports
// whether there is such a person.
func (p *IDP) SetGroups(username string, groups []string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.people, func(o Person) bool { return o.Username == username })
	if i < 0 {
		return false
	}
	p.people[i].Groups = slices.Clone(groups)
	return true
}

// Remove deletes a person: they cannot sign in any more, and their sessions
// and refresh tokens are worth nothing. It reports whether there was one.
func (p *IDP) Remove(username string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.people)
	p.people = slices.DeleteFunc(p.people, func(o Person) bool { return o.Username == username })
	return len(p.people) < n
}

// person finds somebody by username.
func (p *IDP) person(username string) (Person, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range p.people {
		if o.Username == username {
			return o, true
		}
	}
	return Person{}, false
}

// everybody returns the people as they are now.
func (p *IDP) everybody() []Person {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.people)
}

func (p *IDP) client(id string) (Client, bool) {
	i := slices.IndexFunc(p.cfg.Clients, func(c Client) bool { return c.ID == id && id != "" })
	if i < 0 {
		return Client{}, false
	}
	return p.cfg.Clients[i], true
}

// subject is a person's stable identifier here; not the user name, which
// relying parties are not to rely on.
func (p *IDP) subject(username string) string {
	digest := sha256.Sum256([]byte("brevet sandbox subject\x00" + p.cfg.Issuer + "\x00" + username))
	return hex.EncodeToString(digest[:10])
}

func (p *IDP) now() time.Time { return p.cfg.Now() }

// discovery is the provider's metadata, OpenID Connect Discovery 1.0
// section 3 and RFC 9207.
func (p *IDP) discovery(w http.ResponseWriter, _ *http.Request) {
	at := p.cfg.Issuer
	p.json(w, http.StatusOK, map[string]any{
		"issuer": at, "authorization_endpoint": at + "/authorize", "token_endpoint": at + "/token", "userinfo_endpoint": at + "/userinfo",
		"jwks_uri": at + "/jwks", "end_session_endpoint": at + "/end_session",
		"scopes_supported":                               []string{"openid", "profile", "groups", "offline_access"},
		"response_types_supported":                       []string{"code"},
		"response_modes_supported":                       []string{"query"},
		"grant_types_supported":                          []string{"authorization_code", "refresh_token"},
		"subject_types_supported":                        []string{"public"},
		"id_token_signing_alg_values_supported":          []string{string(jose.ES256)},
		"token_endpoint_auth_methods_supported":          []string{"client_secret_basic", "client_secret_post", "none"},
		"code_challenge_methods_supported":               []string{"S256"},
		"acr_values_supported":                           []string{acrMFA},
		"prompt_values_supported":                        []string{"none", "login", "consent", "select_account"},
		"claims_supported":                               []string{"iss", "sub", "aud", "exp", "iat", "nonce", "auth_time", "amr", "acr", "sid", "preferred_username", "name", "groups"},
		"authorization_response_iss_parameter_supported": true,
		"request_parameter_supported":                    false,
		"request_uri_parameter_supported":                false,
	})
}

func (p *IDP) jwks(w http.ResponseWriter, _ *http.Request) {
	p.json(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &p.key.PublicKey, KeyID: p.kid, Algorithm: string(jose.ES256), Use: "sig"}}})
}

func (p *IDP) json(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

func (p *IDP) message(w http.ResponseWriter, status int, title, text string) {
	writePage(w, status, "message", messagePage{Title: title, Text: text})
}

func (p *IDP) home(w http.ResponseWriter, _ *http.Request) {
	writePage(w, http.StatusOK, "idp", p.everybody())
}

// same compares secrets without telling by the time where they differ.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// once returns the values of a form or query, none of which may come twice
// (RFC 6749 section 3.1).
func once(values url.Values) bool {
	for _, v := range values {
		if len(v) != 1 {
			return false
		}
	}
	return true
}

// hashed is how codes are kept.
func hashed(s string) string {
	digest := sha256.Sum256([]byte(s))
	return string(digest[:])
}

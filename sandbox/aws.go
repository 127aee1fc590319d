package sandbox

import (
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
	"github.com/brevet-access/brevet/stack"
)

// AWSConfig says what the simulated AWS holds.
type AWSConfig struct {
	Accounts func() []brevet.Account                // every account, with its OIDC provider (Issuer) and Audience; asked at every call
	Roles    func(brevet.AccountID) []brevet.Role   // the roles of an account's stack
	JWKS     func(issuerURL string) ([]byte, error) // the keys of an issuer, as its jwks_uri would serve them

	// Trust and Permissions are the policies of a role; nil: what package
	// stack writes. The empty slice of permissions allows nothing.
	Trust       func(brevet.Account, brevet.Role) (*iam.Policy, error)
	Permissions func(brevet.Account, brevet.Role) ([]*iam.Policy, error)

	Key  []byte           // 32 bytes that seal session tokens; keep them and sessions survive a restart
	Host string           // the one Host header that is answered, host:port
	Now  func() time.Time // nil: time.Now
	Log  *slog.Logger     // nil: discard
}

// AWS is the simulated cloud: an [http.Handler] for every service at once.
type AWS struct {
	cfg   AWSConfig
	seal  sealer
	trail trail
	born  time.Time // creation time of everything there is
	ops   map[string]operation
	serve http.Handler
}

// NewAWS returns a simulated AWS. The error is of kind invalid and names the
// part of the configuration that is missing.
func NewAWS(cfg AWSConfig) (*AWS, error) {
	switch {
	case cfg.Accounts == nil || cfg.Roles == nil || cfg.JWKS == nil:
		return nil, brevet.Errorf(brevet.Invalid, "the simulated AWS needs Accounts, Roles and JWKS")
	case len(cfg.Key) != 32:
		return nil, brevet.Errorf(brevet.Invalid, "the key of the simulated AWS has %d bytes instead of 32", len(cfg.Key))
	case cfg.Host == "":
		return nil, brevet.Errorf(brevet.Invalid, "the simulated AWS needs the host:port that it is reached at")
	}
	if cfg.Trust == nil {
		cfg.Trust = stack.Trust
	}
	if cfg.Permissions == nil {
		cfg.Permissions = stack.Permissions
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	a := &AWS{cfg: cfg, seal: sealer{slices.Clone(cfg.Key)}, born: brevet.Instant(cfg.Now()).Truncate(time.Second), ops: operations()}
	a.serve = CheckHost(cfg.Host)(http.HandlerFunc(a.route))
	return a, nil
}

// ServeHTTP answers one call.
func (a *AWS) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.serve.ServeHTTP(w, r) }

// biggestBody is more than any call of the sandbox needs.
const biggestBody = 1 << 20

// call is one request on its way through the simulated AWS.
type call struct {
	req    *http.Request
	id     string // of the request
	now    time.Time
	body   []byte
	params url.Values // of the query and, if it is a form, of the body; no name twice
	on     wire
	sig    *signature // nil: unsigned

	service string // "iam"
	action  string // "ListRoles"
	region  string

	who     *session // nil until the caller is known
	account brevet.Account
	role    brevet.Role
}

func (c *call) param(name string) string { return c.params.Get(name) }

// addr is where the call came from, without port.
func (c *call) addr() string {
	host, _, err := net.SplitHostPort(c.req.RemoteAddr)
	if err != nil {
		return c.req.RemoteAddr
	}
	return host
}

func (a *AWS) route(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	switch {
	case r.URL.Path == "/federation":
		a.federation(w, r)
	case r.URL.Path == "/favicon.ico":
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodGet && r.URL.RawQuery == "" && r.Header.Get("Authorization") == "" && strings.Contains(r.Header.Get("Accept"), "text/html"):
		writePage(w, http.StatusOK, "aws", a.home())
	default:
		a.call(w, r)
	}
}

// call reads, authenticates, authorises, runs and records one API call.
func (a *AWS) call(w http.ResponseWriter, r *http.Request) {
	c := &call{req: r, id: requestID(), now: brevet.Instant(a.cfg.Now())}
	w.Header().Set("X-Amzn-Requestid", c.id)
	answer, f := a.answer(c)
	if c.service != "" || c.action != "" {
		a.cfg.Log.Debug("simulated AWS", "service", c.service, "action", c.action, "account", c.account.ID, "fault", faultCode(f, c.on))
	}
	switch {
	case f != nil:
		f.write(w, c.on, c.service, c.id)
	case c.on == wireJSON:
		writeJSON(w, http.StatusOK, answer)
	case c.on == wireS3:
		writeXML(w, http.StatusOK, answer)
	default:
		writeXML(w, http.StatusOK, newReply(c, answer))
	}
}

func (a *AWS) answer(c *call) (any, *fault) {
	if f := c.read(); f != nil {
		return nil, f
	}
	if c.action == "AssumeRoleWithWebIdentity" && c.on == wireQuery { // needs no signature and minds none
		c.service, c.region = "sts", "us-east-1"
		if c.sig != nil {
			c.region = c.sig.Region
		}
		return a.assumeWithWebIdentity(c)
	}
	if c.action == "AssumeRoleWithSAML" && c.on == wireQuery {
		return nil, faultf(notSimulated, "The brevet sandbox does not simulate sts:AssumeRoleWithSAML.")
	}
	if f := a.authenticate(c); f != nil {
		return nil, f
	}
	answer, f := a.run(c)
	a.record(c, f)
	return answer, f
}

// read takes the request apart, without believing any of it.
func (c *call) read() *fault {
	if c.req.Header.Get("X-Amz-Target") != "" {
		c.on = wireJSON
	}
	body, err := io.ReadAll(io.LimitReader(c.req.Body, biggestBody+1))
	if err != nil {
		return faultf(validationError, "The body could not be read.")
	}
	if len(body) > biggestBody {
		return faultf(tooLarge, "The body is larger than %d bytes.", biggestBody)
	}
	c.body = body
	query, f := parseForm(c.req.URL.RawQuery)
	if f != nil {
		return f
	}
	if c.sig, f = readSignature(c.req, query); f != nil {
		return f
	}
	c.wires()
	if c.params, f = c.form(query); f != nil {
		return f
	}
	c.names()
	return nil
}

// wires tells the protocol from the scope and the headers.
func (c *call) wires() {
	if c.sig == nil {
		return
	}
	c.service, c.region = c.sig.Service, c.sig.Region
	switch {
	case c.on == wireJSON:
	case c.service == "s3":
		c.on = wireS3
	case c.service == "ec2":
		c.on = wireEC2
	}
}

// form joins the parameters of the query with those of a form in the body.
func (c *call) form(query url.Values) (url.Values, *fault) {
	kind, _, err := mime.ParseMediaType(c.req.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" || c.req.Method != http.MethodPost || c.on == wireS3 {
		return query, nil
	}
	params, f := parseForm(string(c.body))
	if f != nil {
		return nil, f
	}
	for name, values := range query {
		if params.Has(name) {
			return nil, faultf(validationError, "The parameter %s is given twice.", clip(name))
		}
		params[name] = values
	}
	return params, nil
}

// names finds out which action is meant.
func (c *call) names() {
	switch c.on {
	case wireJSON:
		target := c.req.Header.Get("X-Amz-Target")
		c.action = target[strings.LastIndexByte(target, '.')+1:]
	case wireS3:
		c.action = c.s3Action()
	default:
		c.action = c.param("Action")
		if c.action == "" && c.sig != nil && !slices.Contains(xmlServices, c.service) {
			c.on = wireJSON // a service of the REST kind
		}
	}
}

// xmlServices have clients that expect errors in XML even where there is no
// Action parameter.
var xmlServices = []string{"sts", "iam", "sns", "cloudformation", "route53", "cloudfront"}

// s3Action names the call for what the sandbox must tell apart; "" is
// something else.
func (c *call) s3Action() string {
	_, key, deep := strings.Cut(strings.TrimPrefix(c.req.URL.Path, "/"), "/")
	plain := len(c.params) == 0 || len(c.params) == 1 && c.params.Has("x-id")
	switch m := c.req.Method; {
	case m == http.MethodGet && c.req.URL.Path == "/":
		return "ListBuckets"
	case m == http.MethodGet && !deep && c.params.Has("list-type"):
		return "ListObjectsV2"
	case key == "" || !plain:
		return ""
	case m == http.MethodGet || m == http.MethodHead:
		return "GetObject"
	case m == http.MethodPut:
		return "PutObject"
	case m == http.MethodDelete:
		return "DeleteObject"
	}
	return ""
}

// parseForm reads application/x-www-form-urlencoded text strictly: at most
// 1000 parameters of valid UTF-8, each at most once, none without a name.
func parseForm(text string) (url.Values, *fault) {
	values := url.Values{}
	for part := range strings.SplitSeq(text, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, err1 := url.QueryUnescape(name)
		value, err2 := url.QueryUnescape(value)
		switch {
		case err1 != nil || err2 != nil || name == "" || !utf8.ValidString(name) || !utf8.ValidString(value):
			return nil, faultf(validationError, "The parameters are not a well-formed form.")
		case values.Has(name):
			return nil, faultf(validationError, "The parameter %s is given twice.", clip(name))
		case len(values) == 1000:
			return nil, faultf(validationError, "There are more than 1000 parameters.")
		}
		values[name] = []string{value}
	}
	return values, nil
}

// authenticate finds out who calls: it opens the session token, finds the
// account and role in which it works, and checks the signature.
func (a *AWS) authenticate(c *call) *fault {
	if c.sig == nil {
		return faultf(missingToken, "Request is missing Authentication Token")
	}
	s, ok := a.session(c.sig.Token)
	if !ok || s.Key != c.sig.Key {
		return faultf(unknownKey, "The security token included in the request is invalid.")
	}
	account, role, ok := a.located(s)
	if !ok || account.Partition() != (brevet.Account{Region: c.sig.Region}).Partition() {
		return faultf(unknownKey, "The security token included in the request is invalid.")
	}
	if f := c.sig.check(c.req, c.body, s.Secret); f != nil {
		return f
	}
	if f := c.sig.timely(c.now); f != nil {
		return f
	}
	if !c.now.Before(s.Expires) {
		return faultf(expiredToken, "The security token included in the request is expired")
	}
	c.who, c.account, c.role = s, account, role
	return nil
}

func (a *AWS) account(id brevet.AccountID) (brevet.Account, bool) {
	accounts := a.cfg.Accounts()
	i := slices.IndexFunc(accounts, func(o brevet.Account) bool { return o.ID == id })
	if i < 0 {
		return brevet.Account{}, false
	}
	return accounts[i], true
}

func (a *AWS) role(account brevet.Account, name brevet.RoleName) (brevet.Role, bool) {
	roles := a.cfg.Roles(account.ID)
	i := slices.IndexFunc(roles, func(o brevet.Role) bool { return o.Name == name })
	if i < 0 {
		return brevet.Role{}, false
	}
	return roles[i], true
}

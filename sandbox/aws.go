package sandbox

import (
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/catalog"
	"github.com/brevet-access/brevet/iam"
)

// AWSConfig says what the simulated AWS holds.
type AWSConfig struct {
	Accounts func() []brevet.Account                // every account there is; asked at every call
	JWKS     func(issuerURL string) ([]byte, error) // the keys of an issuer, as its jwks_uri would serve them

	// Catalog, where it is given, returns the catalog in force: what it says
	// is deployed in the accounts whenever it is another one.
	Catalog func() *catalog.Catalog

	Users []CenterUser // whom IAM Identity Center knows

	Dir  string           // the folder that keeps what the accounts hold; "": nothing outlives the process
	Key  []byte           // 32 bytes that seal session tokens; keep them and sessions survive a restart
	Host string           // the one Host header that is answered, host:port
	Now  func() time.Time // nil: time.Now
	Log  *slog.Logger     // nil: discard

	// Propagation is how long a new version of a policy needs until it counts;
	// nil: none. It is asked at every call.
	Propagation func() time.Duration
}

// AWS is the simulated cloud: an [http.Handler] for every service at once.
type AWS struct {
	cfg   AWSConfig
	seal  sealer
	trail trail
	born  time.Time // creation time of what no stack made
	ops   map[string]operation
	serve http.Handler

	deploying sync.Mutex                      // whoever deploys the catalog
	ruling    atomic.Pointer[catalog.Catalog] // the catalog that was deployed last

	buckets buckets
	centers centers

	mu      sync.Mutex // for estates
	estates map[brevet.AccountID]*estate

	post *postbox // of the broker's channels; nil: there are none
	desk *desk    // of the broker's check; nil: there is none
}

// NewAWS returns a simulated AWS. The error is of kind invalid and names the
// part of the configuration that is missing.
func NewAWS(cfg AWSConfig) (*AWS, error) {
	switch {
	case cfg.Accounts == nil || cfg.JWKS == nil:
		return nil, brevet.Errorf(brevet.Invalid, "the simulated AWS needs Accounts and JWKS")
	case len(cfg.Key) != 32:
		return nil, brevet.Errorf(brevet.Invalid, "the key of the simulated AWS has %d bytes instead of 32", len(cfg.Key))
	case cfg.Host == "":
		return nil, brevet.Errorf(brevet.Invalid, "the simulated AWS needs the host:port that it is reached at")
	}
	if cfg.Dir != "" {
		if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
			return nil, brevet.Errorf(brevet.Invalid, "dir: %s", err)
		}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	a := &AWS{cfg: cfg, seal: sealer{slices.Clone(cfg.Key)}, born: brevet.Instant(cfg.Now()).Truncate(time.Second), ops: operations(), estates: map[brevet.AccountID]*estate{}}
	a.serve = CheckHost(cfg.Host)(http.HandlerFunc(a.route))
	return a, a.followCatalog()
}

// followCatalog deploys the catalog in force if it is another than before.
func (a *AWS) followCatalog() error {
	if a.cfg.Catalog == nil {
		return nil
	}
	cat := a.cfg.Catalog()
	if a.ruling.Load() == cat {
		return nil
	}
	a.deploying.Lock()
	defer a.deploying.Unlock()
	if a.ruling.Load() == cat {
		return nil
	}
	err := a.deployCatalog(cat)
	a.ruling.Store(cat)
	return err
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
	may     rights // of the caller
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
	if err := a.followCatalog(); err != nil {
		a.cfg.Log.Error("simulated AWS: the catalog cannot be deployed", "err", err)
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	switch {
	case r.URL.Path == "/federation":
		a.federation(w, r)
	case r.URL.Path == "/webhook" && a.post != nil:
		a.post.hook(w, r)
	case strings.HasPrefix(r.URL.Path, "/tickets") && a.desk != nil:
		a.desk.ServeHTTP(w, r)
	case r.URL.Path == "/mailbox":
		a.mailbox(w, r)
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
		if e, ok := answer.(revokerError); ok {
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
			answer = e
		}
		writeJSON(w, http.StatusOK, answer)
	case c.on == wireS3:
		if o, ok := answer.(interface{ write(http.ResponseWriter) }); ok {
			o.write(w)
			return
		}
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
			if c.service == "lambda" {
				c.action, _ = lambdaAction(c.req.Method, c.req.URL.Path)
			}
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

// authenticate finds out who calls: it opens the session token or finds the
// user of the access key, checks the signature, and gathers the caller's
// policies as they are now.
func (a *AWS) authenticate(c *call) *fault {
	if c.sig == nil {
		return faultf(missingToken, "Request is missing Authentication Token")
	}
	s, account, ok := a.caller(c)
	if !ok || account.Partition() != (brevet.Account{Region: c.sig.Region}).Partition() {
		return faultf(unknownKey, "The security token included in the request is invalid.")
	}
	may, ok := a.rights(s, account)
	if !ok {
		return faultf(unknownKey, "The security token included in the request is invalid.")
	}
	if f := c.sig.check(c.req, c.body, s.Secret); f != nil {
		return f
	}
	if f := c.sig.timely(c.now); f != nil {
		return f
	}
	if s.User == "" && !c.now.Before(s.Expires) {
		return faultf(expiredToken, "The security token included in the request is expired")
	}
	c.who, c.account, c.may = s, account, may
	return nil
}

// caller finds whose access key signed the call.
func (a *AWS) caller(c *call) (*session, brevet.Account, bool) {
	if c.sig.Token == "" {
		return a.user(c)
	}
	s, ok := a.session(c.sig.Token)
	if !ok || s.Key != c.sig.Key {
		return nil, brevet.Account{}, false
	}
	if s.Broker {
		home, _, ok := a.brokerHome()
		return s, home, ok && home.ID == s.Account
	}
	account, ok := a.account(s.Account)
	return s, account, ok
}

// rights gathers the caller's policies. It reports false if the role or the
// user is there no more.
func (a *AWS) rights(s *session, account brevet.Account) (rights, bool) {
	if s.Broker {
		_, r, ok := a.brokerHome()
		if !ok || r.name != s.Role {
			return rights{}, false
		}
		return rights{identity: []*iam.Policy{r.inline[0].Policy}}, true
	}
	_, h, f := a.holding(account)
	if f != nil {
		return rights{}, false
	}
	var may rights
	switch {
	case s.User == ownerName:
		may.identity = h.documents([]string{"arn:" + account.Partition() + ":iam::aws:policy/AdministratorAccess"})
	case s.User != "":
		u := h.user(s.User)
		if u == nil {
			return rights{}, false
		}
		may.identity = h.documents(u.Attached)
	default:
		r := h.role(s.Role)
		if r == nil {
			return rights{}, false
		}
		if a.cfg.Propagation != nil {
			h = h.asOf(a.cfg.Now().Add(-a.cfg.Propagation()))
		}
		may.identity, may.boundary = h.permissions(r)
	}
	if s.Policy != "" {
		p, err := iam.Parse([]byte(s.Policy))
		if err != nil { // it was parsed when the session began
			return rights{}, false
		}
		may.session = []*iam.Policy{p}
	}
	return may, true
}

func (a *AWS) account(id brevet.AccountID) (brevet.Account, bool) {
	accounts := a.cfg.Accounts()
	i := slices.IndexFunc(accounts, func(o brevet.Account) bool { return o.ID == id })
	if i < 0 {
		return brevet.Account{}, false
	}
	return accounts[i], true
}

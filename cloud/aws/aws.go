// Package aws mints AWS sessions, where it can without holding any AWS
// credential.
//
// For each set of credentials it signs a web-identity token that says who,
// which role, under which grant and how fresh the MFA is, and exchanges it at
// the regional STS endpoint (AssumeRoleWithWebIdentity, an unsigned POST). The
// customer's trust policy judges the token; what comes back also carries a
// session policy that denies everything from the grant's end on, because STS
// knows no session shorter than 15 minutes (law 5).
//
// An account that names a broker is entered the older way: AssumeRole, called
// by the broker's own AWS role with the customer's external id. Then the
// server has an AWS credential, from wherever the AWS SDK finds one, and a
// session lasts an hour at most; package brevet's Account.LongestSession and
// docs/entry.md say why. Everything else is alike.
//
// # What an answer means
//
// The broker must know whether a credential may exist (law 2). So every
// failure is one of two: [brevet.CloudRefused] when AWS itself said no to
// every attempt and nothing was made, [brevet.Unavailable] when at least one
// attempt ended without a word from AWS that can be relied on. What is not
// AWS's XML - a proxy's page, half an answer, a megabyte of noise - is never
// taken for a no.
//
// AWS's own code and message are kept, cleaned and shortened. Neither a token
// nor any secret ever stands in an error.
package aws

import (
	"context"
	"math/rand/v2"
	"net/http"
	"regexp"
	"time"

	"github.com/brevet-access/brevet"
)

// Config says how AWS is reached. Only Token is required.
type Config struct {
	// Token signs a web-identity token. It is called anew for each attempt.
	Token func(ctx context.Context, c brevet.Claims) (string, error)
	// Credentials returns the broker's own AWS credentials, for accounts that
	// are entered by AssumeRole; nil: what the AWS SDK finds in environment,
	// files or metadata. It is not called before the first such account is
	// entered, and again shortly before they expire.
	Credentials func(ctx context.Context) (brevet.Credential, error)
	// HTTP is the client to use; nil is one made for many callers at once.
	// It never follows a redirect.
	HTTP *http.Client
	// STS returns the endpoint of a region, https://HOST; nil: AWS's own.
	STS func(region, partition string) string
	// API returns the endpoint of another service, which only probes call; nil:
	// AWS's own.
	API func(service, region, partition string) string
	// SignIn is the federation endpoint of the console; "": AWS's own.
	SignIn string
	// Console is the base URL of the console; "": AWS's own.
	Console string
	// Issuer is where the console sends people whose session is over.
	Issuer string
	// Now is the clock; nil: time.Now.
	Now func() time.Time
	// Wait pauses between attempts; nil: a timer that ends with ctx.
	Wait func(ctx context.Context, d time.Duration) error
}

// How STS is asked.
const (
	attempts       = 3
	attemptTimeout = 10 * time.Second
	firstPause     = 200 * time.Millisecond // doubled, give or take a half
)

// Cloud is AWS. It implements [brevet.Cloud].
type Cloud struct {
	cfg Config
	own *purse
}

// New returns AWS as c says.
func New(c Config) *Cloud {
	c.HTTP = client(c.HTTP)
	if c.STS == nil {
		c.STS = Endpoint
	}
	if c.API == nil {
		c.API = serviceEndpoint
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Wait == nil {
		c.Wait = brevet.Pause
	}
	return &Cloud{c, newPurse(c.Credentials)}
}

// client returns a copy of h that follows no redirect, which would carry
// tokens and credentials to another host.
func client(h *http.Client) *http.Client {
	if h == nil {
		h = &http.Client{Transport: Transport()}
	}
	c := *h
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// Transport returns an http.Transport whose connections to a few hosts stay
// open for many concurrent callers: with the standard library's two idle
// connections per host all but two would shake hands anew for every session.
func Transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns = 512
	t.MaxIdleConnsPerHost = 128
	t.MaxConnsPerHost = 256
	t.IdleConnTimeout = 50 * time.Second
	t.TLSHandshakeTimeout = 5 * time.Second
	t.MaxResponseHeaderBytes = 64 << 10
	t.DisableCompression = true // answers are small
	return t
}

// pause returns how long to wait after the nth attempt, from 1.
func pause(n int) time.Duration {
	d := firstPause << (n - 1)
	return d/2 + rand.N(d)
}

var regionName = regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)+-[0-9]{1,2}$`)

// domains are the DNS suffixes by partition: of the API, and of the console.
var domains = map[string]struct{ api, console string }{
	"aws":        {"amazonaws.com", "aws.amazon.com"},
	"aws-cn":     {"amazonaws.com.cn", "amazonaws.cn"},
	"aws-us-gov": {"amazonaws.com", "amazonaws-us-gov.com"},
	"aws-eusc":   {"amazonaws.eu", "amazonaws-eusc.eu"},
}

// Endpoint returns the STS endpoint of a region. Tokens of regional endpoints
// work in every region; those of the global one do not.
func Endpoint(region, partition string) string {
	return "https://sts." + region + "." + domains[partition].api
}

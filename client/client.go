// Package client speaks the brevet API: one method for each route of package
// api, over net/http alone.
//
// What the server refuses comes back as the *[brevet.Error] that it sent, so
// that errors.Is(err, brevet.NoGrant) works on this side of the wire too.
// What never reached the server, or was answered by something that is not
// one, is of kind [brevet.Unavailable].
package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
)

// maxBody bounds what is read of an answer, in bytes.
const maxBody = 32 << 20

// MaxSkew is how far this machine's clock may be from the server's before
// the clock is blamed for a failure that has to do with time.
const MaxSkew = 30 * time.Second

// Client is one signed-in (or, with an empty token, anonymous) client of one
// server. Its methods may be used by several goroutines at once.
type Client struct {
	base    string
	token   string
	version string
	HTTP    *http.Client
	Now     func() time.Time
}

// New returns a client of the server at base, which [ParseServer] returned.
// version is what it says about itself.
func New(base, token, version string) *Client {
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSHandshakeTimeout:    5 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxResponseHeaderBytes: 64 << 10,
	}
	return &Client{
		base: base, token: token, version: version, Now: time.Now,
		HTTP: &http.Client{
			Transport: transport,
			// A redirect would carry the bearer token elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// ParseServer checks and normalises the base URL of a server: https, or http
// on a loopback address; a path is kept, a final slash is not. The error is of
// kind [brevet.Invalid].
func ParseServer(s string) (string, error) {
	bad := brevet.Errorf(brevet.Invalid, "%q is not the URL of a server", brevet.Printable(s)).
		WithHint("write it like https://brevet.example.com")
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil || u.Host == "" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" ||
		strings.ContainsAny(u.Host+u.Path, " \"'<>\\") || brevet.Printable(u.Host+u.Path) != u.Host+u.Path {
		return "", bad
	}
	u.Host = strings.ToLower(u.Host)
	switch u.Scheme {
	case "https":
	case "http":
		if !loopback(u.Hostname()) {
			return "", brevet.Errorf(brevet.Invalid, "%s would send secrets in the clear", u.Redacted()).
				WithHint("use https; plain http is for 127.0.0.1 only")
		}
	default:
		return "", bad
	}
	return strings.TrimRight(u.String(), "/"), nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Base returns the server's base URL.
func (c *Client) Base() string { return c.base }

// call sends in to route, with the parameters put into its pattern in order,
// and reads the answer into out (nil: not wanted).
func (c *Client) call(ctx context.Context, route string, params []string, query url.Values, in, out any) error {
	method, path, _ := strings.Cut(route, " ")
	for _, p := range params {
		path = strings.Replace(path, "{id}", url.PathEscape(p), 1)
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	req, err := c.request(ctx, method, path, in)
	if err != nil {
		return err
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return c.unreachable(ctx, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	if err != nil {
		return c.unreachable(ctx, err)
	}
	if len(body) > maxBody {
		return brevet.Errorf(brevet.Unavailable, "the answer of %s is too large", c.base)
	}
	if res.StatusCode/100 != 2 {
		return c.refusal(res, body)
	}
	return c.decode(res, body, out)
}

func (c *Client) request(ctx context.Context, method, path string, in any) (*http.Request, error) {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, brevet.Errorf(brevet.Invalid, "%s is not the URL of a server", c.base).WithCause(err)
	}
	req.Header.Set("Accept", "application/json, application/problem+json")
	req.Header.Set(api.ClientVersion, c.version)
	req.Header.Set("User-Agent", "brevet/"+c.version)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if method == http.MethodPost {
		req.Header.Set(api.IdempotencyKey, random())
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	return req, nil
}

// random returns 128 random bits, base64url.
func random() string {
	var raw [16]byte
	rand.Read(raw[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

func (c *Client) decode(res *http.Response, body []byte, out any) error {
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return c.stranger(res).WithCause(errors.Join(errStranger, err))
	}
	return nil
}

var errStranger = errors.New("the answer is not in the form of brevet's")

// stranger says that what answered is no brevet server: a captive portal, a
// proxy's error page, a wrong URL.
func (c *Client) stranger(res *http.Response) *brevet.Error {
	return brevet.Errorf(brevet.Unavailable, "what answers at %s does not speak brevet's API (HTTP %d)", c.base, res.StatusCode).
		WithHint("is the URL right? brevet login URL names another server").WithCause(errStranger)
}

// Probe makes sure, without a sign-in, that a brevet server answers. The error
// is of kind [brevet.Unavailable] if nothing does, or not in time, and of kind
// [brevet.Invalid] if something else does.
func (c *Client) Probe(ctx context.Context) error {
	anonymous := *c
	anonymous.token = ""
	var out json.RawMessage
	err := anonymous.call(ctx, api.RouteWhoami, nil, nil, nil, &out)
	switch {
	case errors.Is(err, brevet.Unauthenticated):
		return nil
	case errors.Is(err, context.Canceled), brevet.KindOf(err) == brevet.Internal,
		errors.Is(err, brevet.Unavailable) && !errors.Is(err, errStranger):
		return err
	}
	return brevet.Errorf(brevet.Invalid, "%s is not a brevet server", c.base).
		WithHint("check the URL; brevet login URL names another server")
}

// refusal turns an answer that is not 2xx into an error.
func (c *Client) refusal(res *http.Response, body []byte) error {
	var p api.Problem
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if media != "application/problem+json" || json.Unmarshal(body, &p) != nil {
		if res.StatusCode < 500 && res.StatusCode != http.StatusTooManyRequests {
			return c.stranger(res)
		}
		return brevet.Errorf(brevet.Unavailable, "%s is out of order (HTTP %d)", c.base, res.StatusCode).
			WithHint("try again in a moment")
	}
	p.Status = res.StatusCode
	err := p.Err()
	if e := brevet.AsError(err); e.Message == "" {
		e.Message = "the server said only: " + strings.ToLower(http.StatusText(res.StatusCode))
	}
	return err
}

// unreachable explains why no answer came. An end of ctx that somebody wanted
// stays context.Canceled.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return context.Canceled
	}
	return brevet.Errorf(brevet.Unavailable, "%s cannot be reached: %s", c.base, brevet.Printable(because(err))).
		WithHint("is it running? BREVET_URL or brevet login URL name another server").WithCause(err)
}

// because returns the innermost reason of a transport's error.
func because(err error) string {
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

// Skew returns how far this machine's clock is ahead of the server's, which
// an answer states as now.
func (c *Client) Skew(now time.Time) time.Duration { return c.Now().Sub(now) }

// WrongClock returns an error of kind [brevet.Clock] if this machine's clock
// is more than [MaxSkew] off the server's now, else nil.
func (c *Client) WrongClock(now time.Time) error {
	skew := c.Skew(now)
	if skew.Abs() <= MaxSkew {
		return nil
	}
	word := "ahead of"
	if skew < 0 {
		word = "behind"
	}
	return brevet.Errorf(brevet.Clock, "this machine's clock is %s %s the server's", brevet.FormatDuration(skew.Abs()), word).
		WithHint("set the clock, then try again")
}

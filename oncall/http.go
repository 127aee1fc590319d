package oncall

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/network"
)

// Fit reports whether a source may be asked at the address: by https, or by
// http at a loopback address that allow lists.
func Fit(address string, allow []netip.Prefix) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	at, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && err == nil && at.IsLoopback() && listed(at, allow)
}

func listed(a netip.Addr, networks []netip.Prefix) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) })
}

// publicOnly returns a client for addresses that a catalog may name: it dials
// nothing but public ones and those allowed, whatever the name resolves to,
// knows no proxy and follows no redirect, so that no catalog makes the server
// speak to its neighbours.
func publicOnly(allow []netip.Prefix) *http.Client {
	dial := &net.Dialer{Timeout: 5 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil || !network.Public(at.Addr()) && !listed(at.Addr().Unmap(), allow) {
			return errors.New("not a public address")
		}
		return nil
	}}
	return &http.Client{Timeout: 10 * time.Second,
		Transport: &http.Transport{DialContext: dial.DialContext, TLSHandshakeTimeout: 5 * time.Second,
			MaxIdleConns: 10, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// get fetches a document. Errors say what happened and never the address,
// which may be a secret.
func (c *Client) get(ctx context.Context, who, address string, header http.Header) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, bad("%s: that is no address", who)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	req.Header.Set("User-Agent", "brevet")
	resp, err := c.HTTP.Do(req)
	if err != nil {
		why := "it does not answer"
		if errors.Is(err, context.DeadlineExceeded) {
			why = "it does not answer in time"
		}
		return nil, brevet.Errorf(brevet.Unavailable, "%s: %s", who, why)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		return nil, brevet.Errorf(brevet.Unavailable, "%s: we ask too often (429)%s", who, retryAfter(resp.Header))
	case resp.StatusCode != http.StatusOK:
		return nil, brevet.Errorf(brevet.Unavailable, "%s: it answered %d", who, resp.StatusCode)
	case err != nil:
		return nil, brevet.Errorf(brevet.Unavailable, "%s: its answer broke off", who)
	case len(body) > maxBody:
		return nil, brevet.Errorf(brevet.Unavailable, "%s: its answer is larger than 4 MiB", who)
	}
	return body, nil
}

// retryAfter says when a rate limit ends, by the headers that PagerDuty and
// RFC 9110 know.
func retryAfter(h http.Header) string {
	for _, k := range []string{"Ratelimit-Reset", "Retry-After"} {
		var n int
		if _, err := fmt.Sscanf(h.Get(k), "%d", &n); err == nil && n > 0 && n < 86400 {
			return fmt.Sprintf("; again in %d s", n)
		}
	}
	return ""
}

package notify

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/network"
)

// Dialer connects to public addresses only: what a name stands for is judged
// when the connection is made, after the name was resolved, so a name that
// changes its mind (DNS rebinding) gains nothing.
type Dialer struct {
	Allow    []netip.Prefix // further networks, such as the loopback address of a relay
	Resolver *net.Resolver  // nil: the system's
}

// Dial connects to host:port.
func (d *Dialer) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, Resolver: d.Resolver, Control: d.control}
	return dialer.DialContext(ctx, network, addr)
}

// control is called with the address that is about to be connected to.
func (d *Dialer) control(_, addr string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(addr)
	if err != nil || !d.allows(a.Addr()) {
		return errPrivate
	}
	return nil
}

var errPrivate = brevet.Errorf(brevet.Denied, "it leads to a private, local or reserved address").
	WithHint("allow_private of the channel lists networks that are allowed all the same")

// allows reports whether an address is public, or among those allowed.
func (d *Dialer) allows(a netip.Addr) bool {
	if a.Zone() != "" {
		return false
	}
	a = a.Unmap()
	for _, p := range d.Allow {
		if p.Contains(a) {
			return true
		}
	}
	return network.Public(a)
}

// HTTP returns a client that dials by d, knows no proxy and follows no
// redirect: each would take the message somewhere else.
func (d *Dialer) HTTP() *http.Client {
	return &http.Client{
		Timeout:       25 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DialContext: d.Dial, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second,
			ResponseHeaderTimeout: 20 * time.Second, MaxResponseHeaderBytes: 64 << 10, MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute},
	}
}

// unreachable says why a request got no answer, without its URL: that may be
// a secret.
func unreachable(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, errPrivate) {
		return errPrivate
	}
	return brevet.Errorf(brevet.Unavailable, "it cannot be reached: %s", brevet.Printable(err.Error()))
}

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
	a = a.Unmap() // ::ffff:127.0.0.1 is 127.0.0.1
	for _, p := range d.Allow {
		if p.Contains(a) {
			return true
		}
	}
	if !a.IsValid() || !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() {
		return false
	}
	for _, p := range reserved {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// reserved are networks that are unicast and global by their bits, and still
// nobody's public address or another address in disguise: the IANA special
// purpose registries (RFC 6890 and later).
var reserved = func() (out []netip.Prefix) {
	for _, s := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"168.63.129.16/32",               // Azure's own, for its virtual machines
		"::/96",                          // IPv4-compatible
		"64:ff9b::/96", "64:ff9b:1::/48", // NAT64
		"100::/64", "2001::/23", // Teredo and other protocols' own
		"2001:db8::/32", "2002::/16", // 6to4
		"3fff::/20", "5f00::/16", "fec0::/10",
	} {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}()

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

package server

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/brevet-access/brevet"
)

// normalHost writes a host as the table of hosts has it: lower case, without
// the port that the scheme implies.
func (s *server) normalHost(host string) string {
	host = strings.ToLower(host)
	port := ":80"
	if s.secure {
		port = ":443"
	}
	if bare, ok := strings.CutSuffix(host, port); ok && (!strings.Contains(bare, ":") || strings.HasSuffix(bare, "]")) {
		return bare
	}
	return host
}

// sameSite refuses what a browser sends on behalf of another site. Under /v1
// that is every request, elsewhere those that could change something: a link
// to the home page is nobody's harm.
func (s *server) sameSite(r *http.Request) error {
	foreign := brevet.Errorf(brevet.Denied, "requests from other sites are refused")
	if !strings.HasPrefix(r.URL.Path, "/v1/") {
		if s.sites.Check(r) != nil {
			return foreign
		}
		return nil
	}
	for _, site := range r.Header.Values("Sec-Fetch-Site") {
		if site != "same-origin" && site != "none" {
			return foreign
		}
	}
	for _, origin := range r.Header.Values("Origin") {
		scheme, host, _ := strings.Cut(origin, "://")
		if !s.origins[strings.ToLower(scheme)+"://"+s.normalHost(host)] {
			return foreign
		}
	}
	return nil
}

// addr returns the client's network address without port. X-Forwarded-For is
// read from its right end, and only as far as trusted proxies wrote it.
func (s *server) addr(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return ""
	}
	ip = ip.Unmap().WithZone("")
	forwarded := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(forwarded) - 1; i >= 0 && s.trusted(ip); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(forwarded[i]))
		if err != nil {
			break
		}
		ip = next.Unmap().WithZone("")
	}
	return ip.String()
}

func (s *server) trusted(ip netip.Addr) bool {
	for _, p := range s.Proxies {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

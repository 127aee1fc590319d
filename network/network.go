// Package network judges addresses that somebody else chose.
package network

import "net/netip"

// Public reports whether an address is one of the public internet. The
// server connects to no other where somebody else says where to: a name stands
// for whatever its owner wants, so what counts is the address that is about to
// be connected to. An IPv4 address that is written as an IPv6 one is judged as
// the IPv4 address.
func Public(a netip.Addr) bool {
	if a.Zone() != "" {
		return false
	}
	a = a.Unmap() // ::ffff:127.0.0.1 is 127.0.0.1
	if !a.IsValid() || !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() {
		return false
	}
	for _, s := range reserved {
		if netip.MustParsePrefix(s).Contains(a) {
			return false
		}
	}
	return true
}

// reserved are networks that are unicast and global by their bits, and still
// nobody's public address or another address in disguise: the IANA special
// purpose registries (RFC 6890 and later).
var reserved = [...]string{
	"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
	"168.63.129.16/32",               // Azure's own, for its virtual machines
	"::/96",                          // IPv4-compatible
	"64:ff9b::/96", "64:ff9b:1::/48", // NAT64
	"100::/64", "2001::/23", // Teredo and other protocols' own
	"2001:db8::/32", "2002::/16", // 6to4
	"3fff::/20", "5f00::/16", "fec0::/10",
}

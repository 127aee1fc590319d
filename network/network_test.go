package network_test

import (
	"net/netip"
	"testing"

	"github.com/brevet-access/brevet/network"
)

func TestPublic(t *testing.T) {
	for _, s := range []string{"127.0.0.1", "10.1.2.3", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "::1", "::ffff:127.0.0.1", "fe80::1", "fd00:ec2::254",
		"::", "224.0.0.1", "255.255.255.255", "64:ff9b::7f00:1", "2002:7f00:1::", "198.18.0.1", "168.63.129.16", "192.88.99.1", "::127.0.0.1", "fec0::1", "3fff::1", "2606:4700::1111%eth0"} {
		if network.Public(netip.MustParseAddr(s)) {
			t.Errorf("%s counts as public", s)
		}
	}
	if network.Public(netip.Addr{}) {
		t.Error("no address counts as public")
	}
	for _, s := range []string{"8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"} {
		if !network.Public(netip.MustParseAddr(s)) {
			t.Errorf("%s does not count as public", s)
		}
	}
}

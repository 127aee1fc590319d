package notify_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/notify"
)

// refusedAddresses are where no message goes: each written in every way that
// a URL allows.
func refusedAddresses() (hosts []string) {
	hosts = []string{
		"localhost", "LOCALHOST", "localhost.", "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "127.0.0.1.",
		"127.127.127.127", "0", "0.0.0.0", "[::]", "[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::a9fe:a9fe]",
		"[2002:7f00:1::]", "[2001::1]", "[fe80::1]", "[fe80::1%25lo]", "[fec0::1]", "[fc00::1]", "[fd00:ec2::254]", "[fdff::1]", "[ff02::1]", "[100::1]", "[2001:db8::1]", "[3fff::1]", "[5f00::1]",
		"169.254.169.254", "169.254.170.2", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "168.63.129.16", "100.100.100.200",
		"10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "240.0.0.1",
		"255.255.255.255", "224.0.0.1", "[::ffff:10.0.0.1]", "[::ffff:192.168.0.1]", "[2002:a00:1::]", "[2002:c0a8:1::]",
	}
	for _, cidr := range []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8", "100.64.0.0/10"} {
		a := netip.MustParsePrefix(cidr).Addr().As4()
		for i := range 25 {
			a[3] = byte(i*7 + 1)
			hosts = append(hosts, netip.AddrFrom4(a).String(), "[::ffff:"+netip.AddrFrom4(a).String()+"]")
		}
	}
	return hosts
}

// canary listens on every loopback address and counts who comes.
func canary(t *testing.T) (port string, seen *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	seen = new(atomic.Int64)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			seen.Add(1)
			c.Close()
		}
	}()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port, seen
}

// TestNowhereInside sends to 200 and more addresses that are not public: none
// is connected to.
func TestNowhereInside(t *testing.T) {
	port, seen := canary(t)
	hosts := refusedAddresses()
	if len(hosts) < 200 {
		t.Fatalf("%d addresses", len(hosts))
	}
	resolver := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no names here") }}
	client := (&notify.Dialer{Resolver: resolver}).HTTP()
	for _, host := range hosts {
		w := &notify.Webhook{URL: "http://" + host + ":" + port + "/", HTTP: client, Now: now}
		if _, err := w.Notify(t.Context(), message()); err == nil {
			t.Errorf("%s took a message", host)
		}
	}
	if n := seen.Load(); n > 0 {
		t.Errorf("%d connections reached this machine", n)
	}
	w := &notify.Webhook{URL: "http://127.0.0.1:" + port + "/", HTTP: local().HTTP(), Now: now}
	if _, err := w.Notify(t.Context(), message()); err == nil || errors.Is(err, brevet.Denied) || seen.Load() == 0 {
		t.Errorf("the canary hears nothing even where it is allowed: %v", err)
	}
}

// TestRebinding asks a name server that says a public address first and this
// machine's from then on, and one that says both: what counts is what is
// connected to.
func TestRebinding(t *testing.T) {
	port, seen := canary(t)
	var asked atomic.Int64
	inside := [][4]byte{{127, 0, 0, 1}, {169, 254, 169, 254}, {10, 0, 0, 1}}
	resolver := nameServer(t, func() [4]byte { return inside[asked.Add(1)%3] })
	client := (&notify.Dialer{Resolver: resolver}).HTTP()
	for range 30 {
		w := &notify.Webhook{URL: "http://rebind.example:" + port + "/", HTTP: client, Now: now}
		if _, err := w.Notify(t.Context(), message()); !errors.Is(err, brevet.Denied) {
			t.Fatalf("error = %v", err)
		}
		client.CloseIdleConnections()
	}
	if asked.Load() == 0 {
		t.Error("nobody asked the name server")
	}
	if n := seen.Load(); n > 0 {
		t.Errorf("%d connections reached this machine", n)
	}
	// The same name, allowed: the refusals above were the dialer's.
	w := &notify.Webhook{URL: "http://rebind.example:" + port + "/", HTTP: (&notify.Dialer{Allow: loopback, Resolver: nameServer(t, func() [4]byte { return inside[0] })}).HTTP(), Now: now}
	if _, err := w.Notify(t.Context(), message()); errors.Is(err, brevet.Denied) || seen.Load() == 0 {
		t.Errorf("with the address allowed: %v, %d connections", err, seen.Load())
	}
}

// nameServer answers every question for an A record with what say says, and
// nothing else.
func nameServer(t *testing.T, say func() [4]byte) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply := answerA(buf[:n], say); reply != nil {
				_, _ = pc.WriteTo(reply, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

// answerA writes a DNS answer (RFC 1035) with one record that lives for no
// time.
func answerA(q []byte, say func() [4]byte) []byte {
	if len(q) < 12 {
		return nil
	}
	end := bytes.IndexByte(q[12:], 0)
	if end < 0 || 12+end+5 > len(q) {
		return nil
	}
	question := q[12 : 12+end+5]
	isA := binary.BigEndian.Uint16(question[end+1:]) == 1
	out := append([]byte{q[0], q[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, question...)
	if isA {
		a := say()
		out[7] = 1
		out = append(out, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, a[0], a[1], a[2], a[3])
	}
	return out
}

// TestNoProxy: a proxy of the environment would make connections that nobody
// judges.
func TestNoProxy(t *testing.T) {
	if local().HTTP().Transport.(*http.Transport).Proxy != nil {
		t.Error("a proxy is asked for")
	}
}

package oncall_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/oncall"
)

// TestAllowed: what is private is reached where the configuration lists it, by
// http on loopback only, and nothing else with it.
func TestAllowed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away.ics" {
			http.Redirect(w, r, "/first.ics", http.StatusFound)
			return
		}
		w.Write(calendar("", "SUMMARY:engineer\nDTSTART:20261125T080000Z\nDURATION:PT8H"))
	}))
	defer server.Close()
	own := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	for _, one := range []struct {
		address string
		allow   []netip.Prefix
		in      bool
	}{
		{server.URL + "/first.ics", own, true},
		{server.URL + "/away.ics", own, false},
		{server.URL + "/first.ics", nil, false},
		{server.URL + "/first.ics", []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, false},
	} {
		c := oncall.New(oncall.Config{Dir: folder(t, "cal.url", one.address), Allow: one.allow})
		got, err := c.Shifts(t.Context(), brevet.Rota{Source: brevet.RotaSource{Kind: brevet.RotaICal, Calendars: map[brevet.Layer]brevet.Source{brevet.Primary: {URLFile: "rotas/cal.url"}}}}, noon)
		if (err == nil && len(got) == 1) != one.in {
			t.Errorf("%s, allowed %v: %v, %v", one.address, one.allow, got, err)
		}
	}
	for address, fit := range map[string]bool{"https://cal.example.com/x": true, "https://10.1.2.3/x": true, "http://10.1.2.3/x": false, "http://127.0.0.1:1/x": true, "http://127.0.0.2/x": false,
		"http://localhost/x": false, "https://u:p@cal.example.com/": false, "file:///etc/passwd": false, "https:///x": false, "": false} {
		if got := oncall.Fit(address, append(own, netip.MustParsePrefix("10.0.0.0/8"))); got != fit {
			t.Errorf("%q fits: %v", address, got)
		}
	}
}

package sandbox_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestOutage: switched off, the identity provider answers nobody, and no other
// site switches it.
func TestOutage(t *testing.T) {
	p := newProvider(t)
	ask := func(method, path, body, site string) int {
		t.Helper()
		r := httptest.NewRequest(method, p.cfg.Issuer+path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if site != "" {
			r.Header.Set("Sec-Fetch-Site", site)
		}
		w := httptest.NewRecorder()
		p.idp.ServeHTTP(w, r)
		return w.Code
	}
	for _, step := range []struct {
		method, path, body, site string
		want                     int
	}{
		{"GET", "/jwks", "", "", 200},
		{"POST", "/outage", "state=maybe", "", 400},
		{"POST", "/outage", "state=on", "cross-site", 403},
		{"GET", "/jwks", "", "", 200},
		{"POST", "/outage", "state=on", "", 204},
		{"GET", "/jwks", "", "", http.StatusServiceUnavailable},
		{"POST", "/token", "", "", http.StatusServiceUnavailable},
		{"POST", "/outage", "state=off", "", 204},
		{"GET", "/jwks", "", "", 200},
	} {
		if got := ask(step.method, step.path, step.body, step.site); got != step.want {
			t.Errorf("%s %s %s %s: %d, want %d", step.method, step.path, step.body, step.site, got, step.want)
		}
	}
}

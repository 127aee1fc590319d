package server_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/server"
)

// TestSealedSignIn: a sign-in by sealed codes reaches five routes, and of all
// others, those of tomorrow too, none.
func TestSealedSignIn(t *testing.T) {
	sealed := []string{api.RouteStatus, api.RouteCredential, api.RouteConsole, api.RouteLogout, "POST /v1/grants/gr_01000000000000000000000000/drop"}
	var asked string
	by := func(way string) func(context.Context, string, string) (brevet.Caller, error) {
		return func(context.Context, string, string) (brevet.Caller, error) {
			asked = way
			return brevet.Caller{}, brevet.Errorf(brevet.Denied, "asked %s", way)
		}
	}
	w := newWorld(t, func(c *server.Config) { c.WhoIs, c.WhoIsSealed = by("the ordinary way"), by("for sealed codes") })
	seen := 0
	for _, op := range w.operations() {
		if !op.signedIn {
			continue
		}
		route, want := op.method+" "+op.path, "the ordinary way"
		if slices.Contains(sealed, route) {
			seen++
			want = "for sealed codes"
		}
		asked = ""
		if rec := w.send(op.method, op.path, "{}", "Authorization", "Bearer brv_x"); rec.Code != http.StatusForbidden || asked != want {
			t.Errorf("%s: %d, asked %q and not %s", route, rec.Code, asked, want)
		}
	}
	if seen != len(sealed) {
		t.Errorf("%d of the %d routes are there", seen, len(sealed))
	}
}

// TestSealedRoute: whoever is nobody may try codes; what is wrong with them is
// not told, and the log of the server never has one.
func TestSealedRoute(t *testing.T) {
	w := newWorld(t)
	code := brevet.NewSealedCode()
	body := `{"target":"acme-prod/Admin","reason":"db-7 is down","as":{"handle":"engineer","code":"` + code + `"},"second":{"handle":"lead","code":"` + code + `"}}`
	rec := w.send("POST", "/v1/break-glass/codes", body)
	if p := problem(t, rec); p.Kind != brevet.Denied || p.Detail != "these codes open nothing" {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if text := w.log.String(); len(text) == 0 || strings.Contains(text+rec.Body.String(), code) {
		t.Errorf("the code is in what was logged or answered")
	}
}

package api_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/google/go-cmp/cmp"
)

func TestTable(t *testing.T) {
	rows, exits := map[brevet.Kind]int{}, map[int]brevet.Kind{}
	for _, r := range api.Table {
		rows[r.Kind]++
		if other, taken := exits[r.Exit]; taken {
			t.Errorf("%s and %s both exit with %d", r.Kind, other, r.Exit)
		}
		exits[r.Exit] = r.Kind
		if r.Exit < 64 || r.Exit > 79 {
			t.Errorf("%s exits with %d", r.Kind, r.Exit)
		}
		if r.Status < 400 || r.Status > 599 || http.StatusText(r.Status) == "" || r.About == "" || strings.HasSuffix(r.About, ".") {
			t.Errorf("%+v", r)
		}
		if api.StatusOf(r.Kind) != r.Status || api.ExitOf(r.Kind) != r.Exit {
			t.Errorf("%s is not found", r.Kind)
		}
	}
	for _, k := range brevet.Kinds {
		if rows[k] != 1 {
			t.Errorf("%s has %d rows", k, rows[k])
		}
	}
	if len(api.Table) != len(brevet.Kinds) {
		t.Errorf("%d rows for %d kinds", len(api.Table), len(brevet.Kinds))
	}
	if api.ExitOf("") != 0 || api.ExitOf("unheard") != 70 || api.StatusOf("unheard") != 500 {
		t.Error("no kind, or an unknown one, is not what it should be")
	}
}

// TestExitCodes pins what scripts compare.
func TestExitCodes(t *testing.T) {
	for k, want := range map[brevet.Kind]int{"invalid": 64, "no_grant": 65, "not_found": 66, "unauthenticated": 67, "step_up": 68, "unavailable": 69,
		"internal": 70, "expired": 72, "conflict": 73, "clock": 74, "cloud": 76, "denied": 77} {
		if got := api.ExitOf(k); got != want {
			t.Errorf("%s exits with %d, and scripts expect %d", k, got, want)
		}
	}
}

// TestProblemRoundTrip sends each kind over the wire: what may be shown
// arrives, the cause does not.
func TestProblemRoundTrip(t *testing.T) {
	for _, k := range brevet.Kinds {
		sent := brevet.Errorf(k, "no <b>%s</b> & \"so\"", "wäy").WithHint("brevet login --mfa").WithCause(errors.New("hush")).
			WithUnmet(brevet.Unmet{Condition: "MFA at most 1h old", Have: "MFA 3h old", Remedy: "brevet login --mfa"}, brevet.Unmet{Condition: "x"})
		wire, err := json.Marshal(api.NewProblem(sent))
		if err != nil || strings.Contains(string(wire), "hush") {
			t.Fatalf("%s %v", wire, err)
		}
		var p api.Problem
		if err := json.Unmarshal(wire, &p); err != nil {
			t.Fatal(err)
		}
		want := &brevet.Error{Kind: k, Message: sent.Message, Hint: sent.Hint, Unmet: sent.Unmet}
		if diff := cmp.Diff(want, p.Err()); diff != "" {
			t.Errorf("%s: %s", k, diff)
		}
		if p.GetStatus() != api.StatusOf(k) || p.Error() != sent.Message || p.ContentType("application/json") != "application/problem+json" {
			t.Errorf("%s: %+v", k, p)
		}
	}
	if p := api.NewProblem(errors.New("hush")); p.Kind != brevet.Internal || p.Status != 500 || strings.Contains(p.Detail+p.Hint, "hush") {
		t.Errorf("%+v", p)
	}
}

// TestUnknownKind is a client before a server that has learned a new kind.
func TestUnknownKind(t *testing.T) {
	for status, want := range map[int]brevet.Kind{400: brevet.Invalid, 401: brevet.Unauthenticated, 403: brevet.Denied, 404: brevet.NotFound, 405: brevet.Invalid,
		409: brevet.Conflict, 410: brevet.Expired, 412: brevet.NoGrant, 413: brevet.Invalid, 422: brevet.Invalid, 429: brevet.Unavailable,
		500: brevet.Internal, 501: brevet.Internal, 502: brevet.Unavailable, 503: brevet.Unavailable, 504: brevet.Unavailable, 0: brevet.Internal, 200: brevet.Internal, 302: brevet.Internal} {
		for _, k := range []brevet.Kind{"", "unheard"} {
			if got := brevet.KindOf((&api.Problem{Status: status, Kind: k}).Err()); got != want {
				t.Errorf("%d %q: %s, want %s", status, k, got, want)
			}
		}
	}
}

package brevet_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
)

func TestRungOf(t *testing.T) {
	for _, tt := range []struct {
		age  time.Duration
		want brevet.Rung
	}{
		{-31 * time.Second, ""}, {-30*time.Second - tick, ""}, {-30 * time.Second, "5m"}, {-tick, "5m"}, {0, "5m"},
		{5 * time.Minute, "5m"}, {5*time.Minute + tick, "15m"}, {15 * time.Minute, "15m"}, {15*time.Minute + tick, "1h"},
		{time.Hour, "1h"}, {time.Hour + tick, "4h"}, {4 * time.Hour, "4h"}, {4*time.Hour + tick, "8h"},
		{8 * time.Hour, "8h"}, {8*time.Hour + tick, "24h"}, {24 * time.Hour, "24h"}, {24*time.Hour + tick, ""},
		{math.MaxInt64, ""}, {math.MinInt64 + 1, ""},
	} {
		if got, ok := brevet.RungOf(dawn.Add(-tt.age), dawn); got != tt.want || ok != (tt.want != "") {
			t.Errorf("%s old: %q, %t; want %q", tt.age, got, ok, tt.want)
		}
	}
	if got, ok := brevet.RungOf(time.Time{}, dawn); ok {
		t.Errorf("no proof at all meets %s", got)
	}
}

// TestRungsMonotone: a proof that meets a rung meets every looser one, and
// never meets more by growing old.
func TestRungsMonotone(t *testing.T) {
	last := 0
	for age := time.Duration(0); age <= 25*time.Hour; age += 7 * time.Second {
		met := 0
		for i, r := range brevet.Rungs {
			if r.Met(dawn.Add(-age), dawn) {
				met++
			} else if met > 0 {
				t.Fatalf("%s old: meets a tighter rung than %s, and not %s", age, r, brevet.Rungs[i])
			}
		}
		if tightest := len(brevet.Rungs) - met; tightest < last {
			t.Fatalf("%s old: a tighter rung than before", age)
		} else {
			last = tightest
		}
	}
}

func TestRungs(t *testing.T) {
	for i, r := range brevet.Rungs {
		if got, err := brevet.ParseRung(string(r)); got != r || err != nil {
			t.Errorf("ParseRung(%s): %s, %v", r, got, err)
		}
		if d, err := brevet.ParseDuration(string(r)); d != r.Age() || err != nil {
			t.Errorf("%s is %s old at most, not %s", r, r.Age(), d)
		}
		if !slices.Equal(r.Within(), brevet.Rungs[:i+1]) {
			t.Errorf("%s admits %v", r, r.Within())
		}
		for j, o := range brevet.Rungs {
			if want := brevet.Rungs[min(i, j)]; r.Tighter(o) != want {
				t.Errorf("of %s and %s the tighter is %s", r, o, r.Tighter(o))
			}
		}
		if r.Tighter("") != r || brevet.Rung("").Tighter(r) != r {
			t.Errorf("nothing is tighter than %s", r)
		}
	}
	for _, bad := range []string{"", "2h", "1H", "60m", " 1h", "breakglass", "5m\n"} {
		if r, err := brevet.ParseRung(bad); brevet.KindOf(err) != brevet.Invalid {
			t.Errorf("ParseRung(%q): %q, %v", bad, r, err)
		}
		r := brevet.Rung(bad)
		if r.Met(dawn, dawn) || r.Within() != nil || bad != "" && (r.Tighter(brevet.Rung5m).Met(dawn, dawn) || brevet.Rung24h.Tighter(r).Met(dawn, dawn)) {
			t.Errorf("%q, which is no rung, is met", bad)
		}
	}
}

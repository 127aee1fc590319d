package store

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"pgregory.net/rapid"
)

// TestEncode compares encode with encoding/json on events whose every field,
// also one that is added later, is filled at random.
func TestEncode(t *testing.T) {
	text := rapid.OneOf(rapid.StringMatching(`[ -~]{0,12}`), rapid.String(), rapid.Just(""))
	zones := []*time.Location{time.UTC, time.FixedZone("east", 3600)}
	instant := rapid.Custom(func(t *rapid.T) time.Time {
		return time.UnixMicro(rapid.Int64Range(0, 1<<52).Draw(t, "µs")).In(rapid.SampledFrom(zones).Draw(t, "zone"))
	})
	rapid.Check(t, func(t *rapid.T) {
		var ev brevet.Event
		var fill func(v reflect.Value)
		fill = func(v reflect.Value) {
			switch {
			case v.Type() == reflect.TypeFor[time.Time]():
				v.Set(reflect.ValueOf(instant.Draw(t, "time")))
			case v.Type() == reflect.TypeFor[*time.Time]():
				if rapid.Bool().Draw(t, "set") {
					at := instant.Draw(t, "time")
					v.Set(reflect.ValueOf(&at))
				}
			case v.Kind() == reflect.String:
				v.SetString(text.Draw(t, "text"))
			case v.Kind() == reflect.Map:
				v.Set(reflect.ValueOf(rapid.MapOfN(text, text, -1, 4).Draw(t, "data")))
			case v.Kind() == reflect.Struct:
				for i := range v.NumField() {
					fill(v.Field(i))
				}
			default:
				t.Fatalf("a field of kind %s: teach encode and this test", v.Kind())
			}
		}
		fill(reflect.ValueOf(&ev).Elem())
		want, err := json.Marshal(&ev)
		if err != nil {
			t.Skip(err)
		}
		got, err := encode(&ev)
		if err != nil || string(got) != string(want) {
			t.Fatalf("encode gave %s (%v), want %s", got, err, want)
		}
	})
}

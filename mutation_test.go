package brevet_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
)

// TestNoMutationIsCovered changes approved requests at random, 20 000 times and
// 10^6 with BREVET_SOAK=1: no decision that was made on what was asked covers
// what it is now (law 4).
func TestNoMutationIsCovered(t *testing.T) {
	n := 20_000
	if os.Getenv("BREVET_SOAK") != "" {
		n = 1_000_000
	}
	r := rand.New(rand.NewPCG(*seed, 4))
	plain := sampleAsk().Digest()
	d := yes("lead", "leads")
	d.Digest = plain
	tried := 0
	for tried < n {
		ask := sampleAsk()
		for range 1 + r.IntN(3) {
			mutate(r, reflect.ValueOf(&ask).Elem())
		}
		if reflect.DeepEqual(ask, sampleAsk()) {
			continue
		}
		tried++
		q, _ := brevet.NewRequest("req_1", ask, requester, dawn, 8*time.Hour)
		if ask.Digest() == plain {
			t.Fatalf("mutation %d of -seed=%d has the digest of what was asked: %+v", tried, *seed, ask)
		}
		if tried%100 == 0 { // the digest is what Decide goes by
			if _, _, err := q.Decide(d, dawn); !errors.Is(err, brevet.Conflict) {
				t.Fatalf("mutation %d of -seed=%d: a decision on something else: %v", tried, *seed, err)
			}
		}
	}
}

// mutate changes one value beneath v that a digest covers.
func mutate(r *rand.Rand, v reflect.Value) {
	if at, ok := v.Interface().(time.Time); ok {
		v.Set(reflect.ValueOf(at.Add(time.Duration(r.Int64N(1e12)) * time.Microsecond)))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		mutate(r, v.Field(r.IntN(v.NumField())))
	case reflect.Slice:
		if n := v.Len(); n > 0 && r.IntN(4) > 0 {
			mutate(r, v.Index(r.IntN(n)))
		} else if n > 0 {
			v.Set(v.Slice(0, r.IntN(n)))
		}
	case reflect.String:
		text := []byte(v.String())
		if len(text) == 0 || r.IntN(3) == 0 {
			v.SetString(v.String() + string(rune('a'+r.IntN(26))))
			return
		}
		text[r.IntN(len(text))] = byte('a' + r.IntN(26))
		v.SetString(string(text))
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + 1 + r.Int64N(1000))
	}
}

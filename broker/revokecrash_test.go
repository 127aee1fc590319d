package broker_test

import (
	"context"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
)

// TestNoRevocationIsLost: whatever is carried out, breaks off or is begun anew
// by another process, in the end all that was revoked is cut off and seen to
// be, nothing is confirmed before that, and nobody else is touched.
func TestNoRevocationIsLost(t *testing.T) {
	seeds := uint64(6)
	if os.Getenv("BREVET_SOAK") != "" {
		seeds = 300
	}
	for seed := range seeds {
		revocationsUnderCrashes(t, rand.New(rand.NewPCG(seed, 7)))
	}
}

func revocationsUnderCrashes(t *testing.T, r *rand.Rand) {
	t.Helper()
	h := newHouse(t)
	engineer, lead, security := h.login("engineer"), h.login("lead"), h.login("security")
	revoked, kept := map[brevet.GrantID]bool{}, h.granted(engineer, lead, "acme-prod/ReadOnly").Grant.ID
	var acts []brevet.RevocationID
	ctx, crash := context.WithCancel(t.Context())
	failing := true
	h.kill = func(_ brevet.Account, k brevet.Kill) (brevet.Killed, error) {
		how := r.IntN(4)
		if !failing {
			how = 3
		}
		switch how {
		case 0: // nothing arrived
			return brevet.Killed{}, brevet.Errorf(brevet.Unavailable, "no answer")
		case 1: // it arrived, and the process died before it knew
			crash()
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, g := range k.Grants {
			h.killed[g] = true
		}
		if how < 2 {
			return brevet.Killed{}, brevet.Errorf(brevet.Unavailable, "no answer")
		}
		return brevet.Killed{Held: k.Grants}, nil
	}
	for _, target := range []string{"acme-prod/SRE", "acme-prod/Data", "acme-prod/DevOps"} {
		id := h.granted(engineer, lead, target).Grant.ID
		if r.IntN(2) == 0 {
			if _, err := h.Drop(t.Context(), engineer, id, ""); err != nil {
				t.Fatal(err)
			}
		}
		acts, revoked[id] = append(acts, h.revokeAll(security, broker.RevokeAll{Grant: id}).ID), true
		for range r.IntN(3) {
			if r.IntN(3) == 0 { // another process goes on
				crash()
				ctx, crash = context.WithCancel(t.Context())
				h.Broker = broker.New(h.Broker.Config)
				if err := h.Sweep(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			h.CarryOut(ctx)
			h.advance(time.Second)
		}
	}
	crash()
	failing = false
	for range 8 {
		h.advance(30 * time.Second)
		if err := h.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.CarryOut(t.Context())
	}
	for id := range revoked {
		if !h.killed[id] {
			t.Errorf("grant %s is not cut off", id)
		}
	}
	if h.killed[kept] {
		t.Error("a neighbour was cut off")
	}
	for _, act := range acts {
		if v := h.one(security, act); v.State != brevet.RevokeConfirmed || v.Told.Before(v.Requested) || v.Closed.Before(v.Told) {
			t.Errorf("%+v", v)
		}
	}
	if left := h.db.OpenRevocations(); len(left) != 0 {
		t.Errorf("%d are open", len(left))
	}
}

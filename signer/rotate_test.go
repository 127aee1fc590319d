package signer_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/signer"
	jose "github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"pgregory.net/rapid"
)

func ids(set jose.JSONWebKeySet) []string {
	var out []string
	for _, k := range set.Keys {
		out = append(out, k.KeyID)
	}
	return out
}

func keyID(t testing.TB, token string) string {
	t.Helper()
	tok, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256, jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	return tok.Headers[0].KeyID
}

func TestRotation(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	k := mustOpen(t, dir, c)
	first := keyID(t, mustToken(t, k, acme))
	if err := k.Rotate(acme); err != nil {
		t.Fatal(err)
	}
	published := ids(mustJWKS(t, k, acme))
	if len(published) != 2 || published[0] != first {
		t.Fatalf("key set after rotation: %v, want two with %s first", published, first)
	}
	second := published[1]
	if err := k.Rotate(acme); !errors.Is(err, brevet.Conflict) {
		t.Errorf("second rotation: %v, want conflict", err)
	}
	for _, step := range []struct {
		after  time.Duration
		signs  string
		listed []string
	}{
		{signer.PublishAhead - time.Second, first, []string{first, second}},
		{time.Second, second, []string{first, second}},
		{signer.Linger - time.Second, second, []string{first, second}},
		{time.Second, second, []string{second}},
	} {
		c.add(step.after)
		for _, k := range []*signer.Keys{k, mustOpen(t, dir, c)} {
			if got := keyID(t, mustToken(t, k, acme)); got != step.signs {
				t.Errorf("at %s %s signs, want %s", c.now(), got, step.signs)
			}
			if got := ids(mustJWKS(t, k, acme)); !slices.Equal(got, step.listed) {
				t.Errorf("at %s the set is %v, want %v", c.now(), got, step.listed)
			}
		}
	}
	if err := k.Rotate(acme); err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(dir, "c", string(acme), "es256-0001.key")
	if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the retired key's file: %v, want deleted", err)
	}
	if n := len(mustJWKS(t, k, globexAfter(t, k)).Keys); n != 1 {
		t.Errorf("another customer has %d keys, want 1", n)
	}
}

func globexAfter(t *testing.T, k *signer.Keys) brevet.CustomerID {
	t.Helper()
	if err := k.Ensure(globex); err != nil {
		t.Fatal(err)
	}
	return globex
}

// Another process publishes a key: this one lists it within a minute and
// signs with it when its time comes, without being told.
func TestRotationElsewhere(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	k := mustOpen(t, dir, c)
	first := keyID(t, mustToken(t, k, acme))
	if err := mustOpen(t, dir, c).Rotate(acme); err != nil {
		t.Fatal(err)
	}
	c.add(time.Minute)
	set := ids(mustJWKS(t, k, acme))
	if len(set) != 2 {
		t.Fatalf("key set has %d keys a minute later, want 2", len(set))
	}
	c.add(signer.PublishAhead)
	if got := keyID(t, mustToken(t, k, acme)); got == first || got != set[1] {
		t.Errorf("%s signs, want %s", got, set[1])
	}
}

func TestRS256OnDemand(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	k := mustOpen(t, dir, c)
	ctx := context.Background()
	if _, err := k.TokenRS256(ctx, claims(acme)); !errors.Is(err, brevet.NotFound) {
		t.Errorf("without keys: %v, want not_found", err)
	}
	mustToken(t, k, acme)
	if _, err := k.TokenRS256(ctx, claims(acme)); !errors.Is(err, brevet.Conflict) {
		t.Errorf("without an RSA key: %v, want conflict", err)
	}
	for range 2 { // the second changes nothing
		if err := k.AddRS256(acme); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := k.TokenRS256(ctx, claims(acme)); !errors.Is(err, brevet.Conflict) {
		t.Errorf("before its time: %v, want conflict", err)
	}
	c.add(signer.PublishAhead)
	token, err := mustOpen(t, dir, c).TokenRS256(ctx, claims(acme))
	if err != nil {
		t.Fatal(err)
	}
	set := mustJWKS(t, k, acme)
	if _, err := verify(token, set, jose.RS256); err != nil {
		t.Error(err)
	}
	if len(set.Keys) != 2 || set.Keys[0].Algorithm != "ES256" || set.Keys[1].Algorithm != "RS256" {
		t.Errorf("key set: %v", set.Keys)
	}
	if _, err := verify(mustToken(t, k, acme), set); err != nil {
		t.Error(err)
	}
}

// Whatever the order of rotations, tokens and pauses: a verifier that cached
// the key set for up to JWKSCache verifies every token until it is dead.
func TestRotationNeverSurprisesAVerifier(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp("", "signer")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		c := newClock()
		k := mustOpen(t, dir, c)
		if err := k.Ensure(acme); err != nil {
			rt.Fatal(err)
		}
		type dated struct {
			at    time.Time
			set   jose.JSONWebKeySet
			token string
		}
		var past []dated
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			c.add(time.Duration(rapid.IntRange(0, int(2*time.Hour)).Draw(rt, "pause")))
			if rapid.IntRange(0, 5).Draw(rt, "day") == 0 {
				c.add(24 * time.Hour)
			}
			if rapid.Bool().Draw(rt, "rotate") {
				if err := k.Rotate(acme); err != nil && !errors.Is(err, brevet.Conflict) {
					rt.Fatal(err)
				}
			}
			now := dated{c.now(), mustJWKS(t, k, acme), mustToken(t, k, acme)}
			past = append(past, now)
			for _, p := range past {
				if now.at.Sub(p.at) <= signer.JWKSCache { // an old set, a new token
					if _, err := verify(now.token, p.set); err != nil {
						rt.Fatalf("set of %s, token of %s: %v", p.at, now.at, err)
					}
				}
				if now.at.Sub(p.at) <= brevet.TokenLife+brevet.TokenLeeway { // a new set, an old token
					if _, err := verify(p.token, now.set); err != nil {
						rt.Fatalf("token of %s, set of %s: %v", p.at, now.at, err)
					}
				}
			}
		}
	})
}

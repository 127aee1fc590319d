package signer

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	jose "github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const fuzzCustomer = brevet.CustomerID("cu_01jzzzzzzzzzzzzzzzzzzzzzza")

func fuzzKeys(t testing.TB) *Keys {
	t.Helper()
	k, err := Open(Config{Dir: t.TempDir(), Root: make([]byte, 32), LogName: "brevet.invalid", Issuer: "https://issuer.brevet.invalid",
		Now: func() time.Time { return time.Unix(1788264000, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// A sealed file has one spelling.
func FuzzParseSealed(f *testing.F) {
	f.Add(formatSealed([]byte("box")))
	f.Add([]byte(sealedFile + "QUI=\n"))
	f.Add([]byte(sealedFile + "QUJ=\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		box, err := parseSealed(text)
		if err == nil && !bytes.Equal(formatSealed(box), text) {
			t.Errorf("%q reads as %q, which is written %q", text, box, formatSealed(box))
		}
	})
}

func FuzzUnseal(f *testing.F) {
	k := fuzzKeys(f)
	sealed, err := k.Seal("x", []byte("plain"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add("x", sealed)
	f.Add("y", sealed)
	f.Add("x", sealed[:10])
	f.Fuzz(func(t *testing.T, label string, text []byte) {
		_, err := k.Unseal(label, text)
		if (err == nil) != (label == "x" && bytes.Equal(text, sealed)) {
			t.Errorf("label %q, %x: %v", label, text, err)
		}
	})
}

// Whatever the claims: an error, or a token that says exactly them.
func FuzzToken(f *testing.F) {
	k := fuzzKeys(f)
	f.Add("brevet:111122223333:abc", "pr_1", "engineer", "brevet-role", "Admin")
	f.Add("a\"b", "<&>", "", "ключ", "значение 1")
	f.Add("", "\x00", "x", "aws:tag", "\u2028")
	f.Fuzz(func(t *testing.T, aud, sub, source, tag, value string) {
		c := brevet.Claims{Customer: fuzzCustomer, Audience: aud, Subject: sub, SourceIdentity: source, Tags: map[string]string{tag: value}}
		token, err := k.Token(context.Background(), c)
		if err != nil {
			if brevet.KindOf(err) != brevet.Invalid {
				t.Errorf("%v", err)
			}
			return
		}
		r, _ := k.ring(fuzzCustomer, false)
		parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			t.Fatal(err)
		}
		var got payload
		if err := parsed.Claims((*r.keys.Load())[0].public, &got); err != nil {
			t.Fatal(err)
		}
		if got.Audience != aud || got.Subject != sub || got.Source != source || got.Tags.Principal[tag] != [1]string{value} {
			t.Errorf("token says %+v", got)
		}
	})
}

// The conversion of signatures must not lose leading zeros.
func TestRawECDSA(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2000 { // one in 128 has a short R or S
		sum := sha256.Sum256([]byte{byte(i), byte(i >> 8)})
		der, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		raw, err := rawECDSA(der)
		if err != nil || len(raw) != 64 {
			t.Fatalf("%x: %v", der, err)
		}
		if !ecdsa.Verify(&key.PublicKey, sum[:], new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])) {
			t.Fatalf("%x does not verify", raw)
		}
	}
	for _, bad := range [][]byte{nil, {0x30, 0}, {0x30, 6, 2, 1, 0, 2, 1, 1}, {0x30, 6, 2, 1, 0xff, 2, 1, 1}} {
		if _, err := rawECDSA(bad); err == nil {
			t.Errorf("%x: no error", bad)
		}
	}
}

func TestCreateFileNeverOverwrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.key")
	if err := createFile(path, []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := createFile(path, []byte("second")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("%v, want that it exists", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "first" {
		t.Errorf("%q, %v", text, err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

func BenchmarkToken(b *testing.B) {
	k := fuzzKeys(b)
	c := brevet.Claims{Customer: fuzzCustomer, Audience: "brevet:111122223333:abcdefghijklmnopqrstuvwxyz", Subject: "pr_01jzzzzzzzzzzzzzzzzzzzzzzz",
		SourceIdentity: "engineer", Tags: map[string]string{brevet.TagRole: "Admin", brevet.TagGrant: "gr_01jzzzzzzzzzzzzzzzzzzzzzzz", brevet.TagMFA: "1h", brevet.TagContract: "1"}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Token(context.Background(), c); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkES256 is the bare signature, which BenchmarkToken is held against.
func BenchmarkES256(b *testing.B) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	sum := sha256.Sum256([]byte("x"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ecdsa.SignASN1(rand.Reader, key, sum[:]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	k := fuzzKeys(b)
	plain := make([]byte, 1024)
	for b.Loop() {
		if _, err := k.Seal("refresh token", plain); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkJWKS(b *testing.B) {
	k := fuzzKeys(b)
	if err := k.Ensure(fuzzCustomer); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		text, err := k.JWKS(fuzzCustomer)
		if err != nil || !json.Valid(text) {
			b.Fatal(err)
		}
	}
}

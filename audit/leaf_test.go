package audit_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/audit"
	"github.com/google/go-cmp/cmp"
)

// vector is the test vector of docs/log.md.
func vector() (leaf audit.Leaf, blindSalt, salt []byte, details string) {
	blindSalt, salt = []byte("0123456789abcdef"), []byte("fedcba9876543210")
	details = `{"kind":"grant.activated","time":"2026-11-21T12:00:00.000001Z","customer":"cu_01k9zzzzzzzzzzzzzzzzzzzzzz","actor":{"system":"clock"},"grant":"gr_01k9zzzzzzzzzzzzzzzzzzzzzz"}`
	return audit.Leaf{
		Time: time.Date(2026, 11, 21, 12, 0, 0, 1000, time.UTC), Kind: brevet.GrantActivated, Seq: 7,
		Customer: audit.Blind(blindSalt, "cu_01k9zzzzzzzzzzzzzzzzzzzzzz"), Details: audit.HashDetails(salt, []byte(details)),
	}, blindSalt, salt, details
}

const vectorLeaf = `brevet leaf v1
time 1795262400000001
kind grant.activated
customer CUSTOMER
seq 7
details DETAILS
`

func TestLeafVector(t *testing.T) {
	leaf, blindSalt, salt, details := vector()
	want := strings.NewReplacer("CUSTOMER", hex.EncodeToString(leaf.Customer[:]), "DETAILS", hex.EncodeToString(leaf.Details[:])).Replace(vectorLeaf)
	if diff := cmp.Diff(want, string(leaf.Marshal())); diff != "" {
		t.Errorf("the leaf's bytes (-want +got):\n%s", diff)
	}
	text, err := os.ReadFile("../docs/log.md")
	if err != nil {
		t.Fatal(err)
	}
	hash := audit.LeafHash(leaf.Marshal())
	for _, part := range []string{want, details, hex.EncodeToString(blindSalt), hex.EncodeToString(salt), fmt.Sprintf("%x", hash[:])} {
		if !bytes.Contains(text, []byte(part)) {
			t.Errorf("docs/log.md does not hold %q", part)
		}
	}
}

func TestParseLeafRefuses(t *testing.T) {
	leaf, _, _, _ := vector()
	good := string(leaf.Marshal())
	for name, edit := range map[string][2]string{
		"another version":  {"v1", "v2"},
		"a missing line":   {"seq 7\n", ""},
		"a plus sign":      {"seq 7", "seq +7"},
		"a leading zero":   {"seq 7", "seq 07"},
		"number zero":      {"seq 7", "seq 0"},
		"a carriage":       {"seq 7\n", "seq 7\r\n"},
		"an upper kind":    {"grant.", "Grant."},
		"an empty kind":    {"grant.activated", ""},
		"more text":        {"details ", "details  "},
		"another order":    {"time 1795262400000001\nkind grant.activated", "kind grant.activated\ntime 1795262400000001"},
		"a zero customer":  {hex.EncodeToString(leaf.Customer[:]), strings.Repeat("0", 64)},
		"upper-case hex":   {hex.EncodeToString(leaf.Details[:]), strings.ToUpper(hex.EncodeToString(leaf.Details[:]))},
		"a short hash":     {hex.EncodeToString(leaf.Details[:]), "ab"},
		"an absurd length": {"details", strings.Repeat("details", 200)},
	} {
		t.Run(name, func(t *testing.T) {
			bad := strings.Replace(good, edit[0], edit[1], 1)
			if bad == good {
				t.Fatal("the edit changes nothing")
			}
			if _, err := audit.ParseLeaf([]byte(bad)); brevet.KindOf(err) != brevet.Invalid {
				t.Errorf("error %v, want an invalid leaf", err)
			}
		})
	}
}

func FuzzParseLeaf(f *testing.F) {
	leaf, _, _, _ := vector()
	f.Add(leaf.Marshal())
	leaf.Customer = [32]byte{}
	f.Add(leaf.Marshal())
	f.Add([]byte("brevet leaf v1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		leaf, err := audit.ParseLeaf(b)
		if err == nil && !bytes.Equal(leaf.Marshal(), b) {
			t.Errorf("%q reads as another leaf than it is", b)
		}
	})
}

func TestBlind(t *testing.T) {
	a, b := []byte("0123456789abcdef"), []byte("0123456789abcdeg")
	if audit.Blind(a, "") != [32]byte{} {
		t.Error("the installation is not all zeros")
	}
	if audit.Blind(a, "cu_1") == audit.Blind(b, "cu_1") || audit.Blind(a, "cu_1") == audit.Blind(a, "cu_2") {
		t.Error("another salt or customer gives the same name")
	}
}

package keychain

import (
	"bytes"
	"testing"
	"testing/synctest"
)

func FuzzUnseal(f *testing.F) {
	key := bytes.Repeat([]byte{7}, keySize)
	sealed, err := seal(key, "name", []byte("plain"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add([]byte(magic))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		plain, err := unseal(key, "name", data)
		if err == nil && string(plain) != "plain" { // workers seal seeds of their own with the same key
			t.Fatalf("opened %q, which nobody sealed", data)
		}
		if _, err := unseal(key, "other", data); err == nil {
			t.Fatal("opened under another name")
		}
	})
}

func FuzzDecodeCredential(f *testing.F) {
	f.Add([]byte(`{"target":"a/B","access_key_id":"k","secret_access_key":"s","session_token":"t","expires":"2026-11-21T12:00:00Z"}`))
	f.Add([]byte(`{"target":"a/B"}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := decodeCredential(data, "a/B")
		if err == nil && (c.Target != "a/B" || c.AccessKeyID == "" || c.Expires.IsZero()) {
			t.Fatalf("accepted %q", data)
		}
	})
}

// stuck is a keychain that never answers, as one whose prompt nobody sees.
type stuck struct{ never chan struct{} }

func (s stuck) Set(string, string) error   { <-s.never; return nil }
func (s stuck) Get(string) (string, error) { <-s.never; return "", nil }
func (s stuck) Delete(string) error        { <-s.never; return nil }

func TestStuckKeychain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stuck{make(chan struct{})}
		h := At(t.TempDir()).WithRing(s)
		if works(s) {
			t.Error("it works?")
		}
		if _, err := h.key(OS); err == nil {
			t.Error("it has a key?")
		}
		close(s.never)
	})
}

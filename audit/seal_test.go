package audit_test

import (
	"crypto/rand"
	"testing"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/audit"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func newSeal(t testing.TB, signer note.Signer) *audit.Seal {
	t.Helper()
	s, err := audit.NewSeal(signer)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSeal holds that a seal is opened by the log that made it, each time it
// is derived, and by no other key, host or signature.
func TestSeal(t *testing.T) {
	signer, verifier, _ := key(t, host, "a")
	thief, _, _ := key(t, host, "b")
	elsewhere, _, _ := key(t, "elsewhere.invalid", "a")
	head := newSeal(t, signer).Head(1, 42, tlog.RecordHash([]byte("x")))
	if got, err := audit.OpenHead(head.Note, newSeal(t, signer)); err != nil || got.Size != 42 || got.Root != head.Root {
		t.Errorf("opened as %+v (%v)", got, err)
	}
	for name, v := range map[string]note.Verifier{"signature": verifier, "another key": newSeal(t, thief), "another host": newSeal(t, elsewhere)} {
		if _, err := audit.OpenHead(head.Note, v); brevet.KindOf(err) != brevet.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range head.Note {
		changed := append([]byte(nil), head.Note...)
		changed[i] ^= 1
		if _, err := audit.OpenHead(changed, newSeal(t, signer)); brevet.KindOf(err) != brevet.Invalid {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
}

// fickle signs the same text in another way each time.
type fickle struct{ note.Signer }

func (fickle) Sign([]byte) ([]byte, error) {
	sig := make([]byte, 64)
	rand.Read(sig)
	return sig, nil
}

func TestSealNeedsOneSignature(t *testing.T) {
	signer, _, _ := key(t, host, "a")
	if _, err := audit.NewSeal(fickle{signer}); brevet.KindOf(err) != brevet.Internal {
		t.Errorf("%v", err)
	}
}

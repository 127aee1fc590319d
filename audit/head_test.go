package audit_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/audit"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const host = "log.brevet.invalid"

// key returns a key of the given name made from seed.
func key(t testing.TB, name, seed string) (note.Signer, note.Verifier, string) {
	t.Helper()
	skey, vkey, err := note.GenerateKey(strings.NewReader(strings.Repeat(seed, 32)), name)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return signer, verifier, vkey
}

func TestHead(t *testing.T) {
	signer, verifier, _ := key(t, host, "a")
	head, err := audit.Sign(signer, host, 3, 42, tlog.RecordHash([]byte("x")))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(head.Note, []byte(host+"/log/3\n42\n")) {
		t.Errorf("the checkpoint is %q", head.Note)
	}
	got, err := audit.OpenHead(head.Note, verifier)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(head, got); diff != "" {
		t.Errorf("opened (-want +got):\n%s", diff)
	}
}

func TestOpenHeadRefuses(t *testing.T) {
	signer, verifier, _ := key(t, host, "a")
	thief, _, _ := key(t, host, "b")
	root := strings.Repeat("A", 43) + "="
	for name, c := range map[string]struct {
		text   string
		signer note.Signer
	}{
		"another key":     {host + "/log/1\n1\n" + root + "\n", thief},
		"another host":    {"evil.invalid/log/1\n1\n" + root + "\n", signer},
		"epoch zero":      {host + "/log/0\n1\n" + root + "\n", signer},
		"a leading zero":  {host + "/log/1\n01\n" + root + "\n", signer},
		"a negative size": {host + "/log/1\n-1\n" + root + "\n", signer},
		"a short root":    {host + "/log/1\n1\nAAAA\n", signer},
		"an extension":    {host + "/log/1\n1\n" + root + "\nmore\n", signer},
	} {
		t.Run(name, func(t *testing.T) {
			signed, err := note.Sign(&note.Note{Text: c.text}, c.signer)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := audit.OpenHead(signed, verifier); brevet.KindOf(err) != brevet.Invalid {
				t.Errorf("error %v, want an invalid checkpoint", err)
			}
		})
	}
	if _, err := audit.Sign(signer, "other.invalid", 1, 0, tlog.Hash{}); err == nil {
		t.Error("a key signed for a host that it is not named after")
	}
}

func FuzzOpenHead(f *testing.F) {
	signer, verifier, _ := key(f, host, "a")
	head, err := audit.Sign(signer, host, 1, 5, tlog.RecordHash(nil))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(head.Note)
	f.Add([]byte(host + "/log/1\n5\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := audit.OpenHead(b, verifier)
		if err != nil {
			return
		}
		if got.Epoch != head.Epoch || got.Size != head.Size || got.Root != head.Root {
			t.Errorf("a checkpoint was forged: %q", b)
		}
	})
}

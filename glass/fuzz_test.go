package glass

import (
	"bytes"
	"testing"

	"filippo.io/age"

	"github.com/brevet-access/brevet"
)

// Whatever the text: an error, or a bundle that is written as it was read and
// whose account every target names.
func FuzzBundle(f *testing.F) {
	p := deal(f, 2, 3)
	f.Add(p.bundle.Text())
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := ParseBundle(text)
		if err != nil {
			if brevet.KindOf(err) != brevet.Invalid {
				t.Errorf("%v", err)
			}
			return
		}
		again, err := ParseBundle(b.Text())
		if err != nil || again.Digest != b.Digest {
			t.Errorf("read again: %v", err)
		}
		for _, s := range b.Targets() {
			target, err := brevet.ParseTarget(s)
			if err == nil {
				_, err = b.account(target)
			}
			if err != nil {
				t.Errorf("%s: %v", s, err)
			}
		}
	})
}

// Whatever the text: an error, or a call that a terminal can show.
func FuzzCall(f *testing.F) {
	p := deal(f, 2, 3)
	f.Add(p.begin(f).Call.Text())
	f.Add([]byte("-----BEGIN BREVET CALL-----\ne30=\n-----END BREVET CALL-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := ParseCall(text)
		if err != nil {
			if brevet.KindOf(err) != brevet.Invalid {
				t.Errorf("%v", err)
			}
			return
		}
		for _, s := range []string{c.Target, string(c.Handle), c.Reason, c.Issuer, c.Check()} {
			if brevet.Printable(s) != s {
				t.Errorf("%q would steer a terminal", s)
			}
		}
		if again, err := ParseCall(c.Text()); err != nil || again.Digest() != c.Digest() {
			t.Errorf("read again: %v", err)
		}
	})
}

// Whatever is answered by those who hold nothing: no share is counted.
func FuzzAnswer(f *testing.F) {
	p := deal(f, 2, 3)
	o := p.begin(f)
	seal := func(plain []byte) []byte {
		text, err := sealTo(o.Call.Recipient, plain)
		if err != nil {
			f.Fatal(err)
		}
		return armour(armourAnswer, text)
	}
	f.Add([]byte(`{"format":"brevet offline answer v1","holder":"holder-1","index":1}`), []byte("x"))
	f.Add([]byte("{}"), p.answer(f, 0, p.begin(f).Call))
	f.Fuzz(func(t *testing.T, plain, text []byte) {
		for _, a := range append(Answers(text), seal(plain), text) {
			if _, err := o.Add(a); err == nil {
				t.Errorf("%q counts", a)
			}
		}
	})
}

// Whatever the text: an error, or a record that the key signed.
func FuzzRecord(f *testing.F) {
	p := deal(f, 1, 1)
	o := p.begin(f)
	if _, err := o.Add(p.answer(f, 0, o.Call)); err != nil {
		f.Fatal(err)
	}
	key, err := o.Key()
	if err != nil {
		f.Fatal(err)
	}
	r, _ := o.Intend(key, noon)
	whole, _ := r.Close(key, Outcome{Time: noon, Refused: "no"})
	set, _ := KeySet{}.With(p.bundle)
	f.Add(r.Text())
	f.Add(whole.Text())
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := ParseRecord(text, set)
		if k := brevet.KindOf(err); err != nil && k != brevet.Invalid && k != brevet.Denied {
			t.Errorf("%v", err)
		}
		if err == nil && got.Digest != r.Digest {
			t.Errorf("a record that nobody signed: %+v", got)
		}
		if _, err := CustomerOf(text); err != nil && brevet.KindOf(err) != brevet.Invalid {
			t.Errorf("%v", err)
		}
	})
}

// Whatever the file: an error, or identities; never a panic.
func FuzzIdentities(f *testing.F) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(id.String()))
	f.Add([]byte("-----BEGIN OPENSSH PRIVATE KEY-----\n-----END OPENSSH PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		ids, err := Identities(text, func() ([]byte, error) { return nil, brevet.Errorf(brevet.Invalid, "no terminal") })
		if (err == nil) != (len(ids) > 0) {
			t.Errorf("%d identities, %v", len(ids), err)
		}
		if err != nil && bytes.Contains([]byte(err.Error()), []byte("AGE-SECRET")) {
			t.Errorf("a secret: %v", err)
		}
	})
}

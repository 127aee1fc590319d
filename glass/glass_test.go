package glass

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/crypto/ssh"
	"pgregory.net/rapid"

	"github.com/brevet-access/brevet"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const engineer = brevet.PersonID("pr_01jzzzzzzzzzzzzzzzzzzzzzzz")

// party is a bundle and the identities of its holders.
type party struct {
	bundle Bundle
	ids    []age.Identity
}

func deal(t interface{ Fatal(...any) }, k, n int) party {
	var p party
	b := Bundle{Customer: "cu_01jzzzzzzzzzzzzzzzzzzzzzza", CustomerName: "acme", Issuer: "https://glass.brevet.invalid/acme", Made: noon, Threshold: k,
		People:   []Person{{"engineer", engineer}},
		Accounts: []Account{{Number: "444455556666", Name: "acme-prod", Region: "eu-west-1", Prefix: "brevet-", Audience: "brevet:444455556666:x", Contract: 1, Roles: []brevet.RoleName{"BreakGlass"}}}}
	for i := range n {
		id, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		p.ids = append(p.ids, id)
		b.Holders = append(b.Holders, Holder{Name: fmt.Sprintf("holder-%d", i+1), Recipient: id.Recipient().String()})
	}
	var err error
	if p.bundle, err = Deal(b); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p party) begin(t interface{ Fatal(...any) }) *Opening {
	o, err := Begin(p.bundle, Ask{Target: "acme-prod/BreakGlass", As: "engineer", Reason: "db-7 is down"}, noon)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// answer is what the holder of that number (from 0) says to the call.
func (p party) answer(t interface{ Fatal(...any) }, i int, call Call) []byte {
	h, err := Hold(p.bundle, call.Text(), p.ids[i:i+1], noon.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	text, err := h.Answer()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Whatever k and n: any k answers give the published key, k-1 never do, and
// what was answered twice, to another call, or with another key's share counts
// for nothing.
func TestAnyKOfN(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(t, "n")
		k := rapid.IntRange(1, n).Draw(t, "k")
		p := deal(t, k, n)
		o := p.begin(t)
		who := rapid.Permutation([]int{0, 1, 2, 3, 4}[:n]).Draw(t, "who")
		other := p.begin(t)
		for j, i := range who[:k] {
			if key, err := o.Key(); !errors.Is(err, brevet.Denied) {
				t.Fatalf("%d of %d answers give a key: %v %v", j, k, key, err)
			}
			if _, err := o.Add(p.answer(t, i, other.Call)); !errors.Is(err, brevet.Conflict) {
				t.Fatalf("an answer to another call: %v", err)
			}
			text := p.answer(t, i, o.Call)
			if name, err := o.Add(text); err != nil || name != p.bundle.Holders[i].Name {
				t.Fatalf("answer of %d: %q %v", i, name, err)
			}
			if name, err := o.Add(text); !errors.Is(err, brevet.Conflict) || name != p.bundle.Holders[i].Name {
				t.Fatalf("the same answer twice: %q %v", name, err)
			}
		}
		key, err := o.Key()
		if err != nil {
			t.Fatal(err)
		}
		set, err := KeySet{}.With(p.bundle)
		if err != nil {
			t.Fatal(err)
		}
		r, err := o.Intend(key, noon.Add(2*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseRecord(r.Text(), set); err != nil {
			t.Fatalf("the key that was put together is not the published one: %v", err)
		}
		key.Wipe()
		if _, err := key.Token(brevet.Claims{}, noon); err == nil {
			t.Fatal("a wiped key signs")
		}
	})
}

// k-1 shares, however they are joined, are not the key: also with one more that
// somebody made up, which is named.
func TestWrongShares(t *testing.T) {
	p := deal(t, 3, 5)
	o := p.begin(t)
	for i := range 2 {
		if _, err := o.Add(p.answer(t, i, o.Call)); err != nil {
			t.Fatal(err)
		}
	}
	forge := func(change func(*answer)) []byte {
		raw, _ := curve.RandomNonZeroScalar(rand.Reader).MarshalBinary()
		a := answer{formatAnswer, o.Call.Digest(), p.bundle.Key, "holder-3", 3, raw}
		change(&a)
		text, err := sealTo(o.Call.Recipient, encode(a))
		if err != nil {
			t.Fatal(err)
		}
		return armour(armourAnswer, text)
	}
	for name, test := range map[string]struct {
		change func(*answer)
		says   string
	}{
		"made up":            {func(*answer) {}, "the share of holder-3 is a wrong one"},
		"another key":        {func(a *answer) { a.Key = "other" }, "another key"},
		"another call":       {func(a *answer) { a.Call = strings.Repeat("0", 64) }, "another call"},
		"nobody's":           {func(a *answer) { a.Holder = "mallory" }, "who holds no share"},
		"somebody else's":    {func(a *answer) { a.Index = 4 }, "who holds no share"},
		"index zero":         {func(a *answer) { a.Index = 0 }, "who holds no share"},
		"of too few bytes":   {func(a *answer) { a.Value = a.Value[:31] }, "is a wrong one"},
		"of another version": {func(a *answer) { a.Format = "v2" }, "cannot be read"},
		"holder-1's again": {func(a *answer) {
			text, _ := openWith(p.bundle.Holders[0].Share, p.ids[0])
			var s sealed
			_ = decode(text, &s)
			a.Value = s.Value
		}, "the share of holder-3 is a wrong one"},
	} {
		if _, err := o.Add(forge(test.change)); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want that it %s", name, err, test.says)
		}
	}
	o.shares = append(o.shares, share{3, curve.RandomNonZeroScalar(rand.Reader)})
	if _, err := o.Key(); !errors.Is(err, brevet.Internal) {
		t.Errorf("joined with a made-up share: %v", err)
	}
}

// A holder's share leaves only for a young call for the very key that it is of.
func TestHold(t *testing.T) {
	p, other := deal(t, 2, 3), deal(t, 2, 3)
	o := p.begin(t)
	for name, test := range map[string]struct {
		bundle Bundle
		call   []byte
		ids    []age.Identity
		at     time.Time
		kind   brevet.Kind
	}{
		"right":              {p.bundle, o.Call.Text(), p.ids[:1], noon, ""},
		"pasted with noise":  {p.bundle, []byte("Hi!\n\n" + string(o.Call.Text()) + "\nthanks\n"), p.ids[1:2], noon, ""},
		"an hour old":        {p.bundle, o.Call.Text(), p.ids[:1], noon.Add(CallLife), brevet.Expired},
		"from the future":    {p.bundle, o.Call.Text(), p.ids[:1], noon.Add(-6 * time.Minute), brevet.Clock},
		"another's bundle":   {other.bundle, o.Call.Text(), other.ids[:1], noon, brevet.Conflict},
		"no holder":          {p.bundle, o.Call.Text(), other.ids[:1], noon, brevet.NotFound},
		"no call":            {p.bundle, []byte("let me in"), p.ids[:1], noon, brevet.Invalid},
		"an answer":          {p.bundle, p.answer(t, 0, o.Call), p.ids[:1], noon, brevet.Invalid},
		"somebody unlisted":  {p.bundle, recall(o.Call, func(c *Call) { c.Handle = "mallory" }), p.ids[:1], noon, brevet.Denied},
		"another's id":       {p.bundle, recall(o.Call, func(c *Call) { c.Person = "pr_01jzzzzzzzzzzzzzzzzzzzzzz1" }), p.ids[:1], noon, brevet.Conflict},
		"another account":    {p.bundle, recall(o.Call, func(c *Call) { c.Account = "111122223333" }), p.ids[:1], noon, brevet.Conflict},
		"another role":       {p.bundle, recall(o.Call, func(c *Call) { c.Target = "acme-prod/Admin" }), p.ids[:1], noon, brevet.Denied},
		"for two hours":      {p.bundle, recall(o.Call, func(c *Call) { c.Seconds = 7200 }), p.ids[:1], noon, brevet.Invalid},
		"hides what it says": {p.bundle, recall(o.Call, func(c *Call) { c.Reason = "x\x1b[2J" }), p.ids[:1], noon, brevet.Invalid},
	} {
		h, err := Hold(test.bundle, test.call, test.ids, test.at)
		if brevet.KindOf(err) != test.kind {
			t.Errorf("%s: %v, want %q", name, err, test.kind)
		}
		if err == nil && h.Holder == "" {
			t.Errorf("%s: nobody's share", name)
		}
	}
}

// recall is the call with one thing changed.
func recall(c Call, change func(*Call)) []byte {
	change(&c)
	c.text = encode(c)
	return c.Text()
}

// A share that was sealed for one key does not leave for another, though the
// bundles were mixed.
func TestMixedBundles(t *testing.T) {
	p := deal(t, 2, 3)
	next, err := Deal(p.bundle) // a rotation, for the same holders
	if err != nil {
		t.Fatal(err)
	}
	mixed := next
	mixed.Holders = slices.Clone(next.Holders)
	mixed.Holders[0].Share = p.bundle.Holders[0].Share
	mixed.Digest = mixed.digest()
	o, err := Begin(mixed, Ask{Target: "acme-prod/BreakGlass", As: "engineer", Reason: "x"}, noon)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Hold(mixed, o.Call.Text(), p.ids[:1], noon); !errors.Is(err, brevet.Conflict) || !strings.Contains(err.Error(), "put together from two") {
		t.Errorf("an older key's share: %v", err)
	}
}

func TestResume(t *testing.T) {
	p := deal(t, 2, 3)
	o := p.begin(t)
	text := p.answer(t, 0, o.Call)
	again, err := Resume(p.bundle, o.State(), noon.Add(30*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Add(text); err != nil || again.Missing() != 1 || !slices.Equal(again.Have(), []string{"holder-1"}) {
		t.Errorf("resumed: %v, %v, %d missing", err, again.Have(), again.Missing())
	}
	if _, err := Resume(p.bundle, o.State(), noon.Add(CallLife)); !errors.Is(err, brevet.Expired) {
		t.Errorf("resumed after an hour: %v", err)
	}
	if _, err := Resume(deal(t, 2, 3).bundle, o.State(), noon); !errors.Is(err, brevet.Conflict) {
		t.Errorf("resumed with another bundle: %v", err)
	}
}

// What is not exactly as the key signed it is no record.
func TestRecord(t *testing.T) {
	p := deal(t, 1, 1)
	o := p.begin(t)
	if _, err := o.Add(p.answer(t, 0, o.Call)); err != nil {
		t.Fatal(err)
	}
	key, err := o.Key()
	if err != nil {
		t.Fatal(err)
	}
	r, err := o.Intend(key, noon)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := r.Close(key, Outcome{Time: noon.Add(time.Second), AccessKey: "ASIA1", Expires: noon.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	set, _ := KeySet{}.With(p.bundle)
	if got, err := ParseRecord(whole.Text(), set); err != nil || got.Outcome.AccessKey != "ASIA1" || got.Digest != r.Digest || got.Intent.Reason != "db-7 is down" {
		t.Fatalf("%+v, %v", got, err)
	}
	if got, err := ParseRecord(r.Text(), set); err != nil || got.Outcome != nil {
		t.Errorf("the intention alone: %+v, %v", got, err)
	}
	if _, err := ParseRecord(whole.Text(), KeySet{}); !errors.Is(err, brevet.Denied) {
		t.Errorf("without its key: %v", err)
	}
	otherSet, _ := KeySet{}.With(deal(t, 1, 1).bundle)
	if _, err := ParseRecord(whole.Text(), otherSet); !errors.Is(err, brevet.Denied) {
		t.Errorf("another customer's key: %v", err)
	}
	spoilt := whole
	spoilt.file.Outcome = &signed{whole.file.Intent.Says, whole.file.Intent.Signature}
	if _, err := ParseRecord(spoilt.Text(), set); !errors.Is(err, brevet.Denied) {
		t.Errorf("the intention as its outcome: %v", err)
	}
	text := whole.Text()
	for i := range text {
		bad := bytes.Clone(text)
		bad[i] ^= 4
		if got, err := ParseRecord(bad, set); err == nil && (got.Digest != whole.Digest || *got.Outcome != *whole.Outcome) {
			t.Fatalf("byte %d of the record changed: %+v", i, got)
		}
	}
	second, _ := o.Intend(key, noon.Add(time.Minute))
	mixed := second
	mixed.file.Outcome = whole.file.Outcome
	if _, err := ParseRecord(mixed.Text(), set); !errors.Is(err, brevet.Denied) {
		t.Errorf("another's outcome: %v", err)
	}
	if _, err := o.Intend(key, noon.Add(CallLife)); !errors.Is(err, brevet.Expired) {
		t.Errorf("an hour after the call: %v", err)
	}
}

// Every bit of a bundle is under its digest.
func TestBundleChanged(t *testing.T) {
	p := deal(t, 2, 3)
	text := p.bundle.Text()
	if _, err := ParseBundle(text); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(text)-1; i += 7 {
		bad := bytes.Clone(text)
		bad[i] ^= 1
		if _, err := ParseBundle(bad); !errors.Is(err, brevet.Invalid) {
			t.Fatalf("byte %d (%q) changed: %v", i, text[i], err)
		}
	}
	for _, secret := range []string{"AGE-SECRET-KEY", "PRIVATE"} {
		if bytes.Contains(text, []byte(secret)) {
			t.Errorf("the bundle holds %s", secret)
		}
	}
}

func TestDealRefuses(t *testing.T) {
	p := deal(t, 2, 3)
	for name, change := range map[string]func(*Bundle){
		"more than there are": func(b *Bundle) { b.Threshold = 4 },
		"none":                func(b *Bundle) { b.Threshold = 0 },
		"one key twice":       func(b *Bundle) { b.Holders[1].Recipient = b.Holders[0].Recipient },
		"one name twice":      func(b *Bundle) { b.Holders[1].Name = "Holder-1" },
		"no recipient":        func(b *Bundle) { b.Holders[1].Recipient = "age1nonsense" },
		"a secret":            func(b *Bundle) { b.Holders[1].Recipient = "AGE-SECRET-KEY-1" },
		"nobody may call":     func(b *Bundle) { b.People = nil },
	} {
		b := p.bundle
		b.Holders = slices.Clone(b.Holders)
		change(&b)
		if _, err := Deal(b); !errors.Is(err, brevet.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Shares are sealed to SSH keys, too, protected or not.
func TestIdentities(t *testing.T) {
	public, private, _ := ed25519.GenerateKey(rand.Reader)
	sshPublic, _ := ssh.NewPublicKey(public)
	bare, _ := ssh.MarshalPrivateKey(private, "a comment")
	locked, _ := ssh.MarshalPrivateKeyWithPassphrase(private, "a comment", []byte("open sesame"))
	ageID, _ := age.GenerateX25519Identity()
	scrypt, _ := age.NewScryptRecipient("open sesame")
	scrypt.SetWorkFactor(10)
	var ageLocked bytes.Buffer
	w, _ := age.Encrypt(&ageLocked, scrypt)
	_, _ = w.Write([]byte("# a comment\n" + ageID.String() + "\n"))
	w.Close()
	toSSH := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(sshPublic))) + " somebody@host"
	for name, test := range map[string]struct {
		file      []byte
		recipient string
		phrase    string
		ok        bool
	}{
		"ssh":                  {pem.EncodeToMemory(bare), toSSH, "", true},
		"ssh locked":           {pem.EncodeToMemory(locked), toSSH, "open sesame", true},
		"ssh wrong passphrase": {pem.EncodeToMemory(locked), toSSH, "guess", false},
		"age":                  {[]byte(ageID.String()), ageID.Recipient().String(), "", true},
		"age locked":           {ageLocked.Bytes(), ageID.Recipient().String(), "open sesame", true},
		"age wrong passphrase": {ageLocked.Bytes(), ageID.Recipient().String(), "guess", false},
		"garbage":              {[]byte("-----BEGIN NOTHING-----"), toSSH, "", false},
	} {
		text, err := sealTo(test.recipient, []byte("hello"))
		if err != nil {
			t.Fatal(err)
		}
		asked := false
		ids, err := Identities(test.file, func() ([]byte, error) { asked = true; return []byte(test.phrase), nil })
		var got []byte
		if err == nil {
			got, err = openWith(text, ids...)
		}
		if (err == nil) != test.ok || test.ok && string(got) != "hello" || asked != (test.phrase != "") {
			t.Errorf("%s: %q, %v; asked %v", name, got, err, asked)
		}
		if err != nil && strings.Contains(err.Error(), "AGE-SECRET") {
			t.Errorf("%s: the error shows a secret: %v", name, err)
		}
	}
}

func TestKeySet(t *testing.T) {
	p := deal(t, 1, 1)
	next, _ := Deal(p.bundle)
	set, _ := KeySet{}.With(p.bundle)
	set, _ = set.With(next)
	read, err := ParseKeySet(set.JWKS())
	if err != nil || !slices.Equal(read.IDs(), []string{next.Key, p.bundle.Key}) {
		t.Fatalf("%v, %v", read.IDs(), err)
	}
	if got := read.Only(next.Key).IDs(); !slices.Equal(got, []string{next.Key}) {
		t.Errorf("only the new one: %v", got)
	}
	for _, bad := range []string{"", "{}x", `{"keys":[{"kid":"x"}]}`, strings.Replace(string(set.JWKS()), "ES256", "none", 1), strings.Replace(string(set.JWKS()), `"kid":"`, `"kid":"a`, 1)} {
		if _, err := ParseKeySet([]byte(bad)); !errors.Is(err, brevet.Invalid) {
			t.Errorf("%.60s: %v", bad, err)
		}
	}
}

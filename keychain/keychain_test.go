package keychain_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/keychain"
)

const server = "https://brevet.example.com"

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// shelf is a keychain in memory. What it is told to fail with, it fails with.
type shelf struct {
	mu      sync.Mutex
	secrets map[string]string
	fail    error
	stuck   chan struct{}
}

func (s *shelf) wait() error {
	if s.stuck != nil {
		<-s.stuck
	}
	return s.fail
}

func (s *shelf) Set(user, secret string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets[user] = secret
	return s.wait()
}

func (s *shelf) Get(user string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	secret, ok := s.secrets[user]
	if !ok {
		return "", errors.Join(s.wait(), keychain.ErrNoSecret)
	}
	return secret, s.wait()
}

func (s *shelf) Delete(user string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.secrets, user)
	return s.wait()
}

func open(t *testing.T, h *keychain.Home, kind keychain.Kind) *keychain.Vault {
	t.Helper()
	if _, _, err := h.Prepare(kind); err != nil {
		t.Fatal(err)
	}
	v, err := h.Open(kind)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func credential(target string) keychain.Credential {
	return keychain.Credential{Target: target, Account: "444455556666", Session: "ses_1", Grant: "gr_1", AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "secret", SessionToken: "token",
		Made: noon, Heard: noon, Expires: noon.Add(time.Hour), GrantEnds: noon.Add(2 * time.Hour), Region: "eu-west-1"}
}

func TestRoundTrip(t *testing.T) {
	for _, kind := range []keychain.Kind{keychain.File, keychain.OS} {
		t.Run(string(kind), func(t *testing.T) {
			ring := &shelf{secrets: map[string]string{}}
			h := keychain.At(t.TempDir()).WithRing(ring)
			v := open(t, h, kind)
			token := keychain.Token{Token: "brv_x", Person: "pr_1", Handle: "engineer", Expires: noon}
			if err := v.PutToken(server, token); err != nil {
				t.Fatal(err)
			}
			want := credential("acme-prod/Admin")
			if err := v.PutCredential(server, want); err != nil {
				t.Fatal(err)
			}
			again, err := keychain.At(h.Dir()).WithRing(ring).Open(kind)
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := again.Token(server); !ok || got != token {
				t.Errorf("Token = %v, %v", got, ok)
			}
			got, ok := again.Credential(server, want.Target)
			if diff := cmp.Diff(want, got); !ok || diff != "" {
				t.Errorf("Credential: %v\n%s", ok, diff)
			}
			if _, ok := again.Credential("https://other.example.com", want.Target); ok {
				t.Error("another server sees the credential")
			}
			sealedOnly(t, h.Dir())
		})
	}
}

// sealedOnly fails if a file shows a secret, or is not its owner's alone.
func sealedOnly(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		text, err := os.ReadFile(path)
		for _, secret := range []string{"secret", "token", "brv_x", "ASIAEXAMPLE"} {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s shows %q", path, secret)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPrepareChooses(t *testing.T) {
	for _, tt := range []struct {
		name string
		ring *shelf
		want keychain.Kind
	}{
		{"a keychain that works", &shelf{secrets: map[string]string{}}, keychain.OS},
		{"none", &shelf{secrets: map[string]string{}, fail: errors.New("dbus-launch: not found")}, keychain.File},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := keychain.At(t.TempDir()).WithRing(tt.ring)
			kind, chosen, err := h.Prepare("")
			if err != nil || kind != tt.want || !chosen {
				t.Fatalf("Prepare = %v, %v, %v; want %v", kind, chosen, err, tt.want)
			}
			if kind, chosen, err := h.Prepare(""); err != nil || kind != tt.want || chosen {
				t.Errorf("the second time: %v, %v, %v", kind, chosen, err)
			}
			for user := range tt.ring.secrets {
				if strings.HasPrefix(user, "probe-") && tt.ring.fail == nil {
					t.Errorf("the probe left %s behind", user)
				}
			}
		})
	}
}

func TestOpenWithoutSignIn(t *testing.T) {
	h := keychain.At(t.TempDir())
	for _, kind := range []keychain.Kind{"", keychain.File} {
		if _, err := h.Open(kind); !errors.Is(err, brevet.Unauthenticated) {
			t.Errorf("Open(%q) = %v", kind, err)
		}
	}
}

// Where no keychain of the operating system was supplied a file is chosen, and
// what is sealed with a key of the other kind cannot be opened.
func TestWithoutRing(t *testing.T) {
	h := keychain.At(t.TempDir())
	if kind, chosen, err := h.Prepare(""); err != nil || kind != keychain.File || !chosen {
		t.Errorf("Prepare = %v, %v, %v", kind, chosen, err)
	}
	if _, err := h.Open(keychain.OS); !errors.Is(err, brevet.Unavailable) {
		t.Errorf("Open = %v", err)
	}
}

// Whatever befalls the files, the cache is empty then and works again after
// the next write.
func TestDamageCountsAsEmpty(t *testing.T) {
	damage := map[string]func(t *testing.T, file, dir string){
		"garbage": func(t *testing.T, file, _ string) { write(t, file, "garbage") },
		"empty":   func(t *testing.T, file, _ string) { write(t, file, "") },
		"cut short": func(t *testing.T, file, _ string) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			write(t, file, string(text[:len(text)/2]))
		},
		"another's place": func(t *testing.T, file, dir string) {
			if err := os.Rename(filepath.Join(dir, "cache", keychain.CredentialName(server, "a/B")+".sealed"), file); err != nil {
				t.Fatal(err)
			}
		},
		"removed": func(t *testing.T, file, _ string) { os.Remove(file) },
	}
	for name, do := range damage {
		t.Run(name, func(t *testing.T) {
			h := keychain.At(t.TempDir())
			v := open(t, h, keychain.File)
			for _, target := range []string{"a/B", "c/D"} {
				if err := v.PutCredential(server, credential(target)); err != nil {
					t.Fatal(err)
				}
			}
			do(t, filepath.Join(h.Dir(), "cache", keychain.CredentialName(server, "c/D")+".sealed"), h.Dir())
			if c, ok := v.Credential(server, "c/D"); ok {
				t.Fatalf("found %v", c)
			}
			if err := v.PutCredential(server, credential("c/D")); err != nil {
				t.Fatal(err)
			}
			if _, ok := v.Credential(server, "c/D"); !ok {
				t.Error("it does not recover")
			}
		})
	}
}

// A lost key empties everything, and a new sign-in starts anew.
func TestLostKey(t *testing.T) {
	h := keychain.At(t.TempDir())
	v := open(t, h, keychain.File)
	if err := v.PutCredential(server, credential("a/B")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(h.Dir(), "key"), "not a key")
	if _, err := h.Open(keychain.File); !errors.Is(err, brevet.Unauthenticated) {
		t.Errorf("Open = %v", err)
	}
	if _, ok := open(t, h, keychain.File).Credential(server, "a/B"); ok {
		t.Error("an entry sealed with a lost key was opened")
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestPurge(t *testing.T) {
	h := keychain.At(t.TempDir())
	v := open(t, h, keychain.File)
	put := func(target, grant string) {
		c := credential(target)
		c.Grant = grant
		if err := v.PutCredential(server, c); err != nil {
			t.Fatal(err)
		}
	}
	has := func(target string) bool { _, ok := v.Credential(server, target); return ok }
	put("a/B", "gr_1")
	put("111122223333/B", "gr_1")
	put("c/D", "gr_2")
	if err := v.PutToken(server, keychain.Token{Token: "brv_x", Person: "pr_1"}); err != nil {
		t.Fatal(err)
	}
	if has("a/B") {
		t.Error("the first sign-in inherits a cache")
	}
	put("a/B", "gr_1")
	put("111122223333/B", "gr_1")
	put("c/D", "gr_2")
	if err := v.PurgeGrant(server, "gr_1"); err != nil {
		t.Fatal(err)
	}
	if has("a/B") || has("111122223333/B") || !has("c/D") {
		t.Error("PurgeGrant took the wrong ones")
	}
	if err := v.PutToken(server, keychain.Token{Token: "brv_y", Person: "pr_1"}); err != nil || !has("c/D") {
		t.Errorf("the same person's second sign-in loses the cache: %v", err)
	}
	if err := h.Forget(server); err != nil {
		t.Fatal(err)
	}
	if _, ok := v.Token(server); ok || has("c/D") {
		t.Error("Forget left something")
	}
}

func TestFresh(t *testing.T) {
	c := credential("a/B")
	for _, tt := range []struct {
		name      string
		now       time.Duration
		remaining time.Duration
		want      bool
	}{
		{"at once", 0, 0, true},
		{"just within", 59 * time.Second, 0, true},
		{"a minute", time.Minute, 0, false},
		{"the clock went back", -time.Second, 0, false},
		{"too short for the purpose", 0, 61 * time.Minute, false},
		{"long enough for it", 0, 59 * time.Minute, true},
	} {
		if got := c.Fresh(noon.Add(tt.now), tt.remaining); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	c.Heard = noon.Add(56 * time.Minute)
	if c.Fresh(c.Heard, 0) || !c.Renewable(c.Heard) {
		t.Error("near its end a question is due")
	}
	c.GrantEnds = c.Expires
	if c.Renewable(c.Heard) {
		t.Error("at the grant's end nothing is to be had")
	}
	c.Expires = noon.Add(6 * time.Minute)
	c.Heard = noon.Add(3 * time.Minute)
	if !c.Fresh(c.Heard, 0) {
		t.Error("half of a short life is left")
	}
}

func TestConfig(t *testing.T) {
	h := keychain.At(t.TempDir())
	if c, err := h.Config(); err != nil || c.Server != "" {
		t.Fatalf("empty: %v, %v", c, err)
	}
	var wg sync.WaitGroup
	for _, s := range []string{"https://a", "https://b", "https://c", "https://d"} {
		wg.Go(func() {
			if err := h.Edit(func(c *keychain.Config) { c.SetPin(s, "key of "+s) }); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	c, err := h.Config()
	if err != nil || len(c.Servers) != 4 || c.Pin("https://c") != "key of https://c" {
		t.Errorf("%v, %v", c, err)
	}
	write(t, filepath.Join(h.Dir(), "config.json"), `{"keychain":"cloud"}`)
	if _, err := h.Config(); !errors.Is(err, brevet.Invalid) {
		t.Errorf("damaged: %v", err)
	}
	if err := h.Edit(func(*keychain.Config) {}); !errors.Is(err, brevet.Invalid) {
		t.Errorf("a damaged config is overwritten: %v", err)
	}
}

func TestHead(t *testing.T) {
	h := keychain.At(t.TempDir())
	if note, err := h.Head(server); note != nil || err != nil {
		t.Fatalf("%q, %v", note, err)
	}
	if err := h.PutHead(server, []byte("note")); err != nil {
		t.Fatal(err)
	}
	if note, err := h.Head(server); string(note) != "note" || err != nil {
		t.Errorf("%q, %v", note, err)
	}
	if err := errors.Join(h.PutHead(server, nil), h.PutHead(server, nil)); err != nil {
		t.Error(err)
	}
}

func TestNoSecretInText(t *testing.T) {
	if s := credential("a/B").String() + credential("a/B").GoString(); strings.Contains(s, "secret") || strings.Contains(s, "token") {
		t.Error(s)
	}
}

package signer_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/signer"
)

func TestSeal(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	k := mustOpen(t, dir, c)
	sealed, err := k.Seal("refresh token", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	again, _ := k.Seal("refresh token", []byte("secret"))
	if bytes.Equal(sealed, again) || bytes.Contains(sealed, []byte("secret")) {
		t.Error("sealing is not randomised")
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := k.Unseal("refresh token", bad); !errors.Is(err, brevet.Internal) {
			t.Fatalf("byte %d flipped: %v, want internal", i, err)
		}
		if _, err := k.Unseal("refresh token", sealed[:i]); !errors.Is(err, brevet.Internal) {
			t.Fatalf("cut to %d: %v, want internal", i, err)
		}
	}
	if _, err := k.Unseal("login state", sealed); !errors.Is(err, brevet.Internal) {
		t.Errorf("another label: %v, want internal", err)
	}
	if _, err := mustOpen(t, t.TempDir(), c).Unseal("refresh token", sealed); !errors.Is(err, brevet.Internal) {
		t.Errorf("another installation: %v, want internal", err)
	}
}

func TestRotateSeal(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	k, other := mustOpen(t, dir, c), mustOpen(t, dir, c)
	old, _ := k.Seal("x", []byte("old"))
	if err := k.RotateSeal(); err != nil {
		t.Fatal(err)
	}
	fresh, _ := k.Seal("x", []byte("new"))
	for name, k := range map[string]*signer.Keys{"this": k, "other process": other, "reopened": mustOpen(t, dir, c)} {
		for want, sealed := range map[string][]byte{"old": old, "new": fresh} {
			if got, err := k.Unseal("x", sealed); err != nil || string(got) != want {
				t.Errorf("%s: %q, %v; want %q", name, got, err, want)
			}
		}
	}
}

// Each sealed file in turn is spoilt in each way: opening says which, and
// changes nothing.
func TestSpoiltFiles(t *testing.T) {
	spoil := map[string]func(text []byte) []byte{
		"empty":      func([]byte) []byte { return nil },
		"cut":        func(b []byte) []byte { return b[:len(b)/2] },
		"no newline": func(b []byte) []byte { return b[:len(b)-1] },
		"longer":     func(b []byte) []byte { return append(bytes.Clone(b), '\n') },
		"flipped":    func(b []byte) []byte { b = bytes.Clone(b); b[len(b)/2] ^= 1; return b },
		"not base64": func(b []byte) []byte { b = bytes.Clone(b); b[len(b)/2] = '!'; return b },
		"huge":       func(b []byte) []byte { return bytes.Repeat([]byte("x"), 1<<20) },
		"other text": func([]byte) []byte { return []byte("-----BEGIN PRIVATE KEY-----\n") },
	}
	for _, name := range []string{"log.key", "seal-0001.key", "c/" + string(acme) + "/es256-0001.key"} {
		for how, f := range spoil {
			dir, c := t.TempDir(), newClock()
			mustToken(t, mustOpen(t, dir, c), acme)
			path := filepath.Join(dir, filepath.FromSlash(name))
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			bad := f(text)
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			before := snapshot(t, dir)
			_, err = signer.Open(config(dir, c))
			if !errors.Is(err, brevet.Internal) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s %s: %v, want internal naming the file", name, how, err)
			}
			if after := snapshot(t, dir); after != before {
				t.Errorf("%s %s: files changed:\n%s\n%s", name, how, before, after)
			}
		}
	}
}

func TestWrongRootAndMissingFiles(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	mustToken(t, mustOpen(t, dir, c), acme)
	before := snapshot(t, dir)
	conf := config(dir, c)
	conf.Root = root(2)
	if _, err := signer.Open(conf); !errors.Is(err, brevet.Internal) || !strings.Contains(err.Error(), "root key") {
		t.Errorf("wrong root: %v, want internal", err)
	}
	conf = config(dir, c)
	conf.LogName = "other.invalid"
	if _, err := signer.Open(conf); !errors.Is(err, brevet.Invalid) {
		t.Errorf("another log name: %v, want invalid", err)
	}
	if after := snapshot(t, dir); after != before {
		t.Errorf("files changed:\n%s\n%s", before, after)
	}
	for _, name := range []string{"log.key", "seal-0001.key"} { // lost, not new
		path := filepath.Join(dir, name)
		text, _ := os.ReadFile(path)
		os.Remove(path)
		if _, err := signer.Open(config(dir, c)); !errors.Is(err, brevet.Internal) || !strings.Contains(err.Error(), path) {
			t.Errorf("without %s: %v, want internal", name, err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// snapshot lists the files with mode and content.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		b.WriteString(path + " " + info.Mode().String() + " " + string(text[:min(len(text), 500)]) + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	mustToken(t, mustOpen(t, dir, newClock()), acme)
	for _, line := range strings.Split(strings.TrimSpace(snapshot(t, dir)), "\n") {
		if strings.HasPrefix(line, dir) && !strings.Contains(line, " -rw------- ") {
			t.Errorf("mode: %s", line)
		}
		if strings.Contains(line, ".new-") {
			t.Errorf("left behind: %s", line)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: %v, %v", info.Mode(), err)
	}
}

func TestLoadRoot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets", "root.key")
	if _, err := signer.LoadRoot(path, false); !errors.Is(err, brevet.Invalid) {
		t.Errorf("absent: %v, want invalid", err)
	}
	made, err := signer.LoadRoot(path, true)
	if err != nil || len(made) != 32 {
		t.Fatalf("made %d bytes, %v", len(made), err)
	}
	for _, create := range []bool{true, false} {
		if got, err := signer.LoadRoot(path, create); err != nil || !bytes.Equal(got, made) {
			t.Errorf("read again (create %v): %v", create, err)
		}
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := signer.LoadRoot(path, true); !errors.Is(err, brevet.Invalid) {
		t.Errorf("group may read: %v, want invalid", err)
	}
	for _, text := range []string{"", "AAAA", strings.Repeat("A", 50), "not base64"} {
		bad := filepath.Join(t.TempDir(), "root.key")
		if err := os.WriteFile(bad, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := signer.LoadRoot(bad, true); !errors.Is(err, brevet.Invalid) {
			t.Errorf("%q: %v, want invalid", text, err)
		}
	}
}

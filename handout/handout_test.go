package handout

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/client"
	"github.com/brevet-access/brevet/keychain"
)

const server = "https://brevet.example.com"

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// shelf is an operating system's keychain in memory.
type shelf map[string]string

func (s shelf) Set(user, secret string) error { s[user] = secret; return nil }
func (s shelf) Delete(user string) error      { delete(s, user); return nil }
func (s shelf) Get(user string) (string, error) {
	secret, ok := s[user]
	if !ok {
		return "", keychain.ErrNoSecret
	}
	return secret, nil
}

// warm returns a home that holds a credential for a/B at each server, heard
// of at noon.
func warm(t *testing.T, ring keychain.Ring, servers ...string) *keychain.Home {
	t.Helper()
	t.Setenv("BREVET_HOME", filepath.Join(t.TempDir(), "none"))
	t.Setenv("BREVET_URL", "")
	h, kind := keychain.At(t.TempDir()), keychain.File
	if ring != nil {
		h, kind = h.WithRing(ring), keychain.OS
	}
	if _, _, err := h.Prepare(kind); err != nil {
		t.Fatal(err)
	}
	v, err := h.Open(kind)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range servers {
		err := v.PutCredential(s, keychain.Credential{Target: "a/B", Account: "444455556666", AccessKeyID: "key at " + s, SecretAccessKey: "s", SessionToken: "t",
			Made: noon, Heard: noon, Expires: noon.Add(time.Hour), GrantEnds: noon.Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// asked returns what is printed at noon and then.
func asked(t *testing.T, later time.Duration, ring keychain.Ring, args ...string) (string, bool) {
	t.Helper()
	var out strings.Builder
	ok := Desk{Out: &out, Now: func() time.Time { return noon.Add(later) }, Parse: normal, Ring: ring}.Answer(args)
	if !ok && out.Len() > 0 {
		t.Errorf("no answer, and yet it printed %q", out.String())
	}
	return out.String(), ok
}

func TestAnswer(t *testing.T) {
	h := warm(t, nil, server)
	out, ok := asked(t, 59*time.Second, nil, "a/B", "--server", server, "--home", h.Dir())
	var got map[string]any
	if err := json.Unmarshal([]byte(out), &got); err != nil || !ok {
		t.Fatalf("%v, %v: %s", ok, err, out)
	}
	want := map[string]any{"Version": 1.0, "AccessKeyId": "key at " + server, "SecretAccessKey": "s", "SessionToken": "t",
		"Expiration": "2026-11-21T13:00:00Z", "AccountId": "444455556666"}
	if diff := cmp.Diff(want, got); diff != "" || !strings.HasSuffix(out, "}\n") {
		t.Error(diff)
	}
}

// What is not simple, not there, or not young is left to the ordinary program.
func TestLeaves(t *testing.T) {
	h := warm(t, nil, server)
	full := func(args ...string) []string { return append(args, "--server", server, "--home", h.Dir()) }
	for name, tt := range map[string]struct {
		later time.Duration
		args  []string
	}{
		"a word of a minute ago": {time.Minute, full("a/B")},
		"a word from the future": {-time.Second, full("a/B")},
		"an expired one":         {2 * time.Hour, full("a/B")},
		"another target":         {0, full("a/C")},
		"another server":         {0, []string{"a/B", "--server", "https://other.example.com", "--home", h.Dir()}},
		"another home":           {0, []string{"a/B", "--server", server, "--home", t.TempDir()}},
		"a server to normalise":  {0, []string{"a/B", "--server", server + "/", "--home", h.Dir()}},
		"no target":              {0, full()},
		"an empty target":        {0, full("")},
		"two targets":            {0, full("a/B", "a/B")},
		"--no-cache":             {0, full("a/B", "--no-cache")},
		"--min-remaining":        {0, full("a/B", "--min-remaining", "5m")},
		"--help":                 {0, full("a/B", "--help")},
		"an unknown flag":        {0, full("a/B", "--what")},
		"a flag with =":          {0, []string{"a/B", "--server=" + server, "--home", h.Dir()}},
		"a flag without value":   {0, full("a/B", "--server")},
		"the end of flags":       {0, full("--", "a/B")},
		"nothing":                {0, nil},
		"the default home":       {0, []string{"a/B", "--server", server}},
	} {
		if out, ok := asked(t, tt.later, nil, tt.args...); ok {
			t.Errorf("%s: answered %s", name, out)
		}
	}
}

func TestDamage(t *testing.T) {
	for name, do := range map[string]func(h *keychain.Home) error{
		"the entry": func(h *keychain.Home) error {
			return os.WriteFile(filepath.Join(h.Dir(), "cache", keychain.CredentialName(server, "a/B")+".sealed"), []byte("garbage"), 0o600)
		},
		"the key":           func(h *keychain.Home) error { return os.WriteFile(filepath.Join(h.Dir(), "key"), nil, 0o600) },
		"the configuration": func(h *keychain.Home) error { return os.WriteFile(filepath.Join(h.Dir(), "config.json"), nil, 0o600) },
		"a lost key":        func(h *keychain.Home) error { return os.Remove(filepath.Join(h.Dir(), "key")) },
	} {
		t.Run(name, func(t *testing.T) {
			h := warm(t, nil, server)
			args := []string{"a/B", "--server", server, "--home", h.Dir()}
			if _, ok := asked(t, 0, nil, args...); !ok {
				t.Fatal("no answer before the damage")
			}
			if err := do(h); err != nil {
				t.Fatal(err)
			}
			if out, ok := asked(t, 0, nil, args...); ok {
				t.Errorf("answered %s", out)
			}
		})
	}
}

// A key in the operating system's keychain is for the ordinary program, which
// has a Ring.
func TestRing(t *testing.T) {
	ring := shelf{}
	h := warm(t, ring, server)
	args := []string{"a/B", "--server", server, "--home", h.Dir()}
	if out, ok := asked(t, 0, nil, args...); ok {
		t.Errorf("answered without the keychain: %s", out)
	}
	if out, ok := asked(t, 0, ring, args...); !ok {
		t.Errorf("no answer with it: %s", out)
	}
}

// Flags come before the environment, that before the last sign-in, and that
// before the sandbox.
func TestFind(t *testing.T) {
	const flag, env, config = "https://flag.example.com", "https://env.example.com", "https://config.example.com"
	for _, tt := range []struct {
		name              string
		flag, env, config string
		homeByEnv         bool
		want              string
	}{
		{name: "all", flag: flag, env: env, config: config, want: flag},
		{name: "environment", env: env, config: config, want: env},
		{name: "last sign-in", config: config, want: config},
		{name: "none", want: Sandbox},
		{name: "home by environment", flag: flag, homeByEnv: true, want: flag},
		{name: "both by environment", env: env, homeByEnv: true, want: env},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := warm(t, nil, flag, env, config, Sandbox)
			if err := h.Edit(func(c *keychain.Config) { c.Server = tt.config }); err != nil {
				t.Fatal(err)
			}
			t.Setenv("BREVET_URL", tt.env)
			args := []string{"a/B"}
			if tt.homeByEnv {
				t.Setenv("BREVET_HOME", h.Dir())
			} else {
				args = append(args, "--home", h.Dir())
			}
			if tt.flag != "" {
				args = append(args, "--server", tt.flag)
			}
			if out, ok := asked(t, 0, nil, args...); !ok || !strings.Contains(out, `"key at `+tt.want+`"`) {
				t.Errorf("%v, %s; want the key at %s", ok, out, tt.want)
			}
		})
	}
}

// A URL that is wrong is an error even where a flag overrules it.
func TestFindJudges(t *testing.T) {
	h := warm(t, nil)
	t.Setenv("BREVET_URL", "ftp://x")
	if _, err := (Desk{Parse: client.ParseServer}).Find(h.Dir(), server); !errors.Is(err, brevet.Invalid) {
		t.Errorf("Find = %v", err)
	}
}

func TestNormal(t *testing.T) {
	for s, want := range map[string]bool{
		server: true, Sandbox: true, server + ":8443/base/Path": true, "http://localhost": true,
		server + "/": false, "HTTPS://brevet.example.com": false, "https://Brevet.example.com": false, " " + server: false,
		"http://brevet.example.com": false, "http://[::1]:8477": false, "https://": false, "https://:1": false, "https://a:": false, "https://a:b": false,
		"https://u@a": false, "https://a?q": false, "https://a#f": false, "https://a/%41": false, "brevet.example.com": false, "": false,
	} {
		if got, err := normal(s); (err == nil) != want || err == nil && got != s {
			t.Errorf("%q: %q, %v; want %v", s, got, err, want)
		}
	}
}

// What passes here is what the ordinary program would have made of it.
func FuzzNormal(f *testing.F) {
	for _, s := range []string{server, Sandbox, "https://a:1//b", "https://a/./..", "http://127.0.0.1", "https://a:99999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := normal(s); err != nil {
			return
		}
		if got, err := client.ParseServer(s); err != nil || got != s {
			t.Errorf("%q passes, but ParseServer says %q, %v", s, got, err)
		}
	})
}

// What this package imports, every call of an AWS tool pays.
func TestNeedsLittle(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	seen := 0
	for dep := range strings.FieldsSeq(string(out)) {
		seen++
		for _, heavy := range []string{"net", "crypto/tls", "crypto/x509", "regexp", "os/exec", "go.yaml.in", "github.com/spf13", "github.com/zalando", "github.com/godbus"} {
			if dep == heavy || strings.HasPrefix(dep, heavy+"/") {
				t.Errorf("package handout links %s: go list -deps tells, go mod why too", dep)
			}
		}
	}
	if seen < 10 {
		t.Errorf("go list shows little: %s", out)
	}
}

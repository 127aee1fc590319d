package main

import (
	"errors"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/keychain"
)

const testServer = "https://brevet.example.com"

var testProfiles = []profile{
	{name: "acme-prod/Admin", process: "/bin/brevet credential-process acme-prod/Admin", region: "eu-west-1"},
	{name: "acme-staging/ReadOnly", process: "/bin/brevet credential-process acme-staging/ReadOnly", region: "eu-west-1", endpoint: "http://127.0.0.1:8479"},
}

const testBlock = `# BEGIN brevet https://brevet.example.com
[profile acme-prod/Admin]
credential_process = /bin/brevet credential-process acme-prod/Admin
region = eu-west-1
[profile acme-staging/ReadOnly]
credential_process = /bin/brevet credential-process acme-staging/ReadOnly
region = eu-west-1
endpoint_url = http://127.0.0.1:8479
# END brevet
`

// TestPortal: where an access portal makes the credentials, AWS tools are sent
// there, and what a server says about it cannot write other lines.
func TestPortal(t *testing.T) {
	c, s := &cli{}, &session{opened: &opened{server: testServer, home: keychain.At(t.TempDir())}}
	target := api.Target{Target: "acme-prod/SRE", Account: "444455556666", Role: "SRE", Region: "eu-west-1",
		Portal: &api.Portal{Start: "https://d-1234567890.awsapps.com/start", Region: "eu-central-1"}}
	p, ok := c.profileFor(s, "/bin/brevet", target)
	want := beginMark + testServer + `
[profile acme-prod/SRE]
sso_start_url = https://d-1234567890.awsapps.com/start
sso_region = eu-central-1
sso_account_id = 444455556666
sso_role_name = SRE
region = eu-west-1
` + endMark + "\n"
	if got := block(testServer, []profile{p}, "\n"); !ok || got != want {
		t.Error(ok, cmp.Diff(want, got))
	}
	for name, change := range map[string]func(*api.Target){
		"start":   func(t *api.Target) { t.Portal.Start = "https://x\ncredential_process = evil" },
		"region":  func(t *api.Target) { t.Portal.Region = "x\ny" },
		"account": func(t *api.Target) { t.Account = "4\ncredential_process = evil" },
		"role":    func(t *api.Target) { t.Role = "a b" },
	} {
		bad := target
		portal := *target.Portal
		bad.Portal = &portal
		change(&bad)
		if _, ok := c.profileFor(s, "/bin/brevet", bad); ok {
			t.Errorf("%s passes", name)
		}
	}
}

const oldBlock = "# BEGIN brevet https://brevet.example.com\n[profile gone/Role]\n# END brevet\n"

func TestRewrite(t *testing.T) {
	for _, tt := range []struct{ name, old, want string }{
		{"no file", "", testBlock},
		{"behind what is there", "[default]\n", "[default]\n" + testBlock},
		{"no final newline", "[default]\nx=1", "[default]\nx=1\n" + testBlock},
		{"in its place", "[a]\n" + oldBlock + "[b]\n", "[a]\n" + testBlock + "[b]\n"},
		{"at the end without newline", "[a]\n" + strings.TrimSuffix(oldBlock, "\n"), "[a]\n" + strings.TrimSuffix(testBlock, "\n")},
		{"line ends of Windows", "[a]\r\n", "[a]\r\n" + strings.ReplaceAll(testBlock, "\n", "\r\n")},
		{"beside another server's", "# BEGIN brevet https://other\n[profile x/Y]\n# END brevet\n", "# BEGIN brevet https://other\n[profile x/Y]\n# END brevet\n" + testBlock},
		{"a stray end is foreign", "# END brevet\n", "# END brevet\n" + testBlock},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, _, clashes, err := rewrite([]byte(tt.old), testServer, testProfiles)
			if err != nil || clashes != nil {
				t.Fatal(clashes, err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRewriteClash(t *testing.T) {
	old := "\n [profile \"acme-prod/Admin\"] # mine\n[profile acme-staging/ReadOnly2]\n" + oldBlock
	got, _, clashes, err := rewrite([]byte(old), testServer, testProfiles)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"line 2 defines profile acme-prod/Admin already; it was left alone"}, clashes); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(string(got), "[profile acme-prod/Admin]") || !strings.Contains(string(got), "[profile acme-staging/ReadOnly]") {
		t.Errorf("%s", got)
	}
}

func TestRewriteBroken(t *testing.T) {
	for old, line := range map[string]string{
		"[a]\n# BEGIN brevet " + testServer + "\n[b]\n":                              "line 2 ",
		"# BEGIN brevet https://other\n" + oldBlock:                                  "line 1 ",
		oldBlock + "# BEGIN brevet " + testServer + "\n# END brevet\n":               "lines 1 and 4",
		"# BEGIN brevet https://other\n# BEGIN brevet https://third\n# END brevet\n": "line 1 ",
	} {
		_, _, _, err := rewrite([]byte(old), testServer, testProfiles)
		if !errors.Is(err, brevet.Conflict) || !strings.Contains(err.Error(), line) {
			t.Errorf("%q: %v", old, err)
		}
	}
}

// FuzzRewrite: every foreign byte is preserved, and doing it twice is doing
// it once.
func FuzzRewrite(f *testing.F) {
	for _, old := range []string{"", "[default]", "[a]\r\nx = 1\r\n", oldBlock + "[b]", testBlock, "# BEGIN brevet https://other\n# END brevet\n" + oldBlock, "\xff\x00\r\r\n", "# BEGIN brevet " + testServer} {
		f.Add([]byte(old))
	}
	f.Add([]byte("0\r"))
	f.Fuzz(func(t *testing.T, old []byte) {
		got, _, _, err := rewrite(old, testServer, testProfiles)
		if err != nil {
			return
		}
		was, now := foreign(string(old)), foreign(string(got))
		if added := strings.TrimPrefix(now, was); !strings.HasPrefix(now, was) || added != "" && (added != "\n" && added != "\r\n" || strings.HasSuffix(was, "\n")) {
			t.Fatalf("foreign text %q became %q", was, now)
		}
		again, _, _, err := rewrite(got, testServer, testProfiles)
		if err != nil || string(again) != string(got) {
			t.Fatalf("the second time: %q, %v; the first: %q", again, err, got)
		}
	})
}

// foreign returns text without the block of testServer, found in another way
// than by the code under test.
func foreign(text string) string {
	var out strings.Builder
	inside := false
	for _, l := range strings.SplitAfter(text, "\n") {
		bare := strings.TrimRight(l, " \t\r\n")
		switch {
		case !inside && bare == "# BEGIN brevet "+testServer:
			inside = true
		case inside && bare == "# END brevet":
			inside = false
		case !inside:
			out.WriteString(l)
		}
	}
	return out.String()
}

// Whatever the path of the program, a shell reads the words back.
func TestQuote(t *testing.T) {
	words := []string{"/usr/bin/brevet", "/Users/my name/brevet", `/it's/"quoted"`, "/a$HOME`id`!x", `back\slash`, "a#b;c", ""}
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: sh: quoting as a shell reads it")
	}
	line := commandLine(words...)
	out, err := exec.Command("sh", "-c", `printf '<%s>' `+line).Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := "<" + strings.Join(words, "><") + ">"; string(out) != want {
		t.Errorf("%s gives %s, want %s", line, out, want)
	}
	if got := quote(`C:\Program Files\brevet.exe`, "windows"); got != `"C:\Program Files\brevet.exe"` {
		t.Error(got)
	}
	if got := quote(`C:\brevet.exe`, "windows"); got != `C:\brevet.exe` {
		t.Error(got)
	}
}

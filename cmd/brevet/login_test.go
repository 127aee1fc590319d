package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
)

// knock sends one request to the landing.
func knock(t *testing.T, l *landing, url, host, method string) int {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		req.Host = host
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// The landing answers one request, and that only if everything is right.
func TestLanding(t *testing.T) {
	l, err := newLanding("state", testServer)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: l}
	go srv.Serve(l.listener)
	defer srv.Close()
	right := l.redirectURI() + "?code=abc-def&state=state&iss=" + testServer
	for name, bad := range map[string][3]string{
		"another path":  {"http://" + l.host + "/?code=x&state=state", "", "GET"},
		"another state": {l.redirectURI() + "?code=x&state=other", "", "GET"},
		"no state":      {l.redirectURI() + "?code=x", "", "GET"},
		"another host":  {right, "localhost:" + l.host[strings.LastIndex(l.host, ":")+1:], "GET"},
		"a rebound one": {right, "evil.example", "GET"},
		"a POST":        {right, "", "POST"},
	} {
		if got := knock(t, l, bad[0], bad[1], bad[2]); got != http.StatusNotFound {
			t.Errorf("%s: %d", name, got)
		}
	}
	if got := knock(t, l, right, "", "GET"); got != http.StatusOK {
		t.Errorf("the right one: %d", got)
	}
	got := <-l.done
	if got.code != "abc-def" || got.err != nil {
		t.Errorf("%+v", got)
	}
}

// A code of another server than was asked is refused: its own page sent it,
// so whoever we talk to would learn it.
func TestLandingIssuer(t *testing.T) {
	for _, tt := range []struct{ issuer, iss, want string }{
		{testServer, testServer, ""},
		{testServer, testServer + "/", ""},
		{"http://localhost:8477", "http://127.0.0.1:8477", ""},
		{testServer, "https://evil.example.com", "came from"},
		{testServer, "", "came from"},
		{"", "", "came from"},
	} {
		l := &landing{issuer: tt.issuer}
		got := l.read(map[string][]string{"code": {"abc"}, "iss": {tt.iss}})
		if (got.err == nil) != (tt.want == "") || got.err != nil && !strings.Contains(got.err.Error(), tt.want) {
			t.Errorf("%q, %q: %v", tt.issuer, tt.iss, got.err)
		}
	}
}

// Over SSH the page shows a code, which is pasted and bound by PKCE.
func TestPastedCode(t *testing.T) {
	f := newFake()
	defer f.srv.Close()
	t.Setenv("BREVET_KEYCHAIN", "file")
	t.Setenv("BROWSER", "")
	t.Setenv("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22")
	home := t.TempDir()
	messages, shown := io.Pipe()
	typed, keyboard := io.Pipe()
	var out bytes.Buffer
	c := &cli{in: typed, out: &out, err: shown, now: time.Now, homeDir: home, url: f.srv.URL}
	done := make(chan int, 1)
	go func() {
		done <- c.run([]string{"login", f.srv.URL, "--home", home})
		shown.Close()
	}()
	lines := bufio.NewScanner(messages)
	for lines.Scan() {
		if url := lines.Text(); strings.HasPrefix(url, "http") {
			if strings.Contains(url, "redirect_uri") {
				t.Errorf("the URL holds a redirect: %s", url)
			}
			res, err := http.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			page, _ := io.ReadAll(res.Body)
			res.Body.Close()
			code, _ := strings.CutPrefix(string(page), "code: ")
			go io.Copy(io.Discard, messages)
			io.WriteString(keyboard, "wrong-code\n not one!\n "+code+"\r\n") // the third try counts
			break
		}
	}
	if code := <-done; code != 0 || !strings.HasPrefix(out.String(), "Signed in as engineer.") {
		t.Errorf("%d %s", code, out.String())
	}
}

func TestNobodySignsIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), loginLimit)
		defer cancel()
		in, w := io.Pipe()
		c := &cli{in: in, out: io.Discard, err: io.Discard, now: time.Now}
		_, err := c.pasted(ctx, "http://x", nil)
		if !errors.Is(err, brevet.Expired) {
			t.Error(err)
		}
		w.Close()
	})
}

// What happens while a browser is waited for is said, and ends the wait where it
// can.
func TestLand(t *testing.T) {
	for _, tt := range []struct {
		name  string
		step  func(done chan landed, opened chan error, stop context.CancelFunc)
		after time.Duration
		want  error
		said  string
	}{
		{"the code", func(done chan landed, _ chan error, _ context.CancelFunc) { done <- landed{code: "abc"} }, 0, nil, ""},
		{"a no", func(done chan landed, _ chan error, _ context.CancelFunc) { done <- landed{err: brevet.Denied} }, 0, brevet.Denied, ""},
		{"the browser fails", func(_ chan landed, opened chan error, _ context.CancelFunc) { opened <- errors.New("exit status 1") }, 0, brevet.Unavailable, ""},
		{"it fails after it was done", func(done chan landed, opened chan error, _ context.CancelFunc) {
			done <- landed{code: "abc"}
			opened <- errors.New("exit status 1")
		}, 0, nil, ""},
		{"Ctrl-C", func(_ chan landed, _ chan error, stop context.CancelFunc) { stop() }, 0, context.Canceled, ""},
		{"a page that stays", func(_ chan landed, opened chan error, _ context.CancelFunc) { opened <- nil }, loginLimit, brevet.Expired,
			"Still waiting for the browser. If its page shows an error, end this with Ctrl-C.\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("SSH_CONNECTION", "")
			t.Setenv("SSH_TTY", "")
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), loginLimit)
				defer cancel()
				ctx, stop := context.WithCancel(ctx)
				defer stop()
				done, opened := make(chan landed, 1), make(chan error, 1)
				tt.step(done, opened, stop)
				var said bytes.Buffer
				begun := time.Now()
				code, err := (&cli{in: strings.NewReader(""), err: &said, now: time.Now}).land(ctx, done, opened, "http://x")
				if !errors.Is(err, tt.want) || (err == nil) != (code == "abc") || said.String() != tt.said || time.Since(begun) != tt.after {
					t.Errorf("%q, %v after %s; said %q", code, err, time.Since(begun), said.String())
				}
			})
		})
	}
}

// A listener that is gone ends the wait at once.
func TestLandingCloses(t *testing.T) {
	l, err := newLanding("state", testServer)
	if err != nil {
		t.Fatal(err)
	}
	l.listener.Close()
	l.fail(errors.New("closed"))
	l.fail(errors.New("again"))
	if got := <-l.done; !errors.Is(got.err, brevet.Unavailable) || !strings.Contains(got.err.Error(), "closed") {
		t.Error(got.err)
	}
}

func TestSummary(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	rung := func(name string, until time.Duration, roles ...string) api.Rung {
		r := api.Rung{Rung: name, Roles: roles}
		if until > 0 {
			r.Until = now.Add(until)
		}
		return r
	}
	for _, tt := range []struct {
		w    api.Whoami
		want string
	}{
		{api.Whoami{MFA: now.Add(-3 * time.Second), Rungs: []api.Rung{rung("1h", time.Hour-3*time.Second, "Admin"), rung("8h", 8*time.Hour-3*time.Second, "SRE")}},
			"Signed in as engineer. MFA 3 s ago: good for 8 h, for Admin 1 h."},
		{api.Whoami{MFA: now.Add(-2 * time.Hour), Rungs: []api.Rung{rung("1h", 0, "Admin"), rung("8h", 6*time.Hour, "SRE")}},
			"Signed in as engineer. MFA 2 h ago: good for 6 h, too old for Admin."},
		{api.Whoami{MFA: now.Add(-9 * time.Hour), Rungs: []api.Rung{rung("1h", 0, "Admin"), rung("8h", 0, "SRE")}},
			"Signed in as engineer. MFA 9 h ago: too old for SRE, Admin."},
		{api.Whoami{MFA: now.Add(-time.Minute)}, "Signed in as engineer. MFA 1 m ago."},
		{api.Whoami{}, "Signed in as engineer. Without MFA: roles that demand it will ask for it."},
	} {
		tt.w.Handle, tt.w.Now = "engineer", now
		if got := summary(tt.w); got != tt.want {
			t.Errorf("%s\nwant %s", got, tt.want)
		}
	}
}

func TestSplit(t *testing.T) {
	for in, want := range map[string][]string{
		"":                               nil,
		"firefox":                        {"firefox"},
		" open  -a 'Google Chrome' ":     {"open", "-a", "Google Chrome"},
		`"/Applications/my app/x" --new`: {"/Applications/my app/x", "--new"},
		`/path\ with/space "a \"b\"" ''`: {"/path with/space", `a "b"`, ""},
		`sh -c 'curl "$1"' -`:            {"sh", "-c", `curl "$1"`, "-"},
		"unfinished 'quote":              {"unfinished", "quote"},
	} {
		if diff := cmp.Diff(want, split(in)); diff != "" {
			t.Errorf("%s: %s", in, diff)
		}
	}
	if diff := cmp.Diff([]string{"x", "--url=U", "y"}, withURL([]string{"x", "--url=%s", "y"}, "U")); diff != "" {
		t.Error(diff)
	}
}

func TestOpener(t *testing.T) {
	for _, name := range []string{"DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME", "SSH_TTY"} {
		t.Setenv(name, "")
		os.Unsetenv(name)
	}
	t.Setenv("SSH_CONNECTION", "x")
	t.Setenv("BROWSER", "")
	if opener(false) != nil {
		t.Error("a browser over SSH")
	}
	t.Setenv("BROWSER", "true")
	if opener(false) == nil || opener(true) != nil {
		t.Error("$BROWSER is to be run over SSH too, unless --no-browser says otherwise")
	}
}

// A browser that fails over SSH is as good as none: the code is pasted.
func TestBrowserFailsOverSSH(t *testing.T) {
	f := newFake()
	defer f.srv.Close()
	t.Setenv("BREVET_KEYCHAIN", "file")
	t.Setenv("BROWSER", "false")
	t.Setenv("SSH_TTY", "/dev/pts/1")
	home := t.TempDir()
	var messages bytes.Buffer
	c := &cli{in: strings.NewReader("a-b\nc-d\ne-f\n"), out: io.Discard, err: &messages, now: time.Now}
	if code := c.run([]string{"login", f.srv.URL, "--home", home}); code != api.ExitOf(brevet.Expired) {
		t.Errorf("exit code %d", code)
	}
	text := messages.String()
	for what, n := range map[string]int{"No browser could be opened (exit status 1).": 1, "Code:": 0, "Try again.": 2, "redirect_uri": 0} {
		if strings.Count(text, what) != n {
			t.Errorf("%q is not there %d times:\n%s", what, n, text)
		}
	}
}

// What is no brevet server is told at once.
func TestLoginElsewhere(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"ok":true}`) }))
	defer elsewhere.Close()
	home := t.TempDir()
	var messages bytes.Buffer
	c := &cli{in: strings.NewReader(""), out: io.Discard, err: &messages, now: time.Now}
	code := c.run([]string{"login", elsewhere.URL, "--home", home})
	if want := "brevet: " + elsewhere.URL + " is not a brevet server\n"; code != api.ExitOf(brevet.Invalid) || !strings.HasPrefix(messages.String(), want) {
		t.Errorf("%d %s", code, messages.String())
	}
}

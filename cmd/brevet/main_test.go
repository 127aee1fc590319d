package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// The test binary is brevet itself, and the browser and the AWS tool that the
// scripts need.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"brevet":  brevetAt,
		"browser": browser,
		"shown":   shown,
		"slow":    slow,
	})
}

// brevetAt is brevet with its clock moved by $SHIFT.
func brevetAt() {
	if shift, err := time.ParseDuration(os.Getenv("SHIFT")); err == nil {
		clock = func() time.Time { return time.Now().Add(shift) }
	}
	main()
}

// browser signs in as $PERSON at the URL in its last argument, and follows
// the redirects to the end.
func browser() {
	req, err := http.NewRequest("GET", os.Args[len(os.Args)-1], nil)
	if err != nil {
		panic(err)
	}
	req.AddCookie(&http.Cookie{Name: "person", Value: os.Getenv("PERSON")})
	res, err := (&http.Client{CheckRedirect: func(r *http.Request, _ []*http.Request) error { return nil }}).Do(req)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer res.Body.Close()
	io.Copy(os.Stdout, res.Body)
}

// slow is a browser in which nothing happens, as long as brevet waits for it.
func slow() {
	if err := os.WriteFile("opened", nil, 0o600); err != nil {
		panic(err)
	}
	for parent := os.Getppid(); os.Getppid() == parent; {
		time.Sleep(20 * time.Millisecond)
	}
}

// shown prints the environment that AWS tools look at, and ends as told.
func shown() {
	for _, kv := range os.Environ() {
		if strings.HasPrefix(kv, "AWS_") || strings.HasPrefix(kv, "BREVET_TARGET") || strings.HasPrefix(kv, "BREVET_GRANT") {
			fmt.Println(kv)
		}
	}
	switch {
	case len(os.Args) > 1 && os.Args[1] == "kill":
		self, _ := os.FindProcess(os.Getpid())
		self.Kill()
		select {}
	case len(os.Args) > 1:
		var code int
		fmt.Sscan(os.Args[1], &code)
		os.Exit(code)
	}
}

func TestStories(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			f := newFake()
			env.Defer(f.srv.Close)
			env.Values["fake"] = f
			env.Setenv("BREVET_URL", f.srv.URL)
			env.Setenv("BREVET_HOME", env.WorkDir+"/home")
			env.Setenv("BREVET_KEYCHAIN", "file")
			env.Setenv("BREVET_EARLY", "off") // before main nobody has moved the clock yet
			env.Setenv("AWS_CONFIG_FILE", env.WorkDir+"/aws/config")
			env.Setenv("BROWSER", "browser --new-tab")
			env.Setenv("PERSON", "engineer")
			env.Setenv("SHELL", "/bin/bash")
			env.Setenv("GORACE", "atexit_sleep_ms=0") // else each command takes a second more
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"fake": fakeCommand},
	})
}

// fakeCommand steers the fake server: fake WHAT [ARG]...
func fakeCommand(ts *testscript.TestScript, neg bool, args []string) {
	f := ts.Value("fake").(*fake)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch args[0] {
	case "down": // every answer is 503 from a proxy
		f.down = true
	case "up":
		f.down = false
	case "answers": // credentials are refused with this kind; "" = issued again
		f.refuse = strings.Join(args[1:], " ")
	case "asked": // so many questions for a credential were asked since the last time
		if got := fmt.Sprint(f.asked); got != args[1] {
			ts.Fatalf("%s questions for a credential, want %s", got, args[1])
		}
		f.asked = 0
	case "pending": // set $REQUEST to the newest request, once there is one
		f.mu.Unlock()
		id := f.waitPending()
		f.mu.Lock()
		ts.Setenv("REQUEST", id)
	case "grant": // set $GRANT to the newest grant
		ts.Setenv("GRANT", f.grants[len(f.grants)-1].ID)
	case "tamper": // change what a row of the log says
		f.log[2].Details = strings.Replace(f.log[2].Details, "engineer", "nobody", 1)
	case "lose": // remove a row of the log
		f.log = append(f.log[:3:3], f.log[4:]...)
	case "newlogkey":
		f.newLogKey()
	case "hostile": // answers carry terminal escapes and worse
		f.hostile = true
	default:
		ts.Fatalf("fake: what is %q?", args[0])
	}
}

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/brevet-access/brevet/brevettest"
	"github.com/brevet-access/brevet/sandbox"
	"github.com/brevet-access/brevet/store/pgtest"
)

func TestMain(m *testing.M) {
	testscript.Main(stopping{m}, map[string]func(){"brevetd": main, "moved": moved, "browser": browser, "replica": replica})
}

// stopping ends the PostgreSQL server after the tests.
type stopping struct{ m *testing.M }

func (s stopping) Run() int {
	defer pgtest.Stop()
	return s.m.Run()
}

// buildBrevet builds the program that people run, once for all scripts, and
// returns its folder.
func buildBrevet(t *testing.T) string {
	dir := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", dir, "../brevet").CombinedOutput(); err != nil {
		t.Fatalf("build brevet: %v\n%s", err, out)
	}
	return dir
}

// browser is what $BROWSER names in the scripts: it signs $WHO in.
func browser() {
	text, err := os.ReadFile(os.Getenv("DEVJSON"))
	if err != nil {
		fatal(err)
	}
	var facts sandbox.Facts
	if err := json.Unmarshal(text, &facts); err != nil {
		fatal(err)
	}
	page, err := brevettest.Browse(facts, scriptClock(os.Getenv(clockEnv)), os.Getenv("WHO"), os.Args[1])
	if err != nil {
		fatal(err)
	}
	if os.Getenv("SHOW") != "" {
		fmt.Println(page)
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "browser:", err)
	os.Exit(1)
}

// TestStories runs testdata/*.txt: the user stories, each in a world of its
// own, with the real programs.
func TestStories(t *testing.T) {
	binaries := buildBrevet(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", binaries+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("BREVET_HOME", filepath.Join(env.WorkDir, "engineer"))
			env.Setenv("AWS_CONFIG_FILE", filepath.Join(env.WorkDir, "aws-config"))
			env.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(env.WorkDir, "aws-credentials"))
			env.Setenv("AWS_PAGER", "")
			env.Setenv("AWS_EC2_METADATA_DISABLED", "true")
			env.Setenv("DBUS_SESSION_BUS_ADDRESS", "disabled:")
			env.Setenv("BROWSER", "browser")
			env.Setenv("WHO", "engineer")
			env.Setenv("REPO", repo(t))
			for _, keep := range []string{"HOME", "PYENV_ROOT", "PYENV_VERSION"} { // where aws and python3 may be installed
				env.Setenv(keep, os.Getenv(keep))
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"world": world, "as": as, "id": id, "owner": owner, "confirm": confirm, "mails": mails, "told": told, "holder": holder, "page": page, "chrome": chrome,
			"clock": moveClock, "duty": duty, "outage": outage, "desk": desk, "slack": slackCommand,
			"postgres": postgres(t), "hollow": openHollowWorld, "join": join, "balance": balance},
		Condition: func(cond string) (bool, error) {
			if name, ok := strings.CutPrefix(cond, "python:"); ok {
				return exec.Command("python3", "-c", "import "+name).Run() == nil, nil
			}
			if cond == "postgres" {
				return pgtest.Installed(), nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
	})
}

func repo(t *testing.T) string {
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// world DIR [FLAG…] starts brevetd dev and waits until it is ready; world
// -kill ends it as a crash would, world -stop as Ctrl-C does.
func world(ts *testscript.TestScript, neg bool, args []string) {
	switch {
	case len(args) == 0:
		ts.Fatalf("usage: world DIR [FLAG…] | world -kill | world -stop")
	case args[0] == "-kill" || args[0] == "-stop":
		stopWorld(ts, args[0] == "-kill")
		return
	}
	port := ts.Getenv("WORLD_PORT")
	if port == "" {
		free, err := freePorts()
		ts.Check(err)
		port = strconv.Itoa(free)
	}
	program, clock := "brevetd", ts.Getenv(clockEnv)
	if clock != "" {
		program = "moved"
	}
	cmd := exec.Command(program, append([]string{"dev", "--dir", ts.MkAbs(args[0]), "--port", port}, args[1:]...)...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), clockEnv+"="+clock)
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	ts.Check(cmd.Start())
	lines := bufio.NewScanner(out)
	ready := lines.Scan() && strings.Contains(lines.Text(), " is ready ")
	if !ready {
		cmd.Wait()
		if neg {
			fmt.Fprint(ts.Stderr(), stderr.String())
			return
		}
		ts.Fatalf("no world: %s", stderr.String())
	}
	first := lines.Text()
	go func() {
		for lines.Scan() {
		}
	}()
	running.put(ts, cmd)
	ts.Defer(func() {
		if cmd := running.take(ts); cmd != nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	fmt.Fprintln(ts.Stdout(), first)
	ts.Setenv("DEVJSON", filepath.Join(ts.MkAbs(args[0]), "dev.json"))
	text, err := os.ReadFile(ts.Getenv("DEVJSON"))
	ts.Check(err)
	var facts sandbox.Facts
	ts.Check(json.Unmarshal(text, &facts))
	ts.Setenv("BREVET_URL", facts.URL)
	ts.Setenv("AWS_URL", facts.AWS)
	ts.Setenv("SIGNIN_URL", facts.SignIn)
	ts.Setenv("WORLD_PORT", facts.URL[strings.LastIndexByte(facts.URL, ':')+1:])
}

// as PERSON switches the client to another person's home.
func as(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: as PERSON")
	}
	ts.Setenv("WHO", args[0])
	ts.Setenv("BREVET_HOME", ts.MkAbs(args[0]))
}

// id VAR FIELD takes the first FIELD out of the JSON that the last command
// printed.
func id(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: id VAR FIELD")
	}
	_, rest, ok := strings.Cut(ts.ReadFile("stdout"), `"`+args[1]+`":`)
	if !ok {
		ts.Fatalf("no field %s", args[1])
	}
	parts := strings.SplitN(rest, `"`, 3)
	ts.Setenv(args[0], parts[1])
}

func stopWorld(ts *testscript.TestScript, kill bool) {
	cmd := running.take(ts)
	if cmd == nil {
		ts.Fatalf("no world is running")
	}
	if kill {
		ts.Check(cmd.Process.Kill())
		cmd.Wait()
		return
	}
	ts.Check(cmd.Process.Signal(os.Interrupt))
	ts.Check(wait(cmd))
}

func wait(cmd *exec.Cmd) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

package main

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// clockEnv names the file that says how far a script's world is ahead of the
// machine's clock; the world and the browser of the script read it.
const clockEnv = "BREVET_TEST_CLOCK"

// moved is brevetd in a world whose clock a script moves.
func moved() {
	clock = scriptClock(os.Getenv(clockEnv))
	main()
}

// scriptClock returns a clock that is ahead by what the file says, or that
// stands still where the file names a moment; without a file it is the
// machine's.
func scriptClock(path string) func() time.Time {
	return func() time.Time {
		text, err := os.ReadFile(path)
		if err != nil {
			return time.Now()
		}
		if at, err := time.Parse(time.RFC3339, string(text)); err == nil {
			return at
		}
		ahead, err := time.ParseDuration(strings.TrimSpace(string(text)))
		if err != nil {
			panic(err)
		}
		return time.Now().Add(ahead)
	}
}

// moveClock DURATION moves the clock of the script's world forward. The first
// comes before the world: clock 0s.
func moveClock(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: clock DURATION")
	}
	by, err := time.ParseDuration(args[0])
	ts.Check(err)
	path := ts.Getenv(clockEnv)
	if path == "" {
		path = ts.MkAbs("clock")
		ts.Setenv(clockEnv, path)
	}
	ahead := time.Until(scriptClock(path)().Add(by)).Round(time.Second)
	ts.Check(os.WriteFile(path+".new", []byte(ahead.String()), 0o600))
	ts.Check(os.Rename(path+".new", filepath.Clean(path)))
}

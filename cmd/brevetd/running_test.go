package main

import (
	"os/exec"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// worlds holds the brevetd of each running script.
type worlds struct {
	mu   sync.Mutex
	cmds map[*testscript.TestScript]*exec.Cmd
}

var running = worlds{cmds: map[*testscript.TestScript]*exec.Cmd{}}

func (w *worlds) put(ts *testscript.TestScript, cmd *exec.Cmd) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cmds[ts] = cmd
}

// take removes the script's brevetd and returns it, or nil.
func (w *worlds) take(ts *testscript.TestScript) *exec.Cmd {
	w.mu.Lock()
	defer w.mu.Unlock()
	cmd := w.cmds[ts]
	delete(w.cmds, ts)
	return cmd
}

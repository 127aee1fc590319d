package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"

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

// nextPort is where freePorts looks next: below the range from which the
// kernel hands out ports, so that a world finds its own again after a restart.
var nextPort atomic.Int64

// freePorts returns the first of three ports that nothing listens on, and that
// no other test of this binary is given.
func freePorts() (int, error) {
	nextPort.CompareAndSwap(0, int64(20000+os.Getpid()%1000*9))
	for range 3000 {
		base := int(nextPort.Add(3))
		if free(base) && free(base+1) && free(base+2) {
			return base, nil
		}
	}
	return 0, fmt.Errorf("no three free ports from %d on", nextPort.Load())
}

func free(port int) bool {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

func mustPorts(t *testing.T) int {
	t.Helper()
	port, err := freePorts()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// Package mototest runs moto, an AWS that keeps its state in memory, for tests.
package mototest

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"
)

// Start runs moto_server until the test ends and returns its URL. Where it
// cannot be had the test is skipped; what says what then was not tried.
func Start(t testing.TB, what string) string {
	t.Helper()
	program, err := exec.LookPath("moto_server")
	if err != nil {
		t.Skip("SKIPPED: moto_server is missing: " + what)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	host, port, _ := net.SplitHostPort(addr)
	cmd := exec.Command(program, "-H", host, "-p", port)
	cmd.Env = append(os.Environ(), "MOTO_ACCOUNT_ID=111122223333", "MOTO_IAM_LOAD_MANAGED_POLICIES=true")
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	ready := make(chan struct{})
	go func() { // it says where it runs once it does
		var seen []byte
		buf, said := make([]byte, 4096), false
		for {
			n, err := out.Read(buf)
			if !said {
				seen = append(seen, buf[:n]...)
				if said = bytes.Contains(seen, []byte("Running on")); said {
					close(ready)
				}
			}
			if err != nil {
				return
			}
		}
	}()
	select {
	case <-ready:
	case <-time.After(time.Minute):
		t.Fatal("moto_server does not start")
	}
	return "http://" + addr
}

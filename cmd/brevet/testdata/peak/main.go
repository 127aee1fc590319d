//go:build unix

// Command peak runs a program and prints its peak resident memory as the
// system counts it (KiB on Linux). It is small, since a process starts with
// the peak of its parent.
package main

import (
	"os"
	"strconv"
	"syscall"
)

func main() {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		os.Exit(1)
	}
	p, err := os.StartProcess(os.Args[1], os.Args[1:], &os.ProcAttr{Files: []*os.File{null, null, os.Stderr}})
	if err != nil {
		os.Exit(1)
	}
	state, err := p.Wait()
	if err != nil || !state.Success() {
		os.Exit(1)
	}
	os.Stdout.WriteString(strconv.FormatInt(int64(state.SysUsage().(*syscall.Rusage).Maxrss), 10))
}

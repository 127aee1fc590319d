//go:build unix

package main

import (
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// passed lists the signals that are handed on to a command.
var passed = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH}

// fromTerminal reports whether sig came from the terminal, which sends these
// to the whole foreground group: handing them on would make two of one, and
// the second Ctrl-C means something else to many programs.
func fromTerminal(sig os.Signal) bool {
	if sig != syscall.SIGINT && sig != syscall.SIGQUIT && sig != syscall.SIGWINCH {
		return false
	}
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// status turns how a command ended into an exit code.
func status(exit *exec.ExitError) exitCode {
	if w, ok := exit.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return exitCode(128 + int(w.Signal()))
	}
	return exitCode(exit.ExitCode())
}

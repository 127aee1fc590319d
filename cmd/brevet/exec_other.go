//go:build !unix

package main

import (
	"os"
	"os/exec"
)

// passed lists the signals that are handed on to a command. The console sends
// Ctrl-C to the command too; here it only must not end brevet first.
var passed = []os.Signal{os.Interrupt}

func fromTerminal(os.Signal) bool { return true }

// status turns how a command ended into an exit code.
func status(exit *exec.ExitError) exitCode { return exitCode(exit.ExitCode()) }

//go:build !linux

package main

import (
	"os"
	"time"
)

// datasync makes what was written to f durable.
func datasync(f *os.File) error { return f.Sync() }

// spent returns the CPU time that this process has used; not known here.
func spent() time.Duration { return 0 }

// inMemory reports whether dir is on a file system without a disk; not known
// here.
func inMemory(string) bool { return false }

//go:build !linux

package main

import "os"

// datasync makes what was written to f durable.
func datasync(f *os.File) error { return f.Sync() }

// inMemory reports whether dir is on a file system without a disk; not known
// here.
func inMemory(string) bool { return false }

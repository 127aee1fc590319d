package main

import (
	"os"
	"syscall"
)

// datasync makes what was written to f durable.
func datasync(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }

// inMemory reports whether dir is on a file system without a disk.
func inMemory(dir string) bool {
	const tmpfs = 0x01021994
	var s syscall.Statfs_t
	return syscall.Statfs(dir, &s) == nil && s.Type == tmpfs
}

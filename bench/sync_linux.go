package main

import (
	"os"
	"syscall"
	"time"
)

// datasync makes what was written to f durable.
func datasync(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }

// spent returns the CPU time that this process has used.
func spent() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// inMemory reports whether dir is on a file system without a disk.
func inMemory(dir string) bool {
	const tmpfs = 0x01021994
	var s syscall.Statfs_t
	return syscall.Statfs(dir, &s) == nil && s.Type == tmpfs
}

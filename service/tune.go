package service

import (
	"os"
	"runtime/debug"
)

// Tune sets the garbage collector up for a server, whose live heap is small:
// it may grow to four times that before it is collected. GOGC, where set,
// wins. Programs call it once at their start.
func Tune() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(300)
	}
}

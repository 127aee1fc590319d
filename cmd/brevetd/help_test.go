package main

import (
	"testing"

	"github.com/brevet-access/brevet/manual"
)

// The help of every command has one form, and fits 80 columns.
func TestHelp(t *testing.T) {
	for _, fault := range manual.Faults(rootCommand()) {
		t.Error(fault)
	}
}

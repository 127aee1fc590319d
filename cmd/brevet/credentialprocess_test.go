package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/keychain"
)

// The one line that AWS tools show names the command that helps, and none
// where none does.
func TestNext(t *testing.T) {
	full := brevet.Errorf(brevet.Unavailable, "cannot use the client's files").WithHint("BREVET_HOME names another directory for them").
		WithCause(&fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC})
	for name, tt := range map[string]struct {
		err  *brevet.Error
		want string
	}{
		"the server's hint":  {brevet.Errorf(brevet.NoGrant, "no").WithHint("brevet request a/B --for 1h"), "brevet request a/B --for 1h"},
		"no grant":           {brevet.Errorf(brevet.NoGrant, "no"), "run: brevet request a/B --reason \"…\""},
		"the cloud's no":     {brevet.Errorf(brevet.CloudRefused, "no"), "run: brevet why a/B"},
		"a full disk":        {full, "BREVET_HOME names another directory for them"},
		"a full disk behind": {brevet.Errorf(brevet.Internal, "x").WithCause(&os.LinkError{Err: syscall.ENOSPC}), ""},
	} {
		if got := next("a/B", tt.err); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// A home that cannot be used is no reason to look at the target.
func TestFullDisk(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := keychain.At(file).Lock("x")
	var said strings.Builder
	c := &cli{err: &said}
	if got := c.oneLine("a/B", errors.Join(err)); got == nil || strings.Contains(said.String(), "brevet why") || strings.Count(said.String(), "\n") != 1 {
		t.Errorf("%v %s", got, said.String())
	}
}

package main

import (
	"os/exec"
	"strings"
	"testing"
)

// The client starts at every call of an AWS tool: it must not link what only
// the server needs.
func TestLinksNothingHeavy(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	for pkg := range strings.Lines(string(out)) {
		for _, heavy := range []string{"github.com/aws/", "database/sql", "modernc.org/", "github.com/jackc/", "github.com/riverqueue/", "github.com/pressly/",
			"github.com/danielgtaylor/huma", "github.com/prometheus/", "github.com/brevet-access/brevet/store", "github.com/brevet-access/brevet/broker"} {
			if strings.HasPrefix(pkg, heavy) {
				t.Errorf("cmd/brevet links %s", strings.TrimSpace(pkg))
			}
		}
	}
}

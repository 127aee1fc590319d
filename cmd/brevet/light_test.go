package main

import (
	"os/exec"
	"path/filepath"
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
			"github.com/danielgtaylor/huma", "github.com/prometheus/", "github.com/cedar-policy/", "github.com/brevet-access/brevet/store", "github.com/brevet-access/brevet/broker"} {
			if strings.HasPrefix(pkg, heavy) {
				t.Errorf("cmd/brevet links %s", strings.TrimSpace(pkg))
			}
		}
	}
}

// text/template calls methods by name. If anything of it is reachable the
// linker keeps every exported method of every type: a quarter more to load.
func TestLinksNoTemplates(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: -short: builds the program")
	}
	program := filepath.Join(t.TempDir(), "brevet")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	out, err := exec.Command("go", "tool", "nm", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, symbol := range []string{"reflect.Value.MethodByName", "text/template.(*state).walk"} {
		if strings.Contains(string(out), " "+symbol+"\n") {
			t.Errorf("cmd/brevet links %s", symbol)
		}
	}
}

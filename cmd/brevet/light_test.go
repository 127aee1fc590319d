package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
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

// startsLight checks what our own packages do before main: compiling one
// regular expression there costs more than all else that a short command
// does. (A warm credential-process is over by then: TestAnswersBeforeStart.)
func startsLight(t *testing.T, program string) {
	t.Helper()
	const most = 64 // allocations
	cmd := exec.Command(program, "version")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1", "HOME="+t.TempDir())
	var trace bytes.Buffer
	cmd.Stderr = &trace
	if err := cmd.Run(); err != nil {
		t.Fatalf("brevet version: %v\n%s", err, trace.String())
	}
	seen := 0
	for line := range strings.Lines(trace.String()) { // init PACKAGE @T ms, N ms clock, N bytes, N allocs
		f := strings.Fields(line)
		if len(f) < 3 || f[0] != "init" || !strings.HasPrefix(f[1], "github.com/brevet-access/") {
			continue
		}
		seen++
		if n, err := strconv.Atoi(f[len(f)-2]); err != nil || n > most {
			t.Errorf("%s allocates %s times before main, more than %d: do it at first use", f[1], f[len(f)-2], most)
		}
	}
	if seen == 0 {
		t.Fatalf("no package of ours in the trace:\n%s", trace.String())
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
	startsLight(t, program)
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

// A credential that lies in the cache is printed before what it does not need
// is initialised. Go's order of initialisation, by import path among the
// packages that are ready, is what makes it so; a new import of package
// handout, or another name for it, could undo it.
func TestAnswersBeforeStart(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: -short: builds the program")
	}
	program := goBuild(t, t.TempDir(), ".", "brevet")
	late := []string{"net", "net/http", "crypto/tls", "regexp", "github.com/spf13/cobra", "github.com/zalando/go-keyring",
		"github.com/brevet-access/brevet/stack", "github.com/brevet-access/brevet/catalog", "github.com/brevet-access/brevet/client", "main"}
	started := func(early string) (string, map[string]bool) {
		cmd := exec.Command(program, "credential-process", "acme-prod/Admin", "--server", sandbox, "--home", warmHome(t))
		cmd.Env = []string{"HOME=/nonexistent", "GODEBUG=inittrace=1", "BREVET_EARLY=" + early}
		var trace bytes.Buffer
		cmd.Stderr = &trace
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v\n%s", err, trace.String())
		}
		packages := map[string]bool{}
		for line := range strings.Lines(trace.String()) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "init" {
				packages[f[1]] = true
			}
		}
		return string(out), packages
	}

	out, packages := started("")
	var got struct{ AccessKeyId, SessionToken string } //nolint:revive // AWS's spelling
	if err := json.Unmarshal([]byte(out), &got); err != nil || got.AccessKeyId != "ASIAEXAMPLE" || len(got.SessionToken) != 800 {
		t.Errorf("answer: %v: %s", err, out)
	}
	for p := range packages {
		if slices.Contains(late, p) || strings.HasPrefix(p, "go.yaml.in/") {
			t.Errorf("%s was initialised before the answer: what does package handout import that needs it, or waits for something late?", p)
		}
	}
	if !packages["os"] {
		t.Errorf("the trace shows little: %v", packages)
	}

	ordinary, all := started("off")
	if ordinary == "" || len(ordinary) != len(out) {
		t.Errorf("the ordinary program answers otherwise: %s", ordinary)
	}
	for _, p := range []string{"net/http", "github.com/spf13/cobra", "github.com/brevet-access/brevet/stack"} {
		if !all[p] {
			t.Errorf("%s is not in the trace of the ordinary program, so its absence says nothing", p)
		}
	}
}

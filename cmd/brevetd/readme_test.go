package main

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestReadme runs the README's first command as it stands there, in a copy of
// the repository, and checks that the second is what CI runs.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	const first, second = "go run ./cmd/brevetd dev", "make test"
	for _, command := range []string{first, second} {
		if !strings.Contains(string(text), "\n$ "+command+"\n") {
			t.Fatalf("the README does not have the command %q", command)
		}
	}
	ci, err := os.ReadFile("../../.ci/run")
	if err != nil || !strings.Contains(string(ci), "\n"+second+"\n") {
		t.Errorf("CI does not run %q (%v)", second, err)
	}
	plan, err := exec.Command("make", "-C", "../..", "-n", "test").CombinedOutput()
	for _, step := range []string{"gofmt -l", "go vet ./...", "staticcheck ./...", "scripts/test.sh"} {
		if err != nil || !strings.Contains(string(plan), step) {
			t.Errorf("%q does not run %q (%v)", second, step, err)
		}
	}
	for _, port := range []string{"8477", "8478", "8479"} {
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Skipf("SKIPPED: %s: port %s is taken on this machine", first, port)
		}
		l.Close()
	}
	startAsWritten(t, copyOfRepo(t), first)
}

// copyOfRepo returns a folder with the files of the repository and no state.
func copyOfRepo(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := e.Name()
		switch {
		case e.IsDir() && !strings.HasPrefix(name, ".") && name != "bin" && name != "tools":
			err = os.CopyFS(filepath.Join(dir, name), os.DirFS(filepath.Join(root, name)))
		case strings.HasSuffix(name, ".go"):
			var text []byte
			if text, err = os.ReadFile(filepath.Join(root, name)); err == nil {
				err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// startAsWritten runs a command line until it says that it is ready, then
// ends it as Ctrl-C does.
func startAsWritten(t *testing.T, dir, command string) {
	t.Helper()
	words := strings.Fields(command)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C reaches the whole group
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	want := []string{
		"brevet is ready   http://127.0.0.1:8477     sign-in http://127.0.0.1:8478     AWS (simulated) http://127.0.0.1:8479",
		"people   engineer   lead   security   contractor ",
		"accounts acme-staging 111122223333   acme-prod 444455556666 ",
	}
	for _, w := range want {
		if !lines.Scan() || !strings.HasPrefix(lines.Text(), w) {
			t.Errorf("line %q, want %q", lines.Text(), w)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, ".brevet", "dev.json")); err != nil {
		t.Error(err)
	}
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
	}
	cmd.Wait() // go run reports the interrupt as a failure of its own
	if strings.Contains(stderr.String(), "panic") || strings.Contains(stderr.String(), "brevetd: ") {
		t.Errorf("it did not end well: %s", stderr.String())
	}
}

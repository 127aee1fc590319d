package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet/keychain"
)

// goBuild compiles a program as a release does and returns its path.
func goBuild(tb testing.TB, dir, pkg, name string) string {
	tb.Helper()
	out := filepath.Join(dir, name)
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("go build %s: %v\n%s", pkg, err, text)
	}
	return out
}

// warmHome returns a home with a fresh credential for acme-prod/Admin, in a
// sealed file.
func warmHome(tb testing.TB) string {
	tb.Helper()
	home := keychain.At(tb.TempDir())
	if _, _, err := home.Prepare(keychain.File); err != nil {
		tb.Fatal(err)
	}
	v, err := home.Open(keychain.File)
	if err != nil {
		tb.Fatal(err)
	}
	now := time.Now()
	c := keychain.Credential{Target: "acme-prod/Admin", AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: strings.Repeat("s", 40), SessionToken: strings.Repeat("t", 800),
		Made: now, Heard: now, Expires: now.Add(time.Hour), GrantEnds: now.Add(time.Hour)}
	if err := v.PutCredential(sandbox, c); err != nil {
		tb.Fatal(err)
	}
	return home.Dir()
}

// BenchmarkCredentialProcess compares a warm credential-process, sealed file,
// with a program of the standard library alone that reads and prints JSON.
// Both sides take turns; "ratio" is that of the medians (at most 1.9) and
// "MiB-rss" the peak of brevet's resident memory (at most 8).
func BenchmarkCredentialProcess(b *testing.B) {
	dir := b.TempDir()
	brevet := goBuild(b, dir, ".", "brevet")
	reference := goBuild(b, dir, "./testdata/reference", "reference")
	plain, err := json.Marshal(map[string]any{"Version": 1, "AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": strings.Repeat("s", 40),
		"SessionToken": strings.Repeat("t", 800), "Expiration": time.Now().Add(time.Hour)})
	if err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(dir, "plain.json")
	if err := os.WriteFile(file, plain, 0o600); err != nil {
		b.Fatal(err)
	}
	home := ""
	var ours, theirs []time.Duration
	warmed := time.Time{}
	for b.Loop() {
		if time.Since(warmed) > keychain.FreshFor/2 {
			home, warmed = warmHome(b), time.Now()
		}
		ours = append(ours, run(b, brevet, "credential-process", "acme-prod/Admin", "--server", sandbox, "--home", home))
		theirs = append(theirs, run(b, reference, file))
	}
	b.ReportMetric(float64(median(ours))/float64(median(theirs)), "ratio")
	b.ReportMetric(float64(median(ours))/1e6, "ms-brevet")
	b.ReportMetric(float64(median(theirs))/1e6, "ms-stdlib")
	if runtime.GOOS == "linux" {
		out, err := exec.Command(goBuild(b, dir, "./testdata/peak", "peak"), brevet, "credential-process", "acme-prod/Admin", "--server", sandbox, "--home", warmHome(b)).Output()
		kib, nerr := strconv.Atoi(string(out))
		if err != nil || nerr != nil {
			b.Fatalf("peak: %v, %v", err, nerr)
		}
		b.ReportMetric(float64(kib)/1024, "MiB-rss")
	}
}

// run runs a program to its end and returns how long that took.
func run(b *testing.B, name string, args ...string) time.Duration {
	cmd := exec.Command(name, args...)
	cmd.Env = []string{"HOME=/nonexistent"}
	began := time.Now()
	out, err := cmd.Output()
	took := time.Since(began)
	if err != nil || !strings.Contains(string(out), "ASIAEXAMPLE") {
		b.Fatalf("%s: %v: %s", filepath.Base(name), err, out)
	}
	return took
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

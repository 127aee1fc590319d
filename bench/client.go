package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet/keychain"
)

// warmServer is the server whose credential is in the keychain; it is never
// asked, and not there.
const warmServer = "https://brevet.invalid"

// clients are the programs that are compared: a warm credential-process with
// a sealed file, and the standard library reading and printing JSON.
type clients struct {
	dir, brevet, plain, peak string
	home                     *keychain.Home
	warmed                   time.Time
}

// measureClient compares how long a warm credential-process takes from start
// to end, and weighs it.
func measureClient(ctx context.Context, p plan) ([]row, error) {
	c, err := buildClients(ctx, p.dir)
	if err != nil {
		return nil, err
	}
	var ours, theirs []time.Duration
	for range p.starts + 3 {
		if err := c.warm(); err != nil {
			return nil, err
		}
		a, err := c.time(ctx, c.brevet, c.args()...)
		if err != nil {
			return nil, err
		}
		b, err := c.time(ctx, c.plain, filepath.Join(c.dir, "plain.json"))
		if err != nil {
			return nil, err
		}
		ours, theirs = append(ours, a), append(theirs, b)
	}
	b := both{summarize(ours[3:], 0), summarize(theirs[3:], 0)} // the first ones fill the system's caches
	b.ours.Rate, b.theirs.Rate = 0, 0
	wall := compare([]both{b}, medians)
	wall.name, wall.goal = "credential-process, warm", 1.9
	weight := row{name: "credential-process, peak RSS", unit: " MiB", goal: 8}
	if runtime.GOOS != "linux" {
		weight.skipped = "Linux counts it"
		return []row{wall, weight}, nil
	}
	if weight.theirs.RSS, err = c.weigh(ctx, c.plain, filepath.Join(c.dir, "plain.json")); err != nil {
		return nil, err
	}
	weight.ours.RSS, err = c.weigh(ctx, c.brevet, c.args()...)
	weight.value = weight.ours.RSS
	return []row{wall, weight}, err
}

// buildClients compiles the programs as a release does, and writes what the
// plain one reads.
func buildClients(ctx context.Context, dir string) (*clients, error) {
	mod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	root := filepath.Dir(strings.TrimSpace(string(mod)))
	build := func(name, pkg string) string {
		out := filepath.Join(dir, name)
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, pkg)
		cmd.Dir, cmd.Stderr, cmd.Env = root, os.Stderr, append(os.Environ(), "CGO_ENABLED=0")
		if e := cmd.Run(); e != nil && err == nil {
			err = fmt.Errorf("go build %s: %w", pkg, e)
		}
		return out
	}
	c := &clients{dir: dir, home: keychain.At(filepath.Join(dir, "home"))}
	c.brevet = build("brevet", "./cmd/brevet")
	c.plain = build("plain", "./cmd/brevet/testdata/reference")
	if runtime.GOOS == "linux" {
		c.peak = build("peak", "./cmd/brevet/testdata/peak")
	}
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(map[string]any{"Version": 1, "AccessKeyId": accessKey, "SecretAccessKey": strings.Repeat("s", 40),
		"SessionToken": strings.Repeat("t", 800), "Expiration": time.Now().Add(time.Hour)})
	if err != nil {
		return nil, err
	}
	return c, os.WriteFile(filepath.Join(dir, "plain.json"), text, 0o600)
}

func (c *clients) args() []string {
	return []string{"credential-process", target, "--server", warmServer, "--home", c.home.Dir()}
}

// warm puts a fresh credential into the keychain before the one there counts
// as one to ask the server about.
func (c *clients) warm() error {
	now := time.Now()
	if now.Sub(c.warmed) < keychain.FreshFor/2 {
		return nil
	}
	if _, _, err := c.home.Prepare(keychain.File); err != nil {
		return err
	}
	vault, err := c.home.Open(keychain.File)
	if err != nil {
		return err
	}
	c.warmed = now
	return vault.PutCredential(warmServer, keychain.Credential{Target: target, AccessKeyID: accessKey, SecretAccessKey: strings.Repeat("s", 40),
		SessionToken: strings.Repeat("t", 800), Made: now, Heard: now, Expires: now.Add(time.Hour), GrantEnds: now.Add(time.Hour)})
}

// time runs a program to its end and returns how long that took.
func (c *clients) time(ctx context.Context, name string, args ...string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = []string{"HOME=/nonexistent"}
	began := time.Now()
	out, err := cmd.Output()
	took := time.Since(began)
	if err != nil || !bytes.Contains(out, []byte(accessKey)) {
		return 0, fmt.Errorf("%s printed no credential: %w", filepath.Base(name), err)
	}
	return took, nil
}

// weigh returns the median peak of a program's resident memory in MiB.
func (c *clients) weigh(ctx context.Context, name string, args ...string) (float64, error) {
	var all []float64
	for range 5 {
		if err := c.warm(); err != nil {
			return 0, err
		}
		cmd := exec.CommandContext(ctx, c.peak, append([]string{name}, args...)...)
		cmd.Env = []string{"HOME=/nonexistent"}
		out, err := cmd.Output()
		if err != nil {
			return 0, fmt.Errorf("peak %s: %w", filepath.Base(name), err)
		}
		kib, err := strconv.Atoi(string(out))
		if err != nil {
			return 0, err
		}
		all = append(all, float64(kib)/1024)
	}
	return middle(all, func(v float64) float64 { return v }), nil
}

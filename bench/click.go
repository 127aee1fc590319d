package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/brevet-access/brevet/brevettest"
	"github.com/brevet-access/brevet/sandbox"
)

// measureClick times from the tap on Approve to the end of the command that
// waits in a terminal, both as people have them: the browser's POST with its
// token, the command a process. The reference is what cannot be done without:
// a held HTTP answer that a POST lets go.
func measureClick(ctx context.Context, p plan) (rows []row, err error) {
	c, err := openClick(ctx, p)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	floor := httptest.NewServer(newHeld())
	defer floor.Close()
	var ours, theirs []time.Duration
	for range p.clicks {
		took, err := c.click(ctx)
		if err != nil {
			return nil, err
		}
		ours = append(ours, took)
		if took, err = letGo(floor.URL); err != nil {
			return nil, err
		}
		theirs = append(theirs, took)
	}
	r := row{name: "click to waiting CLI", ours: summarize(ours, total(ours)), theirs: summarize(theirs, total(theirs)), unit: " ms", goal: 300}
	r.value = float64(r.ours.P99) / float64(time.Millisecond)
	return []row{r}, nil
}

func total(list []time.Duration) (sum time.Duration) {
	for _, d := range list {
		sum += d
	}
	return sum
}

// clicks is a world with somebody who asks in a terminal and somebody who
// decides in a browser.
type clicks struct {
	world  *sandbox.World
	end    func() error
	brevet string // the program
	env    []string
	lead   *brevettest.Browser
}

func openClick(ctx context.Context, p plan) (*clicks, error) {
	dir := filepath.Join(p.dir, "click")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	c := &clicks{brevet: filepath.Join(dir, "brevet")}
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", c.brevet, "github.com/brevet-access/brevet/cmd/brevet").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, out)
	}
	var err error
	if c.world, c.end, err = openWorld(ctx, filepath.Join(dir, "world")); err != nil {
		return nil, err
	}
	if err := c.signIn(ctx, dir); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// openWorld brings a sandbox to life in dir; end ends it.
func openWorld(ctx context.Context, dir string) (w *sandbox.World, end func() error, err error) {
	ctx, cancel := context.WithCancel(ctx)
	if w, err = sandbox.Open(ctx, sandbox.Config{Dir: dir}); err != nil {
		cancel()
		return nil, nil, err
	}
	done, ready := make(chan error, 1), make(chan struct{})
	go func() { done <- w.Serve(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-done:
		cancel()
		return nil, nil, errors.Join(err, w.Close())
	}
	return w, func() error {
		cancel()
		return errors.Join(<-done, w.Close())
	}, nil
}

func (c *clicks) close() error { return c.end() }

// signIn signs both in: the one who asks by the program, with the code pasted.
func (c *clicks) signIn(ctx context.Context, dir string) (err error) {
	f := c.world.Facts
	if c.lead, err = brevettest.NewBrowser(f, time.Now, "lead"); err != nil {
		return err
	}
	if _, err = c.lead.Open(f.URL + "/signin?next=/"); err != nil {
		return err
	}
	c.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "BREVET_HOME=" + filepath.Join(dir, "home"), "BREVET_URL=" + f.URL, "DBUS_SESSION_BUS_ADDRESS=disabled:",
		"BROWSER=" + filepath.Join(dir, "browser"), partEnv + "=browser", factsEnv + "=" + filepath.Join(dir, "facts.json")}
	facts, err := json.Marshal(f)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "facts.json"), facts, 0o600)
	}
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.Symlink(self, filepath.Join(dir, "browser")); err != nil {
		return err
	}
	out, err := c.run(ctx, "login").CombinedOutput()
	if err != nil {
		return fmt.Errorf("brevet login: %w: %s", err, out)
	}
	return nil
}

func (c *clicks) run(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.brevet, args...)
	cmd.Env = c.env
	return cmd
}

// click has the program ask and wait, opens the page, taps, and returns how
// long it is from there until the program has ended.
func (c *clicks) click(ctx context.Context) (time.Duration, error) {
	var out strings.Builder
	cmd := c.run(ctx, "request", "acme-prod/SRE", "--for", "1h", "--reason", "bench", "--wait")
	cmd.Stdout = &out
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	var said strings.Builder
	for buf := make([]byte, 1); !strings.Contains(said.String(), "waiting for"); said.Write(buf) {
		if _, err := stderr.Read(buf); err != nil {
			return 0, fmt.Errorf("brevet request: %w: %s", err, said.String())
		}
	}
	go io.Copy(io.Discard, stderr)
	_, rest, _ := strings.Cut(said.String(), "Approval page: ")
	address, _, _ := strings.Cut(rest, "\n")
	page, err := c.lead.Open(address)
	if err != nil {
		return 0, err
	}
	time.Sleep(50 * time.Millisecond) // it has gone to wait; a person reads longer
	began := time.Now()
	tapped := make(chan error, 1)
	go func() {
		_, err := c.lead.Press(page, "approve", url.Values{})
		tapped <- err
	}()
	err = cmd.Wait()
	took := time.Since(began)
	if err = errors.Join(err, <-tapped); err != nil || !strings.Contains(out.String(), "approved") {
		return 0, fmt.Errorf("brevet request --wait: %w: %s", err, out.String())
	}
	return took, nil
}

// held answers a GET when a POST comes.
type held struct{ release chan struct{} }

func newHeld() *held { return &held{make(chan struct{})} }

func (h *held) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		h.release <- struct{}{}
		return
	}
	<-h.release
}

// letGo times one round.
func letGo(url string) (time.Duration, error) {
	done := make(chan error, 1)
	go func() {
		resp, err := http.Get(url)
		if err == nil {
			resp.Body.Close()
		}
		done <- err
	}()
	time.Sleep(5 * time.Millisecond)
	began := time.Now()
	resp, err := http.Post(url, "text/plain", nil)
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	err = <-done
	return time.Since(began), err
}

// factsEnv names the file that says where the world is.
const factsEnv = "BREVET_BENCH_FACTS"

// playBrowser is what $BROWSER names: it signs engineer in at the address
// that it is given.
func playBrowser(*json.Decoder, *json.Encoder) error {
	text, err := os.ReadFile(os.Getenv(factsEnv))
	if err != nil {
		return err
	}
	var facts sandbox.Facts
	if err := json.Unmarshal(text, &facts); err != nil {
		return err
	}
	_, err = brevettest.Browse(facts, time.Now, "engineer", os.Args[len(os.Args)-1])
	return err
}

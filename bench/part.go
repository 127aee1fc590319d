package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// partEnv names the part that a process of this program plays.
const partEnv = "BREVET_BENCH_PART"

// A part reads orders, answers each, and ends when there are no more.
type part func(in *json.Decoder, out *json.Encoder) error

var parts = map[string]part{"sts": playSTS, "service": playService, "reference": playReference, "load": playLoad, "browser": playBrowser}

// runPart plays a part and returns the process's exit code.
func runPart(name string) int {
	play := parts[name]
	if play == nil {
		fmt.Fprintf(os.Stderr, "bench: there is no part %q\n", name)
		return 2
	}
	if err := play(json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %s: %v\n", name, err)
		return 1
	}
	return 0
}

// process is a part that runs.
type process struct {
	name string
	cmd  *exec.Cmd
	in   *json.Encoder
	out  *json.Decoder
	end  func() error
}

// start has this program play a part, gives it its first order and waits for
// the answer. The process ends with ctx at the latest.
func start(ctx context.Context, name string, order, answer any) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), partEnv+"="+name)
	cmd.Stderr = os.Stderr
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{name: name, cmd: cmd, in: json.NewEncoder(in), out: json.NewDecoder(out), end: in.Close}
	if err := p.ask(order, answer); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

// ask gives the part an order and waits for its answer.
func (p *process) ask(order, answer any) error {
	err := p.in.Encode(order)
	if err == nil {
		err = p.out.Decode(answer)
	}
	if err != nil {
		return fmt.Errorf("%s gave no answer: %w", p.name, err)
	}
	return nil
}

// stop tells the part that there is nothing more to do and waits for its end.
func (p *process) stop() error {
	if p == nil {
		return nil
	}
	p.end()
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}

// rss returns the memory of the process that is resident now, in MiB; 0 where
// the system does not tell.
func (p *process) rss() float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	size, _, _ := strings.Cut(rest, "kB")
	kib, err := strconv.Atoi(strings.TrimSpace(size))
	if err != nil {
		return 0
	}
	return float64(kib) / 1024
}

// cpu returns the processor time that the process has used, to the 10 ms in
// which Linux counts it; 0 where the system does not tell.
func (p *process) cpu() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if errors.Join(err1, err2) != nil {
		return 0
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

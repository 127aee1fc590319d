package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// run rewrites, builds, and tries every mutant.
func run(o options, pattern string) error {
	began := time.Now()
	equivalent, err := readEquivalent(o.equivalent)
	if err != nil {
		return err
	}
	target, exports, err := list(pattern)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	mutants, overlay, err := rewrite(o, target, exports, dir)
	if err != nil {
		return err
	}
	program := filepath.Join(dir, "package.test")
	if err := build(pattern, overlay, program); err != nil {
		return err
	}
	t := &trial{options: o, program: program, dir: target.Dir}
	if !t.survives(0) {
		return errors.New("the tests fail without any mutant")
	}
	var todo []mutant
	skipped, used := 0, map[string]bool{}
	for i, m := range mutants {
		switch {
		case equivalent[m.key()]:
			skipped++
			used[m.key()] = true
		case i%o.every == 0:
			todo = append(todo, m)
		}
	}
	for key := range equivalent {
		if !used[key] {
			fmt.Println("no such mutant any more:", key)
		}
	}
	survivors := t.all(todo)
	killed := len(todo) - len(survivors)
	share := 100.0
	if len(todo) > 0 {
		share = 100 * float64(killed) / float64(len(todo))
	}
	fmt.Printf("%s: %d mutants, %d tried, %d noticed, %d not (%.1f %% noticed), %d known to change nothing; %s\n",
		target.ImportPath, len(mutants), len(todo), killed, len(survivors), share, skipped, time.Since(began).Round(time.Second))
	if share < o.least {
		return fmt.Errorf("%.1f %% is less than %.1f %%", share, o.least)
	}
	return nil
}

// trial runs the tests with one mutant awake.
type trial struct {
	options
	program string
	dir     string
}

// survives reports whether the tests pass.
func (t *trial) survives(id int) bool {
	ctx, cancel := context.WithTimeout(context.Background(), t.timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, t.program, "-test.short", "-test.failfast", "-test.timeout", t.timeout.String())
	cmd.Dir = t.dir
	cmd.Env = append(os.Environ(), "MUTANT="+strconv.Itoa(id), "GOMAXPROCS=1")
	return cmd.Run() == nil
}

// all tries the mutants, prints those that survive as it finds them, and
// returns them in order.
func (t *trial) all(todo []mutant) []mutant {
	alive := make([]bool, len(todo))
	work := make(chan int)
	var wait sync.WaitGroup
	for range t.jobs {
		wait.Go(func() {
			for i := range work {
				alive[i] = t.survives(todo[i].ID)
				if m := todo[i]; alive[i] || t.verbose {
					fmt.Printf("%s %s:%d %s\n", map[bool]string{true: "NOT NOTICED", false: "noticed    "}[alive[i]], m.File, m.Line, m.key())
				}
			}
		})
	}
	for i := range todo {
		work <- i
	}
	close(work)
	wait.Wait()
	var out []mutant
	for i, m := range todo {
		if alive[i] {
			out = append(out, m)
		}
	}
	return out
}

package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/brevet-access/brevet"
)

// maxLine bounds what is read of a line that somebody types, in bytes.
const maxLine = 4096

// readLine reads one line and nothing after it, which may be meant for a
// command that runs next. The error is [io.EOF] where input ends before the
// line does, and that of ctx if it ends first.
func readLine(ctx context.Context, in io.Reader) (string, error) {
	type result struct {
		text string
		err  error
	}
	got := make(chan result, 1)
	go func() {
		text, err := oneByOne(in)
		got <- result{text, err}
	}()
	select {
	case r := <-got:
		return r.text, r.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func oneByOne(in io.Reader) (string, error) {
	var line []byte
	var b [1]byte
	for len(line) < maxLine {
		n, err := in.Read(b[:])
		switch {
		case n == 1 && b[0] == '\n':
			return string(line), nil
		case n == 1:
			line = append(line, b[0])
		case err != nil:
			return string(line), err
		}
	}
	return string(line), nil
}

// prompts reports whether there is a person to be asked.
func (c *cli) prompts() bool { return isTerminal(c.in) && isTerminal(c.err) }

// prompt writes a question where somebody sits who is to answer it; what comes
// from a pipe was not asked for.
func (c *cli) prompt(question string) {
	if isTerminal(c.in) {
		fmt.Fprint(c.err, brevet.Printable(question)+" ")
	}
}

// reason asks for the reason of a request; "" means that none is wanted. A
// yes or no is an answer to another question, so it is asked once more.
func (c *cli) reason(ctx context.Context) (string, error) {
	for range 2 {
		c.prompt("Reason (Enter = do not ask):")
		line, err := readLine(ctx, c.in)
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		line = strings.TrimSpace(line)
		if !yesOrNo(line) {
			return line, nil
		}
		c.say("%q is no reason; say in a few words what the access is for.", line)
		if err != nil {
			return "", nil
		}
	}
	return "", nil
}

func yesOrNo(s string) bool {
	switch strings.ToLower(strings.TrimRight(s, ".!")) {
	case "y", "yes", "n", "no":
		return true
	}
	return false
}

// agrees asks a question that Enter says yes to.
func (c *cli) agrees(ctx context.Context, question string) (bool, error) {
	c.prompt(question + " [Enter = yes, Ctrl-C = no]")
	line, err := readLine(ctx, c.in)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	line = strings.ToLower(strings.TrimSpace(line))
	return err == nil && line != "n" && line != "no", nil
}

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/glass"
	"github.com/brevet-access/brevet/manual"
)

// shareFlags is what breakglass share was told.
type shareFlags struct{ bundle, identity, call, check string }

func breakglassShare() *cobra.Command {
	var f shareFlags
	cmd := &cobra.Command{
		Use:   "share --bundle FILE --identity FILE",
		Short: "Give your share of an offline key to somebody who calls",
		Long: `Give your share of an offline key to somebody who calls. It reads the call, says
who wants what and why, and, if you agree, prints an answer for whoever called:
your share, sealed so that it opens for this one call only.

A call can be made by anybody. Ask the one who calls, by a way that shows you
that it is them, whether it is theirs, and have them read its check to you: it
is typed here, and must fit. With as many answers as it takes, the key is in
their memory, and with it they can enter every account of the customer.`,
		Example: "  brevetd breakglass share --bundle bundle.json --identity ~/.ssh/id_ed25519",
		Args:    manual.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return shareGlass(cmd.Context(), f, os.Stdin, cmd.OutOrStdout(), cmd.ErrOrStderr(), time.Now())
		},
	}
	cmd.Flags().StringVar(&f.bundle, "bundle", "", "the customer's bundle, a `FILE`")
	cmd.Flags().StringVar(&f.identity, "identity", "", "your age identity or SSH private key, a `FILE`")
	cmd.Flags().StringVar(&f.call, "call", "", "the call, a `FILE`; left out: it is pasted")
	cmd.Flags().StringVar(&f.check, "check", "", "the `CHECK` of the call, as read to you; left out: it is asked for")
	for _, name := range []string{"bundle", "identity"} {
		_ = cmd.MarkFlagRequired(name)
	}
	return cmd
}

func shareGlass(ctx context.Context, f shareFlags, in io.Reader, out, told io.Writer, now time.Time) error {
	b, err := readBundle(f.bundle)
	if err != nil {
		return err
	}
	secret, err := readSmall(f.identity)
	if err != nil {
		return err
	}
	lines := bufio.NewReader(in)
	call, err := readCall(f.call, lines, told)
	if err != nil {
		return err
	}
	ids, err := glass.Identities(secret, func() ([]byte, error) { return passphrase(ctx, told, "Passphrase of "+f.identity+": ") })
	clear(secret)
	if err != nil {
		return err
	}
	h, err := glass.Hold(b, call, ids, now)
	if err != nil {
		return err
	}
	c := h.Call
	fmt.Fprintf(told, "%s wants %s for %s.\n", c.Handle, c.Target, brevet.FormatDuration(c.Duration()))
	fmt.Fprintf(told, "Reason:   %s\n", c.Reason)
	fmt.Fprintf(told, "Called:   %s (%s ago)\n", c.Time.UTC().Format(time.RFC3339), brevet.FormatDuration(max(0, now.Sub(c.Time)).Truncate(time.Second)))
	fmt.Fprintf(told, "Your share, as %s, is one of %d that open the key of %s: it opens all of %s.\n", h.Holder, b.Threshold, b.CustomerName, strings.Join(b.Targets(), ", "))
	check := f.check
	if check == "" {
		fmt.Fprintf(told, "Ask %s whether this is theirs, and type the check that they read to you\n(empty: no): ", c.Handle)
		line, err := lines.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return brevet.Errorf(brevet.Invalid, "no check was typed").WithCause(err)
		}
		check = line
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	switch got := plainCheck(check); {
	case got == "":
		return brevet.Errorf(brevet.Denied, "nothing was given")
	case got != plainCheck(c.Check()):
		return brevet.Errorf(brevet.Denied, "the check is another: this is not the call that %s made, and nothing was given", c.Handle).
			WithHint("have the call sent anew; if it fits no better, somebody else is calling")
	}
	text, err := h.Answer()
	if err != nil {
		return err
	}
	fmt.Fprintf(told, "Send this back to %s:\n\n", c.Handle)
	_, err = out.Write(text)
	return err
}

// plainCheck is a check without what people put between its letters.
func plainCheck(s string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		if r == '-' || r == ' ' || r == '\n' || r == '\r' || r == '\t' {
			return -1
		}
		return r
	}, s))
}

func readBundle(name string) (glass.Bundle, error) {
	text, err := readSmall(name)
	if err != nil {
		return glass.Bundle{}, err
	}
	return glass.ParseBundle(text)
}

// readSmall reads a file of at most 1 MiB.
func readSmall(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, brevet.Errorf(brevet.Invalid, "cannot read %s: %s", name, plainCause(err)).WithCause(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return nil, brevet.Errorf(brevet.Invalid, "cannot read %s: %s", name, plainCause(err)).WithCause(err)
	}
	return text, nil
}

// readCall reads a call from a file, or as it is pasted, up to its last line.
func readCall(file string, in *bufio.Reader, told io.Writer) ([]byte, error) {
	if file != "" {
		return readSmall(file)
	}
	fmt.Fprintln(told, "Paste the call:")
	var text []byte
	for len(text) < 1<<20 {
		line, err := in.ReadString('\n')
		text = append(text, line...)
		if strings.HasPrefix(strings.TrimSpace(line), "-----END ") || err != nil {
			break
		}
	}
	return text, nil
}

// passphrase asks at the terminal, even where the call comes by a pipe.
func passphrase(ctx context.Context, told io.Writer, question string) ([]byte, error) {
	tty := os.Stdin
	if !term.IsTerminal(int(tty.Fd())) {
		own, err := os.Open("/dev/tty")
		if err != nil {
			return nil, brevet.Errorf(brevet.Invalid, "the identity has a passphrase, and there is no terminal to ask at")
		}
		defer own.Close()
		tty = own
	}
	before, err := term.GetState(int(tty.Fd()))
	if err != nil {
		return nil, err
	}
	fmt.Fprint(told, question)
	defer fmt.Fprintln(told)
	type result struct {
		text []byte
		err  error
	}
	got := make(chan result, 1)
	go func() {
		text, err := term.ReadPassword(int(tty.Fd()))
		got <- result{text, err}
	}()
	select {
	case r := <-got:
		return r.text, r.err
	case <-ctx.Done(): // Ctrl-C: the terminal shows again what is typed
		return nil, errors.Join(ctx.Err(), term.Restore(int(tty.Fd()), before))
	}
}

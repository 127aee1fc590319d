package main

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/keychain"
	"github.com/brevet-access/brevet/manual"
)

// sealedFlags is what break-glass was told of sealed codes.
type sealedFlags struct {
	codes    bool
	as, with string
}

// flagCodes lets break-glass go without a sign-in. The codes themselves are
// typed, or come on the standard input: an argument is seen by everybody on the
// machine.
func (c *cli) flagCodes(cmd *cobra.Command, in *api.BreakGlass) {
	var f sealedFlags
	cmd.Flags().BoolVar(&f.codes, "codes", false, "nobody can sign in: use a sealed code of yours and one of a second person")
	cmd.Flags().StringVar(&f.as, "as", "", "with --codes or --offline: your `HANDLE`")
	cmd.Flags().StringVar(&f.with, "with", "", "with --codes: the `HANDLE` of the second person")
	signedIn := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if f.codes {
			return c.breakGlassSealed(cmd.Context(), *in, args[0], f)
		}
		if f.as != "" || f.with != "" {
			return manual.Misuse(cmd, errors.New("--as and --with go with --codes"))
		}
		return signedIn(cmd, args)
	}
}

func (c *cli) breakGlassSealed(ctx context.Context, in api.BreakGlass, target string, f sealedFlags) error {
	if err := checkGlass(&in, target); err != nil {
		return err
	}
	o, err := c.open()
	if err != nil {
		return err
	}
	cl := c.anew(o.server)
	if err := probe(ctx, cl); err != nil {
		return err
	}
	if err := c.prepare(o); err != nil {
		return err
	}
	ask := api.SealedGlass{BreakGlass: in, Device: device()}
	if ask.As, err = c.sealedCode(ctx, "Your", f.as, c.lastHandle(o)); err != nil {
		return err
	}
	if ask.Second, err = c.sealedCode(ctx, "The second person's", f.with, ""); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, glassLimit)
	defer cancel()
	cl.HTTP.Timeout = glassLimit
	g, err := cl.BreakGlassSealed(ctx, ask)
	if err != nil {
		return err
	}
	s := c.sessionBy(o, keychain.Token{Token: g.Token, Person: g.Person, Handle: g.Handle, Expires: g.Expires}, nil)
	if err := c.keepGlass(s, g); err != nil {
		c.giveBack(ctx, o.server, g.Token)
		return err
	}
	g.Token = "" // kept, and nobody's business
	return c.print(g.Glass, func() { c.showGlass(s, g.Glass) })
}

// keepGlass remembers the sign-in beside the ordinary one, and purges what was
// cached for the target: the next credential comes under this grant.
func (c *cli) keepGlass(s *session, g api.SealedOpened) error {
	if g.Request.Grant == nil {
		return brevet.Errorf(brevet.Internal, "%s opened no grant", s.server)
	}
	if pinned := s.config.Pin(s.server); pinned != "" && pinned != g.LogKey {
		c.say("brevet: WARNING: the log of %s is signed with another key than at the last sign-in; ask whoever runs it why.", s.server)
	}
	if err := s.home.Drop(s.server, g.Request.Target); err != nil {
		return err
	}
	if err := s.vault.PutGlass(s.server, keychain.Glass{Token: s.token, Target: g.Request.Target, Grant: g.Request.Grant.ID}); err != nil {
		return err
	}
	return s.home.Edit(func(conf *keychain.Config) {
		if conf.Server == "" {
			conf.Server = s.server
		}
		if conf.Pin(s.server) == "" && g.LogKey != "" {
			conf.SetPin(s.server, g.LogKey)
		}
	})
}

// lastHandle is who signed in here last, "" if nobody did.
func (c *cli) lastHandle(o *opened) string {
	t, ok := o.vault.Token(o.server)
	if !ok {
		return ""
	}
	return t.Handle
}

// sealedCode asks for a handle, unless it was given, and for a code of theirs.
func (c *cli) sealedCode(ctx context.Context, whose, handle, usual string) (out api.SealedCode, err error) {
	if handle == "" {
		if handle, err = c.askHandle(ctx, whose, usual); err != nil {
			return out, err
		}
	}
	h, err := brevet.ParseHandle(handle)
	if err != nil {
		return out, err
	}
	out.Handle = string(h)
	for try := range codeTries {
		if try > 0 {
			c.say("%s Try again.", sentence(err.Error()))
		}
		c.prompt(whose + " code:")
		line, rerr := c.readHidden(ctx)
		if isTerminal(c.in) {
			c.say("") // the line end was not shown either
		}
		if ctx.Err() != nil {
			return out, ctx.Err()
		}
		if out.Code, err = brevet.ParseSealedCode(line); err == nil || rerr != nil || !isTerminal(c.in) {
			return out, err // a line of a pipe is not asked for twice
		}
	}
	return out, err
}

func (c *cli) askHandle(ctx context.Context, whose, usual string) (string, error) {
	question := whose + " handle"
	if usual != "" {
		question += " (Enter = " + usual + ")"
	}
	c.prompt(question + ":")
	line, err := readLine(ctx, c.in)
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if line = strings.TrimSpace(line); line == "" && err == nil {
		line = usual
	}
	return line, nil
}

// readHidden reads a line that the terminal does not show.
func (c *cli) readHidden(ctx context.Context) (string, error) {
	file, ok := c.in.(*os.File)
	if !ok || !isTerminal(c.in) {
		return readLine(ctx, c.in)
	}
	before, err := term.GetState(int(file.Fd()))
	if err != nil {
		return "", err
	}
	type result struct {
		text []byte
		err  error
	}
	got := make(chan result, 1)
	go func() {
		text, err := term.ReadPassword(int(file.Fd()))
		got <- result{text, err}
	}()
	select {
	case r := <-got:
		return string(r.text), r.err
	case <-ctx.Done():
		return "", errors.Join(ctx.Err(), term.Restore(int(file.Fd()), before))
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/client"
	"github.com/brevet-access/brevet/handout"
	"github.com/brevet-access/brevet/keychain"
	"github.com/brevet-access/brevet/manual"
)

// sandbox is where `brevetd dev` listens.
const sandbox = handout.Sandbox

// patience is how long a command waits for an answer that no person has to
// give.
const patience = 30 * time.Second

// opened is the home with its configuration and, once it is needed, the key
// to it.
type opened struct {
	home   *keychain.Home
	config keychain.Config
	vault  *keychain.Vault
	server string
}

// desk hands out what is cached, with all that the early one goes without.
func (c *cli) desk() handout.Desk {
	return handout.Desk{Out: c.out, Now: c.now, Parse: client.ParseServer, Ring: systemRing{}}
}

// open finds the home and the server ([handout.Desk.Find]).
func (c *cli) open() (*opened, error) {
	if c.opened != nil {
		return c.opened, nil
	}
	p, err := c.desk().Find(c.homeDir, c.url)
	if err != nil {
		return nil, err
	}
	o := &opened{home: p.Home, config: p.Config, server: p.Server}
	c.opened = o
	return o, nil
}

// unlock opens the cache.
func (o *opened) unlock() error {
	if o.vault != nil {
		return nil
	}
	v, err := o.home.Open(o.config.Keychain)
	o.vault = v
	return err
}

// session is a signed-in client.
type session struct {
	*opened
	*client.Client
	token keychain.Token
	now   func() time.Time
	glass *keychain.Glass // set: by sealed codes, and good for that alone
}

// session returns the client for the chosen server, signed in there.
func (c *cli) session() (*session, error) {
	o, err := c.open()
	if err != nil {
		return nil, err
	}
	anonymous := brevet.Errorf(brevet.Unauthenticated, "not signed in at %s", o.server).WithHint("sign in: brevet login")
	if err := o.unlock(); err != nil {
		if brevet.KindOf(err) == brevet.Unauthenticated {
			return nil, anonymous
		}
		return nil, err
	}
	token, ok := o.vault.Token(o.server)
	if !ok {
		return nil, anonymous
	}
	return c.sessionBy(o, token, nil), nil
}

func (c *cli) sessionBy(o *opened, token keychain.Token, glass *keychain.Glass) *session {
	cl := client.New(o.server, token.Token, api.Version)
	cl.Now = c.now
	return &session{o, cl, token, c.now, glass}
}

// sessionAt is session for what uses a target: a sign-in by sealed codes for it
// goes before the ordinary one.
func (c *cli) sessionAt(target string) (*session, error) {
	t, err := brevet.ParseTarget(target)
	if err != nil {
		return c.session()
	}
	o, err := c.open()
	if err == nil && o.unlock() == nil {
		if g, ok := o.vault.Glass(o.server, t.String(), c.now()); ok {
			return c.sessionBy(o, g.Token, &g), nil
		}
		if k, ok := o.vault.Credential(o.server, t.String()); ok && k.Offline && k.Usable(c.now(), 0) { // of use also to who is not signed in
			token, _ := o.vault.Token(o.server)
			return c.sessionBy(o, token, nil), nil
		}
	}
	return c.session()
}

// current reports whether the session is still the one that is kept here.
func (s *session) current() bool {
	if s.glass != nil {
		g, ok := s.vault.Glass(s.server, s.glass.Target, s.now())
		return ok && g.Token.Token == s.token.Token
	}
	t, ok := s.vault.Token(s.server)
	return ok && t.Token == s.token.Token
}

// verb is the body of a command that talks to the server.
type verb func(ctx context.Context, s *session, args []string) error

// command returns a command that needs a sign-in. It has the patience of one
// exchange with the server; what waits longer asks for its own.
func (c *cli) command(use, short string, args cobra.PositionalArgs, run verb) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: usage(args),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := c.session()
			if err != nil {
				return err
			}
			return run(cmd.Context(), s, args)
		},
	}
}

// commandAt is command for what uses the target that is its first argument.
func (c *cli) commandAt(use, short string, args cobra.PositionalArgs, run verb) *cobra.Command {
	cmd := c.command(use, short, args, run)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := c.sessionAt(args[0])
		if err != nil {
			return err
		}
		return run(cmd.Context(), s, args)
	}
	return cmd
}

// brief bounds an exchange with the server in which no person takes part.
func brief(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, patience)
}

// usage makes what is wrong with the arguments an error of kind Invalid.
func usage(args cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		err := args(cmd, given)
		if _, ours := errors.AsType[*brevet.Error](err); err == nil || ours {
			return err
		}
		return manual.Misuse(cmd, err)
	}
}

// say writes a message for people to stderr. The format is ours and may hold
// line ends; text among the arguments may come from anywhere and is made
// harmless.
func (c *cli) say(format string, args ...any) {
	for i, arg := range args {
		switch arg := arg.(type) {
		case string:
			args[i] = brevet.Printable(arg)
		case error:
			args[i] = brevet.Printable(arg.Error())
		}
	}
	fmt.Fprintf(c.err, format+"\n", args...)
}

// tell writes a line of the answer to stdout. Text that came from elsewhere
// is made harmless here: nothing but what is printable reaches a terminal.
func (c *cli) tell(format string, args ...any) {
	fmt.Fprintln(c.out, brevet.Printable(fmt.Sprintf(format, args...)))
}

// flagJSON gives a command the flag --json.
func (c *cli) flagJSON(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&c.json, "json", false, "print the answer as JSON")
	return cmd
}

// print writes the answer: v as JSON where --json was given, else what text
// writes.
func (c *cli) print(v any, text func()) error {
	if !c.json {
		text()
		return nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := c.out.Write(escape(b.Bytes()))
	return err
}

// escape writes every character of a JSON text that could steer a terminal as
// \uXXXX, which changes nothing of what it means.
func escape(text []byte) []byte {
	var out bytes.Buffer
	for _, r := range string(text) {
		if r == '\n' || brevet.Printable(string(r)) == string(r) {
			out.WriteRune(r)
			continue
		}
		if r >= 0x10000 {
			r -= 0x10000
			fmt.Fprintf(&out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
			continue
		}
		fmt.Fprintf(&out, `\u%04x`, r)
	}
	return out.Bytes()
}

// tellText writes a text of several lines to stdout, each made harmless.
func (c *cli) tellText(text string) {
	for line := range strings.Lines(text) {
		c.tell("%s", strings.ReplaceAll(strings.TrimRight(line, "\r\n"), "\t", "    "))
	}
}

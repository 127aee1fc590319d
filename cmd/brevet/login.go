package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/client"
	"github.com/brevet-access/brevet/keychain"
)

// loginLimit is how long a person may take to sign in.
const loginLimit = 5 * time.Minute

// probeLimit is how long a server may take to show that it is one.
const probeLimit = 5 * time.Second

// codeTries is how often a code may be pasted.
const codeTries = 3

// loginFlags is what brevet login was told.
type loginFlags struct {
	noBrowser, mfa, acceptLogKey bool
	provider                     string
}

func (c *cli) login() *cobra.Command {
	var f loginFlags
	cmd := &cobra.Command{
		Use:   "login [URL]",
		Short: "Sign in at a server and remember it",
		Long: `Sign in at a server and remember it.

A browser opens; $BROWSER, where set, names the command that opens it. Over
SSH, without a display or with --no-browser the URL is printed instead, and
the page shows a one-time code to paste here.

The token lies in the keychain of the operating system, or else in a sealed
file; BREVET_KEYCHAIN=file or =os chooses.`,
		Args: usage(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				c.url = args[0]
			}
			return c.signIn(cmd.Context(), f)
		},
	}
	cmd.Flags().BoolVar(&f.noBrowser, "no-browser", false, "print the URL and read a one-time code")
	cmd.Flags().BoolVar(&f.mfa, "mfa", false, "sign in anew even if the provider remembers you")
	cmd.Flags().StringVar(&f.provider, "provider", "", "the identity provider `NAME`, where there are several")
	cmd.Flags().BoolVar(&f.acceptLogKey, "accept-new-log-key", false, "trust the key that the server's log has now")
	return c.flagJSON(cmd)
}

func (c *cli) signIn(ctx context.Context, f loginFlags) error {
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
	before, was := o.vault.Token(o.server)
	if was && c.now().Before(before.Expires) {
		c.say("You are signed in as %s already, until %s. This signs you in anew.", before.Handle, at(before.Expires, c.now()))
	}
	ctx, cancel := context.WithTimeout(ctx, loginLimit)
	defer cancel()
	proof := client.NewProof()
	q := api.AuthorizeQuery{Challenge: proof.Challenge, State: random(), Provider: f.provider, Device: device()}
	if f.mfa {
		q.MaxAge = "0"
	}
	token, err := c.enter(ctx, cl, q, proof.Verifier, f.noBrowser)
	if err != nil {
		return err
	}
	if err := c.remember(o, token, f.acceptLogKey); err != nil {
		c.giveBack(ctx, o.server, token.Token)
		return err
	}
	if was && before.Person != token.Whoami.Person {
		c.replaced(ctx, o.server, before)
	}
	return c.print(token.Whoami, func() { c.tell("%s", summary(token.Whoami)) })
}

// probe makes sure that a server is there, before a person is sent to it.
func probe(ctx context.Context, cl *client.Client) error {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	return cl.Probe(ctx)
}

// prepare makes sure that a token can be kept, before anybody signs in.
func (c *cli) prepare(o *opened) error {
	force := keychain.Kind(os.Getenv("BREVET_KEYCHAIN"))
	if force != "" && force != keychain.OS && force != keychain.File {
		return brevet.Errorf(brevet.Invalid, "BREVET_KEYCHAIN: %q is neither os nor file", brevet.Printable(string(force)))
	}
	kind, chosen, err := o.home.Prepare(force)
	if err != nil {
		return err
	}
	if chosen && kind == keychain.File {
		c.say("No OS keychain is used: secrets lie sealed in %s, beside their key.", o.home.Dir())
	}
	o.config.Keychain = kind
	return o.unlock()
}

// remember keeps the token, and pins the key of the server's log. A key that
// has changed is refused: a server that shows another log than before may
// have been replaced. A sandbox on one's own machine was merely begun anew.
func (c *cli) remember(o *opened, token api.Token, accept bool) error {
	pinned := o.config.Pin(o.server)
	if pinned != "" && pinned != token.LogKey {
		sandbox := token.Sandbox && strings.HasPrefix(o.server, "http://127.0.0.1:")
		if !accept && !sandbox {
			return brevet.Errorf(brevet.Conflict, "the log of %s is signed with another key than at the last sign-in", o.server).
				WithUnmet(brevet.Unmet{Condition: "log key " + pinned, Have: "now " + token.LogKey, Remedy: "ask whoever runs the server whether the log was set up anew"}).
				WithHint("if that is in order: brevet login --accept-new-log-key")
		}
		c.say("brevet: WARNING: the log of %s has a new key now; what was seen of the old log is forgotten.", o.server)
		if err := o.home.PutHead(o.server, nil); err != nil {
			return err
		}
	}
	who := token.Whoami
	err := o.vault.PutToken(o.server, keychain.Token{Token: token.Token, Person: who.Person, Handle: who.Handle, Expires: token.Expires})
	if err != nil {
		return err
	}
	return o.home.Edit(func(conf *keychain.Config) {
		conf.Server = o.server
		if token.LogKey != "" {
			conf.SetPin(o.server, token.LogKey)
		}
	})
}

// giveBack ends a sign-in that could not be kept. If that fails it ends by
// itself.
func (c *cli) giveBack(ctx context.Context, server, token string) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := client.New(server, token, api.Version).Logout(ctx); err != nil {
		c.say("brevet: the sign-in that was refused here ends by itself: %s", err.Error())
	}
}

// replaced ends the sign-in of another person, whose token is gone from here:
// nobody could end it any more.
func (c *cli) replaced(ctx context.Context, server string, before keychain.Token) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	err := client.New(server, before.Token, api.Version).Logout(ctx)
	if err != nil && !errors.Is(err, brevet.Unauthenticated) {
		c.say("The sign-in of %s here is forgotten; the server ends it at %s.", before.Handle, at(before.Expires, c.now()))
		return
	}
	c.say("The sign-in of %s here has ended.", before.Handle)
}

// summary says who signed in and how long the multi-factor proof is good:
// "Signed in as engineer. MFA 3 s ago: good for 8 h, for Admin 1 h."
func summary(w api.Whoami) string {
	s := "Signed in as " + w.Handle + ". "
	if w.MFA.IsZero() {
		return s + "Without MFA: roles that demand it will ask for it."
	}
	return s + "MFA " + ago(w.MFA, w.Now) + goodFor(w) + "."
}

// goodFor lists the rungs, loosest first and unnamed, the tighter ones with
// the roles that demand them.
func goodFor(w api.Whoami) string {
	var parts, tooOld []string
	for _, r := range slices.Backward(w.Rungs) {
		good := human(r.Until.Sub(w.Now))
		switch {
		case !r.Until.After(w.Now):
			tooOld = append(tooOld, r.Roles...)
		case parts == nil:
			parts = append(parts, "good for "+good)
		default:
			parts = append(parts, "for "+strings.Join(r.Roles, ", ")+" "+good)
		}
	}
	if tooOld != nil {
		parts = append(parts, "too old for "+strings.Join(tooOld, ", "))
	}
	if parts == nil {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}

// enter lets a person sign in and redeems the one-time code. Over SSH a
// browser that cannot be started is as good as none.
func (c *cli) enter(ctx context.Context, cl *client.Client, q api.AuthorizeQuery, verifier string, noBrowser bool) (api.Token, error) {
	redeem := func(code string) (api.Token, error) { return cl.Login(ctx, code, verifier) }
	if open := opener(noBrowser); open != nil {
		code, err := c.caught(ctx, cl, q, open)
		if err == nil {
			return redeem(code)
		}
		if !errors.Is(err, errNoBrowser) {
			return api.Token{}, err
		}
	}
	return c.pasted(ctx, cl.AuthorizeURL(q), redeem)
}

// pasted prints the URL and reads the code that the page shows, again if it
// is not right.
func (c *cli) pasted(ctx context.Context, url string, redeem func(code string) (api.Token, error)) (token api.Token, err error) {
	c.say("Open this URL in a browser, sign in, and paste the code that it shows:\n\n%s\n", url)
	for try := range codeTries {
		if try > 0 {
			c.say("%s Try again.", sentence(err.Error()))
		}
		c.prompt("Code:")
		text, rerr := readLine(ctx, c.in)
		if ctx.Err() != nil {
			return token, waited(ctx, "nobody pasted a code within %s", human(loginLimit))
		}
		if rerr != nil && text == "" && err != nil {
			return token, err // nobody is there to try again
		}
		var code string
		if code, err = client.ParseCode(text); err == nil {
			token, err = redeem(code)
		}
		if !mistyped(err) {
			return token, err
		}
	}
	return token, err
}

// mistyped reports whether a code was refused as one that the server does not
// know, so that another may do.
func mistyped(err error) bool {
	return errors.Is(err, brevet.Invalid) || errors.Is(err, brevet.Expired) || errors.Is(err, brevet.NotFound)
}

// waited says what did not happen in time; an interruption stays one.
func waited(ctx context.Context, format string, args ...any) error {
	if ctx.Err() == context.Canceled {
		return context.Canceled
	}
	return brevet.Errorf(brevet.Expired, format, args...).WithHint("brevet login starts a new sign-in")
}

// random returns 256 random bits, base64url.
func random() string {
	var raw [32]byte
	rand.Read(raw[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// device is what this machine is called.
func device() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	name = strings.Map(func(r rune) rune {
		if r < 128 && brevet.ValidName("x"+string(r)) {
			return r
		}
		return '-'
	}, name)
	name = strings.TrimLeft(name, "-._")
	return name[:min(len(name), 63)]
}

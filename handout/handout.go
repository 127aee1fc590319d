// Package handout gives a credential that lies in the cache to an AWS tool,
// before the program around it has started.
//
// `brevet credential-process TARGET` runs at every call of an AWS tool, and
// nearly always its answer lies in the cache. Package brevet's command links
// much more than that answer needs: HTTP, TLS, YAML, the customer's stack. Go
// initialises all of it before main. This package needs little, so Go
// initialises it early (packages are ready in the order of their import
// paths, https://go.dev/ref/spec#Program_initialization), and its init
// answers and ends the process. Whatever is not simple it leaves to the
// ordinary program, untouched: other flags, a stale or missing credential, a
// key in the operating system's keychain, a server's URL that is not in its
// normal form, damage of any kind. The ordinary program uses the same
// functions, so there is one rule of what is handed out.
//
// BREVET_EARLY=off in the environment means: never answer before the start.
// Tests that move the clock set it; nobody else needs it.
//
// Keep the imports small: what this package imports, every aws call pays.
package handout

import (
	"encoding/json"
	"io"
	"os"
	"time"

	"github.com/brevet-access/brevet/keychain"
)

// Command is the name of the command that is answered here.
const Command = "credential-process"

// Sandbox is where `brevetd dev` listens: the server where none is named.
const Sandbox = "http://127.0.0.1:8477"

func init() {
	if len(os.Args) < 3 || os.Args[1] != Command || os.Getenv("BREVET_EARLY") == "off" {
		return
	}
	if d := (Desk{Out: os.Stdout, Now: time.Now, Parse: normal}); d.Answer(os.Args[2:]) {
		os.Exit(0)
	}
}

// Desk is where credentials are handed out.
type Desk struct {
	Out   io.Writer
	Now   func() time.Time
	Parse func(server string) (string, error) // checks and normalises a URL that was given
	Ring  keychain.Ring                       // the operating system's keychain; nil = not at hand
}

// Answer prints the credential that the arguments of credential-process ask
// for, if they are simple and the cache has one that needs no question to the
// server. It reports whether it did; if not, nothing was printed or changed.
func (d Desk) Answer(args []string) bool {
	l, ok := readLine(args)
	if !ok {
		return false
	}
	p, err := d.Find(l.home, l.server)
	if err != nil {
		return false
	}
	v, err := p.Home.Open(p.Config.Keychain)
	if err != nil {
		return false
	}
	c, ok := v.Credential(p.Server, l.target)
	return ok && c.Fresh(d.Now(), 0) && Print(d.Out, c) == nil
}

// line is a command line as a profile holds it.
type line struct{ target, home, server string }

// readLine reads the arguments after the command's name; false for all that
// the ordinary command line must judge.
func readLine(args []string) (l line, ok bool) {
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "--home" && i+1 < len(args):
			i++
			l.home = args[i]
		case arg == "--server" && i+1 < len(args):
			i++
			l.server = args[i]
		case arg == "" || arg[0] == '-' || l.target != "":
			return l, false
		default:
			l.target = arg
		}
	}
	return l, l.target != ""
}

// Place is the home of one command and the server that it speaks to.
type Place struct {
	Home   *keychain.Home
	Config keychain.Config
	Server string // normalised base URL
}

// Find returns the home and the server: what was given (--home, --server; ""
// = nothing), else $BREVET_HOME and $BREVET_URL, else the default directory
// and the server of the last sign-in, else the sandbox. A URL from outside
// goes through d.Parse, also one that another overrules.
func (d Desk) Find(home, server string) (Place, error) {
	if home == "" {
		var err error
		if home, err = keychain.DefaultDir(); err != nil {
			return Place{}, err
		}
	}
	p := Place{Home: keychain.At(home)}
	if d.Ring != nil {
		p.Home = p.Home.WithRing(d.Ring)
	}
	var err error
	if p.Config, err = p.Home.Config(); err != nil {
		return Place{}, err
	}
	p.Server = p.Config.Server
	for _, given := range []string{os.Getenv("BREVET_URL"), server} {
		if given == "" {
			continue
		}
		if p.Server, err = d.Parse(given); err != nil {
			return Place{}, err
		}
	}
	if p.Server == "" {
		p.Server = Sandbox
	}
	return p, nil
}

// Print writes c as AWS tools want it of a credential process
// (https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html).
func Print(w io.Writer, c keychain.Credential) error {
	text, err := json.Marshal(struct {
		Version                                    int
		AccessKeyId, SecretAccessKey, SessionToken string //nolint:revive // AWS's spelling
		Expiration                                 string
		AccountId                                  string `json:",omitempty"` //nolint:revive // AWS's spelling
	}{1, c.AccessKeyID, c.SecretAccessKey, c.SessionToken, c.Expires.UTC().Format(time.RFC3339), c.Account})
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}

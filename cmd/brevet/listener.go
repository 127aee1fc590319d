package main

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/client"
)

// landing is where the browser comes back to: a listener on loopback (RFC
// 8252, 7.3) that answers one request, on a path and with a state that nobody
// else knows. Every other request gets 404.
type landing struct {
	listener net.Listener
	host     string // 127.0.0.1:PORT, what the Host header must say
	path     string
	state    string
	issuer   string // what iss must say (RFC 9207); it tells servers apart
	done     chan landed
}

// landed is what the browser brought.
type landed struct {
	code string
	err  error
}

func newLanding(state, issuer string) (*landing, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, brevet.Errorf(brevet.Unavailable, "cannot listen on 127.0.0.1: %s", err).
			WithHint("brevet login --no-browser does without").WithCause(err)
	}
	return &landing{listener: l, host: l.Addr().String(), path: "/" + random(), state: state, issuer: issuer, done: make(chan landed, 1)}, nil
}

// redirectURI is what the server is told.
func (l *landing) redirectURI() string { return "http://" + l.host + l.path }

// ServeHTTP answers the browser. Only the first right hit counts.
func (l *landing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if r.Host != l.host || r.Method != http.MethodGet || r.URL.Path != l.path ||
		subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(l.state)) != 1 {
		http.NotFound(w, r)
		return
	}
	got := l.read(q)
	select {
	case l.done <- got:
		page(w, got.err)
	default:
		http.NotFound(w, r)
	}
}

// fail ends the wait: nobody can come any more.
func (l *landing) fail(err error) {
	select {
	case l.done <- landed{err: brevet.Errorf(brevet.Unavailable, "the browser cannot come back to this machine: %s", err).
		WithHint("brevet login --no-browser does without").WithCause(err)}:
	default:
	}
}

func (l *landing) read(q url.Values) landed {
	if e := q.Get("error"); e != "" {
		what := q.Get("error_description")
		if what == "" {
			what = e
		}
		what = strings.TrimRight(strings.ToValidUTF8(brevet.Printable(what), "?"), ".")
		kind, hint := refusalOf(e)
		if said := q.Get("hint"); said != "" {
			hint = clip(strings.ToValidUTF8(brevet.Printable(said), "?"), 300)
		}
		return landed{err: brevet.Errorf(kind, "the sign-in failed: %s", clip(what, 300)).WithHint("%s", hint)}
	}
	// Without this check a server that somebody was lured to could pass on the
	// code of another one, and redeem it there.
	if iss := q.Get("iss"); !sameServer(iss, l.issuer) {
		return landed{err: brevet.Errorf(brevet.Denied, "the answer came from %q, not from %s", brevet.Printable(clip(iss, 200)), l.issuer).
			WithHint("brevet login URL, with the URL that the server calls itself")}
	}
	code, err := client.ParseCode(q.Get("code"))
	return landed{code, err}
}

// refusalOf is what the error of an authorization endpoint means (RFC 6749,
// 4.1.2.1), and what to do about it.
func refusalOf(code string) (brevet.Kind, string) {
	switch code {
	case "invalid_request":
		return brevet.Invalid, "brevet login --help shows how it goes"
	case "temporarily_unavailable":
		return brevet.Unavailable, "try again later; if it burns: brevet break-glass TARGET --reason TEXT --codes"
	case "server_error":
		return brevet.Internal, "whoever runs the server finds more in its log"
	}
	return brevet.Denied, "brevet login starts a new one"
}

// sameServer compares base URLs; the names of loopback are one.
func sameServer(a, b string) bool {
	norm := func(s string) string {
		s, err := client.ParseServer(s)
		if err != nil {
			return ""
		}
		return strings.Replace(s, "http://localhost", "http://127.0.0.1", 1)
	}
	return norm(a) != "" && norm(a) == norm(b)
}

// page tells the person that the terminal goes on.
func page(w http.ResponseWriter, err error) {
	title, text := "You are signed in.", "Close this tab."
	if err != nil {
		title, text = "You are not signed in.", sentence(brevet.AsError(err).Message)+" The terminal says more."
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	h.Set("Connection", "close")
	fmt.Fprintf(w, `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>brevet</title>
<style>
:root { color-scheme: light dark }
body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 32rem; margin: 20vh auto 0; padding: 0 1.5rem }
h1 { font-size: 1.5rem; margin: 0 }
</style>
<main><h1>%s</h1><p>%s</p></main></html>
`, html.EscapeString(title), html.EscapeString(text))
}

// errNoBrowser says that no browser could be started on a machine whose
// person sits elsewhere.
var errNoBrowser = errors.New("no browser could be started")

// caught opens a browser and waits until it comes back with the code.
func (c *cli) caught(ctx context.Context, cl *client.Client, q api.AuthorizeQuery, open func(string) <-chan error) (string, error) {
	l, err := newLanding(q.State, cl.Base())
	if err != nil {
		return "", err
	}
	srv := &http.Server{Handler: l, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10}
	go func() {
		if err := srv.Serve(l.listener); !errors.Is(err, http.ErrServerClosed) {
			l.fail(err)
		}
	}()
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		srv.Shutdown(ctx) //nolint:errcheck // the page was sent or it was not
	}()
	q.RedirectURI = l.redirectURI()
	target := cl.AuthorizeURL(q)
	opened := open(target)
	if isTerminal(c.err) {
		c.say("Sign in with the browser that opens. If none does, open this URL on this machine:\n%s", target)
	}
	return c.land(ctx, l.done, opened, target)
}

// quiet is how long a browser may say nothing before the terminal says what
// can be done about that.
const quiet = 20 * time.Second

// land waits for what the browser brings. What its page shows is not known here
// unless it comes back: an error of the provider's own may stay there.
func (c *cli) land(ctx context.Context, done <-chan landed, opened <-chan error, target string) (string, error) {
	slow := time.After(quiet)
	for {
		select {
		case got := <-done:
			return got.code, got.err
		case err := <-opened:
			opened = nil
			if err == nil {
				continue
			}
			if len(done) > 0 { // it failed after it was done
				continue
			}
			if err := c.noBrowser(err, target); err != nil {
				return "", err
			}
		case <-slow:
			c.say("Still waiting for the browser. If its page shows an error, end this with Ctrl-C.")
		case <-ctx.Done():
			return "", waited(ctx, "nobody signed in within %s", human(loginLimit))
		}
	}
}

// noBrowser says what can be done without the browser that could not be opened,
// or that failed. Where nobody is there to do it, it is an error.
func (c *cli) noBrowser(err error, target string) error {
	if overSSH() {
		c.say("No browser could be opened (%s).", err.Error())
		return errNoBrowser
	}
	if !c.prompts() {
		return brevet.Errorf(brevet.Unavailable, "the browser failed: %s", err).
			WithHint("brevet login --no-browser signs in with a browser elsewhere").WithCause(err)
	}
	c.say("No browser could be opened (%s).", err.Error())
	c.say("Open this URL on this machine:\n%s\nhint: brevet login --no-browser signs in with a browser elsewhere", target)
	return nil
}

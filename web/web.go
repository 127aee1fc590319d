// Package web is what people see of brevet in a browser: what waits for them,
// the page on which a request is decided, and their grants.
//
// The pages need no script, load nothing from elsewhere, and may not be
// framed. A GET changes nothing: mail scanners and prefetching browsers can
// follow every link. What changes something is a POST of a form that this
// package has made for this person, this path and exactly what the page
// showed, sent by a browser from one of our own pages.
//
// A browser signs in as a terminal does, at server's authorization endpoint
// with PKCE, state and iss; what it gets is a token of its own kind, which is
// kept in a cookie and opens the pages and nothing else. How long it lives,
// idle and altogether, is the broker's rule for every sign-in.
package web

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
)

// Config is what the pages work with. Broker and URL are required.
type Config struct {
	Broker *broker.Broker
	URL    string // where people reach the server: a scheme and a host, no path
	Banner string // shown on every page, "" for none
	Log    *slog.Logger

	// Address returns the client's network address, RequestID the name of the
	// request in the server's log; Seen is told whom a request was recognised
	// as. Each may be nil.
	Address   func(context.Context) string
	RequestID func(context.Context) string
	Seen      func(context.Context, brevet.Caller)
}

// SignedIn is the path that takes a browser back after a sign-in.
const SignedIn = "/signin/done"

// Request returns the address of a request's page at the server with this URL.
func Request(url string, id brevet.RequestID) string { return url + "/requests/" + string(id) }

// Site is the pages.
type Site struct {
	Config
	secure bool   // URL is https
	origin string // of our own pages, as browsers write it
}

// New returns the pages.
func New(c Config) *Site {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Address == nil {
		c.Address = func(context.Context) string { return "" }
	}
	if c.RequestID == nil {
		c.RequestID = func(context.Context) string { return "" }
	}
	if c.Seen == nil {
		c.Seen = func(context.Context, brevet.Caller) {}
	}
	c.URL = strings.TrimRight(c.URL, "/")
	s := &Site{Config: c, secure: strings.HasPrefix(c.URL, "https://"), origin: strings.ToLower(c.URL)}
	if s.secure {
		s.origin = strings.TrimSuffix(s.origin, ":443")
	} else {
		s.origin = strings.TrimSuffix(s.origin, ":80")
	}
	return s
}

// Routes returns the pages' handlers by pattern, as net/http has patterns.
func (s *Site) Routes() map[string]http.Handler {
	routes := map[string]http.Handler{}
	for pattern, page := range map[string]func(*visit) error{
		"GET /{$}":            s.home,
		"GET /requests/{id}":  s.request,
		"GET /grants/{id}":    s.grant,
		"GET /reviews":        s.reviews,
		"GET /reviews/{id}":   s.review,
		"POST /requests/{id}": s.decide,
		"POST /grants/{id}":   s.end,
		"POST /reviews/{id}":  s.judge,
		"POST /signout":       s.signOut,
	} {
		routes[pattern] = s.handler(page)
	}
	routes["GET /signin"] = http.HandlerFunc(s.signIn)
	routes["GET "+SignedIn] = http.HandlerFunc(s.signedIn)
	return routes
}

// visit is one request of somebody who is signed in.
type visit struct {
	w      http.ResponseWriter
	r      *http.Request
	caller brevet.Caller
	token  string // the browser's; forms are signed with what follows from it
	form   *form  // of a POST, checked
}

// handler recognises the browser, checks what a POST must be, and shows why
// where a page fails.
func (s *Site) handler(page func(*visit) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{w: w, r: r}
		post := r.Method == http.MethodPost
		if post {
			if err := s.ours(r); err != nil {
				s.fail(w, r, err)
				return
			}
		}
		var err error
		if v.caller, v.token, err = s.recognise(r); err != nil {
			s.stranger(w, r, err)
			return
		}
		v.caller = s.Broker.Fresh(r.Context(), v.caller)
		s.Seen(r.Context(), v.caller)
		if post {
			v.form, err = readForm(w, r, v.token)
		}
		if err == nil {
			err = page(v)
		}
		if err != nil {
			s.failed(v, err)
		}
	})
}

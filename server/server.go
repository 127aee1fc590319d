// Package server is the broker's door on the network: the HTTP API under /v1,
// the browser's half of signing in, and the documents by which a cloud
// recognises the issuer.
//
// A request passes, in this order: a request id, the security headers, the
// Host header, the site that sent it, a limit per client address where nobody
// is signed in, and then its route. A route of the API authenticates the
// bearer before it reads anything else, reads a bounded body of strict JSON,
// calls one method of the broker and encodes the answer. No decision is made
// here.
//
// The API is safe against other sites (CSRF) because it knows only the
// Authorization header: cookies are never looked at under /v1, and a request
// that a browser sent for another site is refused whatever it carries.
// Cookies serve one purpose, to bind a sign-in to the browser that began it.
//
// Every failure under /v1 is an [api.Problem]; failures of browser routes are
// pages with one sentence and a next step.
package server

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
)

// Config is what the server works with. Broker and URL are required.
type Config struct {
	Broker *broker.Broker

	// WhoIs returns the caller behind a bearer token; nil: the broker's.
	WhoIs func(ctx context.Context, bearer, addr string) (brevet.Caller, error)

	// WhoIsSealed is WhoIs for the routes that a sign-in by sealed codes may
	// use; nil: the broker's, or WhoIs where that is set.
	WhoIsSealed func(ctx context.Context, bearer, addr string) (brevet.Caller, error)

	// JWKS and Discovery return the issuer documents of a customer, served
	// under /c/CUSTOMER. Anybody may ask for any id: an unknown one is an
	// error of kind not_found and has nothing made. nil: this process does
	// not serve them.
	JWKS, Discovery func(brevet.CustomerID) ([]byte, error)

	// URL is where people and clients reach the server: a scheme and a host,
	// maybe a port, no path. Requests for another host are refused.
	URL string

	// Hosts are further values of the Host header that are accepted: the
	// issuer's host, other names of this one.
	Hosts []string

	// Proxies are the networks of proxies whose X-Forwarded-For is believed.
	Proxies []netip.Prefix

	// Banner is shown on every page, "" for none.
	Banner string

	// Pages are further routes, for people, by pattern. They pass the chain as
	// the server's own pages do; [Address] tells them who asks. "GET /{$}"
	// among them takes the place of the server's home page.
	Pages map[string]http.Handler
	// PageFailed answers for them, with a status, where a request never reaches
	// them; nil: as the server's own pages answer.
	PageFailed func(w http.ResponseWriter, r *http.Request, status int, err error)
	// SignedIn is the path of the page that takes a browser back when it has
	// signed in for the pages; "" if none does.
	SignedIn string

	// Observe is told of every answer: the pattern of its route ("" for
	// none), its status, how long it took; nil: nobody is.
	Observe func(route string, status int, d time.Duration)

	// Slack are the channels of Slack in which people may decide.
	Slack []SlackApp

	// Log gets one line a request, and what is not fit to be shown.
	Log *slog.Logger
	// Now is the clock, time.Now if nil.
	Now func() time.Time
}

// server is the handler that New returns.
type server struct {
	Config
	secure  bool                        // URL is https
	hosts   map[string]bool             // that the server answers for, by normalHost
	origins map[string]bool             // of pages that are ours
	routes  map[string]*route           // of the API, by pattern
	pages   map[string]bool             // patterns that answer with pages
	guests  *limiter                    // of those who are not signed in
	sites   *http.CrossOriginProtection // for what is not the API
	mux     *http.ServeMux              // all routes
	huma    huma.API                    // the routes of the API
}

// New returns the server's handler. It panics if c.URL is not an http or
// https URL with a host and nothing behind it: package service has checked
// its configuration before.
func New(c Config) http.Handler {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || strings.Trim(u.Path, "/") != "" {
		panic("server: Config.URL is not the URL of a host: " + c.URL)
	}
	if c.WhoIsSealed == nil {
		if c.WhoIsSealed = c.WhoIs; c.WhoIs == nil {
			c.WhoIsSealed = c.Broker.WhoIsSealed
		}
	}
	if c.WhoIs == nil {
		c.WhoIs = c.Broker.WhoIs
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.URL = strings.TrimRight(c.URL, "/")
	s := &server{Config: c, secure: u.Scheme == "https", hosts: map[string]bool{}, origins: map[string]bool{}, routes: map[string]*route{},
		pages: map[string]bool{}, guests: newLimiter(c.Now), sites: http.NewCrossOriginProtection(), mux: http.NewServeMux()}
	for _, host := range append([]string{u.Host}, c.Hosts...) {
		s.hosts[s.normalHost(host)] = true
		s.origins[u.Scheme+"://"+s.normalHost(host)] = true
	}
	s.api()
	s.browser()
	s.documents()
	s.describe()
	return s
}

package main

import (
	"bytes"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/brevet-access/brevet/sandbox"
	"github.com/brevet-access/brevet/store/pgtest"
)

// postgres returns the command that makes an empty database on a real
// PostgreSQL and sets $DATABASE to its URL. The databases go when t ends.
func postgres(t *testing.T) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, _ []string) { ts.Setenv("DATABASE", pgtest.New(t)) }
}

// hollow DIR opens a world on $DATABASE that has no server of its own.
func openHollowWorld(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: hollow DIR")
	}
	port, err := freePorts()
	ts.Check(err)
	facts, stop, err := openHollow(sandbox.Config{Dir: ts.MkAbs(args[0]), DB: ts.Getenv("DATABASE"), Port: port})
	ts.Check(err)
	ts.Defer(func() { ts.Check(stop()) })
	ts.Setenv("DEVJSON", filepath.Join(ts.MkAbs(args[0]), "dev.json"))
	ts.Setenv("BREVET_URL", facts.URL)
	ts.Setenv("AWS_URL", facts.AWS)
}

// replicas are the servers of each running script, by name: how each
// is killed.
var replicas byScript[map[string]func()]

// join NAME DIR starts a brevetd on $DATABASE and the keys of the world in DIR,
// and sets $NAME to its address; join -kill NAME ends it as a crash would.
func join(ts *testscript.TestScript, _ bool, args []string) {
	switch {
	case len(args) != 2:
		ts.Fatalf("usage: join NAME DIR | join -kill NAME")
	case args[0] == "-kill":
		replicas.get(ts)[args[1]]()
		return
	}
	url, kill, err := replicaProcess{dir: ts.MkAbs(args[1]), database: ts.Getenv("DATABASE"), facts: facts(ts), clock: ts.Getenv(clockEnv)}.start()
	ts.Check(err)
	ts.Defer(kill)
	if _, further := replicas.has(ts); !further {
		replicas.put(ts, map[string]func(){})
	}
	replicas.get(ts)[args[0]] = kill
	ts.Setenv(args[0], url)
}

// balancer stands before several brevetd, as a deployment has one: a request
// goes to the first that is there. One that was only to be read goes to the
// next if the first dies over it.
type balancer struct {
	server *httptest.Server
	pass   *httputil.ReverseProxy

	watch   // its lock guards what follows
	to      []*url.URL
	waiting map[string]int // requests that a server holds, by its host
}

var balancers byScript[*balancer]

// balance URL… puts a balancer at $BREVET_URL before those servers, or has it
// send to others from now on; balance -holds URL waits until that server holds
// a request whose client waits.
func balance(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: balance URL… | balance -holds URL")
	}
	if args[0] == "-holds" {
		at, err := url.Parse(args[1])
		ts.Check(err)
		b := balancers.get(ts)
		if !b.until(func() bool { return b.waiting[at.Host] > 0 }) {
			ts.Fatalf("%s holds no request for a minute", args[1])
		}
		return
	}
	var to []*url.URL
	for _, text := range args {
		u, err := url.Parse(text)
		ts.Check(err)
		to = append(to, u)
	}
	b, there := balancers.has(ts)
	if !there {
		b = &balancer{watch: newWatch(), waiting: map[string]int{}}
		b.pass = &httputil.ReverseProxy{Transport: b, Rewrite: func(*httputil.ProxyRequest) {}, ErrorLog: log.New(io.Discard, "", 0)}
		l, err := net.Listen("tcp", strings.TrimPrefix(ts.Getenv("BREVET_URL"), "http://"))
		ts.Check(err)
		b.server = &httptest.Server{Listener: l, Config: &http.Server{Handler: b.pass}}
		b.server.Start()
		ts.Defer(b.server.Close)
		balancers.put(ts, b)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.to = to
}

// RoundTrip sends a request to the first server that answers it.
func (b *balancer) RoundTrip(r *http.Request) (res *http.Response, err error) {
	var body []byte
	if r.Body != nil {
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	b.mu.Lock()
	to := slices.Clone(b.to)
	b.mu.Unlock()
	err = errors.New("no server")
	for _, u := range to {
		out := r.Clone(r.Context())
		out.URL.Scheme, out.URL.Host, out.Host = u.Scheme, u.Host, u.Host
		out.Body = io.NopCloser(bytes.NewReader(body))
		if res, err = b.send(out); err == nil || r.Method != http.MethodGet && !unreachable.MatchString(err.Error()) {
			break
		}
	}
	return res, err
}

// unreachable is what is said of a server that got nothing of a request.
var unreachable = regexp.MustCompile(`connection refused`)

func (b *balancer) send(r *http.Request) (*http.Response, error) {
	if r.URL.Query().Has("wait") {
		b.count(r.URL.Host, 1)
		defer b.count(r.URL.Host, -1)
	}
	return http.DefaultTransport.RoundTrip(r)
}

func (b *balancer) count(host string, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting[host] += n
	b.changed.Broadcast()
}

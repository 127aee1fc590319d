package server

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"path"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
)

// exchange is what is learned about one request on its way.
type exchange struct {
	id     string // names the request in the log and in the answer
	addr   string // the client's address
	caller *brevet.Caller
}

type exchangeKey struct{}

// exchangeOf returns the exchange that ServeHTTP put into the context.
func exchangeOf(ctx context.Context) *exchange {
	x, ok := ctx.Value(exchangeKey{}).(*exchange)
	if !ok {
		panic("server: a handler outside the chain")
	}
	return x
}

// Address returns the client's network address, for handlers of
// [Config].Pages.
func Address(ctx context.Context) string { return exchangeOf(ctx).addr }

// RequestID returns the name that the request has in the log, likewise.
func RequestID(ctx context.Context) string { return exchangeOf(ctx).id }

// Seen puts a caller whom a page has recognised into the access log.
func Seen(ctx context.Context, c brevet.Caller) { exchangeOf(ctx).caller = &c }

// answer remembers the status that was sent.
type answer struct {
	http.ResponseWriter
	status int
}

func (a *answer) WriteHeader(status int) {
	if a.status != 0 {
		return
	}
	if status >= 200 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	return a.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// ServeHTTP handles one request and accounts for it.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := s.Now()
	x := &exchange{id: strings.ToLower(rand.Text()[:16]), addr: s.addr(r)}
	r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
	_, pattern := s.mux.Handler(r)
	if !cleanPath(r.URL.Path) {
		pattern = ""
	}
	a := &answer{ResponseWriter: w}
	defer func() {
		if p := recover(); p != nil {
			s.recovered(a, r, p)
		}
		s.account(r, pattern, a.status, s.Now().Sub(start))
	}()
	s.setHeaders(a.Header(), x.id)
	if err := s.admit(r, pattern); err != nil {
		s.refuse(a, r, pattern, err)
		return
	}
	s.mux.ServeHTTP(a, r)
}

// cleanPath reports whether the mux would take the path as it is. Others are
// answered with 404 and not redirected.
func cleanPath(p string) bool {
	return p == "/" || strings.HasPrefix(p, "/") && path.Clean(p) == p
}

// setHeaders says how browsers and caches are to treat every answer. Routes
// may loosen what is theirs.
func (s *server) setHeaders(h http.Header, id string) {
	h.Set("Request-Id", id)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	if s.secure {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// admit refuses what no route is to see.
func (s *server) admit(r *http.Request, pattern string) error {
	if pattern == routeHealth || pattern == routeReady {
		return nil // probes come by address, and learn one word
	}
	if !s.hosts[s.normalHost(r.Host)] {
		return status(http.StatusMisdirectedRequest, brevet.Errorf(brevet.Invalid, "this is not the server of that host").WithHint("use %s", s.URL))
	}
	if err := s.sameSite(r); err != nil {
		return err
	}
	if pattern == "" {
		return s.unrouted(r)
	}
	if rt := s.routes[pattern]; (rt == nil || rt.open) && !strings.HasPrefix(pattern, "GET /c/") && !s.guests.allow(exchangeOf(r.Context()).addr) {
		return tooMany()
	}
	return nil
}

func tooMany() error {
	return status(http.StatusTooManyRequests, brevet.Errorf(brevet.Unavailable, "too many requests from your address").WithHint("try again in a few seconds"))
}

// unrouted says why no route takes the request: 405 if one would with another
// method, else 404.
func (s *server) unrouted(r *http.Request) error {
	var allow []string
	if cleanPath(r.URL.Path) {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			probe := &http.Request{Method: method, URL: r.URL, Host: r.Host}
			if _, pattern := s.mux.Handler(probe); pattern != "" {
				allow = append(allow, method)
			}
		}
	}
	if allow == nil {
		return brevet.Errorf(brevet.NotFound, "there is nothing at this path").WithHint("GET /openapi.json lists what there is")
	}
	list := strings.Join(allow, ", ")
	return &refusal{status: http.StatusMethodNotAllowed, header: http.Header{"Allow": {list}},
		err: brevet.Errorf(brevet.Invalid, "method: this path takes %s", list)}
}

// refuse answers a request that reached no route, in the form that the path
// asks for.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, pattern string, err error) {
	switch {
	case s.Pages[pattern] != nil && s.PageFailed != nil:
		p, h := s.problem(r.Context(), err)
		h.Del("WWW-Authenticate")
		maps.Copy(w.Header(), h)
		s.PageFailed(w, r, p.Status, err)
		return
	case s.pages[pattern]:
		s.failPage(w, r, err)
		return
	}
	s.fail(w, r, err)
}

// recovered answers for a handler that panicked. What it panicked with may
// hold anything, so only its type and the stack are logged.
func (s *server) recovered(w *answer, r *http.Request, p any) {
	if p == http.ErrAbortHandler {
		panic(p)
	}
	text := fmt.Sprintf("%T", p)
	if err, ok := p.(runtime.Error); ok {
		text = err.Error()
	}
	s.Log.LogAttrs(r.Context(), slog.LevelError, "panic", slog.String("id", exchangeOf(r.Context()).id),
		slog.String("what", text), slog.String("stack", string(debug.Stack())))
	if w.status == 0 {
		s.fail(w, r, brevet.AsError(errPanic))
	}
}

var errPanic = fmt.Errorf("a handler panicked")

// account writes the line of the access log: no query, body or bearer.
func (s *server) account(r *http.Request, pattern string, status int, d time.Duration) {
	if s.Observe != nil {
		s.Observe(pattern, status, d)
	}
	x := exchangeOf(r.Context())
	handle := ""
	if x.caller != nil {
		handle = string(x.caller.Person.Handle)
	}
	s.Log.LogAttrs(r.Context(), slog.LevelInfo, "request", slog.String("id", x.id), slog.String("method", knownMethod(r.Method)),
		slog.String("route", pattern), slog.Int("status", status), slog.Duration("took", d), slog.String("caller", handle), slog.String("addr", x.addr))
}

// knownMethod keeps what a stranger calls a method out of the log.
func knownMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}

package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
)

// Limits of what is read.
const (
	maxBody    = 64 << 10
	maxCatalog = 1 << 20
	maxDepth   = 16 // of JSON
	maxKey     = 128
	bodyTime   = 15 * time.Second // for the whole body to arrive
	maxWait    = 55 * time.Second // a proxy's patience is often 60 s
)

// guarded is the mux that huma registers routes on: it puts guard around each.
type guarded struct{ *server }

// HandleFunc registers a route of the API.
func (g guarded) HandleFunc(pattern string, next func(http.ResponseWriter, *http.Request)) {
	rt := g.routes[pattern]
	g.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if err := g.guard(w, r, rt); err != nil {
			g.fail(w, r, err)
			return
		}
		next(w, r)
	})
}

// ServeHTTP makes guarded what huma calls a mux.
func (g guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) { g.server.ServeHTTP(w, r) }

// guard authenticates, and then reads what the route needs to be read, before
// huma sees the request.
func (s *server) guard(w http.ResponseWriter, r *http.Request, rt *route) error {
	if !rt.open {
		if err := s.authenticate(r, rt); err != nil {
			return err
		}
	}
	if err := checkQuery(r.URL.RawQuery); err != nil {
		return err
	}
	r.Header.Del("Accept") // JSON is what there is
	control := http.NewResponseController(w)
	if r.Method == http.MethodPost {
		if err := checkKey(r.Header.Values(api.IdempotencyKey)); err != nil {
			return err
		}
		_ = control.SetReadDeadline(time.Now().Add(bodyTime)) // not every writer has one
		if err := readBody(w, r, rt); err != nil {
			return err
		}
	}
	_ = control.SetReadDeadline(time.Time{}) // a held answer outlives it
	if rt.hold {
		_ = control.SetWriteDeadline(time.Now().Add(maxWait + bodyTime))
	}
	return nil
}

// authenticate finds the caller by the bearer token (RFC 6750, section 2.1).
// Cookies are never looked at.
func (s *server) authenticate(r *http.Request, rt *route) error {
	values := r.Header.Values("Authorization")
	if len(values) > 1 {
		return brevet.Errorf(brevet.Invalid, "Authorization: more than one")
	}
	var bearer string
	if len(values) == 1 {
		scheme, token, _ := strings.Cut(values[0], " ")
		if strings.EqualFold(scheme, "Bearer") {
			bearer = token
		}
	}
	if bearer == "" {
		return brevet.Errorf(brevet.Unauthenticated, "you are not signed in").WithHint("brevet login %s", s.URL)
	}
	x := exchangeOf(r.Context())
	whoIs := s.WhoIs
	if rt.sealed {
		whoIs = s.WhoIsSealed
	}
	c, err := whoIs(r.Context(), bearer, x.addr)
	if err != nil {
		if !s.guests.allow(x.addr) { // made-up bearers are a stranger's
			return tooMany()
		}
		return err
	}
	if c.Person.ID == "" {
		return brevet.Errorf(brevet.Unauthenticated, "you are not signed in").WithHint("brevet login %s", s.URL)
	}
	x.caller = &c
	return nil
}

// callerOf returns who was authenticated. A route that is not open is never
// reached without.
func callerOf(ctx context.Context) brevet.Caller {
	x := exchangeOf(ctx)
	if x.caller == nil {
		panic("server: a route without a caller")
	}
	return *x.caller
}

// checkQuery refuses what is malformed, and a parameter that is there twice:
// two readers could take different ones.
func checkQuery(raw string) error {
	if raw == "" {
		return nil
	}
	q, err := url.ParseQuery(raw)
	if err != nil {
		return brevet.Errorf(brevet.Invalid, "query: malformed")
	}
	for name, values := range q {
		if len(values) > 1 {
			return brevet.Errorf(brevet.Invalid, "%s: there %d times", clip(name, 40), len(values))
		}
	}
	return nil
}

// checkKey checks an idempotency key: 1 to 128 printable ASCII characters.
func checkKey(values []string) error {
	if len(values) == 0 {
		return nil
	}
	if len(values) > 1 || len(values[0]) > maxKey || !printableASCII(values[0]) {
		return brevet.Errorf(brevet.Invalid, "%s: one value of at most %d printable ASCII characters", api.IdempotencyKey, maxKey)
	}
	return nil
}

func printableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// readBody reads the body into memory, checks it and puts it back.
func readBody(w http.ResponseWriter, r *http.Request, rt *route) error {
	limit := rt.limit
	if limit == 0 {
		limit = 16
	}
	if r.Header.Get("Content-Encoding") != "" {
		return status(http.StatusUnsupportedMediaType, brevet.Errorf(brevet.Invalid, "Content-Encoding: not taken"))
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		return bodyError(err)
	}
	if rt.limit == 0 { // the route takes none; an empty object is as good
		if t := bytes.TrimSpace(body); len(t) > 0 && string(t) != "{}" {
			return brevet.Errorf(brevet.Invalid, "body: this route takes none")
		}
		r.Body = http.NoBody
		return nil
	}
	if len(body) > 0 {
		if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
			return status(http.StatusUnsupportedMediaType, brevet.Errorf(brevet.Invalid, "Content-Type: must be application/json"))
		}
		if err := checkJSON(body); err != nil {
			return err
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

func bodyError(err error) error {
	var large *http.MaxBytesError
	var timeout net.Error
	switch {
	case errors.As(err, &large):
		return status(http.StatusRequestEntityTooLarge, brevet.Errorf(brevet.Invalid, "body: larger than %d bytes", large.Limit))
	case errors.As(err, &timeout) && timeout.Timeout():
		return status(http.StatusRequestTimeout, brevet.Errorf(brevet.Invalid, "body: it came too slowly"))
	}
	return brevet.Errorf(brevet.Invalid, "body: it ended early, or is malformed").WithCause(err)
}

// checkJSON accepts one JSON value as I-JSON has it (RFC 7493): valid UTF-8
// and no name twice in an object, so that no two readers see different
// things; and not deeper than anything that the API takes.
func checkJSON(body []byte) error {
	if !utf8.Valid(body) {
		return brevet.Errorf(brevet.Invalid, "body: not valid UTF-8")
	}
	if !json.Valid(body) {
		return brevet.Errorf(brevet.Invalid, "body: not one JSON value")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	return uniqueNames(d, 0)
}

// uniqueNames reads one value from d, which holds valid JSON.
func uniqueNames(d *json.Decoder, depth int) error {
	if depth > maxDepth {
		return brevet.Errorf(brevet.Invalid, "body: nested too deeply")
	}
	t, err := d.Token()
	if err != nil {
		return brevet.Errorf(brevet.Invalid, "body: not JSON").WithCause(err)
	}
	open, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	var seen map[string]bool
	if open == '{' {
		seen = map[string]bool{}
	}
	for d.More() {
		if open == '{' {
			name, err := d.Token()
			if err != nil {
				return brevet.Errorf(brevet.Invalid, "body: not JSON").WithCause(err)
			}
			key, _ := name.(string)
			if seen[key] {
				return brevet.Errorf(brevet.Invalid, "%s: there twice", clip(key, 60))
			}
			seen[key] = true
		}
		if err := uniqueNames(d, depth+1); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

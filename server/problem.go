package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
)

// refusal is an error with a status that the table of kinds does not give it:
// those that speak of HTTP itself.
type refusal struct {
	err    error
	status int
	header http.Header
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// status gives err another status than its kind has.
func status(code int, err error) error { return &refusal{err: err, status: code} }

// problem turns an error into what the wire carries, with its headers. What
// is not fit to be shown goes to the log, under the request's id.
func (s *server) problem(ctx context.Context, err error) (*api.Problem, http.Header) {
	e := brevet.AsError(err)
	x := exchangeOf(ctx)
	if ctx.Err() != nil && e.Kind == brevet.Internal {
		e = brevet.Errorf(brevet.Unavailable, "the request was given up").WithCause(err)
	}
	level := slog.LevelDebug
	switch e.Kind {
	case brevet.Internal:
		level = slog.LevelError
		e = e.WithHint("the server's log says more, under request %s", x.id)
	case brevet.Unavailable, brevet.Clock, brevet.CloudRefused:
		level = slog.LevelWarn
	}
	s.Log.LogAttrs(ctx, level, "refused", slog.String("id", x.id), slog.String("kind", string(e.Kind)), slog.String("message", e.Message), slog.Any("cause", e.Cause))
	p := api.NewProblem(e)
	h := http.Header{}
	var r *refusal
	if errors.As(err, &r) {
		p.Status, p.Title = r.status, http.StatusText(r.status)
		maps.Copy(h, r.header)
	}
	switch {
	case e.Kind == brevet.StepUp: // RFC 9470, section 3
		h.Set("WWW-Authenticate", `Bearer error="insufficient_user_authentication"`)
	case p.Status == http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Bearer")
	case p.Status == http.StatusTooManyRequests:
		h.Set("Retry-After", "5")
	}
	return p, h
}

// fail answers with a problem.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	p, h := s.problem(r.Context(), err)
	maps.Copy(w.Header(), h)
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		json.NewEncoder(w).Encode(p)
	}
}

// The settings of huma that are global: its errors are ours, names of fields
// are compared exactly, and a list is never null.
func init() {
	huma.NewError = invalid
	huma.ValidateStrictCasing = true
	huma.DefaultArrayNullable = false
}

// invalid makes a problem of what huma found wrong with a request. Values are
// not echoed; the field is named.
func invalid(code int, msg string, errs ...error) huma.StatusError {
	if code == 0 { // huma wants to see an example
		return &api.Problem{}
	}
	kind := brevet.Invalid
	if code >= http.StatusInternalServerError {
		kind, msg = brevet.Internal, "something went wrong on the server"
	} else if len(errs) > 0 {
		msg = complaints(errs)
	}
	return api.NewProblem(brevet.Errorf(kind, "%s", msg))
}

// complaints names the first few fields that are wrong, and how: what is there
// and unknown before what is missing, as it is often the same field misspelt.
func complaints(errs []error) string {
	var list []string
	errs = slices.Clone(errs)
	slices.SortStableFunc(errs, func(a, b error) int { return unknown(b) - unknown(a) })
	for _, err := range errs {
		if len(list) == 3 {
			list = append(list, fmt.Sprintf("and %d more", len(errs)-3))
			break
		}
		list = append(list, complaint(err))
	}
	return strings.Join(list, "; ")
}

// unknown is 1 for a field that nobody knows.
func unknown(err error) int {
	var d huma.ErrorDetailer
	if errors.As(err, &d) && d.ErrorDetail().Message == validation.MsgUnexpectedProperty {
		return 1
	}
	return 0
}

func complaint(err error) string {
	var d huma.ErrorDetailer
	if !errors.As(err, &d) {
		return "the request is malformed"
	}
	detail := d.ErrorDetail()
	field := detail.Location
	for _, where := range []string{"body.", "query.", "path.", "header."} {
		field = strings.TrimPrefix(field, where)
	}
	return clip(field, 60) + ": " + clip(detail.Message, 200)
}

// clip makes a stranger's text fit for a message.
func clip(s string, n int) string {
	s = brevet.Printable(strings.ToValidUTF8(s, "?"))
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "") + "…"
	}
	return s
}

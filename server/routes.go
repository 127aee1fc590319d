package server

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
)

// route is what is known of a route of the API beside its types.
type route struct {
	pattern string // one of package api's
	id      string // operationId
	about   string
	kinds   []brevet.Kind // what it fails with, beside what every route does
	limit   int64         // of the body in bytes; 0: it takes none
	open    bool          // needs no bearer
	hold    bool          // may take long to answer
	sealed  bool          // also for a sign-in by sealed codes
}

// api registers the routes under /v1.
func (s *server) api() {
	format := huma.Format{Marshal: marshal, Unmarshal: json.Unmarshal}
	s.huma = humago.New(guarded{s}, huma.Config{
		OpenAPI:                      s.openAPI(),
		Formats:                      map[string]huma.Format{"application/json": format, "json": format},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
	})
	s.signInRoutes()
	s.requestRoutes()
	s.grantRoutes()
	s.revokeRoutes()
	s.extendRoutes()
	s.breakGlassRoutes()
	s.codesRoutes()
	s.useRoutes()
	s.logRoutes()
	s.catalogRoutes()
	s.probeRoutes()
	s.customerRoutes()
	s.statementRoutes()
	s.channelRoutes()
}

// marshal writes v at once or not at all. A client that has gone is no fault.
func marshal(w io.Writer, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, _ = w.Write(append(text, '\n'))
	return nil
}

// output is huma's envelope around an answer.
type output[T any] struct{ Body T }

// Keyed is part of the input of every POST; huma fills exported fields only.
// Routes that make nothing new take no notice of the key.
type Keyed struct {
	Key string `header:"Idempotency-Key" maxLength:"128" doc:"names one intent; what asks, decides or ends is then done once, however often it is sent"`
}

// none is the input of a route that needs nothing but a caller.
type none struct{}

// on registers a route: fn gets the caller and the decoded input, and returns
// what is encoded.
func on[I, O any](s *server, rt route, fn func(ctx context.Context, c brevet.Caller, in *I) (O, error)) {
	huma.Register(s.huma, s.operation(&rt), func(ctx context.Context, in *I) (*output[O], error) {
		var c brevet.Caller
		if !rt.open {
			c = callerOf(ctx)
		}
		body, err := fn(ctx, c, in)
		if err != nil {
			return nil, s.failed(ctx, err)
		}
		return &output[O]{body}, nil
	})
	s.tidy(&rt)
}

// onEmpty registers a route that answers with 204.
func onEmpty[I any](s *server, rt route, fn func(ctx context.Context, c brevet.Caller, in *I) error) {
	huma.Register(s.huma, s.operation(&rt), func(ctx context.Context, in *I) (*struct{}, error) {
		if err := fn(ctx, callerOf(ctx), in); err != nil {
			return nil, s.failed(ctx, err)
		}
		return nil, nil
	})
	s.tidy(&rt)
}

// failed is problem in the form that huma wants.
func (s *server) failed(ctx context.Context, err error) error {
	p, h := s.problem(ctx, err)
	if len(h) == 0 {
		return p
	}
	return huma.ErrorWithHeaders(p, h)
}

// operation describes a route to huma and remembers it.
func (s *server) operation(rt *route) huma.Operation {
	s.routes[rt.pattern] = rt
	method, path, _ := strings.Cut(rt.pattern, " ")
	op := huma.Operation{OperationID: rt.id, Method: method, Path: path, Summary: rt.about,
		MaxBodyBytes: max(rt.limit, 1) + 1, Errors: rt.statuses()} // guard has counted before
	if !rt.open {
		op.Security = []map[string][]string{{bearerScheme: {}}}
	}
	return op
}

// statuses lists the statuses that the route fails with, each once.
func (rt *route) statuses() []int {
	all := append([]brevet.Kind{brevet.Invalid, brevet.Denied, brevet.Unavailable, brevet.Internal}, rt.kinds...)
	if !rt.open {
		all = append(all, brevet.Unauthenticated)
	}
	seen := map[int]bool{}
	if rt.open {
		seen[http.StatusTooManyRequests] = true
	}
	if rt.limit > 0 {
		seen[http.StatusRequestEntityTooLarge] = true
		seen[http.StatusUnsupportedMediaType] = true
	}
	for _, k := range all {
		seen[api.StatusOf(k)] = true
	}
	var list []int
	for code := range seen {
		list = append(list, code)
	}
	return list
}

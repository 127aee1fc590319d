package server

import (
	"net/http"

	"github.com/brevet-access/brevet"
)

// Routes beside those of package api.
const (
	routeHealth    = "GET /healthz"
	routeReady     = "GET /readyz"
	routeDiscovery = "GET /c/{customer}/.well-known/openid-configuration"
	routeJWKS      = "GET /c/{customer}/jwks.json"
	routeOpenAPI   = "GET /openapi.json"
)

// documents registers what machines read: the issuer's documents, which
// clouds fetch, and the probes.
func (s *server) documents() {
	if s.Discovery != nil {
		s.mux.HandleFunc(routeDiscovery, s.document(s.Discovery))
	}
	if s.JWKS != nil {
		s.mux.HandleFunc(routeJWKS, s.document(s.JWKS))
	}
	s.mux.HandleFunc(routeHealth, func(w http.ResponseWriter, _ *http.Request) { word(w, http.StatusOK, "ok\n") })
	s.mux.HandleFunc(routeReady, func(w http.ResponseWriter, r *http.Request) {
		if err := s.Broker.Ready(r.Context()); err != nil {
			s.problem(r.Context(), err) // logs it
			word(w, http.StatusServiceUnavailable, "not ready\n")
			return
		}
		word(w, http.StatusOK, "ready\n")
	})
}

// document serves one of a customer's issuer documents. It may be cached for
// five minutes: STS fails now and then where it may not cache, and a new key
// is published long before it signs.
func (s *server) document(get func(brevet.CustomerID) ([]byte, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, err := brevet.ParseID[brevet.CustomerID](r.PathValue("customer"))
		if err != nil {
			s.fail(w, r, brevet.Errorf(brevet.NotFound, "there is no such issuer"))
			return
		}
		text, err := get(id)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "public, max-age=300")
		w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
		_, _ = w.Write(text)
	}
}

func word(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

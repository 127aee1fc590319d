package server

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
)

const bearerScheme = "bearer"

// openAPI begins the description of the API (OpenAPI 3.1).
func (s *server) openAPI() *huma.OpenAPI {
	return &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{Title: "brevet", Version: api.Version,
			Description: "Temporary access to cloud accounts. Errors are problem details (RFC 9457) whose kind says what to do about them. " +
				"Times are RFC 3339 in UTC. An unknown field or parameter is an error."},
		Servers: []*huma.Server{{URL: s.URL}},
		Components: &huma.Components{
			Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
			SecuritySchemes: map[string]*huma.SecurityScheme{bearerScheme: {Type: "http", Scheme: "bearer",
				Description: "the token that POST /v1/login/token gives"}},
		},
	}
}

// tidy says what an operation's failures mean, and takes out 422, which huma
// announces and invalid turns into 400.
func (s *server) tidy(rt *route) {
	method, path, _ := strings.Cut(rt.pattern, " ")
	item := s.huma.OpenAPI().Paths[path]
	op := item.Get
	if method == http.MethodPost {
		op = item.Post
	}
	delete(op.Responses, strconv.Itoa(http.StatusUnprocessableEntity))
	for _, row := range api.Table {
		if r := op.Responses[strconv.Itoa(row.Status)]; r != nil {
			r.Description = describeStatus(row.Status)
		}
	}
}

// describeStatus lists the kinds that travel with a status.
func describeStatus(code int) string {
	var parts []string
	for _, row := range api.Table {
		if row.Status == code {
			parts = append(parts, string(row.Kind)+": "+row.About)
		}
	}
	return strings.Join(parts, "; or ")
}

// extra describes a route that is not the API's.
type extra struct {
	pattern, id, about string
	status             int
	answer             string
	params             []*huma.Param
}

func (s *server) extras() []extra {
	customer := []*huma.Param{param("path", "customer", true, "a customer's id, cu_…")}
	list := []extra{
		{api.RouteAuthorize, "authorize", "Begin a sign-in in the browser", http.StatusSeeOther, "to the identity provider", []*huma.Param{
			param("query", "code_challenge", true, "RFC 7636"), param("query", "code_challenge_method", true, "S256"),
			param("query", "state", false, "echoed to the redirect URI"), param("query", "redirect_uri", false, "http://127.0.0.1:PORT/PATH or http://[::1]:PORT/PATH; without it the page shows a code"),
			param("query", "provider", false, "where there are several"), param("query", "max_age", false, "seconds; 0 forces a fresh sign-in"),
			param("query", "device", false, "what the client calls its machine")}},
		{api.RouteCallback, "callback", "Where the identity provider sends the browser", http.StatusSeeOther, "to the redirect URI; a page with the code where there is none", []*huma.Param{
			param("query", "state", true, ""), param("query", "code", false, ""), param("query", "iss", false, "RFC 9207"),
			param("query", "error", false, ""), param("query", "error_description", false, "")}},
		{"GET /", "home", "A page that says what this is", http.StatusOK, "the page", nil},
		{routeHealth, "health", "The process lives", http.StatusOK, "ok", nil},
		{routeReady, "ready", "Credentials could be issued", http.StatusOK, "ready; 503 if not", nil},
		{routeOpenAPI, "openapi", "This document", http.StatusOK, "OpenAPI 3.1", nil},
	}
	if s.Discovery != nil {
		list = append(list, extra{routeDiscovery, "discovery", "A customer's issuer (OpenID Connect Discovery)", http.StatusOK, "the document", customer})
	}
	if s.JWKS != nil {
		list = append(list, extra{routeJWKS, "jwks", "A customer's key set (RFC 7517)", http.StatusOK, "the key set", customer})
	}
	return list
}

func param(in, name string, required bool, about string) *huma.Param {
	return &huma.Param{In: in, Name: name, Required: required, Description: about, Schema: &huma.Schema{Type: huma.TypeString}}
}

// describe adds the routes that are not the API's, and serves it all. The
// text is made once: routes do not change.
func (s *server) describe() {
	doc := s.huma.OpenAPI()
	kind := doc.Components.Schemas.Map()["Problem"].Properties["kind"]
	for _, k := range brevet.Kinds {
		kind.Enum = append(kind.Enum, string(k))
	}
	for _, e := range s.extras() {
		_, path, _ := strings.Cut(e.pattern, " ")
		doc.AddOperation(&huma.Operation{OperationID: e.id, Method: http.MethodGet, Path: path, Summary: e.about, Parameters: e.params,
			Responses: map[string]*huma.Response{strconv.Itoa(e.status): {Description: e.answer}}})
	}
	text, err := json.Marshal(doc)
	if err != nil {
		panic("server: openapi: " + err.Error()) // made of our own types
	}
	s.mux.HandleFunc(routeOpenAPI, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "public, max-age=300")
		_, _ = w.Write(text)
	})
}

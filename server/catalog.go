package server

import (
	"context"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
)

type applyInput struct {
	Keyed
	Body api.Apply
}

func (s *server) catalogRoutes() {
	on(s, route{pattern: api.RouteCatalog, id: "getCatalog", about: "The ruling version of the catalog"},
		func(ctx context.Context, c brevet.Caller, _ *none) (api.Catalog, error) {
			version, digest, text, err := s.Broker.CatalogText(ctx, c)
			return api.Catalog{Version: version, Digest: digest, Text: string(text)}, err
		})
	on(s, route{pattern: api.RouteApply, id: "applyCatalog", about: "Propose a version of the catalog", limit: maxCatalog,
		kinds: []brevet.Kind{brevet.Conflict, brevet.Clock}},
		func(ctx context.Context, c brevet.Caller, in *applyInput) (api.Applied, error) {
			v, err := s.Broker.Apply(ctx, c, []byte(in.Body.Text), in.Body.Base)
			return api.Applied{Version: v.Version, Changes: list(v.Changes), Rules: v.Rules}, err
		})
}

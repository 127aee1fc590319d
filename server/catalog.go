package server

import (
	"context"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/broker"
)

type applyInput struct {
	Keyed
	Body api.Apply
}

type confirmInput struct {
	Keyed
	Version int64 `path:"id" minimum:"1"`
	Body    api.Confirm
}

type retractInput struct {
	Keyed
	Version int64 `path:"id" minimum:"1"`
}

func (s *server) catalogRoutes() {
	on(s, route{pattern: api.RouteCatalog, id: "getCatalog", about: "The ruling version of the catalog"},
		func(ctx context.Context, c brevet.Caller, _ *none) (api.Catalog, error) {
			version, digest, text, err := s.Broker.CatalogText(ctx, c)
			return api.Catalog{Version: version, Digest: digest, Text: string(text)}, err
		})
	on(s, route{pattern: api.RouteApply, id: "applyCatalog", about: "Put a version of the catalog forward", limit: maxCatalog,
		kinds: []brevet.Kind{brevet.Conflict, brevet.StepUp, brevet.Clock}},
		func(ctx context.Context, c brevet.Caller, in *applyInput) (api.Applied, error) {
			v, err := s.Broker.Apply(ctx, c, []byte(in.Body.Text), in.Body.Base)
			return appliedOf(v), err
		})
	on(s, route{pattern: api.RoutePlan, id: "planCatalog", about: "What a text would change, nothing kept", limit: maxCatalog},
		func(ctx context.Context, c brevet.Caller, in *applyInput) (api.Applied, error) {
			v, err := s.Broker.Plan(ctx, c, []byte(in.Body.Text))
			return appliedOf(v), err
		})
	on(s, route{pattern: api.RouteVersions, id: "listCatalogVersions", about: "Versions of the catalog, and what became of them"}, s.listVersions)
	on(s, route{pattern: api.RouteConfirm, id: "confirmCatalog", about: "Confirm a version that somebody else put forward", limit: maxBody,
		kinds: []brevet.Kind{brevet.NotFound, brevet.Conflict, brevet.StepUp, brevet.Clock}},
		func(ctx context.Context, c brevet.Caller, in *confirmInput) (api.Applied, error) {
			v, err := s.Broker.Confirm(ctx, c, in.Version, in.Body.Digest)
			return appliedOf(v), err
		})
	onEmpty(s, route{pattern: api.RouteRetract, id: "withdrawCatalog", about: "Take back a version that waits",
		kinds: []brevet.Kind{brevet.NotFound, brevet.Conflict, brevet.Clock}},
		func(ctx context.Context, c brevet.Caller, in *retractInput) error {
			return s.Broker.Retract(ctx, c, in.Version)
		})
}

func appliedOf(v broker.Applied) api.Applied {
	return api.Applied{Version: v.Version, Digest: v.Digest, Changes: list(v.Changes), Widens: v.Widens, Rules: v.Rules}
}

func (s *server) listVersions(ctx context.Context, c brevet.Caller, _ *none) (api.Versions, error) {
	found, alone, err := s.Broker.Versions(ctx, c)
	out := api.Versions{OnePerson: alone, Versions: []api.CatalogVersion{}}
	for _, v := range found {
		out.Versions = append(out.Versions, api.CatalogVersion{Version: v.Version, Base: v.Base, Digest: v.Digest, State: v.State, By: v.By.String(), At: v.Created,
			ConfirmedBy: v.Confirmer.String(), ConfirmedAt: optional(v.Confirmed), Changes: list(v.Changes), Mine: v.Mine})
	}
	return out, err
}

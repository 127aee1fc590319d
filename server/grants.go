package server

import (
	"context"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/broker"
)

type listGrantsInput struct {
	Scope string `query:"scope" enum:"mine,all" doc:"default mine"`
	Live  bool   `query:"live" doc:"only those that give access now"`
	Limit int    `query:"limit" minimum:"0" doc:"default 100, at most 1000"`
}

type revokeInput struct {
	Keyed
	ID   string `path:"id" maxLength:"40"`
	Body api.Revoke
}

func (s *server) grantRoutes() {
	on(s, route{pattern: api.RouteGrants, id: "listGrants", about: "Grants, newest first"}, s.listGrants)
	on(s, route{pattern: api.RouteDrop, id: "drop", about: "Hand a grant back",
		kinds: []brevet.Kind{brevet.NotFound, brevet.Conflict, brevet.Clock}, sealed: true}, s.drop)
	on(s, route{pattern: api.RouteRevoke, id: "revoke", about: "End somebody else's grant", limit: maxBody,
		kinds: []brevet.Kind{brevet.NotFound, brevet.Conflict, brevet.Clock}}, s.revoke)
}

func (s *server) listGrants(ctx context.Context, c brevet.Caller, in *listGrantsInput) ([]api.Grant, error) {
	views, err := s.Broker.Grants(ctx, c, broker.List{Scope: in.Scope, Live: in.Live, Limit: in.Limit})
	return each(views, grant), err
}

func (s *server) drop(ctx context.Context, c brevet.Caller, in *idInput) (api.Revoked, error) {
	id, err := brevet.ParseID[brevet.GrantID](in.ID)
	if err != nil {
		return api.Revoked{}, err
	}
	v, err := s.Broker.Drop(ctx, c, id, in.Key)
	return revoked(v), err
}

func (s *server) revoke(ctx context.Context, c brevet.Caller, in *revokeInput) (api.Revoked, error) {
	id, err := brevet.ParseID[brevet.GrantID](in.ID)
	if err != nil {
		return api.Revoked{}, err
	}
	v, err := s.Broker.Revoke(ctx, c, id, in.Body.Reason, in.Key)
	return revoked(v), err
}

func revoked(v broker.Revoked) api.Revoked {
	return api.Revoked{Grant: grant(v.Grant), State: string(v.State), Until: v.Until, Act: string(v.Act)}
}

func grant(v broker.GrantView) api.Grant {
	return api.Grant{
		ID: string(v.ID), Request: string(v.Request), Target: v.Target, Customer: v.CustomerName, Person: string(v.Holder),
		State: string(v.State), Live: v.Live, Start: v.Start, End: v.End, Closed: v.Closed,
		Reason: v.Reason, Approved: v.Approved, Sessions: v.Sessions,
	}
}

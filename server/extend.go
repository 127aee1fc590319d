package server

import (
	"context"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/broker"
)

type extendInput struct {
	Keyed
	ID   string `path:"id" maxLength:"40"`
	Body api.Extend
}

func (s *server) extendRoutes() {
	on(s, route{pattern: api.RouteExtend, id: "extend", about: "Ask for more time of a grant that lives", limit: maxBody,
		kinds: []brevet.Kind{brevet.NotFound, brevet.Conflict, brevet.Expired, brevet.Clock}}, s.extend)
}

func (s *server) extend(ctx context.Context, c brevet.Caller, in *extendInput) (api.Request, error) {
	id, err := brevet.ParseID[brevet.GrantID](in.ID)
	if err != nil {
		return api.Request{}, err
	}
	d, err := duration("duration", in.Body.Duration)
	if err != nil {
		return api.Request{}, err
	}
	return s.answered(s.Broker.Extend(ctx, c, broker.Extend{Grant: id, Duration: d, Reason: in.Body.Reason, Ticket: in.Body.Ticket, Key: in.Key}))
}

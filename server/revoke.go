package server

import (
	"context"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/broker"
)

type revokeAllInput struct {
	Keyed
	Body api.RevokeAll
}

type revocationInput struct {
	ID   string `path:"id" maxLength:"40"`
	Wait string `query:"wait" maxLength:"20" doc:"holds the answer while the act is under way, like 30s; at most 55s count"`
}

type revocationsInput struct {
	Limit int `query:"limit" minimum:"0" doc:"default 100, at most 1000"`
}

type offboardPersonInput struct {
	Keyed
	Person string `path:"id" maxLength:"64" doc:"handle or id"`
	Body   api.Offboard
}

func (s *server) revokeRoutes() {
	on(s, route{pattern: api.RouteRevokeAll, id: "revokeAll", about: "End grants, and cut off what is out under them", limit: maxBody,
		kinds: []brevet.Kind{brevet.NotFound, brevet.Conflict, brevet.StepUp, brevet.Clock}}, s.revokeAll)
	on(s, route{pattern: api.RouteRevocation, id: "getRevocation", about: "How far an act of revoking has come", hold: true,
		kinds: []brevet.Kind{brevet.NotFound}}, s.revocation)
	on(s, route{pattern: api.RouteRevocations, id: "listRevocations", about: "Revocations, newest first"}, s.listRevocations)
	on(s, route{pattern: api.RouteOffboardPerson, id: "offboardPerson", about: "End a person for good", limit: maxBody,
		kinds: []brevet.Kind{brevet.NotFound, brevet.Conflict, brevet.StepUp, brevet.Clock}}, s.offboardPerson)
}

func (s *server) revokeAll(ctx context.Context, c brevet.Caller, in *revokeAllInput) (api.Revocations, error) {
	ask := broker.RevokeAll{Person: in.Body.Person, Account: in.Body.Account, Everything: in.Body.Everything, Reason: in.Body.Reason, Key: in.Key}
	if in.Body.Grant != "" {
		var err error
		if ask.Grant, err = brevet.ParseID[brevet.GrantID](in.Body.Grant); err != nil {
			return api.Revocations{}, err
		}
	}
	v, err := s.Broker.RevokeAll(ctx, c, ask)
	return revocations(v), err
}

func (s *server) revocation(ctx context.Context, c brevet.Caller, in *revocationInput) (api.Revocations, error) {
	id, err := brevet.ParseID[brevet.RevocationID](in.ID)
	if err != nil {
		return api.Revocations{}, err
	}
	wait, err := duration("wait", in.Wait)
	if err != nil {
		return api.Revocations{}, err
	}
	v, err := s.Broker.Revocation(ctx, c, id, min(wait, 55*time.Second))
	return revocations(v), err
}

func (s *server) listRevocations(ctx context.Context, c brevet.Caller, in *revocationsInput) (api.Revocations, error) {
	v, err := s.Broker.Revocations(ctx, c, in.Limit)
	return revocations(v), err
}

func (s *server) offboardPerson(ctx context.Context, c brevet.Caller, in *offboardPersonInput) (api.PersonOffboarded, error) {
	v, err := s.Broker.OffboardPerson(ctx, c, broker.OffboardPerson{Person: in.Person, Reason: in.Body.Reason, Key: in.Key})
	if err != nil {
		return api.PersonOffboarded{}, err
	}
	return api.PersonOffboarded{Person: string(v.Handle), ID: string(v.Person), At: v.At, By: v.By, Reason: v.Reason, SignIns: v.SignIns, Grants: v.Grants,
		Requests: v.Requests, Decisions: v.Decisions, Act: revocations(v.Act)}, nil
}

func revocations(v broker.RevokedAll) api.Revocations {
	return api.Revocations{ID: string(v.ID), Now: v.Now, Settled: v.Settled(), Requests: v.Requests, Grants: each(v.Grants, revocation)}
}

func revocation(v broker.RevocationView) api.Revocation {
	out := api.Revocation{Act: string(v.ID), Grant: string(v.Grant), Target: v.Target, Customer: v.CustomerName, Person: string(v.Handle), State: string(v.State), Shells: v.Shells,
		Reason: v.Reason, By: v.By, Requested: v.Requested, Told: v.Told, Closed: v.Closed, Until: v.Until, Everybody: v.Everybody, Trouble: v.Trouble}
	if v.State == brevet.RevokeConfirmed {
		out.Seconds = v.Took().Seconds()
	}
	for _, h := range v.Cut {
		out.Cut = append(out.Cut, string(h))
	}
	return out
}

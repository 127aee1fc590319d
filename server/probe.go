package server

import (
	"context"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
)

type probeInput struct {
	Keyed
	ID   string `path:"id" maxLength:"63" doc:"the account, by name or number"`
	Body api.Probe
}

func (s *server) probeRoutes() {
	on(s, route{pattern: api.RouteProbe, id: "probe", about: "Try out the customer's side of an account", limit: maxBody, hold: true,
		kinds: []brevet.Kind{brevet.NotFound, brevet.StepUp, brevet.Conflict}}, s.probe)
}

func (s *server) probe(ctx context.Context, c brevet.Caller, in *probeInput) (api.Probed, error) {
	wait, err := duration("wait", in.Body.Wait)
	if err != nil {
		return api.Probed{}, err
	}
	v, err := s.Broker.Probe(ctx, c, in.ID, wait)
	if err != nil {
		return api.Probed{}, err
	}
	out := api.Probed{Account: v.Account.Name, Number: string(v.Account.ID), Customer: v.Customer, Role: string(v.Role), Grant: string(v.Grant), At: v.At, Misses: v.Misses()}
	for _, k := range v.Checks {
		out.Checks = append(out.Checks, api.Check{Name: k.Name, Expected: k.Expected, Result: k.Result, Detail: k.Detail, Millis: k.Took.Milliseconds()})
	}
	return out, nil
}

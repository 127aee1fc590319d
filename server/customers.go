package server

import (
	"context"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/broker"
)

type offboardInput struct {
	Keyed
	Customer string `path:"id" maxLength:"63" doc:"name or id"`
	Body     api.Offboard
}

func (s *server) customerRoutes() {
	on(s, route{pattern: api.RouteCustomers, id: "listCustomers", about: "Customers at which the caller holds a right, with their accounts"}, s.listCustomers)
	on(s, route{pattern: api.RouteOffboard, id: "offboard", about: "End a customer for good", limit: maxBody,
		kinds: []brevet.Kind{brevet.NotFound, brevet.Conflict, brevet.StepUp, brevet.Clock}}, s.offboard)
}

func (s *server) listCustomers(ctx context.Context, c brevet.Caller, _ *none) ([]api.Customer, error) {
	views, err := s.Broker.Customers(ctx, c)
	return each(views, customerOf), err
}

func (s *server) offboard(ctx context.Context, c brevet.Caller, in *offboardInput) (api.Offboarded, error) {
	v, err := s.Broker.Offboard(ctx, c, broker.Offboard{Customer: in.Customer, Reason: in.Body.Reason, Key: in.Key})
	if err != nil {
		return api.Offboarded{}, err
	}
	out := offboarded(v.Customer.Name, v.Offboarding)
	out.Proof = &api.Proof{OK: len(v.Proof.Admitted) == 0, Refused: v.Proof.Refused, Admitted: list(v.Proof.Admitted)}
	return *out, nil
}

func customerOf(v broker.CustomerView) api.Customer {
	out := api.Customer{ID: string(v.ID), Name: v.Name, State: "active", Entry: v.Entry, Contact: v.Contact, LogGroup: v.LogGroup, Accounts: []api.Account{}}
	for _, a := range v.Accounts {
		out.Accounts = append(out.Accounts, api.Account{Number: string(a.ID), Name: a.Name, Customer: v.Name, Env: a.Env, Region: a.Region, Contract: a.Contract})
	}
	if v.Offboarded != nil {
		out.State, out.Offboarded = "offboarded", offboarded(v.Name, *v.Offboarded)
	}
	return out
}

func offboarded(name string, o broker.Offboarding) *api.Offboarded {
	return &api.Offboarded{Customer: name, At: o.At, By: o.By, Reason: o.Reason, Grants: o.Grants, Requests: o.Requests, Sessions: o.Sessions, Until: optional(o.Until)}
}

// optional is nil for the zero time.
func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

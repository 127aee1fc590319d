package server

import (
	"context"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/broker"
)

type newRequestInput struct {
	Keyed
	Body api.NewRequest
}

type listRequestsInput struct {
	Scope string `query:"scope" enum:"mine,decide,all" doc:"default mine"`
	State string `query:"state" enum:"pending,approved,denied,withdrawn,lapsed" doc:"default: every state"`
	Limit int    `query:"limit" minimum:"0" doc:"default 100, at most 1000"`
}

type getRequestInput struct {
	ID   string `path:"id" maxLength:"40"`
	Wait string `query:"wait" maxLength:"20" doc:"holds the answer while the request is pending, like 30s; at most 55s count"`
}

type decideInput struct {
	Keyed
	ID   string `path:"id" maxLength:"40"`
	Body api.Decide
}

type idInput struct {
	Keyed
	ID string `path:"id" maxLength:"40"`
}

type targetInput struct {
	Target string `query:"target" required:"true" maxLength:"110" doc:"ACCOUNT/ROLE"`
}

func (s *server) requestRoutes() {
	on(s, route{pattern: api.RouteTargets, id: "listTargets", about: "What the caller may ask for"},
		func(ctx context.Context, c brevet.Caller, _ *none) ([]api.Target, error) {
			views, err := s.Broker.Targets(ctx, c)
			return each(views, target), err
		})
	on(s, route{pattern: api.RouteWhy, id: "explain", about: "What stands between the caller and a target", kinds: []brevet.Kind{brevet.NotFound}}, s.why)
	on(s, route{pattern: api.RouteStatus, id: "status", about: "What concerns the caller now", sealed: true}, s.status)
	on(s, route{pattern: api.RouteRequest, id: "ask", about: "Ask for access", limit: maxBody,
		kinds: []brevet.Kind{brevet.NotFound, brevet.Conflict, brevet.Clock}}, s.ask)
	on(s, route{pattern: api.RouteRequests, id: "listRequests", about: "Requests, newest first"}, s.listRequests)
	on(s, route{pattern: api.RouteRequestGet, id: "getRequest", about: "One request; may be waited for", hold: true,
		kinds: []brevet.Kind{brevet.NotFound}}, s.getRequest)
	on(s, route{pattern: api.RouteDecide, id: "decide", about: "Approve or deny a request", limit: maxBody,
		kinds: []brevet.Kind{brevet.NotFound, brevet.Conflict, brevet.StepUp, brevet.Expired, brevet.Clock}}, s.decide)
	on(s, route{pattern: api.RouteBatch, id: "askTogether", about: "Ask for access to several targets: all or none", limit: maxBody,
		kinds: []brevet.Kind{brevet.NotFound, brevet.Conflict, brevet.Clock}}, s.askTogether)
	on(s, route{pattern: api.RouteBatchGet, id: "getBatch", about: "The requests of one intent", kinds: []brevet.Kind{brevet.NotFound}}, s.getBatch)
	on(s, route{pattern: api.RouteWithdraw, id: "withdraw", about: "Take a pending request back",
		kinds: []brevet.Kind{brevet.NotFound, brevet.Conflict, brevet.Expired, brevet.Clock}}, s.withdraw)
}

func (s *server) why(ctx context.Context, c brevet.Caller, in *targetInput) (api.Why, error) {
	w, err := s.Broker.Why(ctx, c, in.Target)
	return api.Why{Target: w.Target, Allowed: w.Allowed, Summary: w.Summary, Unmet: list(w.Unmet), Facts: list(w.Facts), Next: w.Next}, err
}

func (s *server) status(ctx context.Context, c brevet.Caller, _ *none) (api.Status, error) {
	v, err := s.Broker.Status(ctx, c)
	return api.Status{Now: v.Now, Active: each(v.Active, grant), Waiting: each(v.Waiting, s.request), Decide: each(v.Decide, s.request), Review: each(v.Review, s.reviewed)}, err
}

func (s *server) ask(ctx context.Context, c brevet.Caller, in *newRequestInput) (api.Request, error) {
	d, err := duration("duration", in.Body.Duration)
	if err != nil {
		return api.Request{}, err
	}
	v, err := s.Broker.Ask(ctx, c, broker.Ask{Target: in.Body.Target, Duration: d, Reason: in.Body.Reason, Ticket: in.Body.Ticket,
		NotBefore: in.Body.NotBefore, Only: in.Body.Only, Key: in.Key})
	return s.answered(v, err)
}

func (s *server) listRequests(ctx context.Context, c brevet.Caller, in *listRequestsInput) ([]api.Request, error) {
	views, err := s.Broker.Requests(ctx, c, broker.List{Scope: in.Scope, State: in.State, Limit: in.Limit})
	return each(views, s.request), err
}

func (s *server) getRequest(ctx context.Context, c brevet.Caller, in *getRequestInput) (api.Request, error) {
	id, err := brevet.ParseID[brevet.RequestID](in.ID)
	if err != nil {
		return api.Request{}, err
	}
	wait, err := duration("wait", in.Wait)
	if err != nil {
		return api.Request{}, err
	}
	return s.answered(s.Broker.Request(ctx, c, id, min(wait, maxWait)))
}

func (s *server) decide(ctx context.Context, c brevet.Caller, in *decideInput) (api.Request, error) {
	id, err := brevet.ParseID[brevet.RequestID](in.ID)
	if err != nil {
		return api.Request{}, err
	}
	return s.answered(s.Broker.Decide(ctx, c, broker.Decide{ID: id, Approve: in.Body.Approve, Comment: in.Body.Comment, Digest: in.Body.Digest, Key: in.Key}))
}

func (s *server) withdraw(ctx context.Context, c brevet.Caller, in *idInput) (api.Request, error) {
	id, err := brevet.ParseID[brevet.RequestID](in.ID)
	if err != nil {
		return api.Request{}, err
	}
	return s.answered(s.Broker.Withdraw(ctx, c, id, in.Key))
}

// duration reads a field of the wire; "" is zero.
func duration(field, s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	d, err := brevet.ParseDuration(s)
	if err != nil {
		e := *brevet.AsError(err)
		e.Message = field + ": " + e.Message
		return 0, &e
	}
	return d, nil
}

// answered encodes a view, unless there is none.
func (s *server) answered(v broker.RequestView, err error) (api.Request, error) {
	if err != nil {
		return api.Request{}, err
	}
	return s.request(v), nil
}

func target(v broker.TargetView) api.Target {
	var portal *api.Portal
	if ic := v.Account.Center; ic != nil {
		portal = &api.Portal{Start: ic.Start, Region: ic.Region}
	}
	return api.Target{
		Target: v.Target, Customer: v.CustomerName, Account: string(v.Account.ID), Role: string(v.Role.Name), About: v.Role.About, Env: v.Account.Env,
		Longest: brevet.FormatDuration(v.Answer.Longest), Approval: v.Answer.Approval.String(), Automatic: v.Answer.Approval.Automatic,
		OnUse: v.Answer.Approval.Automatic && v.Answer.Entitlement.Activate == brevet.OnUse, MFA: string(v.Answer.MFA),
		RoleARN: v.Account.RoleARN(v.Role.Name), Region: v.Account.Region, Endpoint: v.Endpoint, Portal: portal,
	}
}

func (s *server) request(v broker.RequestView) api.Request {
	out := api.Request{
		ID: string(v.ID), Target: v.Target, Customer: v.CustomerName, Person: string(v.Requester), Reason: v.Reason, Ticket: v.Ticket,
		Duration: brevet.FormatDuration(v.Duration), State: string(v.State), Approval: v.Rule.String(), WaitsFor: v.WaitsFor,
		Mine: v.Mine, CanDecide: v.CanDecide, Created: v.Created, Lapses: v.Lapses, Decided: v.Decided, Digest: v.Digest(),
		NotBefore: v.NotBefore, Scope: v.Scope, SessionPolicy: v.SessionPolicy, Batch: string(v.Batch),
		Decisions: each(v.Decisions, decision), Extends: string(v.Extends),
	}
	if v.Grant != nil {
		g := grant(*v.Grant)
		out.Grant = &g
	}
	if s.Pages != nil {
		out.URL = s.URL + "/requests/" + out.ID
	}
	return out
}

func decision(d brevet.Decision) api.Decision {
	by := string(d.Handle)
	if d.Policy != "" {
		by = "policy " + d.Policy
	}
	return api.Decision{By: by, Approve: d.Approve, Comment: d.Comment, At: d.At}
}

package server

import (
	"context"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/broker"
)

type tokenInput struct {
	Keyed
	Body api.TokenRequest
}

func (s *server) signInRoutes() {
	on(s, route{pattern: api.RouteToken, id: "redeemCode", about: "Exchange the one-time code of a sign-in for a bearer token",
		kinds: []brevet.Kind{brevet.Expired}, limit: maxBody, open: true}, s.redeem)
	onEmpty(s, route{pattern: api.RouteLogout, id: "logout", about: "End the caller's sign-in", sealed: true},
		func(ctx context.Context, c brevet.Caller, _ *Keyed) error { return s.Broker.Logout(ctx, c) })
	on(s, route{pattern: api.RouteWhoami, id: "whoami", about: "The caller as the server sees them now"},
		func(ctx context.Context, c brevet.Caller, _ *none) (api.Whoami, error) {
			w, err := s.Broker.Whoami(ctx, c)
			return whoami(w), err
		})
}

// redeem answers with a secret; it is the only route under /v1 that does so
// to somebody who is not signed in. A code works once.
func (s *server) redeem(ctx context.Context, _ brevet.Caller, in *tokenInput) (api.Token, error) {
	x := exchangeOf(ctx)
	token, c, err := s.Broker.Redeem(ctx, in.Body.Code, in.Body.Verifier, x.addr)
	if err != nil {
		return api.Token{}, err
	}
	x.caller = &c
	w, err := s.Broker.Whoami(ctx, c)
	return api.Token{Token: token, Expires: c.SignIn.Expires, LogKey: s.Broker.LogKey, Sandbox: s.Banner != "", Whoami: whoami(w)}, err
}

func whoami(w broker.Whoami) api.Whoami {
	signIn := w.Caller.SignIn
	out := api.Whoami{
		Person: string(w.Person.ID), Handle: string(w.Person.Handle), Name: w.Person.Name,
		Provider: signIn.Provider, Issuer: signIn.Principal.Issuer, Subject: signIn.Principal.Subject,
		Groups: list(signIn.Groups.Names), GroupsAt: signIn.Groups.At,
		AuthTime: signIn.Proof.AuthTime, Methods: list(signIn.Proof.Methods), MFA: signIn.Proof.MFA,
		Rungs: []api.Rung{}, SignedIn: signIn.Created, Expires: signIn.Expires, Now: w.Now, Rights: w.Rights,
	}
	for _, r := range w.Rungs {
		out.Rungs = append(out.Rungs, api.Rung{Rung: string(r.Rung), Until: r.Until, Roles: r.Roles})
	}
	return out
}

// list makes nil an empty list, which JSON tells apart.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

// each encodes a list of views.
func each[V, T any](views []V, encode func(V) T) []T {
	out := make([]T, 0, len(views))
	for _, v := range views {
		out = append(out, encode(v))
	}
	return out
}

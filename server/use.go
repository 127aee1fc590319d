package server

import (
	"context"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/broker"
)

type credentialInput struct {
	Keyed
	Body api.CredentialRequest
}

type consoleInput struct {
	Keyed
	Body api.ConsoleRequest
}

// failures of issuing: every one that there is.
var issuing = []brevet.Kind{brevet.NotFound, brevet.NoGrant, brevet.StepUp, brevet.Conflict, brevet.Clock, brevet.Expired, brevet.CloudRefused}

func (s *server) useRoutes() {
	on(s, route{pattern: api.RouteCredential, id: "credential", about: "A credential under a live grant, or word that the one in hand stands", limit: maxBody, kinds: issuing, sealed: true}, s.credential)
	on(s, route{pattern: api.RouteConsole, id: "console", about: "A sign-in URL of the cloud's web console", limit: maxBody, kinds: issuing, sealed: true}, s.console)
}

// credential takes no notice of the idempotency key: a credential is never
// stored, so it cannot be answered with twice.
func (s *server) credential(ctx context.Context, c brevet.Caller, in *credentialInput) (api.Credential, error) {
	want := broker.Want{Target: in.Body.Target}
	if in.Body.Grant != "" {
		grant, err := brevet.ParseID[brevet.GrantID](in.Body.Grant)
		if err != nil {
			return api.Credential{}, err
		}
		want.Grant = grant
	}
	var err error
	if want.MinRemaining, err = duration("min_remaining", in.Body.MinRemaining); err != nil {
		return api.Credential{}, err
	}
	if in.Body.Have != "" {
		if want.Have, err = brevet.ParseID[brevet.SessionID](in.Body.Have); err != nil {
			return api.Credential{}, err
		}
	}
	v, err := s.Broker.Credential(ctx, c, want)
	if err != nil {
		return api.Credential{}, err
	}
	return credential(v), nil
}

func credential(v broker.Issued) api.Credential {
	out := api.Credential{
		Keep: v.Keep, Session: string(v.Session.ID), Grant: string(v.Grant.ID), Target: v.Target, Account: string(v.Account.ID),
		Expires: v.Expires, GrantEnds: v.Grant.End, Region: v.Account.Region, Endpoint: v.Endpoint, Now: v.Now,
	}
	if !v.Keep {
		out.AccessKeyID, out.SecretAccessKey, out.SessionToken = v.Credential.AccessKeyID, v.Credential.SecretAccessKey, v.Credential.SessionToken
	}
	return out
}

func (s *server) console(ctx context.Context, c brevet.Caller, in *consoleInput) (api.Console, error) {
	v, err := s.Broker.Console(ctx, c, in.Body.Target, in.Body.Destination)
	if err != nil {
		return api.Console{}, err
	}
	return api.Console{URL: v.URL, Grant: string(v.Grant), Session: string(v.Session), Expires: v.Expires}, nil
}

package client

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
)

// ask is call with an answer of type T.
func ask[T any](ctx context.Context, c *Client, route string, params []string, query url.Values, in any) (T, error) {
	var out T
	err := c.call(ctx, route, params, query, in, &out)
	return out, err
}

// Login exchanges the one-time code for a session.
func (c *Client) Login(ctx context.Context, code, verifier string) (api.Token, error) {
	out, err := ask[api.Token](ctx, c, api.RouteToken, nil, nil, api.TokenRequest{Code: code, Verifier: verifier})
	if err == nil && out.Token == "" {
		err = brevet.Errorf(brevet.Unavailable, "%s gave no token", c.base)
	}
	return out, err
}

// Logout ends the session.
func (c *Client) Logout(ctx context.Context) error {
	return c.call(ctx, api.RouteLogout, nil, nil, nil, nil)
}

// Whoami returns the person as the server sees them now.
func (c *Client) Whoami(ctx context.Context) (api.Whoami, error) {
	return ask[api.Whoami](ctx, c, api.RouteWhoami, nil, nil, nil)
}

// Targets returns what the caller may ask for.
func (c *Client) Targets(ctx context.Context) ([]api.Target, error) {
	return ask[[]api.Target](ctx, c, api.RouteTargets, nil, nil, nil)
}

// Why explains what stands between the caller and a target.
func (c *Client) Why(ctx context.Context, target string) (api.Why, error) {
	return ask[api.Why](ctx, c, api.RouteWhy, nil, url.Values{"target": {target}}, nil)
}

// Status returns what concerns the caller now.
func (c *Client) Status(ctx context.Context) (api.Status, error) {
	return ask[api.Status](ctx, c, api.RouteStatus, nil, nil, nil)
}

// Ask asks for access.
func (c *Client) Ask(ctx context.Context, in api.NewRequest) (api.Request, error) {
	return ask[api.Request](ctx, c, api.RouteRequest, nil, nil, in)
}

// List bounds a listing. The zero List leaves everything to the server.
type List struct {
	Scope string // mine, decide or all
	State string // of requests
	Live  bool   // grants that give access now
	Limit int
}

func (l List) query() url.Values {
	q := url.Values{}
	if l.Scope != "" {
		q.Set("scope", l.Scope)
	}
	if l.State != "" {
		q.Set("state", l.State)
	}
	if l.Live {
		q.Set("live", "true")
	}
	if l.Limit > 0 {
		q.Set("limit", strconv.Itoa(l.Limit))
	}
	return q
}

// Requests lists requests, newest first.
func (c *Client) Requests(ctx context.Context, l List) ([]api.Request, error) {
	return ask[[]api.Request](ctx, c, api.RouteRequests, nil, l.query(), nil)
}

// Request returns one request. With wait above zero the server holds its
// answer that long while the request is pending.
func (c *Client) Request(ctx context.Context, id string, wait time.Duration) (api.Request, error) {
	q := url.Values{}
	if wait > 0 {
		q.Set("wait", brevet.FormatDuration(wait))
	}
	return ask[api.Request](ctx, c, api.RouteRequestGet, []string{id}, q, nil)
}

// Decide approves or denies a request.
func (c *Client) Decide(ctx context.Context, id string, in api.Decide) (api.Request, error) {
	return ask[api.Request](ctx, c, api.RouteDecide, []string{id}, nil, in)
}

// AskTogether asks for several targets in one intent: all, or none.
func (c *Client) AskTogether(ctx context.Context, in api.NewBatch) (api.Batch, error) {
	return ask[api.Batch](ctx, c, api.RouteBatch, nil, nil, in)
}

// Batch returns the requests of one intent.
func (c *Client) Batch(ctx context.Context, id string) (api.Batch, error) {
	return ask[api.Batch](ctx, c, api.RouteBatchGet, []string{id}, nil, nil)
}

// Withdraw takes a pending request of the caller's own back.
func (c *Client) Withdraw(ctx context.Context, id string) (api.Request, error) {
	return ask[api.Request](ctx, c, api.RouteWithdraw, []string{id}, nil, nil)
}

// Grants lists grants, newest first.
func (c *Client) Grants(ctx context.Context, l List) ([]api.Grant, error) {
	return ask[[]api.Grant](ctx, c, api.RouteGrants, nil, l.query(), nil)
}

// Drop hands back the caller's own grant. A server that answers with the
// grant alone is understood too.
func (c *Client) Drop(ctx context.Context, id string) (api.Revoked, error) {
	body, err := ask[json.RawMessage](ctx, c, api.RouteDrop, []string{id}, nil, nil)
	if err != nil {
		return api.Revoked{}, err
	}
	var out api.Revoked
	if json.Unmarshal(body, &out) == nil && out.Grant.ID == "" {
		err = json.Unmarshal(body, &out.Grant)
	}
	return out, err
}

// Revoke ends somebody's grant.
func (c *Client) Revoke(ctx context.Context, id string, in api.Revoke) (api.Revoked, error) {
	return ask[api.Revoked](ctx, c, api.RouteRevoke, []string{id}, nil, in)
}

// Credential asks for a credential under a live grant, or for word that the
// one in hand still stands.
func (c *Client) Credential(ctx context.Context, in api.CredentialRequest) (api.Credential, error) {
	out, err := ask[api.Credential](ctx, c, api.RouteCredential, nil, nil, in)
	if err != nil {
		return api.Credential{}, err
	}
	complete := out.AccessKeyID != "" && out.SecretAccessKey != "" && out.SessionToken != "" && !out.Expires.IsZero()
	if out.Keep && in.Have == "" || !out.Keep && !complete {
		return api.Credential{}, brevet.Errorf(brevet.Internal, "%s sent half a credential", c.base)
	}
	return out, nil
}

// Console returns a sign-in URL of the cloud's web console: a secret.
func (c *Client) Console(ctx context.Context, in api.ConsoleRequest) (api.Console, error) {
	return ask[api.Console](ctx, c, api.RouteConsole, nil, nil, in)
}

// Checkpoint returns the log's signed head.
func (c *Client) Checkpoint(ctx context.Context) (api.Checkpoint, error) {
	return ask[api.Checkpoint](ctx, c, api.RouteCheckpoint, nil, nil, nil)
}

// Entries returns a page of the log as it was when it had size entries, from
// index from on; size 0 means as it is now.
func (c *Client) Entries(ctx context.Context, from, size int64, limit int) (api.Entries, error) {
	q := url.Values{"from": {strconv.FormatInt(from, 10)}}
	if size > 0 {
		q.Set("size", strconv.FormatInt(size, 10))
	}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	return ask[api.Entries](ctx, c, api.RouteEntries, nil, q, nil)
}

// Consistency proves that the log's head at to extends the one at from.
func (c *Client) Consistency(ctx context.Context, from, to int64) (api.Consistency, error) {
	q := url.Values{"from": {strconv.FormatInt(from, 10)}, "to": {strconv.FormatInt(to, 10)}}
	return ask[api.Consistency](ctx, c, api.RouteProof, nil, q, nil)
}

// Catalog returns the ruling version.
func (c *Client) Catalog(ctx context.Context) (api.Catalog, error) {
	return ask[api.Catalog](ctx, c, api.RouteCatalog, nil, nil, nil)
}

// Apply proposes a version of the catalog.
func (c *Client) Apply(ctx context.Context, in api.Apply) (api.Applied, error) {
	return ask[api.Applied](ctx, c, api.RouteApply, nil, nil, in)
}

// Plan says what a text would change, and keeps nothing.
func (c *Client) Plan(ctx context.Context, in api.Apply) (api.Applied, error) {
	return ask[api.Applied](ctx, c, api.RoutePlan, nil, nil, in)
}

// Versions lists versions of the catalog, newest first.
func (c *Client) Versions(ctx context.Context) (api.Versions, error) {
	return ask[api.Versions](ctx, c, api.RouteVersions, nil, nil, nil)
}

// Confirm makes a version rule that somebody else put forward.
func (c *Client) Confirm(ctx context.Context, version int64, in api.Confirm) (api.Applied, error) {
	return ask[api.Applied](ctx, c, api.RouteConfirm, []string{strconv.FormatInt(version, 10)}, nil, in)
}

// Retract takes a version back that waits.
func (c *Client) Retract(ctx context.Context, version int64) error {
	return c.call(ctx, api.RouteRetract, []string{strconv.FormatInt(version, 10)}, nil, nil, nil)
}

// ProbeAccount has the server try out the customer's side of an account, by name or
// number. It takes as long as wait and then some.
func (c *Client) ProbeAccount(ctx context.Context, account string, wait time.Duration) (api.Probed, error) {
	return ask[api.Probed](ctx, c, api.RouteProbe, []string{account}, nil, api.Probe{Wait: brevet.FormatDuration(wait)})
}

// Customers returns the customers at which the caller holds a right.
func (c *Client) Customers(ctx context.Context) ([]api.Customer, error) {
	return ask[[]api.Customer](ctx, c, api.RouteCustomers, nil, nil, nil)
}

// Offboard ends a customer, by name or id, for good.
func (c *Client) Offboard(ctx context.Context, customer string, in api.Offboard) (api.Offboarded, error) {
	return ask[api.Offboarded](ctx, c, api.RouteOffboard, []string{customer}, nil, in)
}

// RevokeAll ends grants at once, and begins what cuts off their sessions.
func (c *Client) RevokeAll(ctx context.Context, in api.RevokeAll) (api.Revocations, error) {
	return ask[api.Revocations](ctx, c, api.RouteRevokeAll, nil, nil, in)
}

// Revocation returns how far an act of revoking has come. With wait above zero
// the server holds its answer that long while it is under way.
func (c *Client) Revocation(ctx context.Context, id string, wait time.Duration) (api.Revocations, error) {
	q := url.Values{}
	if wait > 0 {
		q.Set("wait", brevet.FormatDuration(wait))
	}
	return ask[api.Revocations](ctx, c, api.RouteRevocation, []string{id}, q, nil)
}

// Revocations lists revocations, newest first.
func (c *Client) Revocations(ctx context.Context, limit int) (api.Revocations, error) {
	q := url.Values{}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	return ask[api.Revocations](ctx, c, api.RouteRevocations, nil, q, nil)
}

// OffboardPerson ends a person, by handle or id, for good.
func (c *Client) OffboardPerson(ctx context.Context, who string, in api.Offboard) (api.PersonOffboarded, error) {
	return ask[api.PersonOffboarded](ctx, c, api.RouteOffboardPerson, []string{who}, nil, in)
}

// Statement returns who entered a customer's accounts; q holds from, to and
// format.
func (c *Client) Statement(ctx context.Context, customer string, q url.Values) (api.Statement, error) {
	return ask[api.Statement](ctx, c, api.RouteStatement, []string{customer}, q, nil)
}

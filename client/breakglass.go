package client

import (
	"context"
	"net/url"

	"github.com/brevet-access/brevet/api"
)

// BreakGlass opens access in an emergency. The answer may take 30 s: so long
// everybody is told.
func (c *Client) BreakGlass(ctx context.Context, in api.BreakGlass) (api.Glass, error) {
	return ask[api.Glass](ctx, c, api.RouteBreakGlass, nil, nil, in)
}

// Reviews returns emergencies, newest first: those that wait for a review, or
// all that the caller may see.
func (c *Client) Reviews(ctx context.Context, all bool) ([]api.Review, error) {
	q := url.Values{}
	if all {
		q.Set("all", "true")
	}
	return ask[[]api.Review](ctx, c, api.RouteReviews, nil, q, nil)
}

// Review says what the caller thinks of somebody else's emergency.
func (c *Client) Review(ctx context.Context, grant string, in api.Verdict) (api.Review, error) {
	return ask[api.Review](ctx, c, api.RouteReview, []string{grant}, nil, in)
}

// Import brings the record of an emergency that was opened offline. The answer
// may take 30 s: so long everybody is told.
func (c *Client) Import(ctx context.Context, in api.Record) (api.Imported, error) {
	return ask[api.Imported](ctx, c, api.RouteImport, nil, nil, in)
}

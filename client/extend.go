package client

import (
	"context"

	"github.com/brevet-access/brevet/api"
)

// Extend asks for more time of the caller's own grant.
func (c *Client) Extend(ctx context.Context, grant string, in api.Extend) (api.Request, error) {
	return ask[api.Request](ctx, c, api.RouteExtend, []string{grant}, nil, in)
}

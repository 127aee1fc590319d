package client

import (
	"context"

	"github.com/brevet-access/brevet/api"
)

// BreakGlassSealed opens access in an emergency with two sealed codes, without
// a sign-in. The answer may take 30 s: so long everybody is told.
func (c *Client) BreakGlassSealed(ctx context.Context, in api.SealedGlass) (api.SealedOpened, error) {
	return ask[api.SealedOpened](ctx, c, api.RouteSealed, nil, nil, in)
}

// NewSheet makes the caller's sheet of sealed codes.
func (c *Client) NewSheet(ctx context.Context) (api.Sheet, error) {
	return ask[api.Sheet](ctx, c, api.RouteNewSheet, nil, nil, nil)
}

// Sheets returns what there is to know of sealed codes for the caller.
func (c *Client) Sheets(ctx context.Context) (api.Sheets, error) {
	return ask[api.Sheets](ctx, c, api.RouteSheets, nil, nil, nil)
}

// VoidSheet makes the caller's sheet open nothing any more.
func (c *Client) VoidSheet(ctx context.Context) error {
	return c.call(ctx, api.RouteVoidSheet, nil, nil, nil, nil)
}

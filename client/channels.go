package client

import (
	"context"

	"github.com/brevet-access/brevet/api"
)

// Channels returns the channels that the caller may look after.
func (c *Client) Channels(ctx context.Context) ([]api.Channel, error) {
	return ask[[]api.Channel](ctx, c, api.RouteChannels, nil, nil, nil)
}

// SlackLink returns a code by which the caller becomes known in Slack.
func (c *Client) SlackLink(ctx context.Context) (api.SlackLink, error) {
	return ask[api.SlackLink](ctx, c, api.RouteSlackLink, nil, nil, nil)
}

// TestChannels has a test message sent by a channel, or with "" by every one
// that the caller may look after. It takes up to 30 s.
func (c *Client) TestChannels(ctx context.Context, channel string) ([]api.ChannelTested, error) {
	return ask[[]api.ChannelTested](ctx, c, api.RouteTest, nil, nil, api.TestChannels{Channel: channel})
}

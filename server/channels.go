package server

import (
	"context"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/broker"
)

type testInput struct {
	Keyed
	Body api.TestChannels
}

func (s *server) channelRoutes() {
	on(s, route{pattern: api.RouteChannels, id: "listChannels", about: "Channels that the caller may look after, and what they have seen"}, s.listChannels)
	on(s, route{pattern: api.RouteTest, id: "testChannels", about: "Send a test message and wait for it, at most 30 s", limit: maxBody, hold: true,
		kinds: []brevet.Kind{brevet.NotFound}}, s.testChannels)
	on(s, route{pattern: api.RouteSlackLink, id: "linkSlack", about: "A code by which the caller becomes known in Slack", kinds: []brevet.Kind{brevet.StepUp}}, s.slackLink)
}

func (s *server) listChannels(ctx context.Context, c brevet.Caller, _ *none) ([]api.Channel, error) {
	views, err := s.Broker.ListChannels(ctx, c)
	return each(views, channelOf), err
}

func channelOf(v broker.ChannelView) api.Channel {
	out := api.Channel{Name: v.Name, Kind: v.Kind, Where: v.Where, Customers: list(v.Names), What: []string{}, Waiting: v.Waiting, Oldest: v.Oldest,
		LastSent: v.LastSent, LastFailed: v.LastFailed, Problem: v.Problem, Disabled: v.Gone}
	for _, t := range v.Topics {
		out.What = append(out.What, string(t))
	}
	return out
}

func (s *server) testChannels(ctx context.Context, c brevet.Caller, in *testInput) ([]api.ChannelTested, error) {
	tests, err := s.Broker.TestChannels(ctx, c, in.Body.Channel)
	return each(tests, func(t broker.ChannelTest) api.ChannelTested {
		return api.ChannelTested{Channel: t.Channel, Message: string(t.Message), State: string(t.State), Problem: t.Problem}
	}), err
}

func (s *server) slackLink(ctx context.Context, c brevet.Caller, _ *Keyed) (api.SlackLink, error) {
	code, expires, err := s.Broker.LinkCode(ctx, c)
	return api.SlackLink{Code: code, Expires: expires}, err
}

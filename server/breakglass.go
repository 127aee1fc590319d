package server

import (
	"context"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/broker"
)

type breakGlassInput struct {
	Keyed
	Body api.BreakGlass
}

// maxRecord bounds the record of an emergency, in bytes.
const maxRecord = 128 << 10

type importInput struct {
	Keyed
	Body api.Record
}

type listReviewsInput struct {
	All bool `query:"all" doc:"those that are reviewed, too, and whatever the caller may see"`
}

type reviewInput struct {
	Keyed
	ID   string `path:"id" maxLength:"40"`
	Body api.Verdict
}

func (s *server) breakGlassRoutes() {
	on(s, route{pattern: api.RouteBreakGlass, id: "breakGlass", about: "Open access in an emergency, and tell everybody", limit: maxBody, hold: true,
		kinds: []brevet.Kind{brevet.NotFound, brevet.Conflict, brevet.StepUp, brevet.Clock}}, s.breakGlass)
	on(s, route{pattern: api.RouteImport, id: "importRecord", about: "Take the record of an emergency that was opened offline", limit: maxRecord, hold: true,
		kinds: []brevet.Kind{brevet.NotFound, brevet.Conflict, brevet.Clock}}, s.importRecord)
	on(s, route{pattern: api.RouteReviews, id: "listReviews", about: "Emergencies, newest first: those that wait for a review"}, s.listReviews)
	on(s, route{pattern: api.RouteReview, id: "review", about: "Say what to think of somebody else's emergency", limit: maxBody,
		kinds: []brevet.Kind{brevet.NotFound, brevet.Conflict, brevet.Clock}}, s.review)
}

func (s *server) breakGlass(ctx context.Context, c brevet.Caller, in *breakGlassInput) (api.Glass, error) {
	d, err := duration("duration", in.Body.Duration)
	if err != nil {
		return api.Glass{}, err
	}
	v, err := s.Broker.BreakGlass(ctx, c, broker.BreakGlass{Target: in.Body.Target, Duration: d, Reason: in.Body.Reason, Key: in.Key})
	if err != nil {
		return api.Glass{}, err
	}
	return s.glass(v)
}

func (s *server) glass(v broker.Glass) (api.Glass, error) {
	r, err := s.answered(v.RequestView, nil)
	return api.Glass{Request: r, Review: v.Review, Channels: v.Channels, Tried: v.Tried, Arrived: v.Arrived}, err
}

func (s *server) listReviews(ctx context.Context, c brevet.Caller, in *listReviewsInput) ([]api.Review, error) {
	views, err := s.Broker.Reviews(ctx, c, in.All)
	return each(views, s.reviewed), err
}

func (s *server) review(ctx context.Context, c brevet.Caller, in *reviewInput) (api.Review, error) {
	id, err := brevet.ParseID[brevet.GrantID](in.ID)
	if err != nil {
		return api.Review{}, err
	}
	v, err := s.Broker.Review(ctx, c, id, in.Body.OK, in.Body.Comment, in.Key)
	if err != nil {
		return api.Review{}, err
	}
	return s.reviewed(v), nil
}

func (s *server) reviewed(v broker.ReviewView) api.Review {
	return api.Review{Grant: string(v.Grant), URL: s.URL + "/reviews/" + string(v.Grant), Target: v.Target, Person: string(v.Who), Reason: v.Reason, Opened: v.Opened, End: v.End, WaitsFor: v.Waits,
		Mine: v.Mine, CanReview: v.CanReview, Reviewed: v.Reviewed, By: string(v.By), Verdict: v.Verdict, Comment: v.Comment, Offline: v.Offline}
}

func (s *server) importRecord(ctx context.Context, c brevet.Caller, in *importInput) (api.Imported, error) {
	v, err := s.Broker.Import(ctx, c, []byte(in.Body.Record))
	if err != nil {
		return api.Imported{}, err
	}
	return api.Imported{Review: s.reviewed(v.ReviewView), Again: v.Again, Alive: v.Alive, Access: v.Access, Shared: v.Shared, Key: v.Key,
		Channels: v.Channels, Tried: v.Tried, Arrived: v.Arrived}, nil
}

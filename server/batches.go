package server

import (
	"context"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/broker"
)

type newBatchInput struct {
	Keyed
	Body api.NewBatch
}

type getBatchInput struct {
	ID string `path:"id" maxLength:"40"`
}

func (s *server) askTogether(ctx context.Context, c brevet.Caller, in *newBatchInput) (api.Batch, error) {
	d, err := duration("duration", in.Body.Duration)
	if err != nil {
		return api.Batch{}, err
	}
	return s.batch(s.Broker.AskAll(ctx, c, in.Body.Targets, broker.Ask{Duration: d, Reason: in.Body.Reason, Ticket: in.Body.Ticket,
		NotBefore: in.Body.NotBefore, Only: in.Body.Only, Key: in.Key}))
}

func (s *server) getBatch(ctx context.Context, c brevet.Caller, in *getBatchInput) (api.Batch, error) {
	id, err := brevet.ParseID[brevet.BatchID](in.ID)
	if err != nil {
		return api.Batch{}, err
	}
	return s.batch(s.Broker.Batch(ctx, c, id))
}

// batch encodes the requests of one intent, unless there are none.
func (s *server) batch(v broker.Batch, err error) (api.Batch, error) {
	if err != nil {
		return api.Batch{}, err
	}
	return api.Batch{ID: string(v.ID), Requests: each(v.Requests, s.request)}, nil
}

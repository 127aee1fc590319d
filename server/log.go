package server

import (
	"context"
	"encoding/base64"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/audit"
)

type entriesInput struct {
	From  int64 `query:"from" minimum:"0" doc:"index of the first entry"`
	Limit int   `query:"limit" minimum:"0" doc:"default and at most 1000"`
	Size  int64 `query:"size" minimum:"0" doc:"ends the page where a log of this size ends; default: the log's own"`
}

type consistencyInput struct {
	From int64 `query:"from" minimum:"0" doc:"the smaller size"`
	To   int64 `query:"to" minimum:"0" doc:"the larger size"`
}

// maxEntries is how many rows of the log one answer holds.
const maxEntries = 1000

func (s *server) logRoutes() {
	on(s, route{pattern: api.RouteCheckpoint, id: "checkpoint", about: "The log's signed head"},
		func(ctx context.Context, c brevet.Caller, _ *none) (api.Checkpoint, error) {
			h, err := s.Broker.Checkpoint(ctx, c)
			return api.Checkpoint{Note: string(h.Note), Key: s.Broker.LogKey, Size: h.Size, Epoch: h.Epoch}, err
		})
	on(s, route{pattern: api.RouteEntries, id: "listEntries", about: "A page of the log; what the caller may not read has only its hash"}, s.entries)
	on(s, route{pattern: api.RouteProof, id: "consistency", about: "Proof that one head extends another"},
		func(ctx context.Context, c brevet.Caller, in *consistencyInput) (api.Consistency, error) {
			hashes, err := s.Broker.Consistency(ctx, c, in.From, in.To)
			return api.Consistency{From: in.From, To: in.To, Hashes: each(hashes, tlog.Hash.String)}, err
		})
}

func (s *server) entries(ctx context.Context, c brevet.Caller, in *entriesInput) (api.Entries, error) {
	limit := in.Limit
	if limit == 0 || limit > maxEntries {
		limit = maxEntries
	}
	if in.Size > 0 {
		if in.From >= in.Size {
			return api.Entries{Entries: []api.Entry{}, Next: in.Size, Size: in.Size}, nil
		}
		limit = int(min(int64(limit), in.Size-in.From))
	}
	rows, size, err := s.Broker.Entries(ctx, c, in.From, limit)
	if err != nil {
		return api.Entries{}, err
	}
	if in.Size > 0 {
		size = min(size, in.Size)
	}
	return api.Entries{Entries: each(rows, entry), Next: in.From + int64(len(rows)), Size: size}, nil
}

func entry(e audit.Entry) api.Entry {
	return api.Entry{Index: e.Index, Hash: e.Hash.String(), Nodes: each(e.Nodes, tlog.Hash.String), Leaf: string(e.Leaf),
		Salt: base64.StdEncoding.EncodeToString(e.Salt), Details: string(e.Details), Erased: e.Erased}
}

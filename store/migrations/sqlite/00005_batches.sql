-- Requests that were asked in one intent have the same batch; '' for one that
-- was asked alone.
-- +goose Up
ALTER TABLE requests ADD COLUMN batch TEXT NOT NULL DEFAULT '';
CREATE INDEX requests_batch ON requests (batch) WHERE batch <> '';

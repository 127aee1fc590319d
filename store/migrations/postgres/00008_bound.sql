-- What ends access earlier than was asked for: a shift, an engagement.
-- +goose Up
ALTER TABLE requests ADD COLUMN bound TEXT NOT NULL DEFAULT '{}'; -- JSON

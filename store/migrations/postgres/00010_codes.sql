-- A sign-in by sealed codes is good for what one request opened; '' for every
-- other.
-- +goose Up
ALTER TABLE signins ADD COLUMN only_request TEXT NOT NULL DEFAULT '';

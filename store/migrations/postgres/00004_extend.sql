-- Extensions of grants, and what was opened in an emergency.
-- +goose Up
ALTER TABLE requests ADD COLUMN extends TEXT NOT NULL DEFAULT ''; -- a grant's id, or ''
ALTER TABLE requests ADD COLUMN break_glass BIGINT NOT NULL DEFAULT 0; -- 0 or 1
CREATE INDEX requests_break_glass ON requests (created_at) WHERE break_glass <> 0;
CREATE INDEX requests_extends ON requests (extends, created_at) WHERE extends <> '';

-- Who was let into a role of an account through IAM Identity Center: what has
-- to be taken away once no grant lets them in any more.
-- +goose Up
CREATE TABLE assignments (
    id          TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL,
    account     TEXT NOT NULL,
    role        TEXT NOT NULL,
    person      TEXT NOT NULL,
    principal   TEXT NOT NULL,
    state       TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    due_at      INTEGER NOT NULL,
    tries       INTEGER NOT NULL,
    problem     TEXT NOT NULL
) STRICT;
CREATE INDEX assignments_open ON assignments (due_at) WHERE state = 'open';


-- What people are to be told: a row for each channel, written in the
-- transaction of the event. The text is made from the event when it is sent.
-- +goose Up
CREATE TABLE outbox (
    id          TEXT PRIMARY KEY,
    channel     TEXT NOT NULL,
    customer_id TEXT NOT NULL, -- '' for the installation
    about       TEXT NOT NULL,
    kind        TEXT NOT NULL,
    urgent      INTEGER NOT NULL, -- 0 or 1
    leaf        INTEGER NOT NULL, -- index of the event
    created_at  INTEGER NOT NULL,
    state       TEXT NOT NULL,
    due_at      INTEGER NOT NULL,
    tries       INTEGER NOT NULL,
    tried_at    INTEGER NOT NULL,
    done_at     INTEGER NOT NULL,
    receipt     TEXT NOT NULL,
    problem     TEXT NOT NULL
) STRICT;
CREATE INDEX outbox_waiting ON outbox (channel, leaf) WHERE state = 'waiting';
CREATE INDEX outbox_about ON outbox (about, channel);
CREATE INDEX outbox_tried ON outbox (channel, tried_at);

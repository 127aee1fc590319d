-- Where the log speaks of each revocation last: for lists. What is still to be
-- done follows from the log itself.
-- +goose Up
CREATE TABLE revocations (
    grant_id    TEXT PRIMARY KEY,
    act         TEXT    NOT NULL,
    customer_id TEXT    NOT NULL,
    leaf        BIGINT  NOT NULL -- the newest event about it
);
CREATE INDEX revocations_act ON revocations (act);
CREATE INDEX revocations_customer ON revocations (customer_id, leaf);

-- Times are microseconds since 1970 in UTC, durations nanoseconds; 0 stands
-- for "not yet". Whatever belongs to a customer has customer_id.
-- +goose Up
CREATE TABLE head (
    id    BIGINT PRIMARY KEY CHECK (id = 1),
    epoch BIGINT NOT NULL,
    size  BIGINT NOT NULL,
    note  BYTEA    NOT NULL -- the signed checkpoint
);

CREATE TABLE events (
    pos          BIGINT PRIMARY KEY, -- epoch << 40 | index
    time         BIGINT NOT NULL,
    kind         TEXT    NOT NULL,
    customer_id  TEXT    NOT NULL, -- '' for the installation
    customer_seq BIGINT NOT NULL,
    salt         BYTEA,             -- NULL once erased
    details      BYTEA,             -- NULL once erased
    digest       BYTEA    NOT NULL, -- SHA-256(salt || details)
    hashes       BYTEA    NOT NULL -- tree hashes that the record completes, leaf first
);

CREATE TABLE blinds (
    customer_id TEXT PRIMARY KEY,
    salt        BYTEA NOT NULL
);

CREATE TABLE persons (
    id         TEXT PRIMARY KEY,
    handle     TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    created_at BIGINT NOT NULL,
    ended_at   BIGINT NOT NULL,
    leaf       BIGINT NOT NULL
);
CREATE UNIQUE INDEX persons_handle ON persons (lower(handle));

CREATE TABLE principals (
    issuer    TEXT NOT NULL,
    subject   TEXT NOT NULL,
    person_id TEXT NOT NULL REFERENCES persons (id),
    PRIMARY KEY (issuer, subject)
);

CREATE TABLE signins (
    id          TEXT PRIMARY KEY,
    hash        BYTEA    NOT NULL,
    person_id   TEXT    NOT NULL REFERENCES persons (id),
    issuer      TEXT    NOT NULL,
    subject     TEXT    NOT NULL,
    provider    TEXT    NOT NULL,
    auth_time   BIGINT NOT NULL,
    methods     TEXT    NOT NULL, -- JSON
    class       TEXT    NOT NULL,
    mfa_at      BIGINT NOT NULL,
    group_names TEXT    NOT NULL, -- JSON
    groups_at   BIGINT NOT NULL,
    refresh     BYTEA,             -- sealed
    device      TEXT    NOT NULL,
    created_at  BIGINT NOT NULL,
    used_at     BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    ended_at    BIGINT NOT NULL,
    leaf        BIGINT NOT NULL
);
CREATE UNIQUE INDEX signins_hash ON signins (hash);
CREATE INDEX signins_person ON signins (person_id, created_at);

CREATE TABLE logins (
    kind       TEXT    NOT NULL,
    hash       BYTEA    NOT NULL,
    sealed     BYTEA    NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (kind, hash)
);
CREATE INDEX logins_expires ON logins (expires_at);

CREATE TABLE requests (
    id              TEXT PRIMARY KEY,
    person_id       TEXT    NOT NULL,
    customer_id     TEXT    NOT NULL,
    account         TEXT    NOT NULL,
    role            TEXT    NOT NULL,
    role_digest     TEXT    NOT NULL,
    entitlement     TEXT    NOT NULL,
    rule            TEXT    NOT NULL, -- JSON
    activate        TEXT    NOT NULL,
    mfa             TEXT    NOT NULL,
    duration        BIGINT NOT NULL,
    not_before      BIGINT NOT NULL,
    reason          TEXT    NOT NULL,
    ticket          TEXT    NOT NULL,
    session_policy  TEXT    NOT NULL,
    catalog_version BIGINT NOT NULL,
    state           TEXT    NOT NULL,
    created_at      BIGINT NOT NULL,
    lapses_at       BIGINT NOT NULL,
    decided_at      BIGINT NOT NULL,
    decisions       TEXT    NOT NULL, -- JSON
    leaf            BIGINT NOT NULL
);
CREATE INDEX requests_person ON requests (person_id, created_at);
CREATE INDEX requests_state ON requests (state, created_at);
CREATE INDEX requests_customer ON requests (customer_id, created_at);

CREATE TABLE grants (
    id          TEXT PRIMARY KEY,
    request_id  TEXT    NOT NULL,
    person_id   TEXT    NOT NULL,
    customer_id TEXT    NOT NULL,
    account     TEXT    NOT NULL,
    role        TEXT    NOT NULL,
    duration    BIGINT NOT NULL,
    state       TEXT    NOT NULL,
    created_at  BIGINT NOT NULL,
    waits_at    BIGINT NOT NULL,
    start_at    BIGINT NOT NULL,
    end_at      BIGINT NOT NULL,
    closed_at   BIGINT NOT NULL,
    leaf        BIGINT NOT NULL
);
CREATE INDEX grants_person ON grants (person_id, state, created_at);
CREATE INDEX grants_state ON grants (state, created_at);
CREATE INDEX grants_customer ON grants (customer_id, created_at);

CREATE TABLE sessions (
    id          TEXT PRIMARY KEY,
    grant_id    TEXT    NOT NULL,
    person_id   TEXT    NOT NULL,
    customer_id TEXT    NOT NULL,
    account     TEXT    NOT NULL,
    role        TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    console     BIGINT NOT NULL, -- 0 or 1
    mfa         TEXT    NOT NULL,
    created_at  BIGINT NOT NULL,
    until_at    BIGINT NOT NULL,
    access_key  TEXT    NOT NULL,
    expires_at  BIGINT NOT NULL,
    closed_at   BIGINT NOT NULL
);
CREATE INDEX sessions_grant ON sessions (grant_id, created_at);
CREATE INDEX sessions_live ON sessions (until_at) WHERE state <> 'ended';

CREATE TABLE catalogs (
    version      BIGINT PRIMARY KEY,
    digest       TEXT    NOT NULL,
    source       BYTEA    NOT NULL,
    proposed_by  TEXT    NOT NULL, -- JSON
    created_at   BIGINT NOT NULL,
    confirmed_at BIGINT NOT NULL,
    leaf         BIGINT NOT NULL -- the event that confirmed it
);

CREATE TABLE claims (
    who        TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    digest     TEXT    NOT NULL,
    result     TEXT    NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (who, key)
);
CREATE INDEX claims_created ON claims (created_at);

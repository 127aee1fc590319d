-- Times are microseconds since 1970 in UTC, durations nanoseconds; 0 stands
-- for "not yet". Whatever belongs to a customer has customer_id.
-- +goose Up
CREATE TABLE head (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    epoch INTEGER NOT NULL,
    size  INTEGER NOT NULL,
    note  BLOB    NOT NULL -- the signed checkpoint
) STRICT;

CREATE TABLE events (
    pos          INTEGER PRIMARY KEY, -- epoch << 40 | index
    time         INTEGER NOT NULL,
    kind         TEXT    NOT NULL,
    customer_id  TEXT    NOT NULL, -- '' for the installation
    customer_seq INTEGER NOT NULL,
    salt         BLOB,             -- NULL once erased
    details      BLOB,             -- NULL once erased
    digest       BLOB    NOT NULL, -- SHA-256(salt || details)
    hashes       BLOB    NOT NULL -- tree hashes that the record completes, leaf first
) STRICT;

CREATE TABLE blinds (
    customer_id TEXT PRIMARY KEY,
    salt        BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE persons (
    id         TEXT PRIMARY KEY,
    handle     TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    ended_at   INTEGER NOT NULL,
    leaf       INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX persons_handle ON persons (lower(handle));

CREATE TABLE principals (
    issuer    TEXT NOT NULL,
    subject   TEXT NOT NULL,
    person_id TEXT NOT NULL REFERENCES persons (id),
    PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;

CREATE TABLE signins (
    id          TEXT PRIMARY KEY,
    hash        BLOB    NOT NULL,
    person_id   TEXT    NOT NULL REFERENCES persons (id),
    issuer      TEXT    NOT NULL,
    subject     TEXT    NOT NULL,
    provider    TEXT    NOT NULL,
    auth_time   INTEGER NOT NULL,
    methods     TEXT    NOT NULL, -- JSON
    class       TEXT    NOT NULL,
    mfa_at      INTEGER NOT NULL,
    group_names TEXT    NOT NULL, -- JSON
    groups_at   INTEGER NOT NULL,
    refresh     BLOB,             -- sealed
    device      TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    used_at     INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    ended_at    INTEGER NOT NULL,
    leaf        INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX signins_hash ON signins (hash);
CREATE INDEX signins_person ON signins (person_id, created_at);

CREATE TABLE logins (
    kind       TEXT    NOT NULL,
    hash       BLOB    NOT NULL,
    sealed     BLOB    NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (kind, hash)
) STRICT;
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
    duration        INTEGER NOT NULL,
    not_before      INTEGER NOT NULL,
    reason          TEXT    NOT NULL,
    ticket          TEXT    NOT NULL,
    session_policy  TEXT    NOT NULL,
    catalog_version INTEGER NOT NULL,
    state           TEXT    NOT NULL,
    created_at      INTEGER NOT NULL,
    lapses_at       INTEGER NOT NULL,
    decided_at      INTEGER NOT NULL,
    decisions       TEXT    NOT NULL, -- JSON
    leaf            INTEGER NOT NULL
) STRICT;
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
    duration    INTEGER NOT NULL,
    state       TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    waits_at    INTEGER NOT NULL,
    start_at    INTEGER NOT NULL,
    end_at      INTEGER NOT NULL,
    closed_at   INTEGER NOT NULL,
    leaf        INTEGER NOT NULL
) STRICT;
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
    console     INTEGER NOT NULL, -- 0 or 1
    mfa         TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    until_at    INTEGER NOT NULL,
    access_key  TEXT    NOT NULL,
    expires_at  INTEGER NOT NULL,
    closed_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_grant ON sessions (grant_id, created_at);
CREATE INDEX sessions_live ON sessions (until_at) WHERE state <> 'ended';

CREATE TABLE catalogs (
    version      INTEGER PRIMARY KEY,
    digest       TEXT    NOT NULL,
    source       BLOB    NOT NULL,
    proposed_by  TEXT    NOT NULL, -- JSON
    created_at   INTEGER NOT NULL,
    confirmed_at INTEGER NOT NULL,
    leaf         INTEGER NOT NULL -- the event that confirmed it
) STRICT;

CREATE TABLE claims (
    who        TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    digest     TEXT    NOT NULL,
    result     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (who, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX claims_created ON claims (created_at);

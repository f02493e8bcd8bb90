-- The control plane's tables, as the foundation needs them.
-- Times are UTC text with milliseconds, ids are ULID text, structured values are JSON text.

-- What discovery found, and what operators want of it.
CREATE TABLE modules (
    name       TEXT    NOT NULL PRIMARY KEY,
    manifest   TEXT    NOT NULL,               -- module.toml, normalised
    dir        TEXT    NOT NULL,
    source     TEXT    NOT NULL,
    trust      TEXT    NOT NULL,
    digest     TEXT,                           -- of the binary as found
    confirmed  TEXT,                           -- the digest an operator said yes to
    desired    TEXT    NOT NULL,
    enabled    INTEGER NOT NULL,
    problem    TEXT,
    revision   INTEGER,                        -- the configuration that applies
    found_at   TEXT    NOT NULL,
    changed_at TEXT    NOT NULL
) STRICT;

-- What an operator gave to a module.
CREATE TABLE grants (
    module     TEXT NOT NULL PRIMARY KEY REFERENCES modules (name) ON DELETE CASCADE,
    rights     TEXT NOT NULL,
    given_by   TEXT NOT NULL,
    changed_at TEXT NOT NULL
) STRICT;

-- The last state that was announced for a module.
CREATE TABLE observed (
    module     TEXT NOT NULL PRIMARY KEY REFERENCES modules (name) ON DELETE CASCADE,
    state      TEXT NOT NULL,
    health     TEXT NOT NULL,
    reason     TEXT,
    changed_at TEXT NOT NULL
) STRICT;

-- One process each.
CREATE TABLE runs (
    id          TEXT    NOT NULL PRIMARY KEY,
    module      TEXT    NOT NULL REFERENCES modules (name) ON DELETE CASCADE,
    version     TEXT    NOT NULL,
    pid         INTEGER,
    started_at  TEXT    NOT NULL,
    ready_at    TEXT,
    ended_at    TEXT,
    exit        TEXT,
    reload      TEXT,
    last_output TEXT    NOT NULL
) STRICT;
CREATE INDEX runs_by_module ON runs (module, id);
CREATE INDEX runs_open ON runs (id) WHERE ended_at IS NULL;

-- Configurations, one after the other; secrets are kept apart, encrypted.
CREATE TABLE revisions (
    module     TEXT    NOT NULL REFERENCES modules (name) ON DELETE CASCADE,
    number     INTEGER NOT NULL,
    text       TEXT    NOT NULL,
    etag       TEXT    NOT NULL,
    source     TEXT    NOT NULL,
    status     TEXT    NOT NULL,
    reason     TEXT,
    made_by    TEXT    NOT NULL,
    created_at TEXT    NOT NULL,
    PRIMARY KEY (module, number)
) STRICT;

CREATE TABLE secrets (
    module     TEXT    NOT NULL,
    number     INTEGER NOT NULL,
    key_path   TEXT    NOT NULL,
    ciphertext BLOB    NOT NULL,
    PRIMARY KEY (module, number, key_path),
    FOREIGN KEY (module, number) REFERENCES revisions (module, number) ON DELETE CASCADE
) STRICT;

-- What takes a while. Kept when its module goes, so that no foreign key binds it.
CREATE TABLE operations (
    id         TEXT    NOT NULL PRIMARY KEY,
    kind       TEXT    NOT NULL,
    module     TEXT,
    status     TEXT    NOT NULL,
    step       TEXT    NOT NULL,
    done       INTEGER NOT NULL,
    total      INTEGER NOT NULL,
    failure    TEXT,
    result     TEXT    NOT NULL,
    params     TEXT    NOT NULL,               -- what a restart needs to resume it
    asked_by   TEXT    NOT NULL,
    created_at TEXT    NOT NULL,
    changed_at TEXT    NOT NULL
) STRICT;
CREATE INDEX operations_by_module ON operations (module, id);
CREATE INDEX operations_by_age ON operations (changed_at);
-- At most one open operation a module.
CREATE UNIQUE INDEX operations_open ON operations (module)
    WHERE status IN ('queued', 'running') AND module IS NOT NULL;

-- The journal of durable events. AUTOINCREMENT: a number is never used twice, also after pruning.
CREATE TABLE events (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    kind      TEXT    NOT NULL,
    publisher TEXT    NOT NULL,
    time      TEXT    NOT NULL,
    data      TEXT    NOT NULL,
    upto      INTEGER NOT NULL                 -- bytes of all data up to and with this event
) STRICT;

-- The last event that a module acknowledged.
CREATE TABLE cursors (
    module     TEXT    NOT NULL PRIMARY KEY,
    seq        INTEGER NOT NULL,
    changed_at TEXT    NOT NULL
) STRICT;

-- Modules' own key-value storage. Outlives an uninstall that keeps the data.
CREATE TABLE storage (
    module TEXT NOT NULL,
    key    BLOB NOT NULL,
    value  BLOB NOT NULL,
    PRIMARY KEY (module, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE storage_usage (
    module TEXT    NOT NULL PRIMARY KEY,
    bytes  INTEGER NOT NULL
) STRICT;

-- Who may call. Only hashes of tokens, sessions and codes are here.
CREATE TABLE tokens (
    id           TEXT NOT NULL PRIMARY KEY,
    name         TEXT NOT NULL,
    hash         BLOB NOT NULL UNIQUE,
    scopes       TEXT NOT NULL,
    made_by      TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    expires_at   TEXT,
    revoked_at   TEXT,
    last_used_at TEXT
) STRICT;

CREATE TABLE sessions (
    id         TEXT NOT NULL PRIMARY KEY,
    hash       BLOB NOT NULL UNIQUE,
    scopes     TEXT NOT NULL,
    made_by    TEXT NOT NULL,
    created_at TEXT NOT NULL,
    seen_at    TEXT NOT NULL,
    expires_at TEXT NOT NULL
) STRICT;

CREATE TABLE login_codes (
    hash       BLOB NOT NULL PRIMARY KEY,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
) STRICT;

-- Answers kept for callers that repeat a request with the same key.
CREATE TABLE idempotency (
    key         TEXT    NOT NULL PRIMARY KEY,
    fingerprint TEXT    NOT NULL,
    status      INTEGER NOT NULL,
    body        BLOB    NOT NULL,
    created_at  TEXT    NOT NULL
) STRICT;
CREATE INDEX idempotency_by_age ON idempotency (created_at);

CREATE TABLE audit (
    id      TEXT NOT NULL PRIMARY KEY,
    time    TEXT NOT NULL,
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,
    target  TEXT NOT NULL,
    outcome TEXT NOT NULL,
    detail  TEXT NOT NULL,
    request TEXT
) STRICT;
CREATE INDEX audit_by_target ON audit (target, id);

-- Single values that the host keeps for itself: the chain cursor, how far the journal is pruned.
CREATE TABLE facts (
    name       TEXT NOT NULL PRIMARY KEY,
    value      TEXT NOT NULL,
    changed_at TEXT NOT NULL
) STRICT;

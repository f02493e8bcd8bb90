-- Webhooks that come in: who may send, and every delivery that was accepted.
-- Old program, new data: it refuses to start and says so. New program, old data: empty tables.

-- Who may send.
CREATE TABLE webhook_sources (
    name       TEXT NOT NULL PRIMARY KEY,
    settings   TEXT NOT NULL,                  -- scheme, headers, window, rate
    made_by    TEXT NOT NULL,
    created_at TEXT NOT NULL,
    changed_at TEXT NOT NULL
) STRICT;

-- What they sign with; at most two live ones a source.
CREATE TABLE webhook_secrets (
    id           TEXT NOT NULL PRIMARY KEY,
    source       TEXT NOT NULL REFERENCES webhook_sources (name) ON DELETE CASCADE,
    sealed       BLOB NOT NULL,                -- encrypted under the host's key
    created_at   TEXT NOT NULL,
    expires_at   TEXT,
    last_used_at TEXT
) STRICT;
CREATE INDEX webhook_secrets_by_source ON webhook_secrets (source, id);

-- The inbox. Rows stay when their source goes and when their body is dropped: they are what
-- recognises a repetition.
CREATE TABLE webhook_deliveries (
    id          TEXT    NOT NULL PRIMARY KEY,
    source      TEXT    NOT NULL,
    sender_id   TEXT    NOT NULL,
    digest      BLOB    NOT NULL,              -- SHA-256 of the body
    kind        TEXT,
    media_type  TEXT,
    secret      TEXT    NOT NULL,              -- which one signed it
    seq         INTEGER NOT NULL,              -- of its event
    state       TEXT    NOT NULL,
    size        INTEGER NOT NULL,
    received_at TEXT    NOT NULL,
    changed_at  TEXT    NOT NULL,
    body        BLOB                           -- dropped some time after the verdict
) STRICT;
CREATE UNIQUE INDEX webhook_deliveries_by_sender ON webhook_deliveries (source, sender_id);
CREATE INDEX webhook_deliveries_by_digest ON webhook_deliveries (source, digest);
-- Dead letters, and bodies that may go: small beside all that is kept.
CREATE INDEX webhook_deliveries_dead ON webhook_deliveries (id) WHERE state IN ('refused', 'failed');
CREATE INDEX webhook_deliveries_judged ON webhook_deliveries (changed_at)
    WHERE body IS NOT NULL AND state != 'waiting';

-- What happened to a delivery after it was accepted.
CREATE TABLE webhook_attempts (
    delivery TEXT    NOT NULL REFERENCES webhook_deliveries (id) ON DELETE CASCADE,
    number   INTEGER NOT NULL,
    time     TEXT    NOT NULL,
    kind     TEXT    NOT NULL,
    actor    TEXT    NOT NULL,
    code     TEXT,
    detail   TEXT    NOT NULL,
    seq      INTEGER,                          -- of its event
    PRIMARY KEY (delivery, number)
) STRICT;

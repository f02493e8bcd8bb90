-- Webhooks that go out: endpoints, what messages to them are signed with, messages and attempts.
-- Old program, new data: it refuses to start and says so. New program, old data: empty tables.

-- Who is told.
CREATE TABLE webhook_endpoints (
    name          TEXT    NOT NULL PRIMARY KEY,
    settings      TEXT    NOT NULL,            -- address, events, order, deadline
    state         TEXT    NOT NULL,
    reason        TEXT    NOT NULL,            -- why it is disabled
    cursor        INTEGER NOT NULL,            -- the journal is queued up to here
    failures      INTEGER NOT NULL,            -- attempts that failed in a row
    failing_since TEXT,
    held_until    TEXT,                        -- nothing is sent before
    made_by       TEXT    NOT NULL,
    created_at    TEXT    NOT NULL,
    changed_at    TEXT    NOT NULL
) STRICT;

-- What messages are signed with; at most two live ones an endpoint.
CREATE TABLE webhook_endpoint_keys (
    id         TEXT NOT NULL PRIMARY KEY,
    endpoint   TEXT NOT NULL REFERENCES webhook_endpoints (name) ON DELETE CASCADE,
    scheme     TEXT NOT NULL,
    sealed     BLOB NOT NULL,                  -- encrypted under the host's key
    public     TEXT,                           -- what the receiver checks with, for Ed25519
    created_at TEXT NOT NULL,
    expires_at TEXT
) STRICT;
CREATE INDEX webhook_endpoint_keys_by_endpoint ON webhook_endpoint_keys (endpoint, id);

-- The queue, and what became of each. A message of an event is there once an endpoint.
CREATE TABLE webhook_messages (
    id         TEXT    NOT NULL PRIMARY KEY,
    endpoint   TEXT    NOT NULL REFERENCES webhook_endpoints (name) ON DELETE CASCADE,
    seq        INTEGER,                        -- its event; none for a test
    kind       TEXT    NOT NULL,
    body       TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    tries      INTEGER NOT NULL,               -- of the schedule that it is on
    due_at     TEXT,                           -- of the next try; none when there is no more
    created_at TEXT    NOT NULL,
    changed_at TEXT    NOT NULL
) STRICT;
CREATE UNIQUE INDEX webhook_messages_by_event ON webhook_messages (endpoint, seq);
CREATE INDEX webhook_messages_due ON webhook_messages (endpoint, due_at, seq) WHERE due_at IS NOT NULL;
CREATE INDEX webhook_messages_in_order ON webhook_messages (endpoint, seq, id) WHERE due_at IS NOT NULL;
CREATE INDEX webhook_messages_over ON webhook_messages (changed_at) WHERE due_at IS NULL;
CREATE INDEX webhook_messages_by_state ON webhook_messages (endpoint, state, id);

-- Every attempt.
CREATE TABLE webhook_message_attempts (
    message     TEXT    NOT NULL REFERENCES webhook_messages (id) ON DELETE CASCADE,
    number      INTEGER NOT NULL,
    time        TEXT    NOT NULL,
    duration_ms INTEGER NOT NULL,
    code        TEXT    NOT NULL,
    status      INTEGER,                       -- what the receiver answered
    detail      TEXT    NOT NULL,
    reply       TEXT,                          -- the beginning of its answer's body
    PRIMARY KEY (message, number)
) STRICT;

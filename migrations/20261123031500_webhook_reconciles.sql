-- Reconciling sources whose sender does not deliver again by itself.
-- Old program, new data: it refuses to start and says so. New program, old data: off for all.
CREATE TABLE webhook_reconciles (
    source      TEXT NOT NULL PRIMARY KEY REFERENCES webhook_sources (name) ON DELETE CASCADE,
    settings    TEXT NOT NULL,                 -- hook, address of the API, pause
    token       TEXT NOT NULL,                 -- the id that its token was encrypted for
    sealed      BLOB NOT NULL,                 -- the token, encrypted under the host's key
    made_by     TEXT NOT NULL,
    changed_at  TEXT NOT NULL,
    last_run_at TEXT,
    last_report TEXT
) STRICT;

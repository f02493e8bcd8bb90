-- What was learnt, which deliveries it came from, and what is still to be told.

-- A delivery of the node's inbox, and what became of it. Its effect is in the same transaction.
CREATE TABLE inbox (
    delivery TEXT NOT NULL PRIMARY KEY,
    verdict  TEXT NOT NULL CHECK (verdict IN ('applied', 'refused', 'failed')),
    code     TEXT,
    detail   TEXT NOT NULL,
    -- Whether the node was told the verdict.
    told     INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE INDEX inbox_untold ON inbox (told) WHERE told = 0;

-- One fact a place; two facts of one place are joined.
CREATE TABLE facts (
    repository TEXT    NOT NULL,
    number     INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    value      TEXT    NOT NULL,
    PRIMARY KEY (repository, number, kind, key)
) STRICT, WITHOUT ROWID;

-- Events that the node is to journal, in this order.
CREATE TABLE outbox (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    data TEXT NOT NULL
) STRICT;

-- Counted once a delivery: adding is not idempotent, so this shows that effects are.
CREATE TABLE counters (
    name  TEXT    NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Proofs of economic nodes, in the order in which they came.
CREATE TABLE proofs (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    signature TEXT NOT NULL UNIQUE,
    value     TEXT NOT NULL
) STRICT;

-- What a veto came to, frozen when its time was over.
CREATE TABLE transcripts (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Small things that outlive the process.
CREATE TABLE remembered (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What stood between a process and the machine, layer by layer; who a module runs as; and the
-- layers that an operator lets a module start without.
-- Runs of before have an empty list: nobody recorded it.
ALTER TABLE runs ADD COLUMN isolation TEXT NOT NULL DEFAULT '[]';

-- A number is never given twice, also after an uninstall that left files behind: no foreign key.
CREATE TABLE users (
    uid    INTEGER NOT NULL PRIMARY KEY,
    module TEXT    NOT NULL UNIQUE
) STRICT;

CREATE TABLE waivers (
    module     TEXT NOT NULL PRIMARY KEY REFERENCES modules (name) ON DELETE CASCADE,
    layers     TEXT NOT NULL,
    given_by   TEXT NOT NULL,
    changed_at TEXT NOT NULL
) STRICT;

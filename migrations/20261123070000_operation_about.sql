-- A change of version is about a module, and leaves the module's one place to the reload that is part of it.
-- Old program, new data: it refuses to start and says so. New program, old data: filled in below.
ALTER TABLE operations ADD COLUMN about TEXT;
UPDATE operations SET about = json_extract(params, '$.module')
    WHERE module IS NULL AND kind IN ('upgrade', 'rollback');
CREATE INDEX operations_by_about ON operations (about, id) WHERE about IS NOT NULL;

-- Tokens that are bound to modules: a JSON list of names, empty where a token is bound to none.
-- An older program refuses this database and says so; tokens made before are bound to none, as
-- they were.
ALTER TABLE tokens ADD COLUMN modules TEXT NOT NULL DEFAULT '[]';

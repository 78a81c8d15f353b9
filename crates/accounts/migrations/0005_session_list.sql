-- What a player needs to tell their sessions apart.
ALTER TABLE sessions ADD COLUMN seen_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN prefix TEXT;
ALTER TABLE sessions ADD COLUMN client TEXT NOT NULL DEFAULT '';

UPDATE sessions SET seen_ms = created_ms;

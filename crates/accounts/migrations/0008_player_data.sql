-- What games keep for a player. A version is never used twice for one account.
ALTER TABLE accounts ADD COLUMN data_version INTEGER NOT NULL DEFAULT 0;

CREATE TABLE player_data (
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    game TEXT NOT NULL,
    name TEXT NOT NULL,
    value BLOB NOT NULL,
    version INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    PRIMARY KEY (account_id, game, name)
) STRICT;

CREATE TABLE progress (
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    game TEXT NOT NULL,
    played_ms INTEGER NOT NULL,
    matches INTEGER NOT NULL,
    wins INTEGER NOT NULL,
    xp INTEGER NOT NULL,
    PRIMARY KEY (account_id, game)
) STRICT;

-- Matches counted of late: what a new report is held against.
CREATE TABLE progress_matches (
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    match_id BLOB NOT NULL CHECK (length(match_id) = 16),
    launcher TEXT NOT NULL,
    started_ms INTEGER NOT NULL,
    ended_ms INTEGER NOT NULL,
    PRIMARY KEY (account_id, match_id)
) STRICT;

CREATE INDEX progress_matches_by_end ON progress_matches (ended_ms);

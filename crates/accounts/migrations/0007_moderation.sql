-- Bans and mutes, of an account or of the addresses low to high (16 bytes each, IPv4 as mapped).
CREATE TABLE sanctions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('ban', 'mute')),
    account_id INTEGER REFERENCES accounts (id) ON DELETE CASCADE,
    low BLOB CHECK (length(low) = 16),
    high BLOB CHECK (length(high) = 16),
    bits INTEGER,
    reason TEXT NOT NULL,
    author TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER,
    lifted_ms INTEGER,
    lifted_by TEXT,
    CHECK ((account_id IS NULL) <> (low IS NULL)),
    CHECK ((low IS NULL) = (high IS NULL) AND (low IS NULL) = (bits IS NULL))
) STRICT;

CREATE INDEX sanctions_by_account ON sanctions (account_id) WHERE account_id IS NOT NULL;
CREATE INDEX sanctions_by_address ON sanctions (low, high) WHERE low IS NOT NULL AND lifted_ms IS NULL;

-- What players say about players.
CREATE TABLE reports (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    reporter_id INTEGER REFERENCES accounts (id) ON DELETE SET NULL,
    about_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    place TEXT NOT NULL,
    said TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    closed_ms INTEGER,
    closed_by TEXT,
    resolution TEXT
) STRICT;

CREATE INDEX reports_by_reporter ON reports (reporter_id) WHERE closed_ms IS NULL;
CREATE INDEX reports_by_about ON reports (about_id);

-- What was done by those who may do more than play. Only ever added to.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    author TEXT NOT NULL,
    action TEXT NOT NULL,
    subject_id INTEGER,
    detail TEXT NOT NULL,
    address TEXT
) STRICT;

CREATE INDEX audit_by_subject ON audit (subject_id) WHERE subject_id IS NOT NULL;
CREATE INDEX audit_with_address ON audit (at_ms) WHERE address IS NOT NULL;

-- Launchers by the fingerprint of their key, and invitations by the keyed hash of their secret.
CREATE TABLE launchers (
    name_key TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    key BLOB NOT NULL UNIQUE CHECK (length(key) = 32),
    enrolled_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE launcher_invitations (
    name_key TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    secret_hash BLOB NOT NULL UNIQUE CHECK (length(secret_hash) = 32),
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT;

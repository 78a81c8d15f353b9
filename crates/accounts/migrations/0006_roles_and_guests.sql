-- Who may do what, and guests: accounts without a password (an empty hash), gone when not seen.
ALTER TABLE accounts ADD COLUMN guest INTEGER NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN seen_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN role TEXT NOT NULL DEFAULT 'player';

UPDATE accounts SET seen_ms = created_ms;

CREATE INDEX guests_by_seen ON accounts (seen_ms) WHERE guest = 1;
CREATE INDEX accounts_by_role ON accounts (role) WHERE role <> 'player';

CREATE TABLE roles (
    name TEXT PRIMARY KEY,
    rank INTEGER NOT NULL CHECK (rank BETWEEN 0 AND 100),
    permissions TEXT NOT NULL
) STRICT;

INSERT INTO roles (name, rank, permissions) VALUES
    ('player', 0, 'chat join report'),
    ('moderator', 40, 'chat join report see-reports see-sanctions mute kick'),
    ('admin', 60, 'chat join report see-reports see-sanctions mute kick ban see-addresses see-audit manage-accounts'),
    ('operator', 100, 'chat join report see-reports see-sanctions mute kick ban see-addresses see-audit manage-accounts manage-launchers manage-roles backup');

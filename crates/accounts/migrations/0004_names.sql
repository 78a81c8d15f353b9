-- What a name looks like: of two names that look alike, one is refused.
ALTER TABLE accounts ADD COLUMN look TEXT;

CREATE UNIQUE INDEX accounts_by_look ON accounts (look);

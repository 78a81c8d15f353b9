-- What an operator allows a launcher.
ALTER TABLE launchers ADD COLUMN max_servers INTEGER;
ALTER TABLE launchers ADD COLUMN counts_progress INTEGER NOT NULL DEFAULT 0;

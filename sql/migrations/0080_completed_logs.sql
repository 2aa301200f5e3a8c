-- What was said of attempts that came well is kept, too: fewer lines of each, and beside those that failed.
ALTER TABLE attempt_logs ADD COLUMN completed boolean NOT NULL DEFAULT false;

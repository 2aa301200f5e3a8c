-- What the console's first page looks for: what ended of late, and what was charged of late.

CREATE INDEX jobs_completed ON jobs (completed_at DESC) WHERE completed_at IS NOT NULL;
-- Transfers come in the order of their times: a few bytes for each hundred pages are enough.
CREATE INDEX transfers_created ON transfers USING brin (created_at) WITH (autosummarize = on);

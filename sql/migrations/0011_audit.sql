-- What the Auditor looks at each minute: what was written since it last looked.

-- The transaction that changed a job last. Whoever reads on from a snapshot finds all that was over
-- later, whatever the order in which numbers were given or clocks went. Accounts, transfers and
-- entries are told by their rows' own xmin; of jobs there are many, and xmin has no index.
ALTER TABLE jobs ADD COLUMN touched bigint;           -- null: before there was this column
ALTER TABLE jobs ALTER COLUMN touched SET DEFAULT pg_current_xact_id()::text::bigint;
-- The highest of each few pages: next to nothing to write, and it points to the pages of late.
CREATE INDEX jobs_touched ON jobs USING brin (touched) WITH (pages_per_range = 16, autosummarize = on);

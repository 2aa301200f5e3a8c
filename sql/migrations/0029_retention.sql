-- For how long inputs and results are kept, and what keeps them longer.

ALTER TABLE uploads
    ADD COLUMN used_at    timestamptz NOT NULL DEFAULT now(), -- announced, or part of a job, to within a day
    ADD COLUMN expired_at timestamptz;                        -- its object is being removed; then the row goes
UPDATE uploads SET used_at = greatest(created_at, completed_at);
CREATE INDEX uploads_used ON uploads (used_at);

-- Which uploads a manifest that we keep lists. One of which nothing stands here is from before.
CREATE TABLE manifest_files (
    manifest_key text NOT NULL,
    upload_id    uuid NOT NULL,                 -- also after that is gone
    PRIMARY KEY (manifest_key, upload_id)
);
CREATE INDEX manifest_files_upload ON manifest_files (upload_id);

-- Results that are there no more. The receipt outlives the picture.
CREATE TABLE expired_results (
    job_id     uuid NOT NULL,
    unit       integer NOT NULL,
    expired_at timestamptz NOT NULL,
    removed_at timestamptz,                     -- null: its object is to be removed
    PRIMARY KEY (job_id, unit),
    FOREIGN KEY (job_id, unit) REFERENCES units (job_id, number)
);
CREATE INDEX expired_results_left ON expired_results (expired_at) WHERE removed_at IS NULL;
CREATE INDEX jobs_ended ON jobs (completed_at) WHERE completed_at IS NOT NULL;

-- Jobs whose inputs and results are needed: open, disputed, or with a share that is not safe yet.
CREATE VIEW kept_jobs AS
SELECT j.id, j.user_id, j.params -> '_input' ->> 'key' AS input_key,
       j.params -> '_manifest' ->> 'key' AS manifest_key
FROM jobs j WHERE j.completed_at IS NULL
UNION ALL
SELECT j.id, j.user_id, j.params -> '_input' ->> 'key', j.params -> '_manifest' ->> 'key'
FROM jobs j
WHERE j.completed_at IS NOT NULL
  AND j.id IN (SELECT job_id FROM disputes WHERE state = 'OPEN'
               UNION SELECT job_id FROM earnings WHERE state = 'PENDING');

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT ON kept_jobs TO rendertrust_app;
        GRANT DELETE ON uploads TO rendertrust_app;
        GRANT DELETE ON multiparts TO rendertrust_app;
        GRANT SELECT, INSERT ON manifest_files TO rendertrust_app;
        GRANT SELECT, INSERT, UPDATE ON expired_results TO rendertrust_app;
    END IF;
END $$;

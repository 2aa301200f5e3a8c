-- A second attempt at a unit is work of its node like any other: it is counted with it, and its pictures are shown.

-- What nodes have: of a unit that is tried on two, both attempts.
CREATE VIEW at_nodes AS
SELECT u.job_id, u.number AS unit, u.attempt, u.state, u.node_id, u.assigned_at, u.started_at, u.lease_until
FROM units u WHERE u.ended_at IS NULL AND u.state <> 'QUEUED'
UNION ALL
SELECT u.job_id, u.number, u.copy_attempt,
       CASE WHEN u.copy_started_at IS NULL THEN 'DISPATCHED' ELSE 'RUNNING' END,
       u.copy_node_id, u.copy_assigned_at, u.copy_started_at, u.copy_lease_until
FROM units u WHERE u.copy_node_id IS NOT NULL AND u.state IN ('DISPATCHED', 'RUNNING');

CREATE OR REPLACE FUNCTION note_thumbnails() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO job_events (job_id, number, unit, state, attempt, node_id, frame)
    SELECT n.job_id,
           coalesce((SELECT e.number FROM job_events e WHERE e.job_id = n.job_id
                     ORDER BY e.number DESC LIMIT 1), 0)
           + row_number() OVER (PARTITION BY n.job_id ORDER BY n.unit, n.frame),
           n.unit, 'THUMBNAIL', n.attempt,
           CASE WHEN n.attempt = u.copy_attempt THEN coalesce(u.copy_node_id, u.node_id) ELSE u.node_id END,
           n.frame
    FROM is_now n JOIN units u ON u.job_id = n.job_id AND u.number = n.unit;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION keep_thumbnail(its_job uuid, its_unit integer, its_attempt integer, its_node uuid,
                                          its_frame integer, its_picture bytea)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM jobs WHERE id = its_job FOR NO KEY UPDATE;
    IF NOT EXISTS (SELECT FROM at_nodes WHERE job_id = its_job AND unit = its_unit AND attempt = its_attempt
                   AND node_id = its_node AND state IN ('DISPATCHED', 'RUNNING')) THEN
        RETURN false;
    END IF;
    INSERT INTO thumbnails (job_id, unit, frame, attempt, picture)
    VALUES (its_job, its_unit, its_frame, its_attempt, its_picture)
    ON CONFLICT (job_id, frame, unit) DO UPDATE
    SET attempt = its_attempt, picture = its_picture, made_at = now();
    RETURN true;
END $$;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT ON at_nodes TO rendertrust_app;
    END IF;
END $$;

-- A job that failed ends anew when what failed is tried again: its end says the how-manyth it is, so that who is
-- told of two can tell them apart.
CREATE OR REPLACE FUNCTION note_jobs() RETURNS trigger LANGUAGE plpgsql SET enable_nestloop = off AS $$
BEGIN
    INSERT INTO job_events (job_id, number, state, attempt, node_id, error)
    SELECT n.id,
           coalesce((SELECT e.number FROM job_events e WHERE e.job_id = n.id
                     ORDER BY e.number DESC LIMIT 1), 0) + 1,
           n.status,
           CASE WHEN n.status IN ('COMPLETED', 'FAILED', 'CANCELLED')
                THEN 1 + coalesce((SELECT max(coalesce(e.attempt, 1)) FROM job_events e
                                   WHERE e.job_id = n.id AND e.unit IS NULL
                                     AND e.state IN ('COMPLETED', 'FAILED', 'CANCELLED')), 0) END,
           n.node_id, left(n.error_message, 500)
    FROM is_now n JOIN was o ON o.id = n.id
    WHERE o.status <> n.status;
    RETURN NULL;
END $$;

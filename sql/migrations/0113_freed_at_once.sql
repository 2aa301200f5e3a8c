-- Compatible from: 0109
-- A unit that is new, complete and free in one batch gives its hold back: its event says so.
CREATE OR REPLACE FUNCTION note_new_units() RETURNS trigger LANGUAGE plpgsql SET enable_nestloop = off AS $$
BEGIN
    WITH told AS MATERIALIZED (
        SELECT job_id, number, state, attempt, node_id, error_class, left(error_message, 500) AS error,
               state = 'COMPLETED' AND price = 0 AS is_free,
               CASE WHEN state = 'COMPLETED' AND price = 0
                    THEN coalesce((SELECT h.amount FROM holds h
                                   WHERE h.reference = 'job:' || job_id || ':' || number), 0)
                    ELSE price END AS price
        FROM is_now WHERE state <> 'QUEUED' OR attempt > 0
    ), last AS MATERIALIZED (
        SELECT j.job_id, coalesce((SELECT e.number FROM job_events e WHERE e.job_id = j.job_id
                                   ORDER BY e.number DESC LIMIT 1), 0) AS number
        FROM (SELECT DISTINCT job_id FROM told) j
    )
    INSERT INTO job_events (job_id, number, unit, state, attempt, node_id, money, amount,
                            error_class, error)
    SELECT n.job_id, l.number + row_number() OVER (PARTITION BY n.job_id ORDER BY n.number),
           n.number, n.state, n.attempt, n.node_id,
           CASE WHEN n.price = 0 THEN NULL
                WHEN n.state = 'COMPLETED' AND NOT n.is_free THEN 'charged'
                WHEN n.state IN ('COMPLETED', 'FAILED', 'CANCELLED') THEN 'released' END,
           CASE WHEN n.state IN ('COMPLETED', 'FAILED', 'CANCELLED') THEN nullif(n.price, 0) END,
           n.error_class, n.error
    FROM told n JOIN last l ON l.job_id = n.job_id;
    RETURN NULL;
END $$;

-- Compatible from: 0116
-- The code of a unit's failure, set where it fails, so that programs need not read its message. Failures from before,
-- and those of older gateways, have none.
ALTER TABLE units ADD COLUMN error_code text;
ALTER TABLE units ADD CONSTRAINT units_error_code CHECK (error_code IN (
    'underquoted', 'every_node', 'part_failed', 'parts_gone', 'invalid', 'lost', 'given_back', 'stalled', 'too_slow',
    'no_node', 'unsendable', 'too_much_memory', 'reported')) NOT VALID;
ALTER TABLE job_events ADD COLUMN error_code text;

CREATE OR REPLACE FUNCTION note_units() RETURNS trigger LANGUAGE plpgsql SET enable_nestloop = off AS $$
BEGIN
    WITH changed AS MATERIALIZED (
        SELECT n.job_id, n.number, n.state, n.attempt, n.node_id, n.error_class, n.error_code,
               CASE WHEN n.state = 'COMPLETED' AND n.price = 0 THEN o.price ELSE n.price END AS price,
               n.price = 0 AS is_free,
               left(n.error_message, 500) AS error, o.attempt AS attempts_before,
               o.state IN ('FAILED', 'CANCELLED') AS was_over,
               o.state <> n.state OR o.attempt <> n.attempt AS moved,
               CASE WHEN n.copy_node_id IS NOT NULL AND n.copy_attempt <> o.copy_attempt
                    THEN n.copy_attempt END AS copied, n.copy_node_id
        FROM is_now n JOIN was o ON o.job_id = n.job_id AND o.number = n.number
        WHERE o.state <> n.state OR o.attempt <> n.attempt OR o.copy_attempt <> n.copy_attempt
    ), told AS MATERIALIZED (
        -- Tried again it waited first, and its price was held anew, also where the same batch has
        -- brought it further: no step that moves money is left out.
        SELECT job_id, number, 0 AS step, 'QUEUED' AS state, attempts_before AS attempt,
               NULL::uuid AS node_id, price, is_free, NULL AS error_class, NULL AS error_code,
               NULL AS error
        FROM changed WHERE moved AND was_over
        UNION ALL
        SELECT job_id, number, 1, state, attempt, node_id, price, is_free, error_class, error_code, error
        FROM changed WHERE moved AND NOT (was_over AND state = 'QUEUED')
        UNION ALL
        SELECT job_id, number, 2, 'COPIED', copied, copy_node_id, 0, true, NULL, NULL, NULL
        FROM changed WHERE copied IS NOT NULL
    ), last AS MATERIALIZED ( -- once for a job: whoever looks later finds what is being written here
        SELECT j.job_id, coalesce((SELECT e.number FROM job_events e WHERE e.job_id = j.job_id
                                   ORDER BY e.number DESC LIMIT 1), 0) AS number
        FROM (SELECT DISTINCT job_id FROM told) j
    )
    INSERT INTO job_events (job_id, number, unit, state, attempt, node_id, money, amount,
                            error_class, error_code, error)
    SELECT n.job_id,
           l.number + row_number() OVER (PARTITION BY n.job_id ORDER BY n.number, n.step),
           n.number, n.state, n.attempt, n.node_id, m.money,
           CASE WHEN m.money IS NOT NULL THEN n.price END, n.error_class, n.error_code, n.error
    FROM told n JOIN last l ON l.job_id = n.job_id
    CROSS JOIN LATERAL (SELECT CASE WHEN n.price = 0 THEN NULL
                                    WHEN n.step = 0 THEN 'held'
                                    WHEN n.state = 'COMPLETED' AND NOT n.is_free THEN 'charged'
                                    WHEN n.state IN ('COMPLETED', 'FAILED', 'CANCELLED') THEN 'released'
                               END AS money) m;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION note_new_units() RETURNS trigger LANGUAGE plpgsql SET enable_nestloop = off AS $$
BEGIN
    WITH told AS MATERIALIZED (
        SELECT job_id, number, state, attempt, node_id, error_class, error_code,
               left(error_message, 500) AS error,
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
                            error_class, error_code, error)
    SELECT n.job_id, l.number + row_number() OVER (PARTITION BY n.job_id ORDER BY n.number),
           n.number, n.state, n.attempt, n.node_id,
           CASE WHEN n.price = 0 THEN NULL
                WHEN n.state = 'COMPLETED' AND NOT n.is_free THEN 'charged'
                WHEN n.state IN ('COMPLETED', 'FAILED', 'CANCELLED') THEN 'released' END,
           CASE WHEN n.state IN ('COMPLETED', 'FAILED', 'CANCELLED') THEN nullif(n.price, 0) END,
           n.error_class, n.error_code, n.error
    FROM told n JOIN last l ON l.job_id = n.job_id;
    RETURN NULL;
END $$;

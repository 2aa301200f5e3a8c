-- A unit that is complete and costs nothing after all gives its hold back: its event says so.
CREATE OR REPLACE FUNCTION note_units() RETURNS trigger LANGUAGE plpgsql SET enable_nestloop = off AS $$
BEGIN
    WITH changed AS MATERIALIZED (
        SELECT n.job_id, n.number, n.state, n.attempt, n.node_id, n.error_class,
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
               NULL::uuid AS node_id, price, is_free, NULL AS error_class, NULL AS error
        FROM changed WHERE moved AND was_over
        UNION ALL
        SELECT job_id, number, 1, state, attempt, node_id, price, is_free, error_class, error
        FROM changed WHERE moved AND NOT (was_over AND state = 'QUEUED')
        UNION ALL
        SELECT job_id, number, 2, 'COPIED', copied, copy_node_id, 0, true, NULL, NULL
        FROM changed WHERE copied IS NOT NULL
    ), last AS MATERIALIZED ( -- once for a job: whoever looks later finds what is being written here
        SELECT j.job_id, coalesce((SELECT e.number FROM job_events e WHERE e.job_id = j.job_id
                                   ORDER BY e.number DESC LIMIT 1), 0) AS number
        FROM (SELECT DISTINCT job_id FROM told) j
    )
    INSERT INTO job_events (job_id, number, unit, state, attempt, node_id, money, amount,
                            error_class, error)
    SELECT n.job_id,
           l.number + row_number() OVER (PARTITION BY n.job_id ORDER BY n.number, n.step),
           n.number, n.state, n.attempt, n.node_id, m.money,
           CASE WHEN m.money IS NOT NULL THEN n.price END, n.error_class, n.error
    FROM told n JOIN last l ON l.job_id = n.job_id
    CROSS JOIN LATERAL (SELECT CASE WHEN n.price = 0 THEN NULL
                                    WHEN n.step = 0 THEN 'held'
                                    WHEN n.state = 'COMPLETED' AND NOT n.is_free THEN 'charged'
                                    WHEN n.state IN ('COMPLETED', 'FAILED', 'CANCELLED') THEN 'released'
                               END AS money) m;
    RETURN NULL;
END $$;

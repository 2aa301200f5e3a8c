-- A job counts its units by itself: what changes one of a thousand need not read the others.

ALTER TABLE jobs
    ADD COLUMN open_units      integer NOT NULL DEFAULT 0 CHECK (open_units >= 0),
    ADD COLUMN failed_units    integer NOT NULL DEFAULT 0 CHECK (failed_units >= 0),
    ADD COLUMN cancelled_units integer NOT NULL DEFAULT 0 CHECK (cancelled_units >= 0),
    ADD COLUMN unit_error      text;              -- of the unit that failed last; shown when the job failed

UPDATE jobs j SET open_units = c.open, failed_units = c.failed, cancelled_units = c.cancelled,
                  unit_error = c.error
FROM (SELECT job_id, count(*) FILTER (WHERE ended_at IS NULL) AS open,
             count(*) FILTER (WHERE state = 'FAILED') AS failed,
             count(*) FILTER (WHERE state = 'CANCELLED') AS cancelled,
             (array_agg(error_message ORDER BY ended_at DESC) FILTER (WHERE state = 'FAILED'))[1] AS error
      FROM units GROUP BY job_id) c
WHERE c.job_id = j.id;

ALTER TABLE jobs ADD CHECK ((open_units = 0) = (completed_at IS NOT NULL));

-- The units at work of one job, however many it has: what is open is read job by job.
DROP INDEX CONCURRENTLY IF EXISTS units_at_work;
CREATE INDEX CONCURRENTLY units_at_work ON units (job_id) WHERE coalesce(state IN ('DISPATCHED', 'RUNNING'), false);

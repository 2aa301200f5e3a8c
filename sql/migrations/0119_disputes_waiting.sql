-- Compatible from: 0116
-- Open disputes in the order in which verifiers come to them.
DROP INDEX CONCURRENTLY IF EXISTS disputes_waiting;
CREATE INDEX CONCURRENTLY disputes_waiting ON disputes (opened_at, job_id, unit) WHERE state = 'OPEN';

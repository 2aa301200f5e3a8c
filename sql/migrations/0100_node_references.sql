-- Each deletion of a node looks for what refers to it, so each of these columns needs an index.
DROP INDEX CONCURRENTLY IF EXISTS jobs_node;
CREATE INDEX CONCURRENTLY jobs_node ON jobs (node_id) WHERE node_id IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS units_node;
CREATE INDEX CONCURRENTLY units_node ON units (node_id) WHERE node_id IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS units_copy_node;
CREATE INDEX CONCURRENTLY units_copy_node ON units (copy_node_id) WHERE copy_node_id IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS earnings_node;
CREATE INDEX CONCURRENTLY earnings_node ON earnings (node_id);
DROP INDEX CONCURRENTLY IF EXISTS checks_node;
CREATE INDEX CONCURRENTLY checks_node ON checks (node_id);
DROP INDEX CONCURRENTLY IF EXISTS checks_verifier;
CREATE INDEX CONCURRENTLY checks_verifier ON checks (verifier_id) WHERE verifier_id IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS vouchers_verifier;
CREATE INDEX CONCURRENTLY vouchers_verifier ON vouchers (verifier_id);
DROP INDEX CONCURRENTLY IF EXISTS overruns_node;
CREATE INDEX CONCURRENTLY overruns_node ON overruns (node_id);
DROP INDEX CONCURRENTLY IF EXISTS second_looks_node;
CREATE INDEX CONCURRENTLY second_looks_node ON second_looks (node_id);

-- Registrations of nodes that nobody proves are deleted. Each deletion looks for what refers to the node, so each
-- of these columns needs an index.
CREATE INDEX jobs_node ON jobs (node_id) WHERE node_id IS NOT NULL;
CREATE INDEX units_node ON units (node_id) WHERE node_id IS NOT NULL;
CREATE INDEX units_copy_node ON units (copy_node_id) WHERE copy_node_id IS NOT NULL;
CREATE INDEX earnings_node ON earnings (node_id);
CREATE INDEX checks_node ON checks (node_id);
CREATE INDEX checks_verifier ON checks (verifier_id) WHERE verifier_id IS NOT NULL;
CREATE INDEX vouchers_verifier ON vouchers (verifier_id);
CREATE INDEX overruns_node ON overruns (node_id);
CREATE INDEX second_looks_node ON second_looks (node_id);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT DELETE ON nodes TO rendertrust_app;
    END IF;
END $$;

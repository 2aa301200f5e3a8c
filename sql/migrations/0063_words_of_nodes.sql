-- What nodes said of scenes: not what the gateway makes of a third failure, or of three owners' results. Their
-- words begin so (sql/work.py), and no node's do: those are quoted.
CREATE VIEW scene_words AS
SELECT job_id, number AS unit, attempt, node_id FROM attempts
WHERE error_class = 'scene' AND node_id IS NOT NULL
  AND NOT starts_with(error, 'failed on ') AND NOT starts_with(error, 'the check found ');

CREATE OR REPLACE VIEW refuted_words AS
SELECT a.node_id, a.job_id, a.unit, a.attempt, g.decided_at AS at,
       coalesce((SELECT c.device_class FROM checks c
                 WHERE c.node_id = a.node_id AND c.state = 'DECIDED'
                 ORDER BY c.decided_at DESC LIMIT 1), '') AS device_class
FROM scene_words a
JOIN checks g ON g.job_id = a.job_id AND g.unit = a.unit
             AND g.verdict IN ('exact', 'match', 'consistent')
JOIN nodes n ON n.id = a.node_id
JOIN nodes o ON o.id = g.node_id
WHERE o.owner_id IS DISTINCT FROM n.owner_id;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT ON scene_words TO rendertrust_app;
    END IF;
END $$;

-- What a node itself said of a scene, told apart from what the gateway makes of an attempt that
-- failed: three failures of nodes are the scene's, too, and no node said so.
CREATE TABLE scene_words (
    job_id       uuid NOT NULL,
    unit         integer NOT NULL,
    attempt      integer NOT NULL CHECK (attempt > 0),
    node_id      uuid NOT NULL REFERENCES nodes,
    device_class text NOT NULL CHECK (char_length(device_class) <= 200),
    said_at      timestamptz NOT NULL,
    PRIMARY KEY (job_id, unit, attempt),
    FOREIGN KEY (job_id, unit) REFERENCES units (job_id, number)
);
CREATE INDEX scene_words_of_node ON scene_words (node_id);

INSERT INTO scene_words (job_id, unit, attempt, node_id, device_class, said_at)
SELECT a.job_id, a.number, a.attempt, a.node_id, '', a.ended_at
FROM attempts a
WHERE a.error_class = 'scene' AND a.node_id IS NOT NULL
  AND a.error NOT LIKE 'failed on 3 nodes, last by: %'
  AND NOT EXISTS (SELECT FROM checks c WHERE c.job_id = a.job_id AND c.unit = a.number
                  AND c.attempt = a.attempt AND c.withdrawn);

DROP VIEW refuted_words;
DROP INDEX attempts_scene;
CREATE VIEW refuted_words AS
SELECT w.node_id, w.job_id, w.unit, w.attempt, g.decided_at AS at, w.device_class
FROM scene_words w
JOIN checks g ON g.job_id = w.job_id AND g.unit = w.unit
             AND g.verdict IN ('exact', 'match', 'consistent')
JOIN nodes n ON n.id = w.node_id
JOIN nodes o ON o.id = g.node_id
WHERE o.owner_id IS DISTINCT FROM n.owner_id;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT ON scene_words TO rendertrust_app;
        GRANT SELECT ON refuted_words TO rendertrust_app;
    END IF;
END $$;

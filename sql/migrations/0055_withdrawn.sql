-- What several owners delivered alike, or the gateway's own node did, is right though checks found
-- otherwise: such a scene comes out another one in parts. No mismatch on its unit is a strike.
ALTER TABLE checks ADD COLUMN withdrawn boolean NOT NULL DEFAULT false; -- this one, and those before it

-- What a node said of a scene, and another owner's work with that scene was found valid.
CREATE INDEX attempts_scene ON attempts (node_id) WHERE error_class = 'scene';
CREATE VIEW refuted_words AS
SELECT a.node_id, a.job_id, a.number AS unit, a.attempt, g.decided_at AS at,
       coalesce((SELECT c.device_class FROM checks c
                 WHERE c.node_id = a.node_id AND c.state = 'DECIDED'
                 ORDER BY c.decided_at DESC LIMIT 1), '') AS device_class
FROM attempts a
JOIN checks g ON g.job_id = a.job_id AND g.unit = a.number
             AND g.verdict IN ('exact', 'match', 'consistent')
JOIN nodes n ON n.id = a.node_id
JOIN nodes o ON o.id = g.node_id
WHERE a.error_class = 'scene' AND o.owner_id IS DISTINCT FROM n.owner_id;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT ON refuted_words TO rendertrust_app;
    END IF;
END $$;

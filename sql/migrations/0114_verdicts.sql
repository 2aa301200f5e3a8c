-- Stop all gateways first: those of the version before read and write other names of outcomes.
-- Only verifiers of the gateway's own check what nodes deliver. What strangers said of each other's work, what
-- they were paid for it and how they were tried is gone; and the outcomes of checks have their final names.

DROP VIEW suspected;
DROP TABLE suspicions, vouchers, second_looks, trial_owners, trials, verifier_tests;
-- What was earned by checks stays with who has it.
UPDATE earnings SET state = 'PAYABLE' WHERE work = 'CHECK' AND state = 'PENDING';

-- Whether an invalid result is a strike: not where nobody could be sure, nor where the scene is at fault.
ALTER TABLE checks ADD COLUMN strike boolean NOT NULL DEFAULT false;
ALTER TABLE checks DROP CONSTRAINT checks_verdict_check;
UPDATE checks c SET strike = true
WHERE c.verdict = 'mismatch'
  AND (c.verifier_id IS NULL
       OR NOT EXISTS (SELECT FROM checks w WHERE w.job_id = c.job_id AND w.unit = c.unit AND w.withdrawn));
UPDATE checks SET verdict = CASE verdict WHEN 'match' THEN 'consistent' WHEN 'mismatch' THEN 'invalid'
                                         WHEN 'doubtful' THEN 'invalid' ELSE 'sampled-out' END
WHERE verdict IN ('match', 'mismatch', 'doubtful', 'unchecked');
ALTER TABLE checks ADD CONSTRAINT checks_verdict_check CHECK (
    verdict IN ('exact', 'consistent', 'sampled-out', 'unverified', 'unverifiable', 'invalid'));
DROP VIEW to_verify;
ALTER TABLE checks DROP COLUMN packed;
CREATE VIEW to_verify AS
SELECT c.* FROM checks c
JOIN units u ON u.job_id = c.job_id AND u.number = c.unit
            AND ((u.attempt = c.attempt AND u.state = 'VERIFYING')
                 OR (u.copy_attempt = c.attempt AND u.copy_delivered_at IS NOT NULL))
WHERE c.state = 'PENDING'
  AND NOT EXISTS (SELECT FROM checks o WHERE o.job_id = c.job_id AND o.unit = c.unit AND o.state = 'PENDING'
                  AND (o.opened_at, o.attempt) < (c.opened_at, c.attempt));
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT ON to_verify TO rendertrust_app;
    END IF;
END $$;

DROP INDEX checks_told, checks_mismatches;
CREATE INDEX checks_told ON checks (node_id, device_class, decided_at)
    WHERE strike OR (verdict IN ('exact', 'consistent') AND NOT is_own);
CREATE INDEX checks_strikes ON checks (decided_at) WHERE strike;

CREATE OR REPLACE VIEW refuted_words AS
SELECT w.node_id, w.job_id, w.unit, w.attempt, g.decided_at AS at, w.device_class
FROM scene_words w
JOIN checks g ON g.job_id = w.job_id AND g.unit = w.unit AND g.verdict IN ('exact', 'consistent')
JOIN nodes n ON n.id = w.node_id
JOIN nodes o ON o.id = g.node_id
WHERE o.owner_id IS DISTINCT FROM n.owner_id;

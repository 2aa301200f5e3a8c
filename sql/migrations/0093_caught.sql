-- Why the gateway itself keeps strangers' work from a node: it lied, or another key of its owner's was in quarantine
-- when it was enrolled. Null: it does not, or an admin's word alone does. A release begins its record anew then alone.
ALTER TABLE nodes ADD COLUMN caught text CHECK (caught IN ('LIES', 'KIN'));
UPDATE nodes SET caught = CASE WHEN quarantined_at = verified_at THEN 'KIN' ELSE 'LIES' END
WHERE standing = 'QUARANTINED' AND (standing_by IS NULL OR quarantined_at = verified_at);

-- Releases from before that ended an admin's word alone, as the audit has it, of who had not lied three times.
UPDATE nodes n SET released_at = NULL
WHERE released_at IS NOT NULL
  AND (SELECT a.actor_id IS NOT NULL FROM audit a
       WHERE a.target = 'node:' || n.id AND a.act = 'node.quarantine' AND a.at <= n.released_at
       ORDER BY a.number DESC LIMIT 1)
  AND (SELECT count(*)
       FROM nodes k
       CROSS JOIN LATERAL (SELECT m.decided_at AS at FROM checks m
                           WHERE m.node_id = k.id AND m.verdict = 'mismatch'
                             AND (m.verifier_id IS NULL
                                  OR NOT EXISTS (SELECT FROM checks w WHERE w.job_id = m.job_id
                                                 AND w.unit = m.unit AND w.withdrawn))
                           UNION ALL SELECT t.at FROM verifier_tests t WHERE t.node_id = k.id AND NOT t.passed
                           UNION ALL SELECT r.at FROM refuted_words r WHERE r.node_id = k.id) lie
       WHERE (k.id = n.id OR (k.owner_id = n.owner_id AND k.standing = 'REVOKED' AND k.created_at < n.created_at))
         AND lie.at < n.released_at) < 3;

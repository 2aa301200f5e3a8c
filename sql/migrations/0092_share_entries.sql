-- Which entry of the books pays a share: on its operator's account, or in suspense while the node has no owner.
-- It is looked up by the names under which the Ledger books it, each of which is once in an index.
CREATE VIEW share_entries AS
SELECT e.id AS share_id,
       (SELECT x.entry_id FROM entries x
        WHERE x.amount > 0 AND x.transfer_id = coalesce(
            (SELECT t.id FROM transfers t
             WHERE t.subject = (SELECT id FROM accounts
                                WHERE name = coalesce('operator:' || e.operator_id, 'suspense'))
               AND t.kind = CASE e.work WHEN 'CHECK' THEN 'CHECK' ELSE 'EARNING' END
               AND t.reference = CASE e.work WHEN 'CHECK' THEN 'check:' || e.job_id || ':' || e.unit || ':' || e.attempt
                                             ELSE 'job:' || e.job_id || ':' || e.unit END),
            (SELECT t.id FROM transfers t
             WHERE e.work = 'RENDER' AND t.subject = (SELECT id FROM accounts WHERE name = 'suspense')
               AND t.kind = 'CLAIM' AND t.reference = 'job:' || e.job_id || ':' || e.unit))) AS entry_id
FROM earnings e;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT ON share_entries TO rendertrust_app;
    END IF;
END $$;

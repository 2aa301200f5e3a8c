-- Checks of deliveries: the Ledger opens and decides them with their units, the Verifier reads them. In the queries
-- check_view_… of the console, $1 is the owner of the nodes; null: all owners.

-- name: books_checks_lock
-- Lock the checks of all attempts at the units $1, $2; few units have more than one.
SELECT c.* FROM checks c
JOIN unnest($1::uuid[], $2::integer[]) AS n (job_id, unit) ON n.job_id = c.job_id AND n.unit = c.unit
ORDER BY c.job_id, c.unit, c.attempt FOR UPDATE OF c;

-- name: books_checks_insert
-- Insert checks, some of which are decided in the same batch, and record whether the work is the owner's own.
INSERT INTO checks (job_id, unit, attempt, node_id, device_class, result_ref, sha256, size, work,
                    node_signature, verified, operator, share_percent, window_seconds, opened_at,
                    evidence_sha256, evidence_size, state, verdict, said, verifier_id, decided_at, strike, withdrawn,
                    drawn, odds, compared, remade, distance, verifier_class, loose, reason, method, is_own)
SELECT n.*, is_own_work(n.job_id, n.node_id)
FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::uuid[], $5::text[], $6::text[], $7::bytea[],
            $8::bigint[], $9::text[], $10::text[], $11::boolean[], $12::text[], $13::integer[],
            $14::bigint[], $15::timestamptz[], $16::bytea[], $17::bigint[], $18::text[],
            $19::text[], $20::text[], $21::uuid[], $22::timestamptz[], $23::boolean[], $24::boolean[],
            $25::boolean[], $26::real[], $27::text[], $28::boolean[], $29::double precision[], $30::text[],
            $31::boolean[], $32::text[], $33::text[])
     AS n (job_id, unit, attempt, node_id, device_class, result_ref, sha256, size, work,
           node_signature, verified, operator, share_percent, window_seconds, opened_at,
           evidence_sha256, evidence_size, state, verdict, said, verifier_id, decided_at, strike, withdrawn,
           drawn, odds, compared, remade, distance, verifier_class, loose, reason, method);

-- name: books_words_insert
-- Insert nodes' reports about scenes.
INSERT INTO scene_words (job_id, unit, attempt, node_id, device_class, said_at)
SELECT * FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::uuid[], $5::text[], $6::timestamptz[]);

-- name: books_checks_decide
-- Decide checks, once; later, another check of a settled result may still find it invalid.
UPDATE checks c SET state = 'DECIDED', verdict = n.verdict, said = n.said, verifier_id = n.verifier_id,
                    decided_at = n.decided_at, strike = n.strike, withdrawn = n.withdrawn,
                    compared = n.compared, remade = n.remade, distance = n.distance, verifier_class = n.verifier_class,
                    loose = n.loose, reason = n.reason, method = n.method
FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::text[], $5::text[], $6::uuid[],
            $7::timestamptz[], $8::boolean[], $9::boolean[], $10::text[], $11::boolean[], $12::double precision[],
            $13::text[], $14::boolean[], $15::text[], $16::text[], $17::xid[])
     AS n (job_id, unit, attempt, verdict, said, verifier_id, decided_at, strike, withdrawn, compared, remade,
           distance, verifier_class, loose, reason, method, seen)
WHERE c.job_id = n.job_id AND c.unit = n.unit AND c.attempt = n.attempt
  AND (c.state = 'PENDING' OR n.verdict = 'invalid') AND (n.seen IS NULL OR c.xmin = n.seen);

-- name: books_read_checks
-- The checks of all attempts at the units $1, $2, each with the transaction that wrote it.
SELECT ROW(c, c.xmin) FROM checks c
JOIN unnest($1::uuid[], $2::integer[]) AS n (job_id, unit) ON n.job_id = c.job_id AND n.unit = c.unit;

-- name: books_checks_unchanged
-- Lock checks that were read without a lock and are not written, unless they have changed since.
SELECT FROM checks c
JOIN unnest($1::uuid[], $2::integer[], $3::integer[], $4::xid[]) AS n (job_id, unit, attempt, seen)
  ON n.job_id = c.job_id AND n.unit = c.unit AND n.attempt = c.attempt
WHERE c.xmin = n.seen FOR SHARE OF c;

-- name: checks_pending
-- Up to $1 units that wait for a check, oldest first, after the position ($2, $3, $4) if given, with facts of their
-- jobs. Includes settled results that are compared now: those of nodes that later had an invalid result, and those
-- that a creator disputes with a comparison. Leaves out disputes that a check has looked into without deciding them.
-- `may_release`: the result is among the first $5 frames for the owner in a quarantine that results may end.
WITH waiting AS (
    (SELECT c.job_id, c.unit, c.attempt, c.opened_at AS since, false AS is_again
     FROM to_verify c
     WHERE ($2::timestamptz IS NULL OR (c.opened_at, c.job_id, c.unit) > ($2, $3::uuid, $4::integer))
     ORDER BY c.opened_at, c.job_id, c.unit LIMIT $1)
    UNION ALL
    (SELECT d.job_id, d.unit, u.attempt, d.opened_at, true
     FROM disputes d JOIN units u ON u.job_id = d.job_id AND u.number = d.unit
     JOIN checks c ON c.job_id = u.job_id AND c.unit = u.number AND c.attempt = u.attempt
     WHERE d.state = 'OPEN' AND d.finding IS NULL
       AND (d.by_gateway OR EXISTS (SELECT FROM comparisons k WHERE k.dispute_id = d.id))
       AND ($2::timestamptz IS NULL OR (d.opened_at, d.job_id, d.unit) > ($2, $3::uuid, $4::integer))
     ORDER BY d.opened_at, d.job_id, d.unit LIMIT $1)
    ORDER BY since, job_id, unit LIMIT $1)
SELECT c.*, w.since, w.is_again, extract(epoch FROM now() - w.since)::float8 AS waited, j.job_type, j.payload_ref, j.plan, j.user_id, u.frames, u.tile, u.price, u.failures, u.faults, u.unsent,
       extract(epoch FROM c.opened_at - coalesce(u.started_at, u.assigned_at, c.opened_at))::float8 AS took,
       n.owner_id AS owner,
       n.ends_by_results AND c.is_own AND c.evidence_sha256 IS NOT NULL AND c.opened_at > n.quarantined_at
       AND NOT EXISTS (SELECT FROM checks b
                       WHERE b.node_id = c.node_id AND b.is_own AND b.evidence_sha256 IS NOT NULL
                         AND b.opened_at > n.quarantined_at AND b.opened_at < c.opened_at
                       OFFSET $5 - 1) AS may_release,
       ARRAY(SELECT DISTINCT w.owner_id FROM checks b JOIN nodes w ON w.id = b.node_id
             WHERE b.job_id = c.job_id AND b.unit = c.unit AND b.verdict = 'invalid'
               AND b.drawn AND b.compared IS NOT NULL AND w.owner_id IS NOT NULL
               AND coalesce(b.work::json #>> '{pixels,sha256}', encode(b.sha256, 'hex'))
                 = coalesce(c.work::json #>> '{pixels,sha256}', encode(c.sha256, 'hex'))) AS agreeing,
       CASE WHEN w.is_again THEN
           (SELECT k.places FROM disputes d JOIN comparisons k ON k.dispute_id = d.id
            WHERE d.job_id = c.job_id AND d.unit = c.unit)
       END AS places,
       (j.user_id, j.payload_ref) IN (SELECT s.user_id, s.payload_ref FROM checks b JOIN jobs s ON s.id = b.job_id
                                      WHERE b.loose AND b.verdict = 'invalid') AS is_loose,  -- read once
       EXISTS (SELECT FROM uncut_scenes x
               WHERE x.user_id = j.user_id AND x.payload_ref = j.payload_ref) AS is_uncut,
       CASE WHEN u.tile IS NULL AND j.plan -> 'spec' -> 'tiles' IS NOT NULL THEN
           ARRAY(SELECT json_build_array(t.number, t.attempt, encode(t.result_sha256, 'hex'), t.result_size)::text
                 FROM units t WHERE t.job_id = u.job_id AND t.feeds = u.number ORDER BY t.tile)
       END AS parts
FROM waiting w
JOIN checks c USING (job_id, unit, attempt)
JOIN units u ON u.job_id = c.job_id AND u.number = c.unit
JOIN jobs j ON j.id = c.job_id
JOIN nodes n ON n.id = c.node_id
ORDER BY w.since, c.job_id, c.unit;

-- name: checks_claim
-- Of the checks of some attempts (jobs $2, units $3, numbers $4), claim for gateway $1, for $5 seconds, those that no
-- other gateway has claimed, and return them.
WITH free AS (
    SELECT c.job_id, c.unit, c.attempt, c.claimed_by, c.claimed_until
    FROM unnest($2::uuid[], $3::integer[], $4::integer[]) AS w (job_id, unit, attempt)
    JOIN checks c USING (job_id, unit, attempt)
    WHERE c.claimed_by IS NULL OR c.claimed_by = $1::uuid OR c.claimed_until <= now()
    ORDER BY c.job_id, c.unit, c.attempt
    FOR NO KEY UPDATE OF c SKIP LOCKED
), claimed AS (
    UPDATE checks c SET claimed_by = $1, claimed_until = now() + make_interval(secs => $5)
    FROM free f
    WHERE c.job_id = f.job_id AND c.unit = f.unit AND c.attempt = f.attempt
      AND (f.claimed_by IS DISTINCT FROM $1 OR f.claimed_until <= now() + make_interval(secs => $5 / 2))
    RETURNING 1
)
SELECT job_id, unit, attempt FROM free;

-- name: checks_release
-- Release the claims of gateway $1 on the attempts $2, $3, $4.
UPDATE checks c SET claimed_by = NULL, claimed_until = NULL
FROM unnest($2::uuid[], $3::integer[], $4::integer[]) AS w (job_id, unit, attempt)
WHERE c.job_id = w.job_id AND c.unit = w.unit AND c.attempt = w.attempt AND coalesce(c.claimed_by = $1, false);

-- name: draw_secret
-- The sealed secret with which all gateways draw samples.
SELECT sealed FROM draw_secret;

-- name: draw_secret_keep
-- Store $1 if there is no secret, or if the current one is $2.
INSERT INTO draw_secret (sealed, made_at) VALUES ($1, now())
ON CONFLICT (one) DO UPDATE SET sealed = $1, made_at = now() WHERE draw_secret.sealed = $2;

-- name: evidence_of_unit
-- The evidence of a unit of user $3's job, unless it has expired.
SELECT j.user_id, c.job_id, c.unit, c.attempt, c.evidence_sha256 AS sha256, c.evidence_size AS size
FROM checks c
JOIN units u ON u.job_id = c.job_id AND u.number = c.unit AND u.attempt = c.attempt
JOIN jobs j ON j.id = c.job_id
WHERE c.job_id = $1 AND c.unit = $2 AND j.user_id = $3 AND u.state = 'COMPLETED'
  AND c.evidence_sha256 IS NOT NULL
  AND NOT EXISTS (SELECT FROM expired_results x WHERE x.job_id = c.job_id AND x.unit = c.unit);

-- name: checks_records
-- Verdicts on the work of nodes $1, the newest $2 per device class, oldest first, one letter each: 'v' is valid, 'm' a
-- strike, by a check or for a refuted report about a scene, 'x' an invalid result that is no strike. `before` and
-- `since`: the verdicts before and since the node's last release. `work`: the sum of the shares of the valid results in
-- a row at the end of `since`. Valid results of the owner's own work do not count, nor do invalid results whose scene
-- turned out to be at fault, nor those without a strike that no verifier found, as the object was lost or unreadable.
-- Of a key that the owner gave up only the strikes count, for the new key: otherwise a new key would erase them.
WITH looked AS (
    SELECT n.id AS node, n.released_at, k.id AS by, k.id <> n.id AS given_up
    FROM nodes n
    JOIN nodes k ON k.id = n.id
                 OR (k.owner_id = n.owner_id AND k.standing = 'REVOKED' AND k.created_at < n.created_at)
    WHERE n.id = ANY($1::uuid[])
), told AS (
SELECT n.node, n.released_at, k.device_class, c.*,
       count(*) FILTER (WHERE c.letter <> 'v') OVER (
           PARTITION BY n.node, k.device_class
           ORDER BY c.decided_at DESC, c.job_id DESC, c.unit DESC) = 0 AS in_row
FROM looked n
CROSS JOIN LATERAL (SELECT DISTINCT device_class FROM checks
                    WHERE node_id = n.by AND (verdict = 'invalid' OR (verdict IN ('exact', 'consistent') AND NOT is_own))
                    UNION
                    SELECT device_class FROM refuted_words WHERE node_id = n.by) k
CROSS JOIN LATERAL ((SELECT decided_at, job_id, unit, CASE WHEN strike THEN 'm' WHEN verdict = 'invalid' THEN 'x' ELSE 'v' END AS letter,
                            CASE WHEN verdict = 'invalid' THEN 0 ELSE share_percent END AS percent
                     FROM checks m
                     WHERE node_id = n.by AND device_class = k.device_class
                       AND (verdict = 'invalid' OR (verdict IN ('exact', 'consistent') AND NOT is_own))
                       AND CASE WHEN verdict <> 'invalid' THEN true
                                WHEN verifier_id IS NULL THEN strike
                                ELSE NOT EXISTS (SELECT FROM checks w WHERE w.job_id = m.job_id
                                                 AND w.unit = m.unit AND w.withdrawn) END
                     ORDER BY decided_at DESC, job_id DESC, unit DESC LIMIT $2)
                    UNION ALL
                    (SELECT at, job_id, unit, 'm', 0 FROM refuted_words
                     WHERE node_id = n.by AND device_class = k.device_class
                     ORDER BY at DESC LIMIT $2)
                    ORDER BY decided_at DESC, job_id DESC, unit DESC LIMIT $2) c
WHERE c.letter = 'm' OR NOT n.given_up
)
SELECT t.node, t.device_class, t.released_at, t.released_at IS NOT NULL AS released,
       coalesce(string_agg(t.letter, '' ORDER BY t.decided_at, t.job_id, t.unit)
                FILTER (WHERE t.decided_at < t.released_at), '') AS before,
       coalesce(string_agg(t.letter, '' ORDER BY t.decided_at, t.job_id, t.unit)
                FILTER (WHERE (t.decided_at < t.released_at) IS NOT TRUE), '') AS since,
       coalesce(sum(u.price * t.percent / 100)
                FILTER (WHERE t.in_row AND (t.decided_at < t.released_at) IS NOT TRUE), 0)::bigint AS work
FROM told t JOIN units u ON u.job_id = t.job_id AND u.number = t.unit
GROUP BY t.node, t.released_at, t.device_class
ORDER BY t.node, t.device_class;

-- name: scene_reports
-- The nodes that reported the scene of unit $2 of job $1 as at fault.
SELECT DISTINCT w.node_id AS node, n.owner_id AS owner FROM scene_words w JOIN nodes n ON n.id = w.node_id
WHERE w.job_id = $1 AND w.unit = $2;

-- name: checks_page
-- The newest $2 findings about a node's work ($1) and about its reports on scenes, without results that were not
-- compared.
SELECT * FROM (
    (SELECT job_id, unit, attempt, device_class, verdict, said, strike, opened_at, decided_at, reason
     FROM checks
     WHERE node_id = $1 AND coalesce(verdict NOT IN ('sampled-out', 'unverified'), true)
     ORDER BY coalesce(decided_at, opened_at) DESC, job_id DESC, unit DESC LIMIT $2)
    UNION ALL
    (SELECT job_id, unit, attempt, device_class, 'invalid',
            'its node reported that the scene is at fault, but another node rendered it', true, at, at, NULL
     FROM refuted_words WHERE node_id = $1 ORDER BY at DESC LIMIT $2)) found
ORDER BY coalesce(decided_at, opened_at) DESC, job_id DESC, unit DESC LIMIT $2;

-- name: uncut_note
-- Record, once, that regions of this scene cannot be compared with its frames.
INSERT INTO uncut_scenes (user_id, payload_ref, job_id, unit, attempt, found_at)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING;

-- name: dispute_finding
-- Store a check's finding about the open dispute of unit $2 of job $1, which does not decide it; once.
UPDATE disputes SET finding = $3 WHERE job_id = $1 AND unit = $2 AND state = 'OPEN' AND finding IS NULL;

-- name: verifiers_meet
-- Record that these verifiers ($1, of the classes $2, with $3 cores, checking $4 results, with the loads $5, which
-- can check the job types $6, and have the further classes $7) are connected, and return all that any gateway has
-- recorded within $8 seconds.
WITH here AS (
    INSERT INTO verifiers (node_id, device_class, cores, checking, load, checks, other_classes, seen_at)
    SELECT t.*, now()
    FROM unnest($1::uuid[], $2::text[], $3::integer[], $4::integer[], $5::float8[], $6::text[], $7::text[])
         AS t (node, class, cores, checking, load, checks, others) ORDER BY node
    ON CONFLICT (node_id) DO UPDATE SET device_class = EXCLUDED.device_class, cores = EXCLUDED.cores,
        checking = EXCLUDED.checking, load = EXCLUDED.load, checks = EXCLUDED.checks,
        other_classes = EXCLUDED.other_classes, seen_at = now()
    RETURNING node_id, device_class, checks, other_classes
), lately AS (
    SELECT node_id, device_class, checks, other_classes FROM here
    UNION ALL
    SELECT node_id, device_class, checks, other_classes FROM verifiers
    WHERE seen_at >= now() - make_interval(secs => $8) AND node_id <> ALL($1::uuid[])
)
SELECT v.node_id AS node, v.device_class, n.owner_id AS owner, v.checks, v.other_classes AS others
FROM lately v JOIN nodes n ON n.id = v.node_id;

-- name: verifier_classes
-- The device classes of the verifiers that any gateway has recorded within $1 seconds.
SELECT DISTINCT unnest(string_to_array(concat_ws(' ', device_class, nullif(other_classes, '')), ' ')) AS device_class
FROM verifiers WHERE seen_at >= now() - make_interval(secs => $1);

-- name: check_view_page
-- The newest $5 checks; optionally only those of node $2, with outcome $3, or with $4 in the node's name or the reason,
-- or as the beginning of the job's id.
SELECT c.job_id, c.unit, c.attempt, u.frames, u.tile, string_to_array(j.plan -> 'spec' ->> 'tiles', 'x')::int[] AS grid, c.node_id, n.name AS node_name, c.device_class,
       coalesce(c.verdict, 'pending') AS verdict, c.said, c.strike, v.name AS verifier_name, c.opened_at, c.decided_at, c.reason
FROM checks c
JOIN nodes n ON n.id = c.node_id
JOIN units u ON u.job_id = c.job_id AND u.number = c.unit
JOIN jobs j ON j.id = c.job_id
LEFT JOIN nodes v ON v.id = c.verifier_id
WHERE ($1::uuid IS NULL OR n.owner_id = $1)
  AND ($2::uuid IS NULL OR c.node_id = $2)
  AND ($3::text IS NULL OR coalesce(c.verdict, 'pending') = $3)
  AND ($4::text IS NULL OR strpos(lower(n.name), lower($4)) > 0 OR strpos(lower(c.said), lower($4)) > 0
       OR starts_with(c.job_id::text, lower($4)))
ORDER BY c.opened_at DESC, c.job_id DESC, c.unit DESC LIMIT $5;

-- name: check_view_counts
-- Count checks by outcome: those of deliveries since $2, and all pending ones.
SELECT coalesce(c.verdict, 'pending') AS verdict, count(*) AS number
FROM checks c JOIN nodes n ON n.id = c.node_id
WHERE ($1::uuid IS NULL OR n.owner_id = $1) AND (c.opened_at >= $2 OR c.state = 'PENDING')
GROUP BY 1;

-- name: check_view_oldest
-- When the oldest pending result was delivered.
SELECT min(c.opened_at) AS since FROM checks c JOIN nodes n ON n.id = c.node_id
WHERE c.state = 'PENDING' AND ($1::uuid IS NULL OR n.owner_id = $1);

-- Nodes, for the web, the Scheduler and the Lifeline. In the queries node_view_…
-- of the console, $1 is the owner (null: all owners), or the node.

-- name: node_insert
-- Insert an unproved node with its challenge.
WITH created AS (
    INSERT INTO nodes (id, name, public_key, capabilities, metadata)
    VALUES ($1, $2, $3, $4, $5)
    RETURNING id
)
INSERT INTO node_challenges (challenge, node_id, owner_id, expires_at)
SELECT $6, id, $7, $8 FROM created;

-- name: node_embed
-- Insert an embedded verifier. Its gateway has its key, so there is nothing to prove.
INSERT INTO nodes (id, name, public_key, capabilities, verified_at, is_embedded)
VALUES ($1, $2, $3, $4, now(), true)
ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name, capabilities = EXCLUDED.capabilities;

-- name: challenge_insert
-- Insert a further challenge for a node with a proved key. A node has at most sixteen: more requests delete the
-- oldest, and the key's holder answers long before that.
WITH surplus AS (
    DELETE FROM node_challenges WHERE challenge IN (
        SELECT challenge FROM node_challenges WHERE node_id = $2
        ORDER BY expires_at DESC, challenge OFFSET 15)
)
INSERT INTO node_challenges (challenge, node_id, owner_id, expires_at, name) VALUES ($1, $2, $3, $4, $5);

-- name: challenges_sweep
-- Delete some challenges that expired before $1; each registration deletes more than it inserts.
DELETE FROM node_challenges WHERE challenge IN (
    SELECT challenge FROM node_challenges WHERE expires_at < $1
    ORDER BY expires_at LIMIT 100 FOR UPDATE SKIP LOCKED);

-- name: nodes_forget
-- Delete up to $2 unproved registrations from before $1 that gave no sign of life since. A node that was ever healthy
-- or connected may have had work, and a node whose standing was changed is kept.
WITH old AS (
    SELECT n.id FROM nodes n
    WHERE n.verified_at IS NULL AND n.status = 'REGISTERED' AND n.standing_at IS NULL
      AND n.created_at < $1 AND (n.seen_at IS NULL OR n.seen_at < $1)
      AND NOT EXISTS (SELECT FROM node_connections c WHERE c.node_id = n.id)
      AND NOT EXISTS (SELECT FROM units u WHERE u.node_id = n.id)
    ORDER BY n.created_at LIMIT $2 FOR UPDATE SKIP LOCKED
), answered AS (
    DELETE FROM node_challenges c USING old WHERE c.node_id = old.id
)
DELETE FROM nodes n USING old WHERE n.id = old.id RETURNING n.id;

-- name: node_by_verified_key
-- The node that has proved this key.
SELECT id FROM nodes WHERE public_key = $1 AND verified_at IS NOT NULL;

-- name: node_challenge
-- The data for checking a proof.
SELECT c.owner_id, c.expires_at, c.used_at, n.public_key, n.standing
FROM node_challenges c JOIN nodes n ON n.id = c.node_id
WHERE c.challenge = $1 AND c.node_id = $2;

-- name: node_verify
-- Use the challenge, and set key, owner and name; no row if it was already used or has expired, if its owner is not active,
-- if another node proved the same key first, or if the node is revoked. If the owner has a node in quarantine, or gave
-- up one that was, the new key starts in quarantine.
WITH used AS (
    UPDATE node_challenges SET used_at = $3
    WHERE challenge = $1 AND node_id = $2 AND used_at IS NULL AND expires_at > $3
      AND (owner_id IS NULL OR EXISTS (SELECT FROM users WHERE id = owner_id AND is_active))
    RETURNING node_id, owner_id, name
), shut AS (
    SELECT u.node_id, EXISTS (SELECT FROM nodes o JOIN used ON o.owner_id = used.owner_id
                              WHERE o.quarantined_at IS NOT NULL)
                      AND u.owner_id IS NULL AND u.standing IN ('ACTIVE', 'DRAINING') AS out
    FROM (SELECT id AS node_id, owner_id, standing FROM nodes WHERE id = $2) u
)
UPDATE nodes n
SET verified_at = coalesce(n.verified_at, $3), owner_id = coalesce(n.owner_id, used.owner_id),
    name = coalesce(used.name, n.name),
    standing = CASE WHEN shut.out THEN 'QUARANTINED' ELSE n.standing END,
    standing_version = n.standing_version + shut.out::integer,
    standing_reason = CASE WHEN shut.out
        THEN 'another node of its owner''s is in quarantine, or was when it was given up; an admin releases it'
        ELSE n.standing_reason END,
    standing_at = CASE WHEN shut.out THEN $3 ELSE n.standing_at END,
    standing_by = CASE WHEN shut.out THEN 'GATEWAY' ELSE n.standing_by END,
    quarantined_at = CASE WHEN shut.out THEN $3 ELSE n.quarantined_at END,
    caught = CASE WHEN shut.out THEN 'KIN' ELSE n.caught END
FROM used JOIN shut USING (node_id)
WHERE n.id = used.node_id
  AND n.standing <> 'REVOKED'
  AND NOT EXISTS (SELECT FROM nodes o
                  WHERE o.public_key = n.public_key AND o.verified_at IS NOT NULL AND o.id <> n.id)
RETURNING n.id, n.owner_id, n.capabilities, n.status, n.verified_at, n.standing, n.standing_version, n.standing_reason;

-- name: node_heartbeat
-- Record a sign of life. A node that must prove its key first ($4) keeps its status. Its new metadata are merged over
-- the old ones, unless the result is too large. A revoked node is ignored.
UPDATE nodes
SET current_load = $2,
    metadata = CASE WHEN octet_length((metadata || $3::jsonb)::text) <= 16384
                    THEN metadata || $3::jsonb ELSE $3::jsonb END,
    seen_at = now(),
    status = CASE WHEN $4 AND verified_at IS NULL THEN status ELSE 'HEALTHY' END
WHERE id = $1 AND standing <> 'REVOKED'
RETURNING id, owner_id, capabilities, status, verified_at, standing, standing_version, standing_reason;

-- name: node_versions
-- The versions that nodes in use name in their metadata, with the number of nodes.
SELECT left(metadata ->> 'version', 40) AS version, count(*) AS nodes FROM nodes
WHERE status IN ('HEALTHY', 'UNHEALTHY') AND standing <> 'REVOKED' AND metadata ->> 'version' IS NOT NULL
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 100;

-- name: node_by_id
-- A node as needed when it opens a socket.
SELECT id, owner_id, capabilities, status, verified_at, standing, standing_version, standing_reason, public_key
FROM nodes WHERE id = $1;

-- name: node_shown
-- A node as needed for display.
SELECT id, owner_id, name, capabilities, metadata, status, standing, standing_version, standing_reason,
       standing_at, standing_by, current_load, verified_at, seen_at, created_at, failing_since, failing_reason,
       ends_by_results
FROM nodes WHERE id = $1;

-- name: nodes_of_owner
-- A page of an owner's nodes, newest first: those older than node $3, if given.
SELECT id, owner_id, name, capabilities, metadata, status, standing, standing_version, standing_reason,
       standing_at, standing_by, current_load, verified_at, seen_at, created_at, failing_since, failing_reason
FROM nodes
WHERE owner_id = $4 AND (created_at, id) < (
      coalesce((SELECT created_at FROM nodes WHERE id = $3::uuid), 'infinity'),
      coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
ORDER BY created_at DESC, id DESC LIMIT $1 OFFSET $2;

-- name: nodes_of_all
-- The same for all nodes.
SELECT id, owner_id, name, capabilities, metadata, status, standing, standing_version, standing_reason,
       standing_at, standing_by, current_load, verified_at, seen_at, created_at, failing_since, failing_reason
FROM nodes
WHERE (created_at, id) < (
      coalesce((SELECT created_at FROM nodes WHERE id = $3::uuid), 'infinity'),
      coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
ORDER BY created_at DESC, id DESC LIMIT $1 OFFSET $2;

-- name: nodes_of_owner_count
-- Count an owner's nodes.
SELECT count(*) FROM nodes WHERE owner_id = $1;

-- name: nodes_of_all_count
-- Count all nodes.
SELECT count(*) FROM nodes;

-- name: node_stand
-- Change a node's standing; no row if it was changed since version $2. With $5 its record is reset. $6: who changes it.
UPDATE nodes
SET standing = $3, standing_version = standing_version + 1, standing_reason = $4,
    standing_at = now(), standing_by = $6,
    released_at = CASE WHEN $5 THEN now() ELSE released_at END,
    caught = CASE WHEN $3 IN ('QUARANTINED', 'REVOKED') THEN caught END,
    quarantined_at = CASE WHEN $3 = 'QUARANTINED' THEN coalesce(quarantined_at, now())
                          WHEN $3 = 'REVOKED' THEN quarantined_at END
WHERE id = $1 AND standing_version = $2
RETURNING id, owner_id, name, capabilities, metadata, status, standing, standing_version, standing_reason,
       standing_at, standing_by, current_load, verified_at, seen_at, created_at, failing_since, failing_reason;

-- name: node_caught
-- Why the gateway itself quarantined a node that is in quarantine, if it did.
SELECT caught FROM nodes WHERE id = $1 AND standing = 'QUARANTINED';

-- name: node_quarantine
-- Quarantine a node because of its checks; no row if the gateway has done so before, or if a release has reset the
-- node's record since the record was read ($3: the release that it was read with). A quarantine by an admin also
-- becomes one by the gateway, and keeps its begin. For a revoked node it is recorded, so that it applies to the owner's
-- next node.
UPDATE nodes
SET standing = CASE standing WHEN 'REVOKED' THEN standing ELSE 'QUARANTINED' END,
    standing_version = standing_version + 1, standing_reason = $2,
    standing_at = now(), standing_by = 'GATEWAY', quarantined_at = coalesce(quarantined_at, now()), caught = 'LIES'
WHERE id = $1 AND released_at IS NOT DISTINCT FROM $3
  AND (standing IN ('ACTIVE', 'DRAINING') OR (standing = 'QUARANTINED' AND caught IS NULL)
       OR (standing = 'REVOKED' AND quarantined_at IS NULL))
RETURNING standing, standing_version, standing_reason;

-- name: nodes_releasable
-- The nodes in a quarantine that results may end, of which at least $1 different frames for the owner were valid. Frames
-- have evidence; only those count that were delivered in the quarantine, and since the last strike or invalid result.
-- Frames are different if their signed pixels are, or else their files.
SELECT n.id AS node, n.standing_version AS version FROM nodes n
WHERE n.ends_by_results
  AND $1 <= (SELECT count(DISTINCT coalesce(c.work::json #>> '{pixels,sha256}', encode(c.sha256, 'hex'))) FROM checks c
             WHERE c.node_id = n.id AND c.is_own AND c.evidence_sha256 IS NOT NULL
               AND c.verdict IN ('exact', 'consistent')
               AND c.opened_at > greatest(
                   n.quarantined_at,
                   (SELECT max(decided_at) FROM checks
                    WHERE node_id = n.id AND verdict = 'invalid' AND decided_at > n.quarantined_at),
                   (SELECT max(at) FROM refuted_words WHERE node_id = n.id)));

-- name: nodes_healthy
-- The nodes whose status is HEALTHY.
SELECT id, owner_id AS owner, capabilities, current_load AS load, verified_at IS NOT NULL AS verified,
       extract(epoch FROM now() - seen_at)::float8 AS silent_seconds, session_epoch AS epoch
FROM nodes WHERE status = 'HEALTHY' ORDER BY id;

-- name: nodes_standings
-- The nodes whose standing changed since $1, oldest change first.
SELECT id AS node, owner_id AS owner, standing, standing_version, standing_reason, standing_at AS at
FROM nodes WHERE standing_at >= $1 ORDER BY standing_at, id;

-- name: nodes_seen
-- Record signs of life over the socket.
UPDATE nodes SET seen_at = now(), status = 'HEALTHY'
WHERE id IN (SELECT id FROM nodes WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE);

-- name: node_session_opened
-- Count a new session of a node; the number orders its sessions over all gateways.
UPDATE nodes SET session_epoch = session_epoch + 1 WHERE id = $1
RETURNING session_epoch AS epoch, now() AS at, recent_failures AS failures;

-- name: node_failures_note
-- Store a node's recent failures $2. While it fails often ($3), the time since when is kept until there are none.
UPDATE nodes
SET recent_failures = $2,
    failing_since = CASE WHEN $2 = 0 THEN NULL WHEN $3 THEN coalesce(failing_since, now()) ELSE failing_since END,
    failing_code = CASE WHEN $2 = 0 THEN '' WHEN $4 = '' THEN failing_code ELSE $4 END,
    failing_reason = CASE WHEN $2 = 0 THEN '' WHEN $4 = '' THEN failing_reason ELSE $5 END
WHERE id = $1;

-- name: nodes_mark_silent
-- HEALTHY -> UNHEALTHY after 90 s of silence, -> OFFLINE after 300 s; returns the nodes with their previous status.
WITH silent AS (
    SELECT id, status,
           CASE WHEN seen_at IS NULL OR seen_at <= now() - interval '300 seconds'
                THEN 'OFFLINE' ELSE 'UNHEALTHY' END AS becomes
    FROM nodes
    WHERE status IN ('HEALTHY', 'UNHEALTHY')
      AND (seen_at IS NULL OR seen_at <= now() - interval '90 seconds')
    ORDER BY id FOR UPDATE
)
UPDATE nodes n SET status = s.becomes FROM silent s
WHERE n.id = s.id AND n.status <> s.becomes
RETURNING n.id, s.status AS was;

-- name: node_view_page
-- A page of the newest $4 nodes that match, sorted by $5 ('-': descending). $2: part of the name, of a capability or
-- of the owner's e-mail, or a prefix of the id; $3: a status or standing. With the current unit, and earnings since
-- $6. $9: nodes connected here, in the order for the sort key 'pong'.
WITH found AS (
    SELECT n.*, u.email FROM nodes n LEFT JOIN users u ON u.id = n.owner_id
    WHERE ($1::uuid IS NULL OR n.owner_id = $1)
      AND ($2::text IS NULL OR strpos(lower(n.name), lower($2)) > 0
           OR starts_with(n.id::text, lower($2)) OR strpos(lower(u.email), lower($2)) > 0
           OR EXISTS (SELECT FROM unnest(n.capabilities) c WHERE strpos(lower(c), lower($2)) > 0))
      AND ($3::text IS NULL OR n.status = $3 OR n.standing = $3)
    ORDER BY n.created_at DESC, n.id DESC LIMIT $4
), page AS (
    SELECT f.* FROM found f
    ORDER BY CASE $5::text WHEN 'name' THEN f.name WHEN 'status' THEN f.status
                           WHEN 'standing' THEN f.standing WHEN 'owner' THEN f.email END,
             CASE $5 WHEN '-name' THEN f.name WHEN '-status' THEN f.status
                     WHEN '-standing' THEN f.standing WHEN '-owner' THEN f.email
             END DESC NULLS LAST,
             CASE $5 WHEN 'load' THEN f.current_load END,
             CASE $5 WHEN '-load' THEN f.current_load END DESC NULLS LAST,
             CASE $5 WHEN 'seen' THEN f.seen_at WHEN 'created' THEN f.created_at END,
             CASE $5 WHEN '-seen' THEN f.seen_at END DESC NULLS LAST,
             CASE WHEN $5 IN ('earned', '-earned') THEN (  -- only this order needs it
                 SELECT coalesce(sum(e.amount), 0) * CASE $5 WHEN 'earned' THEN 1 ELSE -1 END FROM earnings e
                 WHERE e.operator_id = f.owner_id AND e.node_id = f.id AND e.earned_at >= $6
                   AND e.state NOT IN ('REVERSED', 'FORFEITED')) END,
             CASE WHEN $5 IN ('work', '-work') THEN (
                 SELECT count(*) * CASE $5 WHEN 'work' THEN 1 ELSE -1 END FROM at_nodes u
                 WHERE u.node_id = f.id) END,
             CASE WHEN $5 IN ('pong', '-pong') THEN array_position($9::uuid[], f.id) END NULLS LAST,
             f.created_at DESC, f.id DESC
    LIMIT $7 OFFSET $8
), earned AS (
    SELECT e.node_id, sum(e.amount)::bigint AS amount
    FROM (SELECT DISTINCT owner_id FROM page) o
    JOIN earnings e ON e.operator_id = o.owner_id
    WHERE e.earned_at >= $6 AND e.state NOT IN ('REVERSED', 'FORFEITED') GROUP BY e.node_id
)
SELECT p.id, p.owner_id, p.email, p.name, p.capabilities, p.metadata, p.status, p.standing, p.standing_by, p.standing_reason,
       p.current_load, p.verified_at, p.seen_at, p.created_at, p.failing_since, w.job_id, w.unit, w.job_type,
       w.state AS unit_state, w.assigned_at, coalesce(w.units, 0) AS units, coalesce(e.amount, 0) AS earned
FROM page p
LEFT JOIN earned e ON e.node_id = p.id
LEFT JOIN LATERAL (
    SELECT u.job_id, u.unit, j.job_type, u.state, u.assigned_at, count(*) OVER () AS units
    FROM at_nodes u JOIN jobs j ON j.id = u.job_id
    WHERE u.node_id = p.id
    ORDER BY u.state = 'VERIFYING', u.state DESC, u.assigned_at, u.job_id, u.unit LIMIT 1) w ON true
ORDER BY CASE $5 WHEN 'name' THEN p.name WHEN 'status' THEN p.status
                 WHEN 'standing' THEN p.standing WHEN 'owner' THEN p.email END,
         CASE $5 WHEN '-name' THEN p.name WHEN '-status' THEN p.status
                 WHEN '-standing' THEN p.standing WHEN '-owner' THEN p.email END DESC NULLS LAST,
         CASE $5 WHEN 'load' THEN p.current_load END,
         CASE $5 WHEN '-load' THEN p.current_load END DESC NULLS LAST,
         CASE $5 WHEN 'seen' THEN p.seen_at WHEN 'created' THEN p.created_at END,
         CASE $5 WHEN '-seen' THEN p.seen_at END DESC NULLS LAST,
         CASE $5 WHEN 'earned' THEN coalesce(e.amount, 0) WHEN '-earned' THEN -coalesce(e.amount, 0) END,
         CASE $5 WHEN 'work' THEN coalesce(w.units, 0) WHEN '-work' THEN -coalesce(w.units, 0) END,
         CASE WHEN $5 IN ('pong', '-pong') THEN array_position($9::uuid[], p.id) END NULLS LAST,
         p.created_at DESC, p.id DESC;

-- name: node_view_activity
-- What nodes $1 finished since $2, of at most the last $3 units of each: pictures that each are a whole frame, the
-- frames of other units, and the seconds in which the node was at work, until it delivered. Also the newest picture that
-- the node itself rendered of the units that it has or finished last.
SELECT n.id AS node, d.singles, d.spans, d.seconds, p.job_id, p.unit, p.attempt, p.frame, p.made_at
FROM unnest($1::uuid[]) AS n (id)
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE l.tile IS NULL AND coalesce(l.frames, '1') ~ '^-?[0-9]+$') AS singles,
           coalesce(array_agg(l.frames) FILTER (WHERE l.tile IS NULL AND l.frames !~ '^-?[0-9]+$'), '{}') AS spans,
           coalesce((SELECT extract(epoch FROM sum(upper(span) - lower(span)))
                     FROM unnest(range_agg(tstzrange(greatest(l.started_at, $2), l.ended_at))
                                 FILTER (WHERE greatest(l.started_at, $2) <= l.ended_at)) AS span), 0)::float8 AS seconds
    FROM (SELECT greatest(u.started_at, u.assigned_at) AS started_at, least(u.ended_at, c.opened_at) AS ended_at,
                 u.frames, u.tile
          FROM units u
          LEFT JOIN checks c ON c.job_id = u.job_id AND c.unit = u.number AND c.attempt = u.attempt
          WHERE u.node_id = n.id AND u.ended_at >= $2 AND u.state = 'COMPLETED'
          ORDER BY u.ended_at DESC LIMIT $3) l) d
LEFT JOIN LATERAL (
    SELECT t.job_id, t.unit, t.attempt, t.frame, t.made_at
    FROM ((SELECT a.job_id, a.unit, a.attempt FROM at_nodes a WHERE a.node_id = n.id ORDER BY a.state DESC, a.assigned_at LIMIT 4)
          UNION ALL
          (SELECT u.job_id, u.number, u.attempt FROM units u WHERE u.node_id = n.id AND u.ended_at >= $2 AND u.state = 'COMPLETED'
           ORDER BY u.ended_at DESC LIMIT 4)) w
    JOIN units u ON u.job_id = w.job_id AND u.number = w.unit
    JOIN thumbnails t ON t.job_id = w.job_id AND t.unit = w.unit AND t.attempt = w.attempt
         AND t.frame >= coalesce(substring(u.frames FROM '^-?[0-9]+')::integer, -2147483648)
         AND t.frame <= coalesce(substring(u.frames FROM '^-?[0-9]+')::integer, 2147483647)
    ORDER BY t.made_at DESC LIMIT 1) p ON true;

-- name: node_view_counts
-- Count the nodes that match $2, by status and standing; embedded verifiers, which do not render, on rows of their own.
SELECT n.status, n.standing, n.is_embedded, count(*) AS count
FROM nodes n LEFT JOIN users u ON u.id = n.owner_id
WHERE ($1::uuid IS NULL OR n.owner_id = $1)
  AND ($2::text IS NULL OR strpos(lower(n.name), lower($2)) > 0
       OR starts_with(n.id::text, lower($2)) OR strpos(lower(u.email), lower($2)) > 0
       OR EXISTS (SELECT FROM unnest(n.capabilities) c WHERE strpos(lower(c), lower($2)) > 0))
GROUP BY n.status, n.standing, n.is_embedded;

-- name: node_view_units
-- A node's running units, then its queued ones.
SELECT u.job_id, u.unit, w.frames, w.tile, string_to_array(j.plan -> 'spec' ->> 'tiles', 'x')::int[] AS grid, u.attempt, u.state, j.job_type, u.assigned_at, u.started_at,
       u.lease_until
FROM at_nodes u JOIN jobs j ON j.id = u.job_id
JOIN units w ON w.job_id = u.job_id AND w.number = u.unit
WHERE u.node_id = $1
ORDER BY u.state DESC, u.assigned_at, u.job_id, u.unit LIMIT $2;

-- name: node_view_earnings
-- The last $4 earnings of owner $1 by a node since $3, newest first, with the entry that pays each.
WITH newest AS (
    SELECT id, job_id, unit, amount, state, earned_at FROM earnings
    WHERE operator_id = $1 AND node_id = $2 AND earned_at >= $3
    ORDER BY earned_at DESC, id DESC LIMIT $4
)
SELECT e.*, w.frames, w.tile, string_to_array(j.plan -> 'spec' ->> 'tiles', 'x')::int[] AS grid, j.job_type,
       EXISTS (SELECT FROM receipts r
               WHERE r.job_id = e.job_id AND r.unit = e.unit) AS has_receipt,
       (SELECT s.entry_id FROM share_entries s WHERE s.share_id = e.id) AS entry_id,
       (SELECT CASE WHEN d.by_gateway THEN d.decision ELSE '' END FROM disputes d
        WHERE e.state = 'REVERSED' AND d.job_id = e.job_id AND d.unit = e.unit) AS decision,
       (SELECT d.id FROM disputes d WHERE d.job_id = e.job_id AND d.unit = e.unit) AS dispute
FROM newest e JOIN jobs j ON j.id = e.job_id
LEFT JOIN units w ON w.job_id = e.job_id AND w.number = e.unit
ORDER BY e.earned_at DESC, e.id DESC;

-- name: node_view_earned
-- The earnings of owner $1 by a node since $3, and the number of units.
SELECT coalesce(sum(amount), 0)::bigint AS amount, count(*) AS units FROM earnings
WHERE operator_id = $1 AND node_id = $2 AND earned_at >= $3 AND state NOT IN ('REVERSED', 'FORFEITED');

-- name: node_view_owner
-- The e-mail address of a user.
SELECT email FROM users WHERE id = $1;

-- name: nodes_erase
-- Revoke the nodes of a user, with those that they registered and that have not proved their key yet, and erase what
-- their owner said of them. Challenges that they have not answered end.
WITH asked AS (
    DELETE FROM node_challenges WHERE owner_id = $1 RETURNING node_id
)
UPDATE nodes
SET name = 'deleted', metadata = '{}',
    standing_version = standing_version + (standing <> 'REVOKED')::integer,
    standing_reason = CASE WHEN standing = 'REVOKED' THEN standing_reason ELSE 'its owner has deleted their account' END,
    standing_at = CASE WHEN standing = 'REVOKED' THEN standing_at ELSE now() END,
    standing_by = CASE WHEN standing = 'REVOKED' THEN standing_by ELSE 'OWNER' END,
    standing = 'REVOKED'
WHERE owner_id = $1 OR (owner_id IS NULL AND verified_at IS NULL AND id IN (SELECT node_id FROM asked));

-- name: nodes_beginning
-- At most two ids of nodes from $1 to $2, of one owner ($3; null: of all).
SELECT id FROM nodes WHERE id BETWEEN $1 AND $2 AND ($3::uuid IS NULL OR owner_id = $3) ORDER BY id LIMIT 2;

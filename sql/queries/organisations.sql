-- Organisations, whose members may use the nodes lent to them; and trust between users.

-- name: organisation_found
-- Insert an organisation with its first owner; no row if the user is a member of $5 already. Invitations do not
-- count, as other users send them.
WITH made AS (
    INSERT INTO organisations (id, name, created_at)
    SELECT $1, $2, $4
    WHERE (SELECT count(*) FROM organisation_members
           WHERE user_id = $3 AND joined_at IS NOT NULL) < $5
    RETURNING id, name, created_at
), member AS (
    INSERT INTO organisation_members (organisation_id, user_id, role, invited_at, joined_at)
    SELECT id, $3, 'owner', $4, $4 FROM made
)
SELECT id, name, created_at FROM made;

-- name: organisations_of_user
-- A user's organisations, and the newest $2 invitations, by name.
SELECT o.id, o.name, o.created_at, m.role, m.joined_at IS NOT NULL AS joined,
       (SELECT count(*) FROM organisation_members x
        WHERE x.organisation_id = o.id AND x.joined_at IS NOT NULL) AS members,
       (SELECT count(*) FROM organisation_nodes n WHERE n.organisation_id = o.id) AS nodes
FROM organisation_members m JOIN organisations o ON o.id = m.organisation_id
WHERE m.user_id = $1 AND (m.joined_at IS NOT NULL OR m.organisation_id IN (
    SELECT organisation_id FROM organisation_members
    WHERE user_id = $1 AND joined_at IS NULL ORDER BY invited_at DESC, organisation_id LIMIT $2))
ORDER BY o.name, o.id;

-- name: organisation_lock
-- Lock an organisation and return the user's membership, so that changes of members are serialised.
SELECT o.id, o.name, m.role, m.joined_at IS NOT NULL AS joined
FROM organisations o
JOIN organisation_members m ON m.organisation_id = o.id AND m.user_id = $2
WHERE o.id = $1 FOR UPDATE OF o;

-- name: organisation_member_list
-- The members, oldest first, then open invitations. For an invited address nothing else is returned, so that one with
-- an account looks like one without.
SELECT m.user_id, u.email, u.name, m.role, m.invited_at, m.joined_at
FROM organisation_members m JOIN users u ON u.id = m.user_id
WHERE m.organisation_id = $1 AND m.joined_at IS NOT NULL
UNION ALL
SELECT NULL, lower(u.email), '', m.role, m.invited_at, NULL
FROM organisation_members m JOIN users u ON u.id = m.user_id
WHERE m.organisation_id = $1 AND m.joined_at IS NULL
UNION ALL
SELECT NULL, email, '', role, since, NULL FROM unknown_addresses WHERE organisation_id = $1
ORDER BY joined_at NULLS LAST, invited_at, email;

-- name: organisation_node_list
-- The nodes that are lent to an organisation.
SELECT n.id AS node_id, n.name, n.owner_id, n.status, l.lent_at
FROM organisation_nodes l JOIN nodes n ON n.id = l.node_id
WHERE l.organisation_id = $1 ORDER BY l.lent_at, n.id;

-- name: organisation_invite
-- Invite an address; one without an account is stored as unknown. ``already``: it is invited, or a member's;
-- ``room``: fewer than $6 are members or invited, fewer than $7 are invited, and fewer than $8 are invited by $4, to
-- any organisation.
WITH known AS (
    SELECT id FROM users WHERE lower(email) = lower($2)
), unknown AS (
    SELECT email FROM unknown_addresses WHERE organisation_id = $1
), sent AS (
    SELECT (SELECT count(*) FROM organisation_members WHERE invited_by = $4 AND joined_at IS NULL)
         + (SELECT count(*) FROM unknown_addresses
            WHERE user_id = $4 AND organisation_id IS NOT NULL) AS number
), here AS (
    SELECT EXISTS (SELECT FROM organisation_members
                   WHERE organisation_id = $1 AND user_id IN (SELECT id FROM known))
               OR lower($2) IN (SELECT email FROM unknown) AS already,
           count(*) + (SELECT count(*) FROM unknown) < $6
               AND count(*) FILTER (WHERE joined_at IS NULL)
                   + (SELECT count(*) FROM unknown) < $7
               AND (SELECT number FROM sent) < $8 AS room
    FROM organisation_members WHERE organisation_id = $1
), member AS (
    INSERT INTO organisation_members (organisation_id, user_id, role, invited_by, invited_at)
    SELECT $1, known.id, $3, $4, $5 FROM known, here WHERE NOT already AND room
    ON CONFLICT DO NOTHING
), stranger AS (
    INSERT INTO unknown_addresses (user_id, organisation_id, email, role, since)
    SELECT $4, $1, lower($2), $3, $5 FROM here
    WHERE NOT already AND room AND NOT EXISTS (SELECT FROM known)
    ON CONFLICT DO NOTHING
)
SELECT already, room FROM here;

-- name: organisation_withdraw
-- Withdraw an open invitation, whether or not the address ($2, in lower case) has an account; no row if there is
-- none.
WITH member AS (
    DELETE FROM organisation_members m USING users u
    WHERE m.user_id = u.id AND m.organisation_id = $1 AND m.joined_at IS NULL AND lower(u.email) = $2
    RETURNING m.user_id
), stranger AS (
    DELETE FROM unknown_addresses WHERE organisation_id = $1 AND email = $2 RETURNING user_id
)
SELECT user_id FROM member UNION ALL SELECT user_id FROM stranger LIMIT 1;

-- name: organisation_join
-- Accept an invitation; no row if there is none, or the user is a member already.
UPDATE organisation_members SET joined_at = $3
WHERE organisation_id = $1 AND user_id = $2 AND joined_at IS NULL RETURNING user_id;

-- name: organisation_role
-- Change a member's role; no row if they are not a member.
UPDATE organisation_members SET role = $3
WHERE organisation_id = $1 AND user_id = $2 AND joined_at IS NOT NULL RETURNING user_id;

-- name: organisation_owners
-- Count an organisation's owners, without the user $2.
SELECT count(*) AS count FROM organisation_members
WHERE organisation_id = $1 AND user_id <> $2 AND role = 'owner' AND joined_at IS NOT NULL;

-- name: organisation_leave
-- Remove member $2; or their invitation, if they decline it themselves ($3: the caller).
DELETE FROM organisation_members
WHERE organisation_id = $1 AND user_id = $2 AND (joined_at IS NOT NULL OR user_id = $3)
RETURNING user_id;

-- name: organisation_take_back
-- End the loans of a user who left the organisation.
DELETE FROM organisation_nodes l USING nodes n
WHERE l.node_id = n.id AND l.organisation_id = $1 AND n.owner_id = $2;

-- name: organisation_end
-- Delete an organisation, with memberships and loans.
DELETE FROM organisations WHERE id = $1 RETURNING id;

-- name: organisation_lend
-- Lend one's own node to an organisation, instead of to its present one; no row if the node is another user's.
INSERT INTO organisation_nodes (node_id, organisation_id, lent_at)
SELECT id, $1, $4 FROM nodes WHERE id = $2 AND owner_id = $3
ON CONFLICT (node_id) DO UPDATE SET organisation_id = $1, lent_at = $4
RETURNING node_id;

-- name: organisation_unlend
-- End a loan: by the node's owner ($3), or by an owner of the organisation ($3 null).
DELETE FROM organisation_nodes l USING nodes n
WHERE l.node_id = n.id AND l.organisation_id = $1 AND l.node_id = $2
  AND ($3::uuid IS NULL OR n.owner_id = $3)
RETURNING l.node_id;

-- name: trust_list
-- The addresses that a user trusts; those with and without an account look alike.
SELECT email, min(since) AS since FROM (
    SELECT lower(u.email) AS email, t.since FROM trusts t JOIN users u ON u.id = t.trusted_id
    WHERE t.user_id = $1
    UNION ALL
    SELECT email, since FROM unknown_addresses WHERE user_id = $1 AND organisation_id IS NULL
) AS addressed
GROUP BY email ORDER BY email;

-- name: trust_add
-- Trust an address; one without an account is stored as unknown. ``already``: it is trusted; ``room``: the user
-- trusts fewer than $4 addresses.
WITH known AS (
    SELECT id FROM users WHERE lower(email) = lower($2)
), unknown AS (
    SELECT email FROM unknown_addresses WHERE user_id = $1 AND organisation_id IS NULL
), here AS (
    SELECT coalesce(bool_or(trusted_id IN (SELECT id FROM known)), false)
               OR lower($2) IN (SELECT email FROM unknown) AS already,
           count(*) + (SELECT count(*) FROM unknown) < $4 AS room
    FROM trusts WHERE user_id = $1
), trusted AS (
    INSERT INTO trusts (user_id, trusted_id, since)
    SELECT $1, known.id, $3 FROM known, here WHERE NOT already AND room
    ON CONFLICT DO NOTHING
), stranger AS (
    INSERT INTO unknown_addresses (user_id, email, since)
    SELECT $1, lower($2), $3 FROM here WHERE NOT already AND room AND NOT EXISTS (SELECT FROM known)
    ON CONFLICT DO NOTHING
)
SELECT already, room FROM here;

-- name: trust_end
-- Stop trusting an address ($2, in lower case); no row if it was not trusted.
WITH trusted AS (
    DELETE FROM trusts t USING users u
    WHERE t.trusted_id = u.id AND t.user_id = $1 AND lower(u.email) = $2 RETURNING t.trusted_id
), stranger AS (
    DELETE FROM unknown_addresses
    WHERE user_id = $1 AND organisation_id IS NULL AND email = $2 RETURNING user_id
)
SELECT trusted_id FROM trusted UNION ALL SELECT user_id FROM stranger LIMIT 1;

-- name: access_circles
-- Relations between users: members of organisations, nodes that members lent, and trust.
SELECT 'member' AS kind, user_id AS one, organisation_id AS other FROM organisation_members
WHERE joined_at IS NOT NULL
UNION ALL
SELECT 'lent', l.node_id, l.organisation_id FROM organisation_nodes l
JOIN nodes n ON n.id = l.node_id
JOIN organisation_members m
  ON m.organisation_id = l.organisation_id AND m.user_id = n.owner_id AND m.joined_at IS NOT NULL
UNION ALL
SELECT 'trust', user_id, trusted_id FROM trusts;

-- name: trusts_erase
-- Delete the trust in a user, and theirs.
DELETE FROM trusts WHERE user_id = $1 OR trusted_id = $1;

-- name: unknown_addresses_erase
-- Delete the addresses without an account that a user trusts or has invited.
DELETE FROM unknown_addresses WHERE user_id = $1;

-- name: organisations_erase
-- Delete the organisations whose only member is the user.
DELETE FROM organisations o
WHERE EXISTS (SELECT FROM organisation_members m WHERE m.organisation_id = o.id AND m.user_id = $1
              AND m.joined_at IS NOT NULL)
  AND NOT EXISTS (SELECT FROM organisation_members m WHERE m.organisation_id = o.id AND m.user_id <> $1
                  AND m.joined_at IS NOT NULL);

-- name: memberships_erase
-- End the memberships of a user, and delete invitations to them.
DELETE FROM organisation_members WHERE user_id = $1;

-- name: loans_erase
-- End the loans of a user's nodes.
DELETE FROM organisation_nodes l USING nodes n WHERE l.node_id = n.id AND n.owner_id = $1;

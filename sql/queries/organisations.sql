-- Organisations: people who may use each other's nodes, as far as those are lent; and who trusts whom.

-- name: organisation_found
-- A new one with its first owner; no row when he is a member of $5 already.
WITH made AS (
    INSERT INTO organisations (id, name, created_at)
    SELECT $1, $2, $4
    WHERE (SELECT count(*) FROM organisation_members WHERE user_id = $3 AND joined_at IS NOT NULL) < $5
    RETURNING id, name, created_at
), member AS (
    INSERT INTO organisation_members (organisation_id, user_id, role, invited_at, joined_at)
    SELECT id, $3, 'owner', $4, $4 FROM made
)
SELECT id, name, created_at FROM made;

-- name: organisations_of_user
-- Those that he is a member of, or invited to, by name.
SELECT o.id, o.name, o.created_at, m.role, m.joined_at IS NOT NULL AS joined,
       (SELECT count(*) FROM organisation_members x
        WHERE x.organisation_id = o.id AND x.joined_at IS NOT NULL) AS members,
       (SELECT count(*) FROM organisation_nodes n WHERE n.organisation_id = o.id) AS nodes
FROM organisation_members m JOIN organisations o ON o.id = m.organisation_id
WHERE m.user_id = $1 ORDER BY o.name, o.id;

-- name: organisation_lock
-- What a user is in it; whoever changes its members waits for the others who do.
SELECT o.id, o.name, m.role, m.joined_at IS NOT NULL AS joined
FROM organisations o
JOIN organisation_members m ON m.organisation_id = o.id AND m.user_id = $2
WHERE o.id = $1 FOR UPDATE OF o;

-- name: organisation_member_list
-- Its members and those who are invited, who came first first.
SELECT m.user_id, u.email, u.name, m.role, m.invited_at, m.joined_at
FROM organisation_members m JOIN users u ON u.id = m.user_id
WHERE m.organisation_id = $1 ORDER BY m.joined_at NULLS LAST, m.invited_at, m.user_id;

-- name: organisation_node_list
-- The nodes that are lent to it.
SELECT n.id AS node_id, n.name, n.owner_id, n.status, l.lent_at
FROM organisation_nodes l JOIN nodes n ON n.id = l.node_id
WHERE l.organisation_id = $1 ORDER BY l.lent_at, n.id;

-- name: organisation_invite
-- Ask somebody in; no row when he is in, or was asked, or there are $6 already.
INSERT INTO organisation_members (organisation_id, user_id, role, invited_by, invited_at)
SELECT $1, $2, $3, $4, $5
WHERE (SELECT count(*) FROM organisation_members WHERE organisation_id = $1) < $6
ON CONFLICT DO NOTHING RETURNING user_id;

-- name: organisation_join
-- Accept; no row when he was not asked, or is in.
UPDATE organisation_members SET joined_at = $3
WHERE organisation_id = $1 AND user_id = $2 AND joined_at IS NULL RETURNING user_id;

-- name: organisation_role
-- Another role of a member; no row when he is none.
UPDATE organisation_members SET role = $3 WHERE organisation_id = $1 AND user_id = $2
RETURNING user_id;

-- name: organisation_owners
-- How many owners it has, besides the user $2.
SELECT count(*) AS count FROM organisation_members
WHERE organisation_id = $1 AND user_id <> $2 AND role = 'owner' AND joined_at IS NOT NULL;

-- name: organisation_leave
-- Out with a member, or with an invitation.
DELETE FROM organisation_members WHERE organisation_id = $1 AND user_id = $2 RETURNING user_id;

-- name: organisation_take_back
-- The nodes of somebody who left.
DELETE FROM organisation_nodes l USING nodes n
WHERE l.node_id = n.id AND l.organisation_id = $1 AND n.owner_id = $2;

-- name: organisation_end
-- It is no more; with it go memberships and loans.
DELETE FROM organisations WHERE id = $1 RETURNING id;

-- name: organisation_lend
-- Lend a node of one's own to it, and to no other any more; no row when it is another's.
INSERT INTO organisation_nodes (node_id, organisation_id, lent_at)
SELECT id, $1, $4 FROM nodes WHERE id = $2 AND owner_id = $3
ON CONFLICT (node_id) DO UPDATE SET organisation_id = $1, lent_at = $4
RETURNING node_id;

-- name: organisation_unlend
-- It is lent no more: by its owner ($3), or by an owner of the organisation (null).
DELETE FROM organisation_nodes l USING nodes n
WHERE l.node_id = n.id AND l.organisation_id = $1 AND l.node_id = $2
  AND ($3::uuid IS NULL OR n.owner_id = $3)
RETURNING l.node_id;

-- name: trust_list
-- Whom a user trusts, by address.
SELECT t.trusted_id AS user_id, u.email, u.name, t.since
FROM trusts t JOIN users u ON u.id = t.trusted_id
WHERE t.user_id = $1 ORDER BY u.email, t.trusted_id;

-- name: trust_add
-- Trust somebody; no row when one does already, or trusts $4.
INSERT INTO trusts (user_id, trusted_id, since)
SELECT $1, $2, $3 WHERE (SELECT count(*) FROM trusts WHERE user_id = $1) < $4
ON CONFLICT DO NOTHING RETURNING trusted_id;

-- name: trust_end
-- Trust him no more; no row when one did not.
DELETE FROM trusts WHERE user_id = $1 AND trusted_id = $2 RETURNING trusted_id;

-- Invitations to open an account.

-- name: invitations_lock
-- Serialise insertions, as open invitations are counted before.
SELECT pg_advisory_xact_lock(hashtext('invitations'));

-- name: invitation_insert
-- Insert an invitation; no row if $7 are open. $8: its admin, if one made it.
INSERT INTO invitations (id, sha256, email, created_at, created_by, expires_at, made_by)
SELECT $1, $2, $3, $4, $5, $6, $8
WHERE (SELECT count(*) FROM invitations
       WHERE used_at IS NULL AND revoked_at IS NULL AND expires_at > $4) < $7
RETURNING id, email, created_at, created_by, expires_at;

-- name: invitation_is_open
-- The invitation, if the address $2 may use it now.
SELECT id FROM invitations
WHERE sha256 = $1 AND used_at IS NULL AND revoked_at IS NULL AND expires_at > $3
  AND (email IS NULL OR lower(email) = lower($2));

-- name: invitation_lock
-- The same, locked until the transaction ends: of several uses at once, the first gets the row.
SELECT id FROM invitations
WHERE sha256 = $1 AND used_at IS NULL AND revoked_at IS NULL AND expires_at > $3
  AND (email IS NULL OR lower(email) = lower($2))
FOR UPDATE;

-- name: invitation_use
-- Record that a user opened an account with the invitation.
UPDATE invitations SET used_at = $2, used_by = $3 WHERE id = $1;

-- name: invitation_page
-- Open invitations, newest first.
SELECT id, email, created_at, created_by, expires_at FROM invitations
WHERE used_at IS NULL AND revoked_at IS NULL AND expires_at > $1
ORDER BY created_at DESC, id DESC
LIMIT $2 OFFSET $3;

-- name: invitation_count
-- Count open invitations.
SELECT count(*) AS count FROM invitations
WHERE used_at IS NULL AND revoked_at IS NULL AND expires_at > $1;

-- name: invitation_revoke
-- Revoke an open invitation; no row if it was used, or was revoked before.
UPDATE invitations SET revoked_at = $2
WHERE id = $1 AND used_at IS NULL AND revoked_at IS NULL
RETURNING id;

-- name: invitation_purge
-- Delete invitations long after they expired; the audit log keeps who was invited.
DELETE FROM invitations WHERE expires_at < $1;

-- name: invitations_erase_unused
-- Delete the invitations for a user's address that are not used.
DELETE FROM invitations i USING users u WHERE u.id = $1 AND i.used_at IS NULL AND lower(i.email) = lower(u.email);

-- name: invitations_erase
-- Remove the address from the invitation by which a user opened their account.
UPDATE invitations SET email = NULL WHERE used_by = $1;

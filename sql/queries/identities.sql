-- Identities of users at providers of OpenID Connect, and sign-ins that wait for a provider.

-- name: identity_use
-- The user of an identity; the use and the address that the provider tells are noted.
UPDATE identities i SET used_at = $3, email = $4 FROM users u
WHERE i.issuer = $1 AND i.subject = $2 AND u.id = i.user_id
RETURNING u.id AS "user", u.password_hash, u.role, u.is_active;

-- name: identity_account
-- Insert a user without a password; no row if the e-mail is taken.
INSERT INTO users (id, email, name, password_hash, has_password, verified_at) VALUES ($1, $2, $3, $4, false, $5)
ON CONFLICT (lower(email)) DO NOTHING
RETURNING id;

-- name: identity_insert
-- Link an identity to a user; no row if it is linked to a user, or if the session $7 is given and has ended.
INSERT INTO identities (issuer, subject, id, user_id, email, created_at, used_at)
SELECT $1, $2, $3, id, $5, $6, $6 FROM users WHERE id = $4 AND is_active
  AND ($7::uuid IS NULL OR EXISTS (SELECT FROM refresh_families WHERE sid = $7 AND user_id = $4 AND revoked_at IS NULL))
ON CONFLICT (issuer, subject) DO NOTHING
RETURNING id;

-- name: identity_owner
-- The user to whom an identity is linked.
SELECT user_id FROM identities WHERE issuer = $1 AND subject = $2;

-- name: identity_role
-- Set the role that a provider's groups decide; no row if the user has it, or is the last admin. A trigger ends the
-- sessions, whose tokens contain the old role.
UPDATE users u SET role = $2
WHERE id = $1 AND role = $3 AND role <> $2 AND is_active
  AND (role <> 'admin' OR EXISTS (SELECT FROM users o WHERE o.id <> u.id AND o.role = 'admin' AND o.is_active))
RETURNING email;

-- name: identities_of
-- The identities of a user, the oldest first.
SELECT id, issuer, email, created_at, used_at FROM identities WHERE user_id = $1 ORDER BY created_at, id;

-- name: identity_unlink
-- Unlink an identity of user $1; no row if it is not theirs, or if they could no longer sign in: without a password, they
-- need another identity at one of the issuers $3.
DELETE FROM identities i USING users u
WHERE i.id = $2 AND i.user_id = $1 AND u.id = i.user_id
  AND (u.has_password OR EXISTS (SELECT FROM identities o
                                 WHERE o.user_id = $1 AND o.id <> $2 AND o.issuer = ANY($3::text[])))
RETURNING i.id;

-- name: identities_unverified_unlink
-- Unlink the identities of a user that were linked before the address was verified: somebody else may have linked them.
DELETE FROM identities i USING users u
WHERE i.user_id = $1 AND u.id = $1 AND i.created_at < u.verified_at
RETURNING i.id;

-- name: identities_erase
-- Unlink all identities of a user.
DELETE FROM identities WHERE user_id = $1;

-- name: provider_sign_in_insert
-- Insert a sign-in that waits for a provider.
INSERT INTO provider_sign_ins
    (sha256, issuer, purpose, redirect_uri, next, user_id, session, invitation_sha256, expires_at, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: provider_sign_in_take
-- End a sign-in that waits, and return it; no row if it has ended.
DELETE FROM provider_sign_ins WHERE sha256 = $1
RETURNING issuer, purpose, redirect_uri, next, user_id, session, invitation_sha256, expires_at;

-- name: provider_sign_ins_erase
-- Delete all sign-ins of a user that wait for a provider.
DELETE FROM provider_sign_ins WHERE user_id = $1;

-- name: provider_sign_ins_purge
-- Delete sign-ins that expired before $1.
DELETE FROM provider_sign_ins WHERE expires_at < $1;

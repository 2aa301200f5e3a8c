-- What the settings' page lists of keys and of what Stripe told us.

-- name: settings_keys
-- Keys of all users that were not revoked, newest first, with $1 in their name or their owner's.
SELECT k.id, k.user_id, u.email, k.name, k.hint, k.scopes, k.created_at, k.expires_at, k.used_at
FROM api_keys k JOIN users u ON u.id = k.user_id
WHERE k.revoked_at IS NULL
  AND ($1::text = '' OR position(lower($1) IN lower(u.email || ' ' || k.name)) > 0)
ORDER BY k.created_at DESC, k.id
LIMIT $2 OFFSET $3;

-- name: settings_events
-- Events of Stripe's, newest first, with $1 in one of their words.
SELECT id, type, object, outcome, received_at FROM stripe_events
WHERE $1::text = '' OR position(lower($1) IN lower(id || ' ' || type || ' ' || object || ' ' || outcome)) > 0
ORDER BY received_at DESC, id
LIMIT $2 OFFSET $3;

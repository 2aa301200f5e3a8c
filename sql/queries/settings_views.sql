-- Lists for the console's settings page: API keys, Stripe events and endpoints.

-- name: settings_keys
-- Keys of all users that are not revoked, newest first, with $1 in their name or their owner's e-mail.
SELECT k.id, k.user_id, u.email, k.name, k.hint, k.scopes, k.created_at, k.expires_at, k.used_at
FROM api_keys k JOIN users u ON u.id = k.user_id
WHERE k.revoked_at IS NULL
  AND ($1::text = '' OR position(lower($1) IN lower(u.email || ' ' || k.name)) > 0)
ORDER BY k.created_at DESC, k.id
LIMIT $2 OFFSET $3;

-- name: settings_events
-- Stripe events, newest first, with $1 in one of the columns.
SELECT id, type, object, outcome, received_at FROM stripe_events
WHERE $1::text = '' OR position(lower($1) IN lower(id || ' ' || type || ' ' || object || ' ' || outcome)) > 0
ORDER BY received_at DESC, id
LIMIT $2 OFFSET $3;

-- name: settings_endpoints
-- Endpoints of all users, newest first, with $1 in the visible part of the URL or in the owner's e-mail; the hidden
-- parts, which may be secret, are not searched.
SELECT p.id, p.user_id, u.email, p.url, p.types, p.failing_since, p.disabled_at, p.disabled_reason,
       p.created_at
FROM endpoints p JOIN users u ON u.id = p.user_id
WHERE $1::text = '' OR position(lower($1) IN lower(
    u.email || ' ' || regexp_replace(split_part(p.url, '?', 1), '//[^/]*@', '//'))) > 0
ORDER BY p.created_at DESC, p.id
LIMIT $2;

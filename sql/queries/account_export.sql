-- Everything that is stored of a person, for themselves: pages of JSON rows, without secrets. Each query returns at
-- most $3 rows of user $1 after the row with the place $2 ('': from the beginning). Amounts are credits.

-- name: export_sessions
-- Sessions, also those that have ended.
SELECT sid::text AS place, jsonb_build_object(
    'id', sid, 'client', client, 'created_at', created_at, 'last_used_at', rotated_at, 'expires_at', expires_at,
    'ended_at', revoked_at) AS item
FROM refresh_families WHERE user_id = $1::uuid AND sid::text > $2::text ORDER BY sid::text LIMIT $3::integer;

-- name: export_keys
-- API keys.
SELECT id::text AS place, jsonb_build_object(
    'id', id, 'name', name, 'hint', hint, 'scopes', scopes, 'created_at', created_at, 'expires_at', expires_at,
    'last_used_at', used_at, 'revoked_at', revoked_at) AS item
FROM api_keys WHERE user_id = $1::uuid AND id::text > $2::text ORDER BY id::text LIMIT $3::integer;

-- name: export_factors
-- The authenticator app and the passkeys, without their secrets.
SELECT f.place, f.item
FROM (SELECT 'app' AS place, jsonb_build_object('kind', 'app', 'since', confirmed_at) AS item
      FROM authenticators WHERE user_id = $1::uuid
      UNION ALL
      SELECT 'passkey:' || id, jsonb_build_object(
          'kind', 'passkey', 'name', name, 'host', rp_id, 'since', created_at, 'last_used_at', used_at)
      FROM passkeys WHERE user_id = $1) f
WHERE f.place > $2::text ORDER BY f.place LIMIT $3::integer;

-- name: export_identities
-- Identities at providers of OpenID Connect.
SELECT id::text AS place, jsonb_build_object(
    'issuer', issuer, 'subject', subject, 'email', email, 'since', created_at, 'last_used_at', used_at) AS item
FROM identities WHERE user_id = $1::uuid AND id::text > $2::text ORDER BY id::text LIMIT $3::integer;

-- name: export_mails
-- Mails of the last days.
SELECT id::text AS place, jsonb_build_object(
    'kind', kind, 'about', about, 'state', lower(state), 'created_at', created_at, 'ended_at', ended_at) AS item
FROM mails WHERE user_id = $1::uuid AND id::text > $2::text ORDER BY id::text LIMIT $3::integer;

-- name: export_organisations
-- Memberships and invitations.
SELECT o.id::text AS place, jsonb_build_object(
    'id', o.id, 'name', o.name, 'role', m.role, 'invited_at', m.invited_at, 'joined_at', m.joined_at) AS item
FROM organisation_members m JOIN organisations o ON o.id = m.organisation_id
WHERE m.user_id = $1::uuid AND o.id::text > $2::text ORDER BY o.id::text LIMIT $3::integer;

-- name: export_trusted
-- Addresses that the user trusts or has invited. Those with and without an account look alike; an invitation ends when it
-- is accepted.
SELECT t.place, jsonb_build_object('email', t.email, 'organisation_id', t.organisation_id, 'since', t.since) AS item
FROM (SELECT 'trusted:' || lower(u.email) AS place, lower(u.email) AS email, NULL::uuid AS organisation_id, t.since
      FROM trusts t JOIN users u ON u.id = t.trusted_id WHERE t.user_id = $1::uuid
      UNION ALL
      SELECT m.organisation_id::text || ':' || lower(u.email), lower(u.email), m.organisation_id, m.invited_at
      FROM organisation_members m JOIN users u ON u.id = m.user_id
      WHERE m.invited_by = $1 AND m.joined_at IS NULL
      UNION ALL
      SELECT coalesce(organisation_id::text, 'trusted') || ':' || email, email, organisation_id, since
      FROM unknown_addresses WHERE user_id = $1) t
WHERE t.place > $2::text ORDER BY t.place LIMIT $3::integer;

-- name: export_webhooks
-- Webhook endpoints.
SELECT id::text AS place, jsonb_build_object(
    'id', id, 'url', url, 'types', types, 'created_at', created_at, 'disabled_at', disabled_at) AS item
FROM endpoints WHERE user_id = $1::uuid AND id::text > $2::text ORDER BY id::text LIMIT $3::integer;

-- name: export_nodes
-- Nodes, with the addresses of their last connections.
SELECT n.id::text AS place, jsonb_build_object(
    'id', n.id, 'name', n.name, 'capabilities', n.capabilities, 'metadata', n.metadata, 'status', n.status,
    'standing', n.standing, 'created_at', n.created_at, 'last_seen_at', n.seen_at, 'connections',
    (SELECT coalesce(jsonb_agg(jsonb_build_object('address', c.address, 'opened_at', c.opened_at,
                                                  'ended_at', c.ended_at) ORDER BY c.opened_at), '[]')
     FROM node_connections c WHERE c.node_id = n.id)) AS item
FROM nodes n WHERE n.owner_id = $1::uuid AND n.id::text > $2::text ORDER BY n.id::text LIMIT $3::integer;

-- name: export_uploads
-- Uploads.
SELECT id::text AS place, jsonb_build_object(
    'id', id, 'filename', filename, 'size', size, 'sha256', encode(sha256, 'hex'), 'created_at', created_at,
    'last_used_at', used_at) AS item
FROM uploads WHERE user_id = $1::uuid AND id::text > $2::text ORDER BY id::text LIMIT $3::integer;

-- name: export_preflights
-- Preflights.
SELECT encode(content, 'hex') || to_char(number, 'FM0000000000') AS place, jsonb_build_object(
    'content', encode(content, 'hex'), 'number', number, 'job_id', job_id, 'asked_at', asked_at,
    'first_frame', first_frame, 'last_frame', last_frame, 'facts', facts) AS item
FROM preflights WHERE user_id = $1::uuid AND encode(content, 'hex') || to_char(number, 'FM0000000000') > $2::text
ORDER BY place LIMIT $3::integer;

-- name: export_jobs
-- Jobs, oldest first.
SELECT id::text AS place, jsonb_build_object(
    'id', id, 'name', name, 'job_type', job_type, 'status', status, 'payload_ref', payload_ref, 'plan', plan,
    'priority', priority, 'units', units, 'failed_units', failed_units,
    'price', to_char(price / 10000.0, 'FM99999999999999990.0000'),
    'charged', to_char(charged / 10000.0, 'FM99999999999999990.0000'),
    'max_credits', to_char(cap / 10000.0, 'FM99999999999999990.0000'), 'retry_of', retry_of,
    'error', coalesce(error_message, unit_error), 'created_at', created_at, 'ended_at', completed_at) AS item
FROM jobs
WHERE user_id = $1::uuid
  AND ($2::text = '' OR (created_at, id) > (SELECT j.created_at, j.id FROM jobs j WHERE j.id = nullif($2, '')::uuid))
ORDER BY created_at, id LIMIT $3::integer;

-- name: export_presets
-- Named sets of parameters of jobs.
SELECT name AS place, jsonb_build_object('name', name, 'fields', fields, 'saved_at', saved_at) AS item
FROM presets WHERE user_id = $1::uuid AND name > $2::text ORDER BY name LIMIT $3::integer;

-- name: export_share_links
-- Public links to pictures.
SELECT id::text AS place, jsonb_build_object(
    'id', id, 'job_id', job_id, 'unit', unit, 'created_at', created_at, 'expires_at', expires_at) AS item
FROM share_links WHERE user_id = $1::uuid AND id::text > $2::text ORDER BY id::text LIMIT $3::integer;

-- name: export_disputes
-- Disputes about the user's jobs.
SELECT id::text AS place, jsonb_build_object(
    'id', id, 'job_id', job_id, 'unit', unit, 'by_gateway', by_gateway, 'reason', reason, 'state', state,
    'charge', to_char(charge / 10000.0, 'FM99999999999999990.0000'), 'decision', decision, 'opened_at', opened_at,
    'decided_at', decided_at, 'problem', r.problem, 'region', r.region) AS item
FROM disputes LEFT JOIN problem_reports r ON r.dispute_id = id
WHERE user_id = $1::uuid AND id::text > $2::text ORDER BY id::text LIMIT $3::integer;

-- name: export_dispute_answers
-- What the user answered to disputes about their nodes' work.
SELECT dispute_id::text AS place, jsonb_build_object(
    'dispute_id', dispute_id, 'answer', answer, 'region', region, 'answered_at', answered_at) AS item
FROM dispute_answers
WHERE operator_id = $1::uuid AND dispute_id::text > $2::text ORDER BY dispute_id::text LIMIT $3::integer;

-- name: export_purchases
-- Purchases of credits.
SELECT id::text AS place, jsonb_build_object(
    'id', id, 'sku', sku, 'credits', to_char(units / 10000.0, 'FM99999999999999990.0000'), 'amount', amount,
    'currency', currency, 'state', state, 'created_at', created_at, 'paid_at', paid_at,
    'refunded', to_char(refunded / 10000.0, 'FM99999999999999990.0000'), 'invoice',
    (SELECT jsonb_build_object('number', i.prefix || i.number, 'issued_at', i.issued_at, 'seller', i.seller, 'buyer', i.buyer,
                               'title', i.title, 'tax_percent', i.tax / 100.0, 'note', i.note)
     FROM invoices i WHERE i.purchase_id = purchases.id), 'credit_notes',
    (SELECT jsonb_agg(jsonb_build_object('number', i.prefix || 'C' || c.number, 'issued_at', c.issued_at,
                                         'amount', c.amount,
                                         'credits', to_char(c.units / 10000.0, 'FM99999999999999990.0000'))
                      ORDER BY c.number)
     FROM invoices i JOIN credit_notes c ON c.invoice = i.number WHERE i.purchase_id = purchases.id)) AS item
FROM purchases WHERE user_id = $1::uuid AND id::text > $2::text ORDER BY id::text LIMIT $3::integer;

-- name: export_credits
-- Entries of the account of credits, oldest first.
SELECT e.version::text AS place, jsonb_build_object(
    'entry_id', e.entry_id, 'id', e.id, 'kind', t.kind, 'reference', t.reference, 'description', t.description,
    'amount', to_char(e.amount / 10000.0, 'FM99999999999999990.0000'),
    'balance', to_char(e.after / 10000.0, 'FM99999999999999990.0000'), 'created_at', e.created_at) AS item
FROM entries e JOIN transfers t ON t.id = e.transfer_id
WHERE e.account_id = (SELECT id FROM accounts WHERE name = 'user:' || $1::uuid)
  AND e.version > coalesce(nullif($2::text, ''), '0')::bigint
ORDER BY e.version LIMIT $3::integer;

-- name: export_earnings
-- Shares of charges that the user's nodes earned, oldest first.
SELECT id::text AS place, jsonb_build_object(
    'id', id, 'job_id', job_id, 'unit', unit, 'node_id', node_id, 'state', state,
    'amount', to_char(amount / 10000.0, 'FM99999999999999990.0000'), 'earned_at', earned_at,
    'payable_at', payable_at, 'payout_id', payout_id) AS item
FROM earnings
WHERE operator_id = $1::uuid
  AND ($2::text = '' OR (earned_at, id) > (SELECT e.earned_at, e.id FROM earnings e WHERE e.id = nullif($2, '')::uuid))
ORDER BY earned_at, id LIMIT $3::integer;

-- name: export_payout_rules
-- When the user is paid out without asking: at most one row.
SELECT user_id::text AS place, jsonb_build_object(
    'schedule', schedule, 'to', lower(kind), 'minimum', to_char(minimum / 10000.0, 'FM99999999999999990.0000'),
    'next_at', next_at) AS item
FROM payout_rules WHERE user_id = $1::uuid AND user_id::text > $2::text ORDER BY 1 LIMIT $3::integer;

-- name: export_payouts
-- Payouts.
SELECT id::text AS place, jsonb_build_object(
    'id', id, 'kind', kind, 'amount', to_char(amount / 10000.0, 'FM99999999999999990.0000'), 'units', units,
    'state', state, 'reference', reference, 'requested_at', requested_at, 'closed_at', closed_at) AS item
FROM payouts WHERE operator_id = $1::uuid AND id::text > $2::text ORDER BY id::text LIMIT $3::integer;

-- name: export_audit
-- What admins did to the account; not which admin.
SELECT lpad(number::text, 20, '0') AS place, jsonb_build_object(
    'act', act, 'reason', reason, 'at', at, 'details', details) AS item
FROM audit
WHERE target = 'user:' || $1::uuid AND number > coalesce(nullif($2::text, ''), '0')::bigint
ORDER BY number LIMIT $3::integer;

-- name: user_insert
-- A new user with his first family of tokens; no row when the e-mail is taken.
WITH created AS (
    INSERT INTO users (id, email, name, password_hash)
    VALUES ($1, $2, $3, $4)
    ON CONFLICT (lower(email)) DO NOTHING
    RETURNING id, email, name, is_active
), family AS (
    INSERT INTO refresh_families (sid, user_id, jti, expires_at)
    SELECT $5, id, $6, $7 FROM created
)
SELECT id, email, name, is_active FROM created;

-- name: user_by_email
-- Who logs in under this address, however it is capitalised.
SELECT id, email, name, is_active, password_hash FROM users WHERE lower(email) = lower($1);

-- name: family_insert
-- One row per login.
INSERT INTO refresh_families (sid, user_id, jti, expires_at) VALUES ($1, $2, $3, $4);

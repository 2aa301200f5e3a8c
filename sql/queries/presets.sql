-- Named sets of parameters of jobs.

-- name: preset_save
-- Save preset $2 of user $1, in place of one of the same name; nothing if the user has $5 others.
INSERT INTO presets (user_id, name, fields, saved_at)
SELECT $1, $2, $3, $4
WHERE (SELECT count(*) FROM presets WHERE user_id = $1 AND name <> $2) < $5
ON CONFLICT (user_id, name) DO UPDATE SET fields = excluded.fields, saved_at = excluded.saved_at
RETURNING name;

-- name: presets_of
-- The presets of a user, by name, at most 50.
SELECT name, fields, saved_at FROM presets WHERE user_id = $1 ORDER BY name LIMIT 50;

-- name: preset_rename
-- Give preset $2 of user $1 the name $3, unless another preset has it; nothing if there is no such preset.
UPDATE presets SET name = $3
WHERE user_id = $1 AND name = $2 AND NOT EXISTS (SELECT FROM presets WHERE user_id = $1 AND name = $3 AND $2 <> $3)
RETURNING name;

-- name: preset_remove
-- Remove a preset of a user.
DELETE FROM presets WHERE user_id = $1 AND name = $2 RETURNING name;

-- name: presets_erase
-- Remove all presets of a user.
DELETE FROM presets WHERE user_id = $1;

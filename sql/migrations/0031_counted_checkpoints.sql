-- Checkpoints are numbered, and the log's head counts them: one that somebody removes is missed.

ALTER TABLE log_head ADD COLUMN checkpoints bigint NOT NULL DEFAULT 0 CHECK (checkpoints >= 0);
ALTER TABLE checkpoints ADD COLUMN number bigint UNIQUE;

ALTER TABLE checkpoints DISABLE TRIGGER checkpoints_append_only;
UPDATE checkpoints c SET number = n.number
FROM (SELECT size, row_number() OVER (ORDER BY size) AS number FROM checkpoints) n WHERE n.size = c.size;
ALTER TABLE checkpoints ENABLE TRIGGER checkpoints_append_only;
UPDATE log_head SET checkpoints = (SELECT count(*) FROM checkpoints);

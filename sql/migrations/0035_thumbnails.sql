-- A small picture of each frame, as its node shows it, and an event that says that it is there.

ALTER TABLE job_events ADD COLUMN frame integer;  -- of which a thumbnail is there

CREATE TABLE thumbnails (
    job_id  uuid NOT NULL,
    unit    integer NOT NULL,
    frame   integer NOT NULL,
    attempt integer NOT NULL,
    picture bytea NOT NULL CHECK (octet_length(picture) BETWEEN 4 AND 36864), -- JPEG, as the node sent it
    made_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job_id, frame, unit)
);

CREATE FUNCTION note_thumbnails() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO job_events (job_id, number, unit, state, attempt, node_id, frame)
    SELECT n.job_id,
           coalesce((SELECT e.number FROM job_events e WHERE e.job_id = n.job_id
                     ORDER BY e.number DESC LIMIT 1), 0)
           + row_number() OVER (PARTITION BY n.job_id ORDER BY n.unit, n.frame),
           n.unit, 'THUMBNAIL', n.attempt, u.node_id, n.frame
    FROM is_now n JOIN units u ON u.job_id = n.job_id AND u.number = n.unit;
    RETURN NULL;
END $$;
CREATE TRIGGER thumbnails_noted AFTER INSERT ON thumbnails
    REFERENCING NEW TABLE AS is_now
    FOR EACH STATEMENT EXECUTE FUNCTION note_thumbnails();
CREATE TRIGGER new_thumbnails_noted AFTER UPDATE ON thumbnails
    REFERENCING NEW TABLE AS is_now
    FOR EACH STATEMENT EXECUTE FUNCTION note_thumbnails();

-- Keep one, if the unit is this node's at this attempt. Events get their numbers under the job's lock; what is
-- looked at comes after it, in statements that see who had it before.
CREATE FUNCTION keep_thumbnail(its_job uuid, its_unit integer, its_attempt integer, its_node uuid,
                               its_frame integer, its_picture bytea)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM jobs WHERE id = its_job FOR NO KEY UPDATE;
    IF NOT EXISTS (SELECT FROM units WHERE job_id = its_job AND number = its_unit AND attempt = its_attempt
                   AND node_id = its_node AND state IN ('DISPATCHED', 'RUNNING')) THEN
        RETURN false;
    END IF;
    INSERT INTO thumbnails (job_id, unit, frame, attempt, picture)
    VALUES (its_job, its_unit, its_frame, its_attempt, its_picture)
    ON CONFLICT (job_id, frame, unit) DO UPDATE
    SET attempt = its_attempt, picture = its_picture, made_at = now();
    RETURN true;
END $$;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON thumbnails TO rendertrust_app;
    END IF;
END $$;

-- What nodes found in scenes before anything was paid for them, once for each content.

CREATE TABLE preflights (
    user_id  uuid NOT NULL REFERENCES users,      -- nobody is told what another one's scene is
    content  bytea NOT NULL CHECK (octet_length(content) = 32), -- SHA-256 of the scene, or of its manifest
    job_id   uuid NOT NULL,                       -- that looks, or looked; no foreign key: it comes after this
    asked_at timestamptz NOT NULL,
    facts    jsonb,                               -- null: nobody has read them yet
    PRIMARY KEY (user_id, content)
);
CREATE INDEX preflights_asked ON preflights (user_id, asked_at);
CREATE INDEX preflights_old ON preflights (asked_at);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON preflights TO rendertrust_app;
    END IF;
END $$;

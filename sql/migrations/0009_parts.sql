-- Uploads that come in parts: the store's undertakings that have not ended.

CREATE TABLE multiparts (
    upload_id  uuid PRIMARY KEY REFERENCES uploads,
    store_id   text NOT NULL,                     -- as the store names it
    object_key text NOT NULL,                     -- what it will be, unless announced otherwise since
    asked_at   timestamptz NOT NULL               -- when leave for a part was asked for last
);
-- Those that nobody goes on with are aborted.
CREATE INDEX multiparts_asked ON multiparts (asked_at);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON multiparts TO rendertrust_app;
    END IF;
END $$;

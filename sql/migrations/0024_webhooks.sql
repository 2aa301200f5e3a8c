-- Whom we tell what happens to jobs, and what became of it.

CREATE TABLE endpoints (
    id              uuid PRIMARY KEY,
    user_id         uuid NOT NULL REFERENCES users,
    url             text NOT NULL CHECK (char_length(url) BETWEEN 1 AND 2000),
    types           text[] NOT NULL CHECK (cardinality(types) BETWEEN 1 AND 50), -- of events; 'job.*', 'unit.*': all of these
    secret          bytea NOT NULL CHECK (octet_length(secret) BETWEEN 24 AND 64),
    former_secret   bytea,                        -- signs beside it, until
    former_until    timestamptz,
    failing_since   timestamptz,                  -- null: the last delivery arrived, or there was none
    not_before      timestamptz NOT NULL DEFAULT '-infinity', -- it rests after a failure
    disabled_at     timestamptz,                  -- nothing is told any more
    disabled_reason text,
    created_at      timestamptz NOT NULL,
    CHECK ((former_secret IS NULL) = (former_until IS NULL)),
    CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL))
);
CREATE INDEX endpoints_user ON endpoints (user_id, created_at);

-- Their endpoint is no foreign key: who deletes one with a hundred thousand of them must not hold up whatever
-- batch of the Ledger has something to tell it.
CREATE TABLE deliveries (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(), -- the same at each try, and when it is replayed
    endpoint_id uuid NOT NULL,
    job_id      uuid NOT NULL,
    number      integer NOT NULL,                 -- of the event
    type        text NOT NULL,
    state       text NOT NULL DEFAULT 'PENDING' CHECK (state IN (
                    'PENDING',                    -- to be sent at due_at, or sent by somebody until then
                    'DELIVERED',                  -- answered with 2xx
                    'FAILED')),                   -- given up; it may be replayed
    tries       integer NOT NULL DEFAULT 0 CHECK (tries >= 0),
    due_at      timestamptz NOT NULL DEFAULT now(),
    tried_at    timestamptz,
    status      integer,                          -- what the last try was answered
    error       text,                             -- or why it was not
    created_at  timestamptz NOT NULL DEFAULT now(),
    ended_at    timestamptz,
    CHECK ((state = 'PENDING') = (ended_at IS NULL))
);
CREATE INDEX deliveries_due ON deliveries (endpoint_id, due_at) WHERE state = 'PENDING';
CREATE INDEX deliveries_endpoint ON deliveries (endpoint_id, created_at DESC, id DESC);
CREATE INDEX deliveries_created ON deliveries (created_at);

-- A delivery comes to be with its event: what happened is told, or else it did not happen.
CREATE FUNCTION note_deliveries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM endpoints WHERE disabled_at IS NULL) THEN
        RETURN NULL;
    END IF;
    INSERT INTO deliveries (endpoint_id, job_id, number, type)
    SELECT p.id, n.job_id, n.number, event_type(n.unit, n.state)
    FROM is_now n JOIN jobs j ON j.id = n.job_id JOIN endpoints p ON p.user_id = j.user_id
    WHERE p.disabled_at IS NULL
      AND p.types && ARRAY[event_type(n.unit, n.state),
                           CASE WHEN n.unit IS NULL THEN 'job.*' ELSE 'unit.*' END];
    RETURN NULL;
END $$;
CREATE TRIGGER events_delivered AFTER INSERT ON job_events
    REFERENCING NEW TABLE AS is_now
    FOR EACH STATEMENT EXECUTE FUNCTION note_deliveries();
-- The one question that each batch asks costs nothing.
CREATE INDEX endpoints_living ON endpoints (id) WHERE disabled_at IS NULL;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON endpoints, deliveries TO rendertrust_app;
    END IF;
END $$;

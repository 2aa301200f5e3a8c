-- Units that wait for a verdict: what was delivered is neither charged nor paid before it.

ALTER TABLE units
    DROP CONSTRAINT units_state_check,
    DROP CONSTRAINT units_check1,
    ADD CONSTRAINT units_state_check CHECK (state IN (
        'QUEUED',       -- waits for a node, not before `not_before`
        'DISPATCHED',   -- assigned: the frame is on its way, or waits for the node
        'RUNNING',      -- the node said so, or said how far it is
        'VERIFYING',    -- delivered: it waits for the verdict
        'COMPLETED', 'FAILED', 'CANCELLED')),
    ADD CONSTRAINT units_node_check CHECK (
        state NOT IN ('DISPATCHED', 'RUNNING', 'VERIFYING') OR (node_id IS NOT NULL AND attempt > 0));

-- What a node delivered in one attempt, and what was found about it. While it is PENDING the unit's row
-- says nothing of a result; a verdict is there with what follows from it.
CREATE TABLE checks (
    job_id         uuid NOT NULL,
    unit           integer NOT NULL,
    attempt        integer NOT NULL CHECK (attempt > 0),
    node_id        uuid NOT NULL REFERENCES nodes,
    device_class   text NOT NULL CHECK (char_length(device_class) <= 200),
    result_ref     text,
    sha256         bytea CHECK (octet_length(sha256) = 32),
    size           bigint CHECK (size >= 0),
    work           text,                          -- as the node signed it; null: it signed nothing
    node_signature text CHECK (char_length(node_signature) = 128),
    verified       boolean NOT NULL,              -- its node proved its key: its owner may earn
    operator       text,                          -- the account that earns
    share_percent  integer NOT NULL CHECK (share_percent BETWEEN 0 AND 100),
    window_seconds bigint NOT NULL CHECK (window_seconds >= 0),
    opened_at      timestamptz NOT NULL,
    state          text NOT NULL CHECK (state IN ('PENDING', 'DECIDED')),
    verdict        text CHECK (verdict IN ('unchecked', 'exact', 'match', 'consistent', 'unverifiable', 'mismatch')),
    said           text NOT NULL DEFAULT '' CHECK (char_length(said) <= 500),
    verifier_id    uuid REFERENCES nodes,         -- null: nobody looked
    decided_at     timestamptz,
    PRIMARY KEY (job_id, unit, attempt),
    FOREIGN KEY (job_id, unit) REFERENCES units (job_id, number),
    CHECK ((state = 'DECIDED') = (verdict IS NOT NULL AND decided_at IS NOT NULL)),
    CHECK ((work IS NULL) = (node_signature IS NULL))
);
CREATE UNIQUE INDEX checks_pending ON checks (job_id, unit) WHERE state = 'PENDING';
CREATE INDEX checks_waiting ON checks (opened_at) WHERE state = 'PENDING';
CREATE INDEX checks_of_node ON checks (node_id, device_class, decided_at) WHERE state = 'DECIDED';

-- An attempt that came to nothing by its verdict is noted like any other.
DROP TRIGGER units_attempt_noted ON units;
CREATE TRIGGER units_attempt_noted AFTER UPDATE OF state ON units
    FOR EACH ROW WHEN (OLD.state IN ('DISPATCHED', 'RUNNING', 'VERIFYING')
                       AND NEW.state IN ('QUEUED', 'FAILED', 'CANCELLED'))
    EXECUTE FUNCTION note_attempt();

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT, UPDATE ON checks TO rendertrust_app;
    END IF;
END $$;

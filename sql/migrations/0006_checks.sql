-- Checks: what nodes delivered, what verifiers found about it, and the signed receipts.

-- A delivery, and its verdict. While it is PENDING the unit's row says nothing of a result; a verdict is written
-- together with what follows from it.
CREATE TABLE checks (
    job_id          uuid NOT NULL,
    unit            integer NOT NULL,
    attempt         integer NOT NULL CHECK (attempt > 0),
    node_id         uuid NOT NULL REFERENCES nodes,
    device_class    text NOT NULL CHECK (char_length(device_class) <= 200),
    -- The delivery.
    result_ref      text,
    sha256          bytea CHECK (octet_length(sha256) = 32),
    size            bigint CHECK (size >= 0),
    evidence_sha256 bytea CHECK (octet_length(evidence_sha256) = 32), -- of a second object, by which it is checked
    evidence_size   bigint CHECK (evidence_size >= 0),
    work            text,                         -- as the node signed it; null: it signed nothing
    node_signature  text CHECK (char_length(node_signature) = 128),
    -- The terms: who earns what, and for how long it may be disputed.
    verified        boolean NOT NULL,             -- the node proved its key, so its owner may earn
    operator        text,                         -- the account that earns
    share_percent   integer NOT NULL CHECK (share_percent BETWEEN 0 AND 100),
    window_seconds  bigint NOT NULL CHECK (window_seconds >= 0),
    is_own          boolean NOT NULL DEFAULT false, -- see is_own_work; says nothing about it to strangers
    opened_at       timestamptz NOT NULL,
    -- Sampling: drawn once, as it is delivered. An invalid result that was drawn at odds below one is fined: else lying
    -- now and then would pay, as most lies would not be found.
    drawn           boolean,                      -- it is compared with its scene; null: nothing was drawn
    odds            real CHECK (odds > 0 AND odds <= 1),
    claimed_by      uuid,                         -- the gateway that has it checked; null: none does
    claimed_until   timestamptz,                  -- then another gateway may
    -- The verdict.
    state           text NOT NULL CHECK (state IN ('PENDING', 'DECIDED')),
    verdict         text CHECK (verdict IN (
                        'exact', 'consistent', 'sampled-out', 'unverified', 'unverifiable', 'invalid')),
    said            text NOT NULL DEFAULT '' CHECK (char_length(said) <= 500), -- why
    strike          boolean NOT NULL DEFAULT false, -- invalid, beyond doubt, and by the node's fault
    withdrawn       boolean NOT NULL DEFAULT false, -- with all earlier ones: parts of the scene render differently
    verifier_id     uuid REFERENCES nodes,        -- null: no verifier looked
    verifier_class  text,                         -- its device class
    compared        text CONSTRAINT checks_compared CHECK (compared IN ('regions', 'whole')),
    remade          boolean NOT NULL DEFAULT false, -- the picture was made again from the evidence
    distance        double precision CONSTRAINT checks_distance CHECK (distance >= 0), -- in multiples of the noise
    decided_at      timestamptz,
    PRIMARY KEY (job_id, unit, attempt),
    FOREIGN KEY (job_id, unit) REFERENCES units (job_id, number),
    CHECK ((work IS NULL) = (node_signature IS NULL)),
    CHECK ((evidence_sha256 IS NULL) = (evidence_size IS NULL)),
    CHECK ((state = 'DECIDED') = (verdict IS NOT NULL AND decided_at IS NOT NULL))
);
CREATE INDEX checks_waiting ON checks (opened_at) WHERE state = 'PENDING';
CREATE INDEX checks_of_operator ON checks (operator, opened_at) WHERE state = 'PENDING';
-- The record of a node: strikes, and results of strangers' work that were found valid.
CREATE INDEX checks_told ON checks (node_id, device_class, decided_at)
    WHERE strike OR (verdict IN ('exact', 'consistent') AND NOT is_own);
CREATE INDEX checks_strikes ON checks (decided_at) WHERE strike;
-- Deleting a node looks for what refers to it.
CREATE INDEX checks_node ON checks (node_id);
CREATE INDEX checks_verifier ON checks (verifier_id) WHERE verifier_id IS NOT NULL;

-- Whether a job is of the node's own owner, or of somebody who shares an organisation with them.
CREATE FUNCTION is_own_work(job uuid, node uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM jobs j, nodes n
        WHERE j.id = job AND n.id = node
          AND (j.user_id = n.owner_id
               OR EXISTS (SELECT FROM organisation_members a JOIN organisation_members b USING (organisation_id)
                          WHERE a.user_id = j.user_id AND a.joined_at IS NOT NULL
                            AND b.user_id = n.owner_id AND b.joined_at IS NOT NULL)))
$$;

-- Attempts that a verifier may look at: of a unit with two deliveries the first; the other one once that is invalid.
CREATE VIEW to_verify AS
SELECT c.job_id, c.unit, c.attempt, c.opened_at FROM checks c
JOIN units u ON u.job_id = c.job_id AND u.number = c.unit
            AND ((u.attempt = c.attempt AND u.state = 'VERIFYING')
                 OR (u.copy_attempt = c.attempt AND u.copy_delivered_at IS NOT NULL))
WHERE c.state = 'PENDING'
  AND NOT EXISTS (SELECT FROM checks o WHERE o.job_id = c.job_id AND o.unit = c.unit AND o.state = 'PENDING'
                  AND (o.opened_at, o.attempt) < (c.opened_at, c.attempt));

-- One row: the secret by which all gateways draw, sealed with the log's key. It may be replaced at any time, as the
-- draws are stored with the deliveries.
CREATE TABLE draw_secret (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    sealed  bytea NOT NULL CHECK (octet_length(sealed) BETWEEN 44 AND 200),
    made_at timestamptz NOT NULL
);

-- Scenes whose parts render differently from their frames: a check by regions says nothing about them.
CREATE TABLE uncut_scenes (
    user_id     uuid NOT NULL REFERENCES users,
    payload_ref text NOT NULL,
    job_id      uuid NOT NULL,                    -- the attempt whose result showed it
    unit        integer NOT NULL,
    attempt     integer NOT NULL CHECK (attempt > 0),
    found_at    timestamptz NOT NULL,
    PRIMARY KEY (user_id, payload_ref),
    FOREIGN KEY (job_id, unit) REFERENCES units (job_id, number)
);

-- Attempts of which the node itself said that the scene is at fault.
CREATE TABLE scene_words (
    job_id       uuid NOT NULL,
    unit         integer NOT NULL,
    attempt      integer NOT NULL CHECK (attempt > 0),
    node_id      uuid NOT NULL REFERENCES nodes,
    device_class text NOT NULL CHECK (char_length(device_class) <= 200),
    said_at      timestamptz NOT NULL,
    PRIMARY KEY (job_id, unit, attempt),
    FOREIGN KEY (job_id, unit) REFERENCES units (job_id, number)
);
CREATE INDEX scene_words_of_node ON scene_words (node_id);

-- Such words that are refuted: another owner's result of the same unit was found valid.
CREATE VIEW refuted_words AS
SELECT w.node_id, w.job_id, w.unit, w.attempt, g.decided_at AS at, w.device_class
FROM scene_words w
JOIN checks g ON g.job_id = w.job_id AND g.unit = w.unit AND g.verdict IN ('exact', 'consistent')
JOIN nodes n ON n.id = w.node_id
JOIN nodes o ON o.id = g.node_id
WHERE o.owner_id IS DISTINCT FROM n.owner_id;

-- What was done for a charge, signed by the node and then by the gateway: docs/PROOF-FORMATS.md has the bytes.
CREATE TABLE receipts (
    job_id    uuid NOT NULL,
    unit      integer NOT NULL,
    attempt   integer NOT NULL CHECK (attempt > 0),
    document  text NOT NULL,                      -- canonical JSON
    hash      bytea NOT NULL CHECK (octet_length(hash) = 32), -- SHA-256 of it; the entries that it is paid by have it
    signature bytea NOT NULL CHECK (octet_length(signature) = 64), -- the gateway's
    entry_id  bigint,                             -- the charge; null: it cost nothing
    issued_at timestamptz NOT NULL,
    PRIMARY KEY (job_id, unit),
    FOREIGN KEY (job_id, unit) REFERENCES units (job_id, number)
);
CREATE TRIGGER receipts_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON receipts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT ON to_verify, refuted_words TO rendertrust_app;
        GRANT SELECT, INSERT, UPDATE ON checks, draw_secret TO rendertrust_app;
        GRANT SELECT, INSERT ON uncut_scenes, scene_words, receipts TO rendertrust_app;
    END IF;
END $$;

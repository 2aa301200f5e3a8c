-- Checks: nodes' deliveries, verifiers' findings about them, and signed receipts.

-- A delivery and its verdict. While the check is PENDING the unit's row has no result; the verdict is written
-- together with its consequences.
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
    -- hash of a second object, with which the result can be checked
    evidence_sha256 bytea CHECK (octet_length(evidence_sha256) = 32),
    evidence_size   bigint CHECK (evidence_size >= 0),
    work            text,                         -- the work record that the node signed; null: it signed none
    node_signature  text CHECK (char_length(node_signature) = 128),
    -- The terms: who earns what, and how long the unit may be disputed.
    verified        boolean NOT NULL,             -- the node has proved its key, so its owner may earn
    operator        text,                         -- the account that gets the share
    share_percent   integer NOT NULL CHECK (share_percent BETWEEN 0 AND 100),
    window_seconds  bigint NOT NULL CHECK (window_seconds >= 0),
    -- see is_own_work; such work says nothing about the node to other users
    is_own          boolean NOT NULL DEFAULT false,
    opened_at       timestamptz NOT NULL,
    -- Sampling: drawn once, at delivery. An invalid result that was drawn with odds below one is fined: otherwise
    -- occasional cheating would pay, as most of it would not be found.
    drawn           boolean,                      -- the result is compared with its scene; null: no draw took place
    odds            real CHECK (odds > 0 AND odds <= 1),
    claimed_by      uuid,                         -- the gateway that has it checked; null: none
    claimed_until   timestamptz,                  -- afterwards another gateway may claim it
    -- The verdict.
    state           text NOT NULL CHECK (state IN ('PENDING', 'DECIDED')),
    verdict         text CHECK (verdict IN (
                        'exact', 'consistent', 'sampled-out', 'unverified', 'unverifiable', 'invalid')),
    said            text NOT NULL DEFAULT '' CHECK (char_length(said) <= 500), -- explanation of the verdict
    reason          text CHECK (reason IN (
                        'off', 'no-verifier', 'no-check', 'no-evidence', 'own-node',
                        'scene-fails', 'format', 'unsupported', 'device-dependent',
                        'other-device', 'other-driver', 'no-build', 'no-plugin', 'undecided', 'checks-failed')),
    -- how the result was compared; null: with renders of the same seeds, or not at all
    method          text CHECK (method IN ('other-seeds', 'other-driver', 'same-driver')),
    strike          boolean NOT NULL DEFAULT false, -- invalid beyond doubt, through the node's fault
    -- the scene's regions render differently, so earlier invalid results do not count either
    withdrawn       boolean NOT NULL DEFAULT false,
    verifier_id     uuid REFERENCES nodes,        -- null: no verifier was involved
    verifier_class  text,                         -- the verifier's device class
    compared        text CONSTRAINT checks_compared CHECK (compared IN ('regions', 'whole', 'plugin')),
    remade          boolean NOT NULL DEFAULT false, -- the picture was also rebuilt from the evidence
    distance        double precision CONSTRAINT checks_distance CHECK (distance >= 0), -- in multiples of the noise
    loose           boolean NOT NULL DEFAULT false, -- the verifier says that honest frames of the scene may differ
    decided_at      timestamptz,
    PRIMARY KEY (job_id, unit, attempt),
    FOREIGN KEY (job_id, unit) REFERENCES units (job_id, number),
    CHECK ((work IS NULL) = (node_signature IS NULL)),
    CHECK ((evidence_sha256 IS NULL) = (evidence_size IS NULL)),
    CHECK (reason IS NULL OR verdict IN ('unverified', 'unverifiable')),
    CHECK (verdict <> 'unverifiable' OR reason IS NOT NULL),
    CHECK ((state = 'DECIDED') = (verdict IS NOT NULL AND decided_at IS NOT NULL))
);
CREATE INDEX checks_waiting ON checks (opened_at) WHERE state = 'PENDING';
CREATE INDEX checks_of_operator ON checks (operator, opened_at) WHERE state = 'PENDING';
-- The record of a node: invalid results, and valid results of other users' work.
CREATE INDEX checks_told ON checks (node_id, device_class, decided_at)
    WHERE verdict = 'invalid' OR (verdict IN ('exact', 'consistent') AND NOT is_own);
CREATE INDEX checks_invalid ON checks (decided_at) WHERE verdict = 'invalid';
-- Results that were found invalid, although honest frames of the scene may differ.
CREATE INDEX checks_loose ON checks (job_id) WHERE loose AND verdict = 'invalid';
-- The verdicts since a node's quarantine. Deleting a node searches the rows that refer to it.
CREATE INDEX checks_node ON checks (node_id, decided_at);
-- The frames for its owner that may end a node's quarantine.
CREATE INDEX checks_own ON checks (node_id, opened_at) WHERE is_own AND evidence_sha256 IS NOT NULL;
CREATE INDEX checks_verifier ON checks (verifier_id) WHERE verifier_id IS NOT NULL;

-- Return whether a job belongs to the node's owner, or to a user who shares an organisation with the owner.
CREATE FUNCTION is_own_work(job uuid, node uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM jobs j, nodes n
        WHERE j.id = job AND n.id = node
          AND (j.user_id = n.owner_id
               OR EXISTS (SELECT FROM organisation_members a JOIN organisation_members b USING (organisation_id)
                          WHERE a.user_id = j.user_id AND a.joined_at IS NOT NULL
                            AND b.user_id = n.owner_id AND b.joined_at IS NOT NULL)))
$$;

-- Attempts that a verifier may check: if a unit has two deliveries, the first; then the other, if the first is
-- invalid.
CREATE VIEW to_verify AS
SELECT c.job_id, c.unit, c.attempt, c.opened_at FROM checks c
JOIN units u ON u.job_id = c.job_id AND u.number = c.unit
            AND ((u.attempt = c.attempt AND u.state = 'VERIFYING')
                 OR (u.copy_attempt = c.attempt AND u.copy_delivered_at IS NOT NULL))
WHERE c.state = 'PENDING'
  AND NOT EXISTS (SELECT FROM checks o WHERE o.job_id = c.job_id AND o.unit = c.unit AND o.state = 'PENDING'
                  AND (o.opened_at, o.attempt) < (c.opened_at, c.attempt));

-- One row: the secret with which all gateways draw samples, sealed with the log's key. It may be replaced at any
-- time, as the results of draws are stored with the deliveries.
CREATE TABLE draw_secret (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    sealed  bytea NOT NULL CHECK (octet_length(sealed) BETWEEN 44 AND 200),
    made_at timestamptz NOT NULL
);

-- Scenes whose regions render differently from whole frames, so that a check by regions proves nothing.
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

-- Attempts whose node reported that the scene is at fault.
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

-- Refuted reports: another owner's result of the same unit was found valid. If honest frames of the scene may differ,
-- the scene may have failed on the other machine.
CREATE VIEW refuted_words AS
SELECT w.node_id, w.job_id, w.unit, w.attempt, g.decided_at AS at, w.device_class
FROM scene_words w
JOIN checks g ON g.job_id = w.job_id AND g.unit = w.unit AND g.verdict IN ('exact', 'consistent')
              AND NOT g.loose
JOIN nodes n ON n.id = w.node_id
JOIN nodes o ON o.id = g.node_id
WHERE o.owner_id IS DISTINCT FROM n.owner_id;

-- What was done for a charge, signed by the node and the gateway: docs/PROOF-FORMATS.md describes the bytes.
CREATE TABLE receipts (
    job_id    uuid NOT NULL,
    unit      integer NOT NULL,
    attempt   integer NOT NULL CHECK (attempt > 0),
    document  text NOT NULL,                      -- canonical JSON
    -- SHA-256 of the document; the entries that pay for it contain this hash
    hash      bytea NOT NULL CHECK (octet_length(hash) = 32),
    signature bytea NOT NULL CHECK (octet_length(signature) = 64), -- the gateway's signature
    entry_id  bigint,                             -- the charge; null: the unit was free
    issued_at timestamptz NOT NULL,
    PRIMARY KEY (job_id, unit),
    FOREIGN KEY (job_id, unit) REFERENCES units (job_id, number)
);
CREATE TRIGGER receipts_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON receipts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Public links to verified pictures, made by their creators. A revoked link is deleted.
CREATE TABLE share_links (
    id         uuid PRIMARY KEY,
    user_id    uuid NOT NULL REFERENCES users,
    job_id     uuid NOT NULL,
    unit       integer NOT NULL,
    sha256     bytea NOT NULL UNIQUE CHECK (octet_length(sha256) = 32), -- of the link's token
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
    FOREIGN KEY (job_id, unit) REFERENCES receipts (job_id, unit)
);
CREATE INDEX share_links_user ON share_links (user_id, created_at DESC, id DESC);
CREATE INDEX share_links_expired ON share_links (expires_at); -- for the sweep

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT, DELETE ON share_links TO rendertrust_app;
        GRANT SELECT ON to_verify, refuted_words TO rendertrust_app;
        GRANT SELECT, INSERT, UPDATE ON checks, draw_secret TO rendertrust_app;
        GRANT SELECT, INSERT ON uncut_scenes, scene_words, receipts TO rendertrust_app;
    END IF;
END $$;

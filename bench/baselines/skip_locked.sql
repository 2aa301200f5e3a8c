-- A usual job queue in PostgreSQL, with the same books as the gateway: one transaction and one
-- round trip for each of submit, claim and settle.
-- settle locks the platform's account last, so that its row is locked as briefly as possible.

DROP SCHEMA IF EXISTS skip_locked CASCADE;
CREATE SCHEMA skip_locked;
SET search_path = skip_locked;

CREATE TABLE accounts (
    id      bigint PRIMARY KEY,
    balance bigint NOT NULL,
    held    bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
    version bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50); -- updates of rows that change all the time stay on their page

CREATE TABLE jobs (
    id           uuid PRIMARY KEY,
    account      bigint NOT NULL REFERENCES accounts,
    job_type     text NOT NULL,
    payload_ref  text NOT NULL,
    params       jsonb NOT NULL DEFAULT '{}',
    status       text NOT NULL,
    attempt      integer NOT NULL DEFAULT 0,
    node         bigint,
    price        bigint NOT NULL,
    result_ref   text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    lease_until  timestamptz,
    completed_at timestamptz
) WITH (fillfactor = 50);
CREATE INDEX jobs_queued ON jobs (created_at) WHERE status = 'QUEUED';
CREATE INDEX jobs_account ON jobs (account, created_at);

CREATE TABLE holds (
    job     uuid PRIMARY KEY REFERENCES jobs,
    account bigint NOT NULL REFERENCES accounts,
    amount  bigint NOT NULL,
    state   text NOT NULL DEFAULT 'OPEN'
) WITH (fillfactor = 50);

CREATE TABLE transfers (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    debit      bigint NOT NULL,
    credit     bigint NOT NULL,
    amount     bigint NOT NULL,
    kind       text NOT NULL,
    reference  uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (kind, reference)
);

CREATE TABLE entries (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transfer_id bigint NOT NULL REFERENCES transfers,
    account     bigint NOT NULL REFERENCES accounts,
    version     bigint NOT NULL,
    amount      bigint NOT NULL,
    after       bigint NOT NULL,
    UNIQUE (account, version)
);

-- Holds the price and queues the job. Returns false if the account has too little.
CREATE FUNCTION submit(new_job uuid, who bigint, cost bigint) RETURNS boolean
LANGUAGE plpgsql SET search_path = skip_locked AS $$
BEGIN
    UPDATE accounts SET held = held + cost WHERE id = who AND balance - held >= cost;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO jobs (id, account, job_type, payload_ref, status, price)
    VALUES (new_job, who, 'cpu_benchmark', 's3://elsewhere/input/scene.blend', 'QUEUED', cost);
    INSERT INTO holds (job, account, amount) VALUES (new_job, who, cost);
    RETURN true;
END $$;

-- Assigns the oldest queued job to a node and returns it; no row if no unlocked job is queued.
CREATE FUNCTION claim(worker bigint) RETURNS SETOF jobs
LANGUAGE sql SET search_path = skip_locked AS $$
    UPDATE jobs SET status = 'DISPATCHED', attempt = attempt + 1, node = worker,
                    lease_until = now() + interval '60 s'
    WHERE id = (SELECT id FROM jobs WHERE status = 'QUEUED' ORDER BY created_at LIMIT 1
                FOR UPDATE SKIP LOCKED)
    RETURNING *
$$;

-- Completes the job, charges its creator, and pays the operator a share. Returns false if the job
-- is no longer with this attempt.
CREATE FUNCTION settle(done uuid, tried integer, result text, operator bigint, platform bigint)
RETURNS boolean
LANGUAGE plpgsql SET search_path = skip_locked AS $$
DECLARE
    who bigint; cost bigint; share bigint; charge bigint; pay bigint; mark accounts;
BEGIN
    UPDATE jobs SET status = 'COMPLETED', result_ref = result, completed_at = now()
    WHERE id = done AND attempt = tried AND status = 'DISPATCHED'
    RETURNING account, price INTO who, cost;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    share = cost * 70 / 100;
    UPDATE holds SET state = 'SETTLED' WHERE job = done AND state = 'OPEN';
    INSERT INTO transfers (debit, credit, amount, kind, reference)
    VALUES (who, platform, cost, 'USAGE', done) RETURNING id INTO charge;
    INSERT INTO transfers (debit, credit, amount, kind, reference)
    VALUES (platform, operator, share, 'EARNING', done) RETURNING id INTO pay;
    UPDATE accounts SET balance = balance - cost, held = held - cost, version = version + 1
    WHERE id = who RETURNING * INTO mark;
    INSERT INTO entries (transfer_id, account, version, amount, after)
    VALUES (charge, who, mark.version, -cost, mark.balance);
    UPDATE accounts SET balance = balance + share, version = version + 1
    WHERE id = operator RETURNING * INTO mark;
    INSERT INTO entries (transfer_id, account, version, amount, after)
    VALUES (pay, operator, mark.version, share, mark.balance);
    UPDATE accounts SET balance = balance + cost - share, version = version + 2
    WHERE id = platform RETURNING * INTO mark;
    INSERT INTO entries (transfer_id, account, version, amount, after)
    VALUES (charge, platform, mark.version - 1, cost, mark.balance + share),
           (pay, platform, mark.version, -share, mark.balance);
    RETURN true;
END $$;

-- What a delivery is checked by lies beside it, under a key of its own.

ALTER TABLE checks
    ADD COLUMN evidence_sha256 bytea CHECK (octet_length(evidence_sha256) = 32),
    ADD COLUMN evidence_size bigint CHECK (evidence_size >= 0),
    ADD COLUMN packed boolean NOT NULL DEFAULT false, -- picture and evidence are one zip, of a release before
    ADD CHECK ((evidence_sha256 IS NULL) = (evidence_size IS NULL));

-- What waits now was delivered as one file. Nobody can check that any more.
UPDATE checks SET packed = true;

-- Checkpoints that a gateway keeps and the database lacks, of which an operator said that nothing waits
-- for them: of a copy that went its own way, say.

CREATE TABLE lifted_heads (
    origin text NOT NULL,
    size   bigint NOT NULL CHECK (size >= 0),
    root   bytea NOT NULL CHECK (octet_length(root) = 32),
    at     timestamptz NOT NULL,
    PRIMARY KEY (origin, size, root)
);
CREATE TRIGGER lifted_heads_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON lifted_heads
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A gateway that had looked before may write it down after the operator's word.
CREATE OR REPLACE VIEW log_halted AS
SELECT reason, found_at, chain_id, contract, size, root, origin, seen_at FROM log_halt h
WHERE NOT EXISTS (SELECT FROM epochs e WHERE e.chain_id = h.chain_id AND e.contract = h.contract)
  AND NOT (reason = 'BEHIND'
           AND (EXISTS (SELECT FROM epochs e WHERE e.at >= h.seen_at AND e.origin <> h.origin)
                OR EXISTS (SELECT FROM lifted_heads l
                           WHERE l.origin = h.origin AND l.size = h.size AND l.root = h.root)));

-- What decides which numbers are of the past goes forward alone, and no further than numbers were given:
-- who may write it, the gateway's role, could make room below, or make the log pass by what is to come.
CREATE FUNCTION refuse_to_go_back() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.covered < OLD.covered OR NEW.size < OLD.size THEN
        RAISE EXCEPTION 'the log does not go back' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.covered > OLD.covered
       AND NEW.covered > coalesce(pg_sequence_last_value('public.entries_entry_id_seq'), 0) THEN
        RAISE EXCEPTION 'the log covers % and no sequence gave it', NEW.covered
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER log_head_forward BEFORE UPDATE ON log_head
    FOR EACH ROW EXECUTE FUNCTION refuse_to_go_back();

-- In which block a transaction came to be: numbers stay when a chain puts others in their places.
ALTER TABLE chain_transactions ADD COLUMN block_hash text;   -- null: before there was this column

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT ON lifted_heads TO rendertrust_app;
    END IF;
END $$;

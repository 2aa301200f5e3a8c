-- Numbers of entries and transfers come from their sequences, and are of now; an audit of what is new
-- goes by when a row was written, whatever its number.

-- The transaction that wrote it: as jobs' `touched`, and with the same index. It is not the writer's to
-- say: the application's role may write the other columns alone.
ALTER TABLE transfers ADD COLUMN written bigint;      -- null: before there was this column
ALTER TABLE transfers ALTER COLUMN written SET DEFAULT pg_current_xact_id()::text::bigint;
CREATE INDEX transfers_written ON transfers USING brin (written) WITH (autosummarize = on);
ALTER TABLE entries ADD COLUMN written bigint;
ALTER TABLE entries ALTER COLUMN written SET DEFAULT pg_current_xact_id()::text::bigint;
CREATE INDEX entries_written ON entries USING brin (written) WITH (autosummarize = on);

ALTER TABLE transfers ADD CONSTRAINT transfers_number CHECK (id > 0);
ALTER TABLE entries ADD CONSTRAINT entries_number CHECK (entry_id > 0 AND version > 0);

-- An entry below what the log covers would never have a leaf; one that no sequence gave makes the log
-- pass by all that are still to come. One look for each statement, however many rows it writes. A
-- snapshot that was taken before says nothing of what the log covers now.
CREATE FUNCTION refuse_other_numbers() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    least bigint;
    most  bigint;
    given bigint;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION '% is written to in read committed alone', TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF TG_TABLE_NAME = 'entries' THEN
        SELECT min(entry_id), max(entry_id) INTO least, most FROM written_now;
        IF least <= (SELECT covered FROM public.log_head) THEN
            RAISE EXCEPTION 'entry % is of a number that the log has passed', least
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        given := pg_sequence_last_value('public.entries_entry_id_seq');
    ELSE
        SELECT max(id) INTO most FROM written_now;
        given := pg_sequence_last_value('public.transfers_id_seq');
    END IF;
    IF most > coalesce(given, 0) THEN
        RAISE EXCEPTION '% has number %, which no sequence gave', TG_TABLE_NAME, most
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER transfers_numbered AFTER INSERT ON transfers REFERENCING NEW TABLE AS written_now
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_other_numbers();
CREATE TRIGGER entries_numbered AFTER INSERT ON entries REFERENCING NEW TABLE AS written_now
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_other_numbers();

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        REVOKE INSERT ON transfers, entries FROM rendertrust_app;
        GRANT INSERT (id, debit, credit, subject, amount, kind, reference, description, created_at)
            ON transfers TO rendertrust_app;
        GRANT INSERT (entry_id, id, transfer_id, account_id, version, amount, before, after, created_at,
                      receipt) ON entries TO rendertrust_app;
    END IF;
END $$;

-- What a gateway keeps outside of the database of the log that it signed; see log_halt's new reason.

ALTER TABLE log_halt
    DROP CONSTRAINT log_halt_reason_check,
    DROP CONSTRAINT log_halt_check,
    ADD COLUMN origin text,                       -- BEHIND: whose log, of which size and root,
    ADD COLUMN seen_at timestamptz,               -- and when that was signed
    ADD CONSTRAINT log_halt_reason_check CHECK (reason IN (
        'RESTORED',   -- from a backup; the chain has not been asked yet whether it has more
        'BEHIND',     -- a gateway signed what the database has not: an older one was put back
        'AHEAD',      -- the chain has more leaves than the database
        'OTHER')),    -- the chain has another root than the database at the same size
    ADD CONSTRAINT log_halt_check CHECK (reason = 'RESTORED' OR (size IS NOT NULL AND root IS NOT NULL)),
    ADD CONSTRAINT log_halt_chain_check CHECK (reason NOT IN ('AHEAD', 'OTHER')
                                               OR (chain_id IS NOT NULL AND contract IS NOT NULL)),
    ADD CONSTRAINT log_halt_seen_check CHECK (reason <> 'BEHIND'
                                              OR (origin IS NOT NULL AND seen_at IS NOT NULL));

-- An epoch that began after it was signed has given it up, by an operator's word.
CREATE OR REPLACE VIEW log_halted AS
SELECT reason, found_at, chain_id, contract, size, root, origin, seen_at FROM log_halt h
WHERE NOT EXISTS (SELECT FROM epochs e WHERE e.chain_id = h.chain_id AND e.contract = h.contract)
  AND NOT (reason = 'BEHIND'
           AND EXISTS (SELECT FROM epochs e WHERE e.at >= h.seen_at AND e.origin <> h.origin));

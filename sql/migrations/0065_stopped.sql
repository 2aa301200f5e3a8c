-- A stopped job of which something was delivered waits for the verdicts: what is right is paid.

ALTER TABLE jobs DROP CONSTRAINT jobs_paused_check;
ALTER TABLE jobs ADD CONSTRAINT jobs_paused_check CHECK (paused IN (
    'owner',      -- he said so
    'cap',        -- its next unit would pass what it may cost
    'stopped'));  -- he ended it, and what was delivered before is being checked

-- Compatible from: 0115
-- Verifiers that gateways run themselves, each with one of its own. No node becomes one by registering.
ALTER TABLE nodes ADD COLUMN is_embedded boolean NOT NULL DEFAULT false;

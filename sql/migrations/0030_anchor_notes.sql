-- What the gateway signed about an anchor when it was confirmed; a proof carries it. Null before that, and for
-- those that were confirmed before notes were kept: their proofs name no anchor until the next one.
ALTER TABLE chain_transactions ADD COLUMN note text;

-- A result that one check called wrong, and nobody else could look at: it is not charged, and nobody's lie.
ALTER TABLE checks DROP CONSTRAINT checks_verdict_check;
ALTER TABLE checks ADD CONSTRAINT checks_verdict_check CHECK (
    verdict IN ('unchecked', 'exact', 'match', 'consistent', 'unverifiable', 'doubtful', 'mismatch'));

-- Compatible from: 0120
-- What a verifier found where that does not decide the dispute. An admin decides then; no verifier renders it again.
ALTER TABLE disputes ADD COLUMN finding text;
ALTER TABLE disputes ADD CONSTRAINT disputes_finding CHECK (char_length(finding) BETWEEN 1 AND 500) NOT VALID;

-- What was compared for a verdict: regions or the whole frame, whether the picture was made again from the evidence,
-- the largest distance in multiples of the noise (null: none can be told), and the device class of the verifier.
ALTER TABLE checks ADD COLUMN compared text;
ALTER TABLE checks ADD COLUMN remade boolean NOT NULL DEFAULT false;
ALTER TABLE checks ADD COLUMN distance double precision;
ALTER TABLE checks ADD COLUMN verifier_class text;
ALTER TABLE checks ADD CONSTRAINT checks_compared CHECK (compared IN ('regions', 'whole')) NOT VALID;
ALTER TABLE checks ADD CONSTRAINT checks_distance CHECK (distance >= 0) NOT VALID;

-- Compatible from: 0116
-- What a verifier found where that does not decide the dispute. An admin decides then; no verifier renders it again.
ALTER TABLE disputes ADD COLUMN finding text CHECK (char_length(finding) BETWEEN 1 AND 500);

-- What was compared for a verdict: regions or the whole frame, whether the picture was made again from the evidence,
-- the largest distance in multiples of the noise (null: none can be told), and the device class of the verifier.
ALTER TABLE checks
    ADD COLUMN compared text CHECK (compared IN ('regions', 'whole')),
    ADD COLUMN remade boolean NOT NULL DEFAULT false,
    ADD COLUMN distance double precision CHECK (distance >= 0),
    ADD COLUMN verifier_class text;

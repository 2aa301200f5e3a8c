-- Compatible from: 0116
-- What a creator found who rendered a disputed frame again: the figures, where it differs most, and both pictures.
CREATE TABLE comparisons (
    dispute_id uuid PRIMARY KEY REFERENCES disputes (id),
    verdict    text NOT NULL CHECK (verdict IN ('exact', 'consistent', 'different', 'undecided')),
    said       text NOT NULL CHECK (char_length(said) BETWEEN 1 AND 500),
    places     double precision[] NOT NULL CHECK (cardinality(places) <= 16), -- x, y of regions, from 0 up to 1
    picture    bytea CHECK (octet_length(picture) <= 524288) -- PNG
);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT ON comparisons TO rendertrust_app;
    END IF;
END $$;

-- Addresses that a user trusts or invites and that belonged to no account then. They stand in the lists as others do,
-- so that nobody learns who has an account. They never have an effect: not even once such an account is made.
CREATE TABLE unknown_addresses (
    user_id         uuid NOT NULL REFERENCES users,                        -- who trusts or invites
    organisation_id uuid REFERENCES organisations ON DELETE CASCADE,       -- null: trusted
    email           text NOT NULL CHECK (char_length(email) BETWEEN 3 AND 320),  -- in lower case
    role            text CHECK (role IN ('owner', 'member')),
    since           timestamptz NOT NULL,
    CHECK ((organisation_id IS NULL) = (role IS NULL))
);
CREATE UNIQUE INDEX unknown_addresses_trusted ON unknown_addresses (user_id, email)
    WHERE organisation_id IS NULL;
CREATE UNIQUE INDEX unknown_addresses_invited ON unknown_addresses (organisation_id, email)
    WHERE organisation_id IS NOT NULL;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT, DELETE ON unknown_addresses TO rendertrust_app;
    END IF;
END $$;

"""The migrations keep the rules, and the rules detect violations."""

import re

import pytest

from sql import migrate
from sql.migrate import Migration, migrations
from tests.unit.sql.migration_rules import FIRST, STOPS, UNUSED, compatibility_fault, faults


def wrong(migration: Migration) -> list[str]:
    """Return what is wrong with a migration of a schema that gateways work on."""
    found = faults(migration.text)
    if (lacks := compatibility_fault(migration)) is not None:
        found.append(lacks)
    oldest = migration.compatible_from
    if oldest is not None and STOPS.search(migration.text):
        found.append("no older program works with it")
    if oldest is not None and oldest >= migration.version:
        found.append("a program is no older for a migration that comes later")
    if oldest is not None and any(int(n) > oldest for n in UNUSED.findall(migration.text)):
        found.append("older programs use what it removes")
    return found


def test_each_migration_keeps_the_rules() -> None:
    found = {each.name: wrong(each) for each in migrations() if each.version >= FIRST}
    assert {name: faults for name, faults in found.items() if faults} == {}


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [each.version for each in migrations()] == list(range(1, len(migrations()) + 1))
    assert migrations()[0].name == migrate.FIRST


@pytest.mark.parametrize(
    ("head", "why"),
    [
        ("", "lacks the line"),
        ("-- Compatible from: 0009\n-- Stop all gateways first: x", "no older program"),
        ("-- Compatible from: 0010", "comes later"),
        ("-- Compatible from: 0008\n-- Unused since: 0009", "use what it removes"),
    ],
)
def test_a_head_that_contradicts_itself_is_found(head: str, why: str) -> None:
    assert [why in fault for fault in wrong(Migration(10, "0010_x", head + "\nSELECT 1"))] == [True]


ADDITIVE = """
-- DROP TABLE jobs, and other words of a comment.
CREATE TABLE pictures (id uuid PRIMARY KEY, job_id uuid REFERENCES jobs, at text CHECK (at <> ';'));
CREATE INDEX pictures_of_job ON pictures (job_id);
ALTER TABLE jobs ADD COLUMN pictures integer, ADD COLUMN shown boolean NOT NULL DEFAULT false;
ALTER TABLE jobs ADD COLUMN worth numeric DEFAULT 0 NOT NULL;
ALTER TABLE jobs ADD CONSTRAINT jobs_pictures CHECK (pictures >= 0) NOT VALID;
ALTER TABLE units DROP CONSTRAINT units_state_check;
ALTER TABLE jobs ADD COLUMN seen timestamptz DEFAULT now(), ADD COLUMN size numeric(20, 0);
ALTER TABLE jobs ADD shares jsonb DEFAULT '{"a": random()}'::jsonb;
ALTER TABLE jobs ADD few numeric DEFAULT 0::numeric(10, 2);
ALTER TABLE jobs ALTER COLUMN pictures DROP DEFAULT, ALTER shown DROP NOT NULL;
INSERT INTO prices (job_type) VALUES ('x') ON CONFLICT (job_type) DO UPDATE SET note = 'y';
WITH known AS (SELECT id FROM jobs FOR UPDATE)
DELETE FROM pictures WHERE id IN (SELECT id FROM known);
CREATE TRIGGER pictures_change BEFORE UPDATE OR DELETE ON pictures EXECUTE FUNCTION f();
CREATE FUNCTION later() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    UPDATE jobs SET units = units; RETURN NEW;
END $body$;
ALTER TABLE prices ADD COLUMN note text CHECK (note <> '');
UPDATE prices SET note = 'x';
CREATE OR REPLACE VIEW work AS SELECT 1 AS one;
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON pictures TO rendertrust_app;
    END IF;
END $$;
"""
LIMIT = "ALTER TABLE jobs ADD CONSTRAINT jobs_pictures CHECK (pictures >= 0) NOT VALID;"
BESIDE = """
DROP INDEX CONCURRENTLY IF EXISTS jobs_by_type;
CREATE INDEX CONCURRENTLY jobs_by_type ON jobs (job_type);
"""
AGAIN = "REINDEX TABLE CONCURRENTLY jobs; REINDEX (VERBOSE, CONCURRENTLY) INDEX jobs_by_type"
VALIDATES = "ALTER TABLE jobs VALIDATE CONSTRAINT jobs_pictures"
STOPPED = "-- Stop all gateways first: outcomes have other names.\nUPDATE jobs SET units = 1"
REMOVES = "-- Unused since: 0009\nALTER TABLE jobs DROP COLUMN pictures"


@pytest.mark.parametrize("text", [ADDITIVE, BESIDE, VALIDATES, REMOVES, STOPPED, AGAIN])
def test_what_disturbs_nobody_is_allowed(text: str) -> None:
    assert faults(text) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("CREATE UNIQUE INDEX x ON jobs (id)", "CONCURRENTLY"),
        ("CREATE INDEX CONCURRENTLY x ON jobs (id)", "DROP INDEX CONCURRENTLY IF EXISTS x first"),
        (BESIDE + "ALTER TABLE jobs ADD COLUMN x text", "in a file of its own"),
        ("DROP INDEX jobs_by_type", "CONCURRENTLY"),
        ("ALTER TABLE jobs ADD CONSTRAINT x CHECK (units > 0)", "NOT VALID"),
        ("ALTER TABLE jobs ADD FOREIGN KEY (user_id) REFERENCES users", "NOT VALID"),
        ("ALTER TABLE jobs ADD CONSTRAINT x UNIQUE (id)", "USING that"),
        ("ALTER TABLE jobs ADD COLUMN x integer CHECK (x > 0)", "the column alone"),
        ("ALTER TABLE jobs ADD COLUMN x uuid REFERENCES users", "the column alone"),
        ("ALTER TABLE jobs ADD COLUMN x integer NOT NULL", "DEFAULT"),
        ("ALTER TABLE jobs ADD COLUMN x uuid DEFAULT gen_random_uuid()", "each row anew"),
        ("ALTER TABLE jobs ALTER COLUMN paused SET NOT NULL", "NOT VALID"),
        ("ALTER TABLE jobs ALTER COLUMN units TYPE bigint", "each row anew"),
        ("UPDATE jobs SET units = 1", "some at a time"),
        ("DELETE FROM units", "some at a time"),
        ("LOCK TABLE jobs", "nobody can work"),
        ("DROP TABLE jobs", "Unused since"),
        ("ALTER TABLE jobs DROP COLUMN units", "Unused since"),
        ("ALTER TABLE jobs RENAME COLUMN units TO parts", "Unused since"),
        ("DROP VIEW work", "Unused since"),
        ("REVOKE SELECT ON jobs FROM rendertrust_app", "Unused since"),
        ("BEGIN", "a transaction already"),
        ("ALTER TABLE jobs DROP status", "Unused since"),
        (
            "ALTER TABLE IF EXISTS ONLY jobs ADD COLUMN x text, DROP IF EXISTS status",
            "Unused since",
        ),
        ("DROP MATERIALIZED VIEW work", "Unused since"),
        ("WITH x AS (SELECT 1) UPDATE jobs SET units = 1", "some at a time"),
        (
            "WITH x AS (DELETE FROM ONLY jobs RETURNING *) INSERT INTO old SELECT * FROM x",
            "some at",
        ),
        ("MERGE INTO jobs USING x ON true WHEN MATCHED THEN DELETE", "some at a time"),
        ("DO $$ BEGIN UPDATE jobs SET units = units; END $$", "some at a time"),
        (
            "DO LANGUAGE plpgsql $a$ BEGIN IF true THEN DELETE FROM units; END IF; END $a$",
            "some at",
        ),
        ("DO $$ BEGIN ALTER TABLE jobs DROP status; END $$", "Unused since"),
        ("TRUNCATE jobs", "some at a time"),
        ("TRUNCATE TABLE ONLY units, jobs", "some at a time"),
        ("REINDEX TABLE jobs", "CONCURRENTLY"),
        ("REINDEX (VERBOSE) INDEX jobs_by_type", "CONCURRENTLY"),
        ("ALTER TABLE jobs ADD COLUMN n bigserial", "each row anew"),
        ("ALTER TABLE jobs ADD n serial4 NOT NULL", "each row anew"),
        ("ALTER TABLE jobs ADD n integer GENERATED ALWAYS AS (coalesce(a, 1)) STORED", "each row"),
        ("ALTER TABLE jobs ADD COLUMN n bigint GENERATED BY DEFAULT AS IDENTITY", "each row anew"),
        ("ALTER TABLE jobs ADD n text DEFAULT md5(random()::text)", "each row anew"),
        ("ALTER TABLE jobs ADD COLUMN n uuid DEFAULT uuidv7 ()", "each row anew"),
        ("ALTER TABLE jobs ADD x integer REFERENCES users", "the column alone"),
        ("ALTER TABLE jobs ADD x integer NOT NULL", "DEFAULT"),
        ("ALTER TABLE jobs SET UNLOGGED", "each row anew"),
        ("ALTER TABLE jobs SET LOGGED", "each row anew"),
        (LIMIT + VALIDATES, "in the next file"),
    ],
)
def test_what_disturbs_others_is_found(text: str, why: str) -> None:
    assert re.search(why, "; ".join(faults(text))), faults(text)


def test_each_new_migration_says_with_which_programs_it_goes() -> None:
    text = "ALTER TABLE jobs ADD COLUMN pictures integer;"
    refused = compatibility_fault(Migration(10, "0010_pictures", text))
    assert refused is not None
    assert '"-- Compatible from: NNNN"' in refused
    assert "refuse" in refused, "the refusal says what becomes of older programs"
    for line in ("-- Compatible from: 0009", "-- Stop all gateways first: names changed"):
        assert compatibility_fault(Migration(10, "0010_pictures", f"{line}\n{text}")) is None

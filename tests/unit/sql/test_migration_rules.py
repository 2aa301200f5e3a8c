"""The migrations keep the rules, and the rules find what breaks them."""

import re

import pytest

from sql.migrate import Migration, migrations
from tests.unit.sql.migration_rules import FIRST, STOPS, UNUSED, faults

COMPATIBLE = 101  # brought the column for it
TOLD = 120  # since then each file says with which programs it goes


@pytest.mark.parametrize(
    "migration",
    [migration for migration in migrations() if migration.version >= FIRST],
    ids=lambda migration: migration.name,
)
def test_each_migration_keeps_the_rules(migration: Migration) -> None:
    assert faults(migration.text) == []
    oldest, unused = migration.compatible_from, map(int, UNUSED.findall(migration.text))
    assert oldest is None or not STOPS.search(migration.text), "no older program works with it"
    if oldest is None:
        assert migration.version < TOLD, 'it lacks the line "-- Compatible from: NNNN"'
    else:
        assert max(oldest, COMPATIBLE) < migration.version
        assert all(number <= oldest for number in unused), "older programs use what it removes"


ADDITIVE = """
-- DROP TABLE jobs, and other words of a comment.
CREATE TABLE pictures (id uuid PRIMARY KEY, job_id uuid REFERENCES jobs, at text CHECK (at <> ';'));
CREATE INDEX pictures_of_job ON pictures (job_id);
ALTER TABLE jobs ADD COLUMN pictures integer, ADD COLUMN shown boolean NOT NULL DEFAULT false;
ALTER TABLE jobs ADD COLUMN worth numeric DEFAULT 0 NOT NULL;
ALTER TABLE jobs ADD CONSTRAINT jobs_pictures CHECK (pictures >= 0) NOT VALID;
ALTER TABLE units DROP CONSTRAINT units_state_check;
ALTER TABLE prices ADD COLUMN note text CHECK (note <> '');
UPDATE prices SET note = 'x';
CREATE OR REPLACE VIEW work AS SELECT 1 AS one;
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT ON pictures TO rendertrust_app;
    END IF;
END $$;
"""
LIMIT = "ALTER TABLE jobs ADD CONSTRAINT jobs_pictures CHECK (pictures >= 0) NOT VALID;"
BESIDE = """
DROP INDEX CONCURRENTLY IF EXISTS jobs_by_type;
CREATE INDEX CONCURRENTLY jobs_by_type ON jobs (job_type);
"""
VALIDATES = "ALTER TABLE jobs VALIDATE CONSTRAINT jobs_pictures"
STOPPED = "-- Stop all gateways first: outcomes have other names.\nUPDATE jobs SET units = 1"
REMOVES = "-- Unused since: 0101\nALTER TABLE jobs DROP COLUMN pictures"


@pytest.mark.parametrize("text", [ADDITIVE, BESIDE, VALIDATES, REMOVES, STOPPED])
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
        (LIMIT + VALIDATES, "in the next file"),
    ],
)
def test_what_disturbs_others_is_found(text: str, why: str) -> None:
    assert re.search(why, "; ".join(faults(text))), faults(text)

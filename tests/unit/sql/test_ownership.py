"""``docs/ownership.md`` names the same writers of tables as the queries."""

import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
WRITE = re.compile(r"\b(?:INSERT INTO|UPDATE|DELETE FROM)\s+([a-z_]+)")
LOCK = re.compile(r"\bFOR (?:NO KEY )?UPDATE\b|DO UPDATE\b")
COMMENT = re.compile(r"--.*$", re.MULTILINE)


def writers_in_queries() -> dict[str, set[str]]:
    """Return the query files that write each table."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for path in sorted((ROOT / "sql" / "queries").glob("*.sql")):
        text = LOCK.sub("", COMMENT.sub("", path.read_text("utf-8")))
        for table in WRITE.findall(text):
            found[table].add(path.name)
    return dict(found)


def writers_in_document() -> dict[str, set[str]]:
    """Return the files that the document names for each table."""
    rows = re.findall(
        r"^\| ([a-z_]+) \| (.*)$", (ROOT / "docs/ownership.md").read_text(), re.MULTILINE
    )
    return {table: set(re.findall(r"`(\w+\.sql)`", rest)) for table, rest in rows}


def test_only_its_owner_writes_a_table() -> None:
    documented = writers_in_document()
    for table, files in writers_in_queries().items():
        assert files <= documented[table], f"{table} is written in {sorted(files)}"


def test_the_document_names_no_file_that_does_not_write() -> None:
    assert {
        table: files for table, files in writers_in_document().items() if files
    } == writers_in_queries()


def test_every_table_has_a_writer() -> None:
    schema = "".join(path.read_text() for path in (ROOT / "sql" / "migrations").glob("*.sql"))
    tables = set(re.findall(r"^CREATE TABLE (\w+)", schema, re.MULTILINE)) | {"schema_migrations"}
    assert tables == writers_in_document().keys() - {"table"}

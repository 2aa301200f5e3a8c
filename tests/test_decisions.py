"""Tests that decision records have numbers without gaps, an index and references by file name."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "adr"
INDEX = FOLDER / "README.md"
RECORDS = sorted(path.name for path in FOLDER.glob("*.md") if path != INDEX)
FILE_NAME = re.compile(r"(?P<number>[0-9]{4})-[a-z0-9]+(-[a-z0-9]+)*\.md")
REFERENCE = re.compile(r"\badr/(?P<name>[0-9]{4}[^\s`'\"();,]*)")
LINK = re.compile(r"\]\((?P<name>[0-9]{4}-[^)]*)\)")  # a link from one record to another
# References by number are forbidden: a number tells a reader nothing, and numbers can change.
BY_NUMBER = re.compile(r"\bADRs?[ -]?[0-9]+")
NOT_OURS = ("/vendored/", "/packed/", "tests/test_decisions.py")


def texts() -> Iterator[tuple[str, str]]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True)
    for name in sorted(set(filter(None, listed.stdout.decode().split("\0")))):
        path = ROOT / name
        if path.is_file() and not any(part in name for part in NOT_OURS):
            try:
                yield name, path.read_text("utf-8")
            except UnicodeDecodeError:
                continue


def broken_references(text: str) -> list[str]:
    """Return the references that name no record."""
    names = [found["name"].rstrip(".") for found in REFERENCE.finditer(text)]
    broken = [name for name in names if name not in RECORDS]
    return broken + [found[0] for found in BY_NUMBER.finditer(text)]


def test_records_are_numbered_without_gaps() -> None:
    assert all(FILE_NAME.fullmatch(name) for name in RECORDS)
    assert [int(name[:4]) for name in RECORDS] == list(range(1, len(RECORDS) + 1))


@pytest.mark.parametrize("name", RECORDS)
def test_record_begins_with_its_number_and_title(name: str) -> None:
    title = (FOLDER / name).read_text("utf-8").splitlines()[0]
    assert re.fullmatch(rf"# {int(name[:4])}\. [A-Z].*[^.]", title)


def test_index_lists_every_record_once_with_its_title() -> None:
    titles = {name: (FOLDER / name).read_text("utf-8").splitlines()[0] for name in RECORDS}
    listed = re.findall(r"^\* \[(.*)\]\((.*)\)$", INDEX.read_text("utf-8"), re.MULTILINE)
    assert listed == [(title.removeprefix("# "), name) for name, title in titles.items()]


def test_every_reference_names_a_record() -> None:
    broken = {name: found for name, text in texts() if (found := broken_references(text))}
    assert not broken


def test_links_between_records_name_records() -> None:
    for name in RECORDS:
        for found in LINK.finditer((FOLDER / name).read_text("utf-8")):
            assert found["name"] in RECORDS, name


@pytest.mark.parametrize(
    "text",
    ["see ADR 1", "see adr/0001", "`docs/adr/0001-nothing.md`", "(adr/9999-rooms.md)", "ADRs 1, 2"],
)
def test_a_broken_reference_is_found(text: str) -> None:
    assert len(broken_references(text)) == 1


def test_a_reference_may_end_a_sentence() -> None:
    assert broken_references(f"It is in docs/adr/{RECORDS[0]}. It says why.") == []

"""The queries: files of named blocks, each ``-- name: …`` and a line that says what it is for."""

import re
from importlib import resources

_WRITE = re.compile(r"\b(INSERT|UPDATE|DELETE|TRUNCATE|nextval)\b", re.IGNORECASE)
_COMMENT = re.compile(r"--.*$", re.MULTILINE)


class BadQueryFile(Exception):
    """A block without a comment, or a name that is used twice."""


def load() -> dict[str, str]:
    """Every query of ``sql/queries/`` by its name."""
    found: dict[str, str] = {}
    folder = resources.files("sql").joinpath("queries")
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".sql"):
            add_blocks(found, file.name, file.read_text("utf-8"))
    return found


def add_blocks(found: dict[str, str], file: str, text: str) -> None:
    """Take the blocks of one file; what stands before the first is a comment on the file."""
    for block in text.split("-- name: ")[1:]:
        head, _, body = block.partition("\n")
        name = head.strip()
        if name in found:
            raise BadQueryFile(f"{file}: {name} stands twice")
        if not body.startswith("-- "):
            raise BadQueryFile(f"{file}: {name} lacks the line that says what it is for")
        found[name] = body.strip()


def only_reads(text: str) -> bool:
    """Whether a query changes and locks nothing, so that it may be asked twice.

    ``FOR UPDATE`` counts as writing.
    """
    return not _WRITE.search(_COMMENT.sub("", text))


QUERIES = load()
READS = frozenset(name for name, text in QUERIES.items() if only_reads(text))

"""Load queries from files of named blocks: ``-- name: …``, then a comment on their purpose."""

import re
from importlib import resources

_WRITE = re.compile(
    r"\b(CALL|INSERT|UPDATE|DELETE|TRUNCATE|FOR\s+(KEY\s+)?SHARE"
    r"|nextval|set_config|keep_thumbnail|insert_notices|pg_(try_)?advisory_\w+)\b",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"--.*$", re.MULTILINE)


class BadQueryFile(Exception):
    """A block has no comment, or a name is defined twice."""


def load() -> dict[str, str]:
    """Return every query in ``sql/queries/`` by name."""
    found: dict[str, str] = {}
    folder = resources.files("sql").joinpath("queries")
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".sql"):
            add_blocks(found, file.name, file.read_text("utf-8"))
    return found


def add_blocks(found: dict[str, str], file: str, text: str) -> None:
    """Add the blocks of one file; text before the first block is a comment on the file."""
    for block in text.split("-- name: ")[1:]:
        head, _, body = block.partition("\n")
        name = head.strip()
        if name in found:
            raise BadQueryFile(f"{file}: {name} is defined twice")
        if not body.startswith("-- "):
            raise BadQueryFile(f"{file}: {name} has no comment on its purpose")
        found[name] = body.strip()


def only_reads(text: str) -> bool:
    """Return True if a query changes and locks nothing, so that it may be repeated.

    A query that locks rows, takes an advisory lock or changes a setting counts as a write.
    """
    return not _WRITE.search(_COMMENT.sub("", text))


QUERIES = load()
READS = frozenset(name for name, text in QUERIES.items() if only_reads(text))

"""The queries: files of named blocks, each ``-- name: …`` and a line that says what it is for."""

from importlib import resources


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


QUERIES = load()

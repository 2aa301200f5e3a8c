"""The families of golden files, the folder where they are, and their comparison."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tests.golden import anchors, interface, names, relay, signed

FOLDER: Final = Path(__file__).parent / "files"
ACCEPT: Final = "python -m tests.golden --accept"
FAMILIES: Final[Mapping[str, Callable[[], dict[str, bytes]]]] = {
    "receipts": signed.receipts,
    "leaves": signed.leaves,
    "checkpoints": signed.checkpoints,
    "deliveries": signed.deliveries,
    "anchors": anchors.transactions,
    "relay": relay.frames,
    "api": interface.api,
    "metrics": interface.metrics,
    "command-line": interface.command_line,
    "names": names.names,
}


def golden(family: str, name: str) -> bytes:
    """Return the bytes of one golden file."""
    return (FOLDER / family / name).read_bytes()


def kept(family: str) -> dict[str, bytes]:
    """Return all golden files of a family, by name."""
    return {path.name: path.read_bytes() for path in sorted((FOLDER / family).glob("*"))}


def accept(family: str) -> list[str]:
    """Rewrite the family's files as they are made now; return the names of changed files."""
    made, before = FAMILIES[family](), kept(family)
    changed = sorted(name for name in {*made, *before} if made.get(name) != before.get(name))
    for name in changed:
        path = FOLDER / family / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name in made:
            path.write_bytes(made[name])
        else:
            path.unlink()
    return [f"{family}/{name}" for name in changed]

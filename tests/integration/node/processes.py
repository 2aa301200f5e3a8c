"""Facts about processes, read from ``/proc``."""

from contextlib import suppress
from pathlib import Path

GONE = (FileNotFoundError, ProcessLookupError)  # the process ended before or during the read


def is_alive(pid: int) -> bool:
    """Return True if ``pid`` runs; False for a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except GONE:
        return False


def descendants(pid: int) -> set[int]:
    """Return the ids of all descendants of ``pid``."""
    found: set[int] = set()
    level = {pid}
    while level:
        below: set[int] = set()
        for parent in level:
            for file in Path(f"/proc/{parent}/task").glob("*/children"):
                with suppress(*GONE):
                    below |= {int(child) for child in file.read_text().split()}
        found |= below
        level = below
    return found


def sandboxed(pid: int) -> set[int]:
    """Return all descendants of ``pid`` that are bubblewrap processes or run below one.

    Other descendants, such as those of PostgreSQL, start and end whatever a test does.
    """
    keepers = {each for each in descendants(pid) if _name(each) == "bwrap"}
    return keepers.union(*map(descendants, keepers))


def innermost(pid: int) -> set[int]:
    """Return the processes of sandboxes below ``pid`` that have no children: the workers."""
    return {each for each in sandboxed(pid) if not descendants(each)}


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except GONE:
        return ""

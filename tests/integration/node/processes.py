"""Facts about processes, read from ``/proc``."""

from pathlib import Path


def is_alive(pid: int) -> bool:
    """Return True if ``pid`` runs; False for a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def descendants(pid: int) -> set[int]:
    """Return the ids of all descendants of ``pid``."""
    found: set[int] = set()
    level = {pid}
    while level:
        below: set[int] = set()
        for parent in level:
            for file in Path(f"/proc/{parent}/task").glob("*/children"):
                below |= {int(child) for child in file.read_text().split()}
        found |= below
        level = below
    return found

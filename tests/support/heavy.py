"""Marking of tests as ``heavy``: CI runs them on the newest Python only."""

from collections.abc import Collection, Iterable
from pathlib import Path

import pytest


def mark_heavy(
    items: Iterable[pytest.Item],
    here: Path,
    whole: Collection[str],
    but_first: Collection[str] = (),
) -> None:
    """Mark tests of a folder: all below the paths ``whole``, and of the files ``but_first`` all
    except the first test.

    The first test still runs on every Python, which imports and uses the modules under test.
    """
    # Compare texts and not Path objects, because each worker compares thousands of items.
    wholly = tuple(str(here / path) for path in whole)
    files = {str(here / path) for path in but_first}
    seen = set[str]()
    for item in items:
        path = str(item.path)
        if path.startswith(wholly) or (path in files and path in seen):
            item.add_marker(pytest.mark.heavy)
        seen.add(path)

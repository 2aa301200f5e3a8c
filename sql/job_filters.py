"""Filters for lists of jobs."""

from datetime import datetime
from typing import Any, Final

import attrs

SORTED_MOST: Final = 10_000  # only so many of the newest matching jobs are sorted or counted


@attrs.frozen
class JobFilter:
    """Filter for jobs; None: any value.

    ``words``: each is a part of the job's name, or the beginning of its id; only the newest
    ``SORTED_MOST`` jobs are searched for words. ``but_types``: types of jobs that are left out.
    ``node``: part of the node's name, or the beginning of its id. ``user``: part of the user's
    email address, or the beginning of their id. ``error``: part of the job's error message.
    """

    words: tuple[str, ...] | None = None
    statuses: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = None
    but_types: tuple[str, ...] | None = None
    node: str | None = None
    user: str | None = None
    error: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    id: str | None = None  # prefix of the id

    def bounds(self) -> tuple[Any, ...]:
        """Return the filter's values in the order of the queries' parameters."""
        lists = (self.statuses, self.types, self.but_types, self.words)
        texts = (self.node, self.user, self.error)
        return (*(one and list(one) for one in lists), *texts, self.since, self.until, self.id)


@attrs.frozen
class OwnJobFilter:
    """Filter for a user's own jobs; None: any value.

    ``name``: a part of their names, which is searched for in the newest ``SORTED_MOST`` jobs.
    ``checks``: True for the checks of scenes (preflights) alone, False for all other jobs.
    """

    status: str | None = None
    name: str | None = None
    checks: bool | None = None


ALL_OWN: Final = OwnJobFilter()

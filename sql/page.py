"""A range of a list."""

from uuid import UUID

import attrs


@attrs.frozen
class Page:
    """At most ``limit`` elements, ``offset`` after ``after`` (None: the beginning)."""

    limit: int
    offset: int = 0
    after: UUID | None = None

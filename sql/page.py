"""Which part of a list is read."""

from uuid import UUID

import attrs


@attrs.frozen
class Page:
    """At most ``limit`` elements, beginning ``offset`` behind ``after`` (None: the beginning)."""

    limit: int
    offset: int = 0
    after: UUID | None = None

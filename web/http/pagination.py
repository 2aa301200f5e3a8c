"""Pages of lists, by offset or after an element; the latter is equally fast on every page."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import attrs
from msgspec import Meta

from rendertrust.value_types import Id
from sql.page import Page
from web.http.problem import Fault, invalid

NOT_THERE = invalid([Fault("after", "value", "must be the id of an element of this list")])


@attrs.frozen
class Window:
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    offset: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 0


@attrs.frozen
class Cursor:
    """Position in a list.

    ``after``: the id of the previous page's last element; ``offset`` counts from there.
    """

    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    offset: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 0
    after: UUID | None = None


def span_of(page: Cursor) -> Page:
    """Return the range to read for a page: one element more, to detect a next page."""
    return Page(page.limit + 1, page.offset, page.after)


def next_of(rows: Sequence[Any], limit: int) -> Id | None:
    """Return the cursor of the next page; ``rows`` are those of ``span_of``."""
    return None if len(rows) <= limit else str(rows[limit - 1].id)

"""A range of a list, as a page of the API or the console shows it."""

from uuid import UUID

import attrs

from sql.database import Database


@attrs.frozen
class Page:
    """At most ``limit`` elements, from ``offset`` elements after the element ``after`` on.

    If ``after`` is None, the range counts from the beginning.
    """

    limit: int
    offset: int = 0
    after: UUID | None = None

    async def is_known(self, database: Database, query: str, owner: UUID | None) -> bool:
        """Return True if ``after`` is None, or the query finds ``after`` among the owner's
        elements.
        """
        return self.after is None or await database.one(query, owner, self.after) is not None

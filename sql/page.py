"""A range of a list."""

from uuid import UUID

import attrs

from sql.database import Database


@attrs.frozen
class Page:
    """At most ``limit`` elements, ``offset`` after ``after`` (None: the beginning)."""

    limit: int
    offset: int = 0
    after: UUID | None = None

    async def is_known(self, database: Database, query: str, owner: UUID | None) -> bool:
        """Return True if ``after`` is an element of the owner's list, by the query."""
        return self.after is None or await database.one(query, owner, self.after) is not None
